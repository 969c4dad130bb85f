"""A migration's sample costs what it was expected to, where its stages have run before."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from foundry_emulator.server import running

from assetmill.migrating.drawing import Drawing
from assetmill.migrating.proposal import Proposal, Proposing
from assetmill.migrating.questions import Answers
from assetmill.migrating.target import find_target
from tests.contract.test_bill import Till

pytestmark = pytest.mark.server

PIPELINE = """
defaults: {quality: low, size: 1536x1024}
stages:
  - name: hero
    prompt: Draw a teal mug on a table.
    tools: [{type: image_generation, partial_images: 2}]
    outputs: [{name: hero.png}]
  - name: dusk
    prompt: Edit the picture to show the scene at dusk.
    inputs: [{from: hero}]
    tools: [{type: image_generation, action: edit}]
    outputs: [{name: dusk.png}]
"""


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    with (
        running(tmp_path / "home" / "emulator"),
        closing(Till(tmp_path / "home", tmp_path, "background")) as made,
    ):
        yield made


def proposed(till: Till, model: str, answers: dict[str, str]) -> Proposal:
    settings = till.services.settings
    target = find_target(model, settings.configs, only_from=None, deployment=None)
    day = datetime.date(2026, 11, 28)
    asking = Proposing(
        settings, till.services.ledger, target, Answers(answers), settings.configs.parent, day, whole=False
    )
    return asking.propose(["p"], {}, 6)


@pytest.mark.parametrize(("model", "low"), [("gpt-image-1.5", "low"), ("gpt-image-1.5", "medium")])
def test_a_sample_costs_what_was_expected_to_the_cent_and_no_less_than_is_billed(
    till: Till, model: str, low: str
) -> None:
    assert till.run(PIPELINE) == "completed"
    billed = till.billed
    proposal = proposed(till, model, {"quality:low": low})
    drawing = Drawing(till.services, proposal)
    drawing.make()
    assert drawing.spent_usd
    assert (proposal.measured.seen, proposal.measured.stages) == (2, 2)
    assert proposal.measured.usd == pytest.approx(drawing.spent_usd, abs=5e-5)
    assert drawing.spent_usd == pytest.approx(till.billed - billed, abs=5e-3)
