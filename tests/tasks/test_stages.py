from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.states import Failed

from assetmill.errors import (
    InvalidSettings,
    NotSent,
    OutcomeUnknown,
    StageFailed,
    StoreUnavailable,
    Throttled,
)
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tasks.connections import provided, services_for
from tasks.policies import only_before_the_spend
from tasks.stages import run_stage
from tests.doubles import stage_call
from tests.millworks import painter, services_on, settings_in


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = services_on(settings_in(tmp_path), MemoryStore(), painter())
    yield services
    services.close()


def test_a_task_runs_the_engine_on_the_services_of_its_profile(services: Services) -> None:
    with provided(services, "local"):
        record = run_stage.fn("hero", stage_call(), "local", "run_1")
    assert services.ledger.read_stage(record.pipeline, record.fingerprint) == record


def test_services_are_given_back_when_the_caller_ends(services: Services) -> None:
    with provided(services, "no-such-profile"):
        assert services_for("no-such-profile") is services
    with pytest.raises(InvalidSettings, match="no profile 'no-such-profile'"):
        services_for("no-such-profile")


@pytest.mark.parametrize(
    ("error", "is_retried"),
    [
        (NotSent("refused"), True),
        (Throttled("quota"), True),
        (StoreUnavailable("the store refused"), True),
        (OutcomeUnknown("reset"), False),
        (StageFailed("hero", "no file"), False),
        (ValueError("a bug"), False),
    ],
)
def test_only_what_happened_before_the_spend_is_retried(error: Exception, *, is_retried: bool) -> None:
    assert only_before_the_spend(run_stage, None, Failed(data=error)) is is_retried  # pyright: ignore[reportArgumentType]
