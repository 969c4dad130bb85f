"""What Prefect logs of an error: our own words are clean, and so is what the vendor said before."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest

from assetmill.errors import StoreUnavailable
from assetmill.redaction import remember
from assetmill.store.memory import MemoryStore
from tasks.connections import provided, services_for
from tasks.logs import LOGGERS
from tests.millworks import painter, services_on, settings_in

SECRET = "canary-7c1e-in-a-vendors-error"


@pytest.mark.parametrize("name", LOGGERS)
def test_a_traceback_with_a_vendors_error_holds_no_secret(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = services_on(settings_in(tmp_path), MemoryStore(), painter())
    with provided(services, "local"):
        services_for("local")
    remember([SECRET])
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logger = logging.getLogger(name)
    # Prefect's own handlers, where an earlier test has begun a flow, want a run to log for.
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "propagate", False)
    try:
        raise_as_an_adapter_does()
    except StoreUnavailable as error:
        logger.error("Encountered exception during execution: %r", error, exc_info=True)
    text = said.getvalue()
    assert "StoreUnavailable" in text
    assert "ConnectionError" in text
    assert SECRET not in text
    assert "hunter2" not in text


def raise_as_an_adapter_does() -> None:
    try:
        raise ConnectionError(f"GET https://me:hunter2@store.invalid/x with {SECRET}")
    except ConnectionError as error:
        raise StoreUnavailable("the store does not answer") from error
