"""What most tests of the core need: an empty store in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assetmill.store.memory import MemoryStore


@pytest.fixture
def backend() -> Iterator[MemoryStore]:
    store = MemoryStore()
    yield store
    store.close()
