"""Runs stages in processes that may be killed: forked, because importing the SDKs costs seconds.

Each line on stdin is an order, each line on stdout what became of the process. An order of the kind `probe`
asks the service what a fence rests on, as `assetmill doctor --live` does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from assetmill.agents import connecting
from assetmill.errors import AssetmillError, StageInDoubt
from assetmill.fingerprint import digest
from assetmill.money.budget import Ceiling
from assetmill.plan.calls import BoundInput, BoundKnowledge, ExpectedOutput, StageCall
from assetmill.records import BlobRef, Lane, RunId, RunManifest, RunStart
from assetmill.settings import Foundry, Settings, Store
from assetmill.stage import patience
from assetmill.stage.engine import run_stage
from assetmill.stage.probing import probe_endpoint
from assetmill.stage.services import open_services
from tests.doubles import stage_call
from tests.flows.worlds import SETTLE_S

LINE_S = 1.0
LANED = "gpt-5.6-luna"
"""A model that has the flex lane."""
RULES = b"# rules\nteal is the colour\n"
LOOK = 'def look(city: str) -> str:\n    """Look at a city."""\n    return "sunny"\n'
DIRECT = {"type": "image_model", "size": "1024x1024", "output_format": "png"}
FUNCTION = {"type": "function", "name": "look", "assetmill": {"function": "eyes:look", "timeout_s": 5.0}}


def shorten_the_line(seconds: float) -> None:
    """Let what runs on the line take no longer than the emulator does."""
    module: ModuleType = patience
    module.__dict__["ON_THE_LINE_S"] = seconds


def calls(kind: str, case: str, folder: Path) -> list[StageCall]:
    """Return the stages of an order; no two orders share a fingerprint."""
    extra = {"case": case}
    if kind == "tools":
        path = folder / "rules.md"
        path.write_bytes(RULES)
        ref = BlobRef(digest=digest(RULES), size_bytes=len(RULES), media_type="text/markdown")
        file = BoundInput(f"rules-{case}.md", "container_file", ref, path=str(path))
        knowledge = BoundKnowledge("brand", digest(case.encode()), (file,))
        tools = (*stage_call().tools, {"type": "file_search", "knowledge": ["brand"]})
        fields: dict[str, Any] = {
            "tools": (*tools, {"type": "code_interpreter"}),
            "inputs": (file,),
            "knowledge": (knowledge,),
            "outputs": (ExpectedOutput("picture", "hero.png"), ExpectedOutput("text", "out.txt")),
            "extra": extra,
        }
        return [stage_call(prompt=f"draw code {word}", **fields) for word in ("one", "two")]
    if kind == "turns":
        (folder / "eyes.py").write_text(LOOK)
        tools = (*stage_call().tools, FUNCTION)
        return [stage_call(prompt="draw call:look", tools=tools, folder=str(folder), extra=extra)]
    if kind == "direct":
        tools = ({**DIRECT, "model": "MAI-Image-2.6"},)
        return [
            stage_call(prompt="draw", model="MAI-Image-2.6", image_deployment=None, tools=tools, extra=extra)
        ]
    return [stage_call(prompt="draw", extra=extra)]


def in_lane(lane: Lane, made: list[StageCall]) -> list[StageCall]:
    """Return stages as they are posted in a lane; flex wants a model that has it."""
    return made if lane == "now" else [replace(call, lane=lane, model=LANED) for call in made]


def settings(order: dict[str, Any]) -> Settings:
    home = Path(order["home"])
    fields = {"poll_s": 0.02, "settle_s": SETTLE_S, "streaming": False}
    foundry = Foundry.model_validate({**fields, **order["foundry"]})
    store = Store(url=f"file:{home / 'stores' / order['case']}")
    point = order["failpoint"]
    return Settings(profile="test", home=home, configs=home, foundry=foundry, store=store, failpoint=point)


def probe(order: dict[str, Any]) -> str:
    """Ask the service what a fence rests on; return whether the product would fence now."""
    with open_services(settings(order)) as services:
        try:
            for _ in probe_endpoint(services):
                pass
        except AssetmillError as error:
            return f"{type(error).__name__}: {error}"
        return "may fence" if services.may_fence_in(services.way()) else "refuses to fence"


def carry_out(order: dict[str, Any]) -> str:
    """Run an order's stages as a run does, each in services of its own."""
    if order["kind"] == "probe":
        return probe(order)
    made, run_id = settings(order), RunId(f"run-{os.getpid()}")
    folder = Path(order["home"]) / "folders" / order["case"]
    folder.mkdir(parents=True, exist_ok=True)
    common: dict[str, object] = {"run_id": run_id, "pipeline": "poster", "parameters": {}, "profile": "test"}
    common |= {"spec_digest": digest(b""), "stages": (), "started_at": 1.0}
    try:
        with open_services(made) as services:
            services.ledger.write_start(RunStart.model_validate({**common, "spec_path": "poster.yaml"}))
        for call in in_lane(order["lane"], calls(order["kind"], order["case"], folder)):
            with open_services(made, (Ceiling("project", 100.0),)) as services:
                record = run_stage(call, services, run_id)
                for asset in record.outputs:
                    services.blobs.get(asset.blob)
        ends = {"status": "completed", "spent_usd": 0.0, "finished_at": 2.0}
        with open_services(made) as services:
            services.ledger.write_manifest(RunManifest.model_validate({**common, **ends}))
    except StageInDoubt:
        return "doubt"
    except AssetmillError as error:
        return f"{type(error).__name__}: {error}"
    return "commit"


def fork(order: dict[str, Any]) -> str:
    """Carry an order out in a process of its own; return how it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(100)
        os.write(writing, carry_out(order).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else told or "crashed"


def main() -> None:
    """Carry out one order a line until stdin ends."""
    Image.init()
    assert connecting.FoundryGateway  # imported before the fork, so that no child pays for it
    shorten_the_line(LINE_S)
    for line in sys.stdin:
        sys.stdout.write(json.dumps({"end": fork(json.loads(line))}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
