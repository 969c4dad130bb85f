"""Carry out orders with assetmill, as a peer's program does: `run` a pipeline, or a `batch` of rows."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from assetmill.api import run_with
from assetmill.batches.opening import BatchOrder, prepare
from assetmill.cli.batch import run_batch_with
from assetmill.settings import Settings, load_settings
from assetmill.stage.services import open_services

FOLDER = Path(os.environ["PEER_FOLDER"])
STAGE = """
    prompt: Draw {{{{ {name} }}}} of a teal mug.
    tools: [{{type: image_generation, size: 1024x1024, quality: low}}]
    outputs: [{{name: picture.png}}]
"""


def settings() -> Settings:
    """Return those of the local profile, with the first pause between questions that the peers keep to."""
    found = load_settings("local")
    foundry = found.foundry.model_copy(update={"poll_s": float(os.environ["PEER_POLL_S"])})
    return found.model_copy(update={"foundry": foundry})


def run(names: list[str]) -> None:
    """Run one pipeline with a variant for each name."""
    path = FOLDER / f"{names[0]}.yaml"
    stage = STAGE.format(name="number").replace("picture.png", '"{{ number }}.png"')
    axes = f"    for_each: {{number: {json.dumps(names)}}}"
    path.write_text(f"name: peer\nparameters: {{}}\nstages:\n  - name: drawn\n{axes}{stage}")
    with open_services(settings()) as services:
        manifest = run_with(services, str(path), {}, say=lambda _: None)
    assert manifest.status == "completed", manifest.status


def batch(names: list[str]) -> None:
    """Run a pipeline of one stage for a row of each name."""
    path, rows = FOLDER / "peer.yaml", FOLDER / f"{names[0]}.csv"
    parameters = "parameters:\n  thing: {title: Thing}"
    path.write_text(f"name: peer\n{parameters}\nstages:\n  - name: drawn{STAGE.format(name='thing')}")
    rows.write_text("\n".join(["thing", *names]))
    with open_services(settings()) as services:
        manifest = run_batch_with(prepare(BatchOrder(str(path), str(rows)), services), services)
    assert manifest.status == "completed", manifest.reason


def main() -> None:
    carry_out = {"run": run, "batch": batch}[sys.argv[1]]
    carry_out([f"warm-{os.getpid()}"])
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        carry_out([f"{order['mark']}-{number}" for number in range(order["stages"])])
        print("done", flush=True)


if __name__ == "__main__":
    main()
