"""Marks that several modules put on all of their tests."""

from __future__ import annotations

import pytest

WITH_PREFECT = [
    pytest.mark.usefixtures("prefect_server"),
    pytest.mark.xdist_group("prefect"),
    pytest.mark.timeout(120),
    # Prefect's client leaves sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""For flows that run here, on the one server that all of them share."""
