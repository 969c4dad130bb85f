"""Garbage collection: what goes, what stays, and that no record loses its bytes to it."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any, cast

import pytest

from assetmill.care.collecting import Collection, Collector
from assetmill.care.references import Marked, named_by, unpacked
from assetmill.care.verifying import Verifier
from assetmill.errors import InvalidInput, OutcomeUnknown, StageInDoubt, StoreError
from assetmill.fingerprint import digest
from assetmill.records import RunId, RunManifest
from assetmill.settings import Settings
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.blobs import Blobs
from assetmill.store.memory import MemoryStore
from assetmill.store.pending_deletions import REFRESH_S, PendingDeletions
from tests.doubles import ScriptedGateway, stage_call

DAY = 86400.0


class Later:
    """The collector's clock: real time, and days that pass at once."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


@pytest.fixture
def later() -> Later:
    return Later()


def step(backend: MemoryStore, later: Later, *, is_dry: bool = False, days: float = 90) -> Collection:
    return Collector(backend, days * DAY, clock=later).run(is_dry=is_dry)


def orphan(backend: MemoryStore, data: bytes = b"nobody names me") -> str:
    return Blobs(backend).key(Blobs(backend).put(data, "text/plain"))


def test_nothing_is_collected_from_a_store_in_use(
    backend: MemoryStore, manifest: RunManifest, later: Later
) -> None:
    later.offset = 100 * DAY
    assert step(backend, later).phase == "nothing"
    assert list(Verifier(backend).problems()) == []


def test_an_orphan_is_planned_then_waited_for_then_deleted(
    backend: MemoryStore, manifest: RunManifest, later: Later
) -> None:
    key = orphan(backend)
    assert step(backend, later).phase == "nothing"  # too young
    later.offset = 91 * DAY
    planned = step(backend, later)
    assert (planned.phase, [one.key for one in planned.objects]) == ("planned", [key])
    assert step(backend, later).phase == "waiting"
    assert backend.head(key)
    later.offset += DAY + 1
    done = step(backend, later)
    assert (done.phase, [one.key for one in done.objects]) == ("collected", [key])
    assert backend.head(key) is None
    assert step(backend, later).phase == "nothing"
    assert list(Verifier(backend).problems()) == []


def test_a_dry_run_writes_and_deletes_nothing(backend: MemoryStore, later: Later) -> None:
    orphan(backend)
    later.offset = 91 * DAY
    before = [entry.key for entry in backend.list("")]
    assert step(backend, later, is_dry=True).phase == "would_plan"
    assert [entry.key for entry in backend.list("")] == before
    step(backend, later)
    later.offset += 2 * DAY
    before = [entry.key for entry in backend.list("")]
    assert step(backend, later, is_dry=True).phase == "collected"
    assert [entry.key for entry in backend.list("")] == before


def test_what_is_named_again_during_the_wait_is_spared(
    backend: MemoryStore, services: Services, later: Later
) -> None:
    ref = Blobs(backend).put(b"named again", "text/plain")
    later.offset = 91 * DAY
    step(backend, later)
    services.ledger.write_raw(
        "p", layout.Fingerprint("a" * 52), 1, 1, f'{{"output":["{ref.digest}"]}}'.encode()
    )
    later.offset += 2 * DAY
    done = step(backend, later)
    assert (done.objects, done.spared) == ((), 1)
    assert Blobs(backend).has(ref)


def test_a_writer_keeps_away_from_what_is_condemned(backend: MemoryStore, later: Later) -> None:
    key = orphan(backend, b"wanted after all")
    later.offset = 91 * DAY
    step(backend, later)
    writer = Blobs(backend, PendingDeletions(backend, later))
    ref = writer.put(b"wanted after all", "text/plain")
    assert [entry.key for entry in backend.list(key)] == [key, f"{key}.000001"]
    later.offset += 2 * DAY
    step(backend, later)
    assert backend.head(key) is None
    assert writer.get(ref) == b"wanted after all"
    assert writer.has(ref)
    # The plan is over, and counts for one more grace period: a slow collector may still be deleting.
    assert writer.put(b"wanted after all", "text/plain") == ref
    assert backend.head(key) is None
    later.offset += 2 * DAY
    writer.put(b"wanted after all", "text/plain")
    assert backend.head(key)


def test_a_writer_sees_a_plan_within_a_quarter_of_the_shortest_grace(
    backend: MemoryStore, later: Later
) -> None:
    key = orphan(backend)
    writer = Blobs(backend, PendingDeletions(backend, later))
    writer.put(b"other", "text/plain")
    later.offset = 91 * DAY
    step(backend, later)
    later.offset += REFRESH_S
    writer.put(b"nobody names me", "text/plain")
    assert backend.head(f"{key}.000001")


def test_what_was_written_again_before_the_plan_was_seen_is_spared(
    backend: MemoryStore, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = orphan(backend)
    later.offset = 91 * DAY
    step(backend, later)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 60)
    orphan(backend)
    later.offset += 2 * DAY
    assert step(backend, later).spared == 1
    assert backend.head(key)


def test_bytes_of_an_open_attempt_are_kept(backend: MemoryStore, tmp_path: Path, later: Later) -> None:
    gateway = ScriptedGateway()

    def lose(_: object) -> None:
        raise OutcomeUnknown("reset")

    gateway.before = lose
    settings = Settings(profile="test", home=tmp_path, configs=tmp_path)
    services = Services(settings, backend, lambda _settings, _wait: gateway)
    services.wait = lambda seconds: None
    with pytest.raises(StageInDoubt):
        run_stage(stage_call(), services, RunId("run_1"))
    key = orphan(backend)
    later.offset = 91 * DAY
    kept = step(backend, later)
    assert kept.phase == "nothing"
    assert kept.held_by is not None
    assert kept.held_by.startswith("v1/i/")
    assert backend.head(key)


