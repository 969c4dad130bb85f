"""No proxy is started: nothing is recorded."""

import pytest


@pytest.fixture(scope="session")
def test_proxy() -> None:
    """Start nothing."""
