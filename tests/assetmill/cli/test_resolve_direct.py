"""A person's word on a direct call whose reply was lost: nothing is asked, and the word alone counts."""

from __future__ import annotations

import pytest

from assetmill.errors import InvalidInput, StageFailed
from assetmill.plan.calls import ExpectedOutput
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from tests.assetmill.cli.test_resolve import Desk, counter
from tests.doubles import stage_call

__all__ = ["counter"]

DRAWN = stage_call(
    model="MAI-Image-2.6",
    image_deployment=None,
    tools=({"type": "image_model", "model": "MAI-Image-2.6", "size": "64x48", "output_format": "png"},),
    outputs=(ExpectedOutput("picture", "hero.png"),),
)


@pytest.fixture
def lost(counter: Desk) -> Desk:
    counter.call = DRAWN
    counter.into_doubt()
    counter.now += 3600.0
    return counter


def test_retry_licenses_one_more_call(lost: Desk) -> None:
    result = lost.run("--retry")
    assert result.exception is None
    assert "pays for it again" in result.output
    record = run_stage(DRAWN, lost.services(), RunId("run-2"))
    assert record.attempt == 2
    assert len(lost.gateway.draws) == 1


def test_give_up_ends_it_for_every_run(lost: Desk) -> None:
    assert lost.run("--give-up").exception is None
    with pytest.raises(StageFailed, match="change something about it"):
        run_stage(DRAWN, lost.services(), RunId("run-2"))
    assert lost.gateway.draws == []


@pytest.mark.parametrize(
    ("choice", "words"), [("--wait", "can be asked nothing"), ("--accept-partial", "nothing of it is known")]
)
def test_there_is_nothing_to_wait_for_or_to_accept(lost: Desk, choice: str, words: str) -> None:
    error = lost.run(choice).exception
    assert isinstance(error, InvalidInput)
    assert words in str(error)


def test_a_word_is_refused_while_the_caller_may_live(lost: Desk) -> None:
    lost.now -= 3600.0
    error = lost.run("--retry").exception
    assert isinstance(error, InvalidInput)
    assert "may be at work on it" in str(error)


def test_a_reply_that_was_stored_is_taken_and_not_decided_away(lost: Desk) -> None:
    lost.services().ledger.write_raw(DRAWN.pipeline, DRAWN.fingerprint, 1, 1, b'{"output": []}')
    error = lost.run("--retry").exception
    assert isinstance(error, InvalidInput)
    assert "its reply is stored" in str(error)
