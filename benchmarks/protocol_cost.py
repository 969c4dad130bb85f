"""What paying for a stage only once costs: records, store requests and CPU, beside a service in memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from assetmill.money.budget import Ceiling
from assetmill.plan.calls import StageCall
from assetmill.records import RunId
from assetmill.settings import Settings
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services, Wait
from assetmill.store.backend import Backend, ObjectHead
from assetmill.store.local import LocalStore
from assetmill.store.memory import MemoryStore
from benchmarks.bench import headline
from tests.doubles import ScriptedGateway, stage_call

STAGES, ROUNDS = 300, 3
RECORDS, CPU_MS = 6, 10.0


class Counted:
    """A store that counts what is asked of it, by verb and by kind of key."""

    def __init__(self, inner: Backend) -> None:
        self._inner, self.name, self.asked = inner, inner.name, Counter[str]()
        self.requests = 0

    def _count(self, verb: str, key: str) -> None:
        self.requests += 1
        self.asked[f"{verb} {'/'.join(key.split('/')[:2])}"] += 1

    def put(self, key: str, data: bytes, *, media_type: str = "application/octet-stream") -> None:
        self._count("put", key)
        self._inner.put(key, data, media_type=media_type)

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        self._count("create", key)
        self._inner.create(key, data, media_type=media_type)

    def get(self, key: str) -> bytes:
        self._count("get", key)
        return self._inner.get(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self._count("get", key)
        return self._inner.get_range(key, start, length)

    def head(self, key: str) -> ObjectHead | None:
        self._count("head", key)
        return self._inner.head(key)

    def list(self, prefix: str, limit: int | None = None) -> Iterator[ObjectHead]:
        self._count("list", prefix)
        return self._inner.list(prefix, limit)

    def delete(self, key: str) -> None:
        self._count("delete", key)
        self._inner.delete(key)

    def presign(self, key: str, expires_s: int) -> str:
        return self._inner.presign(key, expires_s)

    def close(self) -> None:
        self._inner.close()


def calls(count: int) -> list[StageCall]:
    return [stage_call(variant=f"number={number}", prompt=f"draw mug {number}") for number in range(count)]


def walk(backend: Backend, home: Path, ceilings: tuple[Ceiling, ...]) -> float:
    """Run the stages one after the other; return milliseconds of CPU for each."""
    gateway, settings = ScriptedGateway(), Settings(profile="bench", home=home, configs=home)

    def connect(_: Settings, __: Wait) -> ScriptedGateway:
        return gateway

    services = Services(settings, backend, connect, ceilings)
    run_stage(stage_call(prompt="the first one loads what all need"), services, RunId("run-bench"))
    started = time.process_time()
    for call in calls(STAGES):
        run_stage(call, services, RunId("run-bench"))
    used_ms = (time.process_time() - started) * 1000 / STAGES
    assert len(gateway.posts) == STAGES + 1
    services.close()
    return used_ms


def count(ceilings: tuple[Ceiling, ...], home: Path) -> Counter[str]:
    backend = Counted(MemoryStore())
    walk(backend, home, ceilings)
    return backend.asked


def show_requests(title: str, asked: Counter[str]) -> None:
    each = {name: number / (STAGES + 1) for name, number in asked.items()}
    records = sum(number for name, number in each.items() if name.startswith("create"))
    blobs = sum(number for name, number in each.items() if name.startswith("put"))
    reads = sum(each.values()) - records - blobs
    print(f"  {title}")
    print(f"    records                {records:6.2f}      target: at most {RECORDS}")
    print(f"    blobs                  {blobs:6.2f}")
    print(f"    reads and listings     {reads:6.2f}")
    shown = sorted(each.items(), key=lambda item: -item[1])
    print("   ", ", ".join(f"{name} {number:.2f}" for name, number in shown if number >= 0.01))


def best(make: Callable[[Path], Backend], ceilings: tuple[Ceiling, ...] = ()) -> float:
    found: list[float] = []
    for _ in range(ROUNDS):
        with TemporaryDirectory(prefix="assetmill-bench-") as folder:
            found.append(walk(make(Path(folder) / "store"), Path(folder), ceilings))
    return min(found)


def main() -> None:
    ceiling = (Ceiling("project", 10_000.0),)
    print(f"{STAGES} one-picture stages, one after the other, a service in memory; per stage")
    with TemporaryDirectory(prefix="assetmill-bench-") as folder:
        show_requests("store requests", count((), Path(folder)))
        show_requests("store requests under a ceiling", count(ceiling, Path(folder)))
    print(f"  CPU, best of {ROUNDS}")
    in_memory, in_directory = best(lambda _: MemoryStore()), best(LocalStore)
    print(f"    store in memory        {in_memory:6.2f} ms   target: under {CPU_MS:.0f} ms")
    print(f"    store in a directory   {in_directory:6.2f} ms   target: under {CPU_MS:.0f} ms")
    under = best(lambda _: MemoryStore(), ceiling)
    print(f"    in memory, a ceiling   {under:6.2f} ms   target: under {CPU_MS:.0f} ms")


if __name__ == "__main__":
    print(headline())
    main()
