"""Runs a pipeline of three stages in processes that somebody kills: forked, several at a time.

Each line on stdin is an order. `start` forks a process that walks the pipeline and answers with its number;
`wait` answers what became of it. `probe` asks the service what a fence rests on, as `doctor --live` does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypedDict

from PIL import Image

from assetmill.agents import connecting
from assetmill.errors import AssetmillError, OutputUnreachable, StageInDoubt
from assetmill.plan.calls import BoundInput, ExpectedOutput, StageCall
from assetmill.records import RunId, StageRecord
from assetmill.settings import Foundry, Settings, Store
from assetmill.stage.engine import run_stage
from assetmill.stage.probing import probe_endpoint
from assetmill.stage.services import Services, open_services
from tests.doubles import stage_call
from tests.flows.crash_driver import shorten_the_line

LINE_S = 2.0
STAGES = ("scene", "night", "poster")
LANED = "gpt-5.6-luna"
"""The model of every other variant, which goes in the flex lane."""
DRAW: Mapping[str, Any] = stage_call().tools[0]
SHOWN: Mapping[str, Any] = {**DRAW, "partial_images": 1}
CODE: Mapping[str, Any] = {"type": "code_interpreter"}


class Told(TypedDict):
    """How the stages of a walk ended: by label, with the reason where there is one."""

    done: list[str]
    doubt: dict[str, str]
    unreachable: dict[str, str]
    failed: dict[str, str]


def call_for(case: str, stage: str, variant: int, made: StageRecord | None) -> StageCall:
    """Return a stage of a variant; the second and the third start from what the one before made."""
    picture = next((asset for asset in made.outputs if asset.kind == "picture"), None) if made else None
    inputs = (
        (BoundInput(f"{picture.name}", "picture", picture.blob, asset_id=picture.asset_id),)
        if picture
        else ()
    )
    outputs = (ExpectedOutput("picture", f"{stage}.png"),)
    fields: dict[str, Any] = {"tools": (SHOWN,), "prompt": "draw", "outputs": outputs}
    if stage == "night":
        fields = {"tools": (DRAW, CODE), "prompt": "draw code"}
        fields["outputs"] = (*outputs, ExpectedOutput("text", "out.txt"))
    extra = {"case": case, "variant": variant}
    if variant % 2:
        fields |= {"model": LANED, "lane": "flex"}
    return stage_call(stage=stage, variant=f"number={variant}", inputs=inputs, extra=extra, **fields)


def settings(order: Mapping[str, Any]) -> Settings:
    home = Path(order["home"])
    fields = {"poll_s": 0.02, "settle_s": 0.3, "max_attempts": 8}
    foundry = Foundry.model_validate({**fields, "policy": order["policy"], "way": order["way"]})
    store = Store(url=f"file:{home / 'stores' / order['case']}")
    return Settings(profile="test", home=home, configs=home, foundry=foundry, store=store)


def probe(order: Mapping[str, Any]) -> bool:
    """Ask the service what a fence rests on; return whether the product would fence now."""
    with open_services(settings(order)) as services:
        for _ in probe_endpoint(services):
            pass
        return services.may_fence_in(services.way())


def walk(order: Mapping[str, Any]) -> Told:
    """Walk every variant through the stages; one that cannot go on does not stop the others."""
    run_id = RunId(f"run-{os.getpid()}-{order['number']}")
    told: Told = {"done": [], "doubt": {}, "unreachable": {}, "failed": {}}

    def chain(services: Services, variant: int) -> None:
        made: StageRecord | None = None
        for stage in STAGES:
            call = call_for(order["case"], stage, variant, made)
            try:
                made = run_stage(call, services, run_id)
            except StageInDoubt as error:
                told["doubt"][call.label] = str(error)
                return
            except OutputUnreachable as error:
                # Its container went before its files were fetched: a person decides, nothing is paid again.
                told["unreachable"][call.label] = str(error)
                return
            except AssetmillError as error:
                told["failed"][call.label] = f"{type(error).__name__}: {error}"
                return
            told["done"].append(call.label)

    with open_services(settings(order)) as services, ThreadPoolExecutor(order["width"]) as pool:
        for done in [pool.submit(chain, services, number) for number in range(order["variants"])]:
            done.result()
    return told


class Nursery:
    """The processes that were started and not waited for."""

    def __init__(self) -> None:
        self._pipes: dict[int, int] = {}

    def start(self, order: Mapping[str, Any]) -> int:
        """Carry an order out in a process of its own."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            signal.alarm(170)
            with os.fdopen(writing, "w") as pipe:
                json.dump(probe(order) if order["do"] == "probe" else walk(order), pipe)
            os._exit(0)
        os.close(writing)
        self._pipes[child] = reading
        return child

    def wait(self, child: int) -> dict[str, Any]:
        """Return what a process told before it ended, and the signal that ended it."""
        with os.fdopen(self._pipes.pop(child), "rb") as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        ended = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else ""
        return {"told": json.loads(told) if told else None, "signal": ended}


def answers() -> Iterator[dict[str, Any]]:
    nursery = Nursery()
    for line in sys.stdin:
        order = json.loads(line)
        yield nursery.wait(order["pid"]) if order["do"] == "wait" else {"pid": nursery.start(order)}


def main() -> None:
    """Carry out one order a line until stdin ends."""
    Image.init()
    assert connecting.FoundryGateway  # imported before the fork, so that no child pays for it
    shorten_the_line(LINE_S)
    for answer in answers():
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