def test_damaged_bytes_that_were_set_aside_go_when_they_are_old(backend: MemoryStore, later: Later) -> None:
    key = layout.quarantine(digest(b"x"), "0" * 32)
    backend.put(key, b"damaged")
    later.offset = 91 * DAY
    step(backend, later)
    later.offset += 2 * DAY
    step(backend, later)
    assert backend.head(key) is None


def test_a_record_that_cannot_be_read_stops_the_collection(
    backend: MemoryStore, manifest: RunManifest, later: Later
) -> None:
    backend.put(next(iter(backend.list("v1/w/"))).key, b"\x1f\x8bnot gzip")
    orphan(backend)
    later.offset = 91 * DAY
    with pytest.raises(StoreError, match=r"nothing was deleted: v1/w/.*assetmill verify"):
        step(backend, later)


def test_a_grace_that_writers_could_miss_is_refused(backend: MemoryStore) -> None:
    with pytest.raises(InvalidInput, match="at least 1 h"):
        Collector(backend, 90 * DAY, grace_s=60).run()


def test_a_collection_that_died_is_gone_on_with(backend: MemoryStore, later: Later) -> None:
    for number in range(3):
        orphan(backend, b"%d" % number)
    later.offset = 91 * DAY
    step(backend, later)
    later.offset += 2 * DAY
    delete, left = backend.delete, [None]

    def die(key: str) -> None:
        left.pop()
        delete(key)

    backend.delete = die  # type: ignore[method-assign]
    with pytest.raises(IndexError):
        step(backend, later)
    backend.delete = delete  # type: ignore[method-assign]
    assert step(backend, later).phase == "collected"
    assert list(backend.list(layout.BLOBS)) == []


class Writers:
    """Eight writers that share forty contents, stepped by chance; their records may go again."""

    def __init__(self, backend: MemoryStore, seed: int, *, are_aware: bool) -> None:
        self.backend, self.chance, self.now, self.records = backend, random.Random(seed), time.time() + DAY, 0
        watches = [PendingDeletions(backend, lambda: self.now) if are_aware else None for _ in range(8)]
        self.blobs = [Blobs(backend, watch) for watch in watches]
        self.pending: dict[int, tuple[float, str]] = {}
        self.kept: list[str] = []

    def step(self) -> None:
        """Let one writer put its bytes, or name those that it has put; a record may be taken away."""
        self.now += self.chance.uniform(0, 240)
        # A writer names what it has put within half a grace period.
        late = [number for number, (at, _) in self.pending.items() if self.now - at > 1500]
        for number in late or [self.chance.randrange(8)]:
            if number in self.pending:
                self._name(self.pending.pop(number)[1])
            else:
                ref = self.blobs[number].put(b"content %d" % self.chance.randrange(40), "text/plain")
                self.pending[number] = self.now, ref.digest
        if len(self.kept) > 20:
            self.backend.delete(self.kept.pop(self.chance.randrange(len(self.kept))))

    def _name(self, sha: str) -> None:
        self.records += 1
        key = layout.raw("p", layout.Fingerprint("a" * 52), 1, self.records)
        self.backend.create(key, f'{{"output": [{{"result": {{"blob": "{sha}"}}}}]}}'.encode())
        self.kept.append(key)


class Busy:
    """The store as the collector sees it: between any two of its requests the writers go on."""

    def __init__(self, backend: MemoryStore, writers: Writers) -> None:
        self._backend, self._writers = backend, writers

    def __getattr__(self, verb: str) -> Any:
        for _ in range(self._writers.chance.randrange(2)):
            self._writers.step()
        return getattr(self._backend, verb)


def missing_after(seed: int, *, are_aware: bool) -> tuple[int, int]:
    """Return how many blobs are missing, and how many were collected, after many rounds."""
    backend = MemoryStore()
    for number in range(40):
        orphan(backend, b"content %d" % number)
    writers = Writers(backend, seed, are_aware=are_aware)
    collector = Collector(cast(Any, Busy(backend, writers)), 0.0, 3600.0, lambda: writers.now)
    collected = sum(len(done.objects) for _ in range(60) if (done := collector.run()).phase == "collected")
    for _, sha in writers.pending.values():
        writers._name(sha)  # pyright: ignore[reportPrivateUsage]
    return sum(one.kind == "missing" for one in Verifier(backend).problems()), collected


@pytest.mark.parametrize("seed", range(12))
def test_writers_that_share_their_bytes_lose_none_to_a_collector(seed: int) -> None:
    missing, collected = missing_after(seed, are_aware=True)
    assert missing == 0
    assert collected


def test_writers_that_know_no_plan_would_lose_some() -> None:
    """What the test above proves, it proves because of the plan."""
    assert sum(missing_after(seed, are_aware=False)[0] for seed in range(6))


def test_marks_take_eight_bytes_each_and_forget_nothing() -> None:
    shas = [digest(b"%d" % number).removeprefix("sha256:") for number in range(5000)]
    marked = Marked()
    for sha in shas[:4000]:
        marked.add([sha])
    assert all(sha in marked for sha in shas[:4000])
    assert not any(sha in marked for sha in shas[4000:])


def test_every_digest_of_a_record_counts_whatever_it_is_called() -> None:
    sha = "ab" * 32
    assert named_by(b'{"anything": ["sha256:%s"]}' % sha.encode()) == {sha}


@pytest.mark.parametrize("data", [b"\x1f\x8b", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03abc"])
def test_a_damaged_record_is_no_empty_record(data: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        unpacked(data)
