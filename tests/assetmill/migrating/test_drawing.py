"""The sample: under the fingerprints that the pipeline will ask for, paid once, whatever dies in between."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.errors import InvalidInput, InvalidSettings
from assetmill.history.assets import AssetFinder
from assetmill.migrating.drawing import PIPELINE, Drawing, is_done
from assetmill.migrating.measuring import Measured
from assetmill.migrating.proposal import Proposal, Proposing
from assetmill.migrating.questions import Answers
from assetmill.migrating.target import find_target
from assetmill.migrating.writing import write_files
from assetmill.runs.planning import plan_pipeline
from assetmill.stage.services import Services
from assetmill.store.index import Index
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway
from tests.millworks import CHAIN, painter, run_here, services_on, settings_in

ONE = "gpt-image-1-mini"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    chain = CHAIN.replace("\nstages:", f"\ndefaults: {{image_model: {ONE}}}\nstages:")
    services = services_on(settings_in(tmp_path, chain=chain), MemoryStore(), painter())
    yield services
    services.close()


def gateway_of(services: Services) -> ScriptedGateway:
    assert isinstance(services.gateway, ScriptedGateway)
    return services.gateway


def proposed(services: Services, sample: int = 6, today: datetime.date | None = None) -> Proposal:
    target = find_target("gpt-image-2", services.settings.configs, only_from=None, deployment=None)
    asking = Proposing(
        services.settings,
        services.ledger,
        target,
        Answers({"quality:low": "low"}),
        services.settings.configs.parent,
        today or datetime.date(2026, 11, 28),
        whole=False,
    )
    return asking.propose(["chain"], {}, sample)


def posts(services: Services) -> int:
    return len(gateway_of(services).posts)


def test_what_is_stored_is_not_drawn_again_and_the_rest_is(services: Services) -> None:
    run_here(services, "chain")
    assert posts(services) == 2
    proposal = proposed(services)
    assert proposal.pipelines[0].costs[0].expected == 0
    (drawn,) = Drawing(services, proposal).make()
    assert posts(services) == 4
    assert {label: entry.status for label, entry in drawn.before.entries.items()} == {
        "first": "reused",
        "second": "reused",
    }
    assert all(entry.status == "done" for entry in drawn.after.entries.values())


def test_the_pipeline_finds_what_its_sample_drew(services: Services) -> None:
    proposal = proposed(services)
    Drawing(services, proposal).make()
    write_files(proposal.files)
    plan = plan_pipeline("chain", {}, services.settings, services.ledger)
    assert [stage.status for stage in plan.stages] == ["reuse", "reuse"]


def test_a_sample_is_no_run_of_the_pipeline(services: Services) -> None:
    drawing = Drawing(services, proposed(services))
    drawing.make()
    assert services.ledger.latest_manifest("chain") is None
    assert [manifest.pipeline for manifest in drawing.manifests] == [PIPELINE, PIPELINE]
    assert [manifest.parameters["side"] for manifest in drawing.manifests] == ["before", "after"]


def test_asked_for_again_nothing_is_paid(services: Services) -> None:
    Drawing(services, proposed(services)).make()
    paid = posts(services)
    again = proposed(services)
    assert is_done(again)
    drawing = Drawing(services, again)
    drawing.make()
    assert (posts(services), drawing.spent_usd, drawing.manifests) == (paid, 0, [])


def test_a_model_that_is_gone_is_not_asked_for_its_pictures(services: Services) -> None:
    """On the emulator a day at the real service stops nothing; so the profile is that of a real one."""
    foundry = services.settings.foundry.model_copy(update={"endpoint": "https://f.example/api/projects/p"})
    services.settings = services.settings.model_copy(update={"foundry": foundry})
    proposal = proposed(services, today=datetime.date(2027, 4, 8))
    assert proposal.pipelines[0].undrawn == ("first", "second")
    assert proposal.pipelines[0].costs[0].expected == 0
    (drawn,) = Drawing(services, proposal).make()
    assert (list(drawn.before.entries), list(drawn.after.entries)) == ([], ["first", "second"])


def test_a_deployment_before_that_is_missing_stops_nothing(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assetmill.migrating import drawing as module

    def check(plan: object, _: Services) -> None:
        if plan == proposal.pipelines[0].before_sample:
            raise InvalidSettings("no deployment gpt-image-1-mini")

    proposal = proposed(services)
    monkeypatch.setattr(module, "check_service", check)
    (drawn,) = Drawing(services, proposal).make()
    assert drawn.before.entries["first"].error == "no deployment gpt-image-1-mini"
    assert [entry.status for entry in drawn.after.entries.values()] == ["done", "done"]


def test_a_file_that_changed_meanwhile_is_not_overwritten(services: Services) -> None:
    proposal = proposed(services)
    (file,) = proposal.files
    file.path.write_bytes(file.before + b"# a word\n")
    with pytest.raises(InvalidInput, match="was changed meanwhile"):
        write_files(proposal.files)
    assert file.path.read_bytes() == file.before + b"# a word\n"


def test_a_link_stays_a_link(services: Services, tmp_path: Path) -> None:
    link = services.settings.configs / "pipelines" / "chain.yaml"
    kept = tmp_path / "configs" / "kept.yaml"
    link.rename(kept)
    link.symlink_to(kept)
    write_files(proposed(services).files)
    assert link.is_symlink()
    assert "gpt-image-2" in kept.read_text()


def test_what_a_sample_costs_is_what_its_stages_took_before_at_the_new_models_price(
    services: Services,
) -> None:
    run_here(services, "chain")
    proposal = proposed(services)
    expected = proposal.measured
    assert (expected.seen, expected.stages) == (2, 2)
    drawing = Drawing(services, proposal)
    drawing.make()
    assert drawing.spent_usd
    assert expected.usd == pytest.approx(drawing.spent_usd, abs=1e-9)
    assert expected.usd != pytest.approx(proposal.cost.expected, rel=0.01)
    assert proposed(services).measured == Measured()


def test_stages_that_have_never_run_count_with_their_allowance(services: Services) -> None:
    proposal = proposed(services)
    expected = proposal.measured
    assert (expected.seen, expected.stages) == (0, 4)
    assert expected.usd == pytest.approx(proposal.cost.expected)
    told = (
        f"${expected.usd:.4f}: ${expected.usd:.4f} by the plan for what has never run; 0 of 4 stages have run"
    )
    assert str(expected).startswith(told)
    assert "$0.0000" not in str(expected)


def test_the_newest_run_of_a_stage_is_no_sample(services: Services) -> None:
    run_here(services, "chain")
    finder = AssetFinder(services.ledger, Index(services.backend, services.ledger))
    before = finder.find("latest/first/first.png")
    (drawn,) = Drawing(services, proposed(services)).make()
    record = drawn.after.entries["first"].record
    assert record
    assert record.outputs[0].asset_id != before.asset_id
    assert finder.find("latest/first/first.png").asset_id == before.asset_id
