"""A person's word on what rows of a batch are in doubt about: by the command that is said, in one wait."""

from __future__ import annotations

import getpass
import re
import shlex
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assetmill.agents.gateway import ResponseRequest
from assetmill.batches.records import BatchManifest
from assetmill.errors import OutcomeUnknown
from assetmill.records import Intent, Verdict
from assetmill.settings import Settings
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.memory import MemoryStore
from tests.assetmill.cli.terminal import Terminal
from tests.batchworks import ONE, colourful, run_rows, states, write_rows
from tests.millworks import run_here, services_on, settings_in

ROWS = [{"product": name, "row": name.split()[1]} for name in ("a mug", "a lamp", "a chair")]


class Outage:
    """Three rows of which each has lost its post, and the command on the same store and service."""

    def __init__(self, folder: Path) -> None:
        settings = settings_in(folder, one=ONE)
        hold = settings.foundry.model_copy(update={"policy": "hold", "settle_s": 0.01, "lease_s": 0.01})
        self.settings = settings.model_copy(update={"foundry": hold})
        self.backend, self.gateway = MemoryStore(), colourful()
        self.rows = write_rows(folder, ROWS)
        self.waits: list[float] = []
        self.passed_s = 0.0

    def run(self) -> BatchManifest:
        return run_rows(self.services(), self.rows, "one")

    def lose(self, *, is_accepted: bool = False) -> BatchManifest:
        """Run the batch while every post is lost, before or after the service has taken it."""

        def lost(request: ResponseRequest) -> None:
            if is_accepted:
                self.gateway.accept(request)
            raise OutcomeUnknown("reset")

        lists = self.gateway.list_responses
        self.gateway.before, self.gateway.list_responses = lost, lambda conversation_id: ()
        manifest = self.run()
        self.gateway.before, self.gateway.list_responses = lambda _: None, lists
        assert states(manifest) == ["in_doubt"] * 3, manifest.rows[0].reason
        return manifest

    def services(self) -> Services:
        services = services_on(self.settings, self.backend, self.gateway)
        services.clock, services.wait = lambda: time.time() + self.passed_s, self._pass
        return services

    def _pass(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.passed_s += seconds


@pytest.fixture
def outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outage:
    made = Outage(tmp_path)

    @contextmanager
    def opened(_: Settings) -> Generator[Services]:
        # A day later, when no worker lives any more.
        made.passed_s += 86_400.0
        made.waits.clear()
        yield made.services()

    monkeypatch.setattr("assetmill.cli.resolve.open_services", opened)

    def loaded(_: str | None) -> Settings:
        return made.settings

    monkeypatch.setattr("assetmill.cli.resolve.load_settings", loaded)
    return made


def test_the_command_that_a_row_says_decides_about_the_stage_of_all_rows(
    outage: Outage, assetmill: Terminal
) -> None:
    manifest = outage.lose()
    said = {re.findall(r"`assetmill (resolve .*?)`", row.reason or "")[0] for row in manifest.rows}
    assert said == {f"resolve {manifest.batch_id} only"}
    assert assetmill(*shlex.split(said.pop()), "--retry") == 0
    assert assetmill.out.splitlines()[:3] == [
        f"only of row {row['row']}: to be paid again, says {getpass.getuser()}" for row in ROWS
    ]
    assert len(outage.waits) == 1  # ten minutes on the line, and not thirty
    assert states(outage.run()) == ["done"] * 3
    assert len(outage.gateway.posts) == 3


def test_all_that_is_in_doubt_can_be_decided_without_a_stage_and_one_row_by_its_name(
    outage: Outage, assetmill: Terminal
) -> None:
    batch_id = outage.lose().batch_id
    assert assetmill("resolve", batch_id, "--give-up", "--row", "lamp") == 0
    assert assetmill("resolve", batch_id, "--retry", "--row", "2", "--json") == 0
    assert [one["row"] for one in assetmill.document()["stages"]] == ["mug"]
    # What is decided already is left out.
    assert assetmill("resolve", batch_id, "--retry") == 0
    assert "row chair" in assetmill.out
    assert "row mug" not in assetmill.out
    assert states(outage.run()) == ["done", "failed", "done"]


def test_what_the_service_has_is_adopted_for_the_rows_that_it_is_of(
    outage: Outage, assetmill: Terminal
) -> None:
    batch_id = outage.lose(is_accepted=True).batch_id
    assert assetmill("resolve", batch_id, "--retry", "--json") == 0
    assert {one["outcome"] for one in assetmill.document()["stages"]} == {"adopted"}
    assert states(outage.run()) == ["done"] * 3
    assert len(outage.gateway.posts) == 3


def test_the_run_that_spend_names_is_found_in_its_batch(outage: Outage, assetmill: Terminal) -> None:
    manifest = outage.lose()
    outage.lose()  # of another run of it: the intents keep the first one's name
    assert assetmill("resolve", manifest.run_id, "only", "--give-up") == 0
    assert states(outage.run()) == ["failed"] * 3


def test_a_worker_that_may_still_post_keeps_no_other_row_from_being_decided(
    outage: Outage, assetmill: Terminal
) -> None:
    batch_id = outage.lose().batch_id
    first = next(iter(outage.gateway.conversations))
    outage.backend.put(*_at_work(outage, first))
    assert assetmill("resolve", batch_id, "--retry") == 1
    assert "may be at work" in assetmill.err
    assert "1 stage of 3 still open" in assetmill.err
    assert list(outage.gateway.conversations) == [first]


def _at_work(outage: Outage, conversation_id: str) -> tuple[str, bytes]:
    """Return the intent of a conversation with a lease for another week."""
    for entry in outage.backend.list(layout.INTENTS):
        intent = Intent.model_validate_json(outage.backend.get(entry.key))
        if intent.conversation_id == conversation_id:
            longer = intent.model_copy(update={"lease_until": intent.lease_until + 7 * 86_400})
            return entry.key, longer.model_dump_json().encode()
    raise AssertionError(conversation_id)


def test_of_a_sealed_run_all_that_is_in_doubt_is_decided_where_no_stage_is_named(
    outage: Outage, assetmill: Terminal
) -> None:
    def lost(_: ResponseRequest) -> None:
        raise OutcomeUnknown("reset")

    outage.gateway.before = lost
    manifest = run_here(outage.services(), "one", product="a mug")
    outage.gateway.before = lambda _: None
    assert [stage.status for stage in manifest.stages] == ["in_doubt"]
    assert assetmill("resolve", manifest.run_id, "--retry") == 0
    assert run_here(outage.services(), "one", product="a mug").status == "completed"
    assert len(outage.gateway.posts) == 1
    assert assetmill("resolve", manifest.run_id, "--retry-now") == 2
    assert "is for one STAGE" in assetmill.err


def test_the_wait_for_a_quota_is_lifted_for_the_rows_that_wait(outage: Outage, assetmill: Terminal) -> None:
    manifest = outage.lose()
    for row in manifest.rows[:2]:
        fp = row.stages[0].fingerprint
        assert fp is not None
        refused = Verdict(
            kind="refused",
            error="Throttled",
            reason="slow down",
            run_id=manifest.run_id,
            cost_usd=0.0,
            not_before=time.time() + 7 * 86_400,
            created_at=time.time(),
        )
        outage.services().ledger.write_verdict("one", fp, 1, refused)
    assert assetmill("resolve", manifest.batch_id, "only", "--retry-now", "--json") == 0
    told = assetmill.document()["stages"]
    assert [(one["row"], one["outcome"]) for one in told] == [("mug", "retry_now"), ("lamp", "retry_now")]


def test_unknown_rows_and_rows_of_a_run_are_refused(outage: Outage, assetmill: Terminal) -> None:
    batch_id = outage.lose().batch_id
    assert assetmill("resolve", batch_id, "only", "--retry", "--row", "lamb") == 2
    assert "did you mean 'lamp'" in assetmill.err
    assert assetmill("resolve", batch_id, "onyl", "--retry") == 2
    assert "did you mean 'only'" in assetmill.err
    assert assetmill("resolve", "run_none", "only", "--retry", "--row", "lamp") == 2
    assert "is a run and has no rows" in assetmill.err
