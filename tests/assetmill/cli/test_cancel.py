from __future__ import annotations

import json

from assetmill.batches.ledger import BatchLedger
from assetmill.records import RunId
from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal
from tests.millworks import run_here


def test_a_run_that_is_over_is_not_called_off(assetmill: Terminal, services: Services) -> None:
    manifest = run_here(services, "chain")
    assert assetmill("cancel", manifest.run_id) == 2
    assert "is over" in assetmill.err
    assert services.ledger.cancelled(RunId(manifest.run_id)) == ""


def test_what_nobody_has_begun_is_not_there(assetmill: Terminal, services: Services) -> None:
    assert assetmill("cancel", "run_nothing") == 2
    assert assetmill("cancel", "No Such Batch") == 2


def test_a_batch_of_which_nothing_is_stored_is_called_off_with_a_warning(
    assetmill: Terminal, services: Services
) -> None:
    assert assetmill("cancel", "summer", "--json") == 0
    assert json.loads(assetmill.out) == {"name": "summer", "kind": "batch"}
    assert "is that its name?" in assetmill.err
    (key,) = BatchLedger(services.backend).halts("summer")
    halt = BatchLedger(services.backend).read_halt(key)
    assert halt.is_cancel
    assert halt.reason.startswith("cancelled by ")
