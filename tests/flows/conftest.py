"""One Prefect server for all flow tests; they run in one process, because it takes half a minute to start."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=90):
        yield


@pytest.fixture(autouse=True)
def prefects_own_litter() -> Iterator[None]:
    """Collect what Prefect's client leaves open here, where it is forgiven."""
    yield
    gc.collect()
