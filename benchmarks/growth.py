"""What a new stage costs in a store that holds many: nothing on its way may grow with the store."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from assetmill.agents.gateway import ResponseRequest
from assetmill.plan.calls import ExpectedOutput, StageCall
from assetmill.records import RunId
from assetmill.settings import Settings
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services, Wait
from assetmill.store import layout
from assetmill.store.local import LocalStore
from benchmarks.bench import headline
from tests.doubles import Body, ScriptedGateway, citing, code_item, image_item, png, stage_call

STAGES, ROUNDS = 40, 5
MOST = 1.1
"""Times what the same stage costs in an empty store."""

_LINKS = 50_000
"""A file system limits how many names one file may have."""


def picture(number: str) -> StageCall:
    """Return a stage that draws one picture."""
    return stage_call(variant=f"number={number}", prompt=f"draw mug {number}")


def table(number: str) -> StageCall:
    """Return a stage whose file comes from a container."""
    return stage_call(
        variant=f"number={number}",
        prompt=f"write table {number}",
        tools=({"type": "code_interpreter"},),
        outputs=(ExpectedOutput("data", "table.csv"),),
    )


def answer(request: ResponseRequest) -> Sequence[Body]:
    """Answer as the stage asks: with a file of a container, or with a picture."""
    if "table" in str(request.input):
        return (code_item(), citing("cntr_1", cfile_1="table.csv"))
    return (image_item(png()),)


def walk(store: LocalStore, home: Path, calls: Sequence[StageCall]) -> tuple[float, float]:
    """Run stages one after the other; return the milliseconds of CPU and the store's requests of each."""
    gateway, settings = ScriptedGateway(answer), Settings(profile="bench", home=home, configs=home)
    gateway.containers["cntr_1"] = {"cfile_1": ("table.csv", b"a,b\n1,2\n")}

    def connect(_: Settings, __: Wait) -> ScriptedGateway:
        return gateway

    services = Services(settings, store, connect, ())
    run_stage(stage_call(prompt="the first one loads what all need"), services, RunId("run-bench"))
    asked, started = store.requests, time.process_time()
    for call in calls:
        run_stage(call, services, RunId("run-bench"))
    used_ms = (time.process_time() - started) * 1000 / len(calls)
    asked = store.requests - asked
    services.close()
    return used_ms, asked / len(calls)


def fill(folder: Path, home: Path, models: Sequence[StageCall], records: int) -> None:
    """Lay out what so many finished stages leave, as further names of the objects of a few."""
    store = LocalStore(folder)
    walk(store, home, models)
    for index, model in enumerate(models):
        mine = [entry.key for entry in store.list(layout.ROOT) if model.fingerprint in entry.key]
        for key in mine:
            source = folder / key
            for number in range(records // len(models)):
                if number % _LINKS == _LINKS - 1:
                    source = source.with_name(f"{source.name}.copy")
                    source.write_bytes((folder / key).read_bytes())
                name = (folder / key).name.replace(model.fingerprint, f"{index}{number:051d}")
                source.with_name(name).hardlink_to(source)


def measure(kind: Callable[[str], StageCall], records: int) -> float:
    """Return how many times a new stage costs what it costs in an empty store: the median of some rounds."""
    with TemporaryDirectory(prefix="assetmill-bench-") as name:
        home = Path(name)
        full = home / "full"
        fill(full, home, [picture("model"), table("model")], records)
        found: list[tuple[float, float]] = []
        asked: list[tuple[float, float]] = []
        for number in range(ROUNDS):
            calls = [kind(f"{records}.{number}.{one}") for one in range(STAGES)]
            empty_ms, of_empty = walk(LocalStore(home / f"empty-{number}"), home, calls)
            full_ms, of_full = walk(LocalStore(full), home, calls)
            found.append((empty_ms, full_ms))
            asked.append((of_empty, of_full))
    empty_ms, full_ms = (statistics.median(times) for times in zip(*found, strict=True))
    ratio = statistics.median(full / empty for empty, full in found)
    told = "met" if ratio <= MOST else "MISSED"
    costs = f"{empty_ms:5.2f} ms -> {full_ms:5.2f} ms"
    requests = " -> ".join(f"{statistics.median(each):.1f}" for each in zip(*asked, strict=True))
    print(f"  {kind.__name__:8} {records:8,} records  {costs}  {ratio:5.2f}  {told}; requests {requests}")
    return ratio


def main(records: Sequence[int] = (20_000,)) -> None:
    print(f"CPU of a new stage, empty store -> full directory; at most {MOST} times, median of {ROUNDS}")
    for number in records:
        for kind in (picture, table):
            measure(kind, number)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[20_000])
    chosen = parser.parse_args()
    print(headline())
    main(chosen.records)
