"""An intent that took too long to store is not posted: somebody may have decided about it meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assetmill.stage.engine import run_stage
from assetmill.store.memory import MemoryStore
from tests.assetmill.stage.processes import RUN, starting
from tests.doubles import ScriptedGateway, always, image_item, png, stage_call


class SlowStore(MemoryStore):
    """A store that was away while the first intent was written."""

    def __init__(self) -> None:
        super().__init__()
        self.on_intent: Any = None

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        super().create(key, data, media_type=media_type)
        if key.startswith("v1/i/") and self.on_intent:
            wait, self.on_intent = self.on_intent, None
            wait()


@pytest.mark.parametrize(("seconds", "attempt"), [(3600.0, 2), (1.0, 1)])
def test_a_stage_whose_intent_came_late_begins_anew(tmp_path: Path, seconds: float, attempt: int) -> None:
    gateway, store = ScriptedGateway(always(image_item(png()))), SlowStore()
    services = starting(gateway, store, tmp_path)(lease_s=120.0)
    store.on_intent = lambda: services.wait(seconds)
    record = run_stage(stage_call(), services, RUN)
    assert (record.attempt, len(gateway.posts)) == (attempt, 1)
