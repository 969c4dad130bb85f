from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.assetmill.traces.collector import Collector, collecting


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that this process sends to."""
    with collecting(monkeypatch) as server:
        yield server
