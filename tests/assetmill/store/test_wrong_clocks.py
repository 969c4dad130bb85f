"""What was written last is the newest, also after somebody whose clock was ahead."""

from __future__ import annotations

import time
import uuid

import pytest

from assetmill.batches.ledger import BatchLedger
from assetmill.batches.records import BatchManifest
from assetmill.endpoints import EndpointAbility, EndpointProbe
from assetmill.fingerprint import digest
from assetmill.records import RunId, RunManifest, RunStart
from assetmill.store import batch_layout
from assetmill.store.ledger import Ledger
from assetmill.store.memory import MemoryStore
from assetmill.store.run_ids import counted_from, make_run_id

AHEAD_S = 3 * 3600
ENDPOINT = "https://scripted.invalid"


@pytest.fixture(autouse=True)
def clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each writer after the first have a clock that is three hours behind the one before."""
    real, start = time.time_ns, time.time_ns()
    turns = iter(range(1000))
    monkeypatch.setattr(time, "time_ns", lambda: real() - next(turns) * AHEAD_S * 10**9 - (real() - start))


def test_the_last_run_is_the_latest(backend: MemoryStore) -> None:
    ledger = Ledger(backend)
    for number in range(3):
        fields: dict[str, object] = {
            "profile": "p",
            "parameters": {},
            "spec_digest": digest(b""),
            "stages": (),
        }
        times = {"spent_usd": 0.0, "started_at": 1.0, "finished_at": 2.0}
        run_id = RunId(f"run_{number:010d}_{number:08x}")
        ledger.write_manifest(
            RunManifest.model_validate(
                {"run_id": run_id, "pipeline": "chain", "status": "completed", **fields, **times}
            )
        )
        newest = ledger.latest_manifest("chain")
        assert newest
        assert newest.run_id == run_id


def sealed(number: int) -> BatchManifest:
    return BatchManifest(
        batch_id="named",
        run_id=RunId(f"run-{number}"),
        pipeline="card",
        spec_digest=digest(b""),
        profile="p",
        status="completed",
        rows=(),
        traces={},
        spent_usd=0.0,
        started_at=1.0,
        finished_at=2.0,
    )


def test_the_last_pass_of_a_batch_counts(backend: MemoryStore) -> None:
    ledger = BatchLedger(backend)
    for manifest in map(sealed, range(3)):
        ledger.write_manifest(manifest)
        for found in (ledger.find("named"), ledger.newest_of("card")):
            assert found
            assert found.run_id == manifest.run_id


def test_what_was_learnt_last_of_an_endpoint_counts(backend: MemoryStore) -> None:
    ledger = Ledger(backend)
    for holds, created_at in ((True, 9e8), (False, 8e8), (True, 7e8)):
        seen = EndpointAbility(
            endpoint=ENDPOINT, ability="metadata", holds=holds, evidence="seen", created_at=created_at
        )
        ledger.write_ability(seen)
        assert ledger.newest_ability(ENDPOINT, "metadata") == seen
        assert ledger.abilities(ENDPOINT) == (seen,)
        probe = EndpointProbe(endpoint=ENDPOINT, created_at=created_at, kept={"A1": holds})
        ledger.write_probe(probe)
        assert ledger.newest_probe(ENDPOINT) == probe


def test_a_key_of_no_clock_moves_nothing(backend: MemoryStore) -> None:
    backend.create(f"{batch_layout.heads('card')}{'0' * 16}", b"somebody's")
    backend.create(f"{batch_layout.heads('card')}notes", b"somebody's")
    ledger = BatchLedger(backend)
    ledger.write_manifest(sealed(1))
    assert ledger.newest_of("card") == sealed(1)


def test_a_run_of_a_clock_that_ran_ahead_is_not_the_latest_for_hours(
    backend: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, now = Ledger(backend), 1_700_000_000.0
    begun = [make_run_id(str(uuid.uuid4()), now + ahead_s) for ahead_s in (0, 7200, 2)]
    for number, run_id in enumerate(begun):
        monkeypatch.setattr(time, "time", lambda number=number: now + number)  # the store's own clock
        fields: dict[str, object] = {
            "parameters": {},
            "spec_digest": digest(b""),
            "spec_path": "chain.yaml",
            "stages": (),
        }
        start: dict[str, object] = {
            "run_id": run_id,
            "pipeline": "chain",
            "profile": "p",
            "started_at": 1.0,
            **fields,
        }
        ledger.write_start(RunStart.model_validate(start))
    assert ledger.runs() == begun
    assert ledger.find_run("latest") == ledger.newest_runs()[0] == begun[-1]


def test_a_copy_made_later_does_not_sort_runs_anew() -> None:
    early, late = (make_run_id(str(uuid.uuid4()), began_at) for began_at in (1000.0, 2000.0))
    assert counted_from(early, 9000.0) < counted_from(late, 8000.0)
