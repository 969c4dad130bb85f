"""The part of a batch that a task does on a cluster, such as Dask's or Ray's."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from assetmill.batches.agreement import terms_of
from assetmill.batches.opening import store_start
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from assetmill.store.run_ids import make_run_id
from tasks.spread import run_shard_rows
from tests.batchworks import colourful, plan_batch, write_rows
from tests.millworks import CHAIN, services_on, settings_in


def test_a_worker_of_a_cluster_ends_a_row_before_it_begins_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows are in its hands at once, as one piece."""
    settings, gateway = settings_in(tmp_path, chain=CHAIN), colourful()
    one_slot = settings.run.model_copy(update={"concurrency": 1})
    services = services_on(settings.model_copy(update={"run": one_slot}), MemoryStore(), gateway)

    def opened(_profile: str | None) -> Services:
        return services

    monkeypatch.setattr("tasks.spread.services_for", opened)
    rows = write_rows(tmp_path, [{"subject": f"thing {number}"} for number in range(3)])
    batch = plan_batch(services, rows, "chain")
    store_start(batch)
    order = replace(batch.order, pipeline="", rows="", name=batch.batch_id, allows_bad_rows=True)
    halt_run = make_run_id(str(uuid.uuid4()), time.time())
    assert run_shard_rows.fn(order, batch.content, 1, 3, 3, halt_run, None, terms_of(batch)) == 3
    stages = ["second" if "again" in str(request.input) else "first" for request in gateway.posts]
    assert stages == ["first", "second"] * 3
    services.close()
