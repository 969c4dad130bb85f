"""An object store that fails: refuses, applies a write and says it did not, lists late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from assetmill.errors import KeyExists, KeyMissing, StoreError, StoreUnavailable
from assetmill.store.backend import ObjectHead
from tests.assetmill.simulation.world import Worker, World

OnWrite = Callable[[str, bytes], None]


@dataclass
class Objects:
    """What is stored, and who wants to hear of every create."""

    kept: dict[str, bytes] = field(default_factory=dict[str, bytes])
    created_at: dict[str, float] = field(default_factory=dict[str, float])
    watchers: list[OnWrite] = field(default_factory=list[OnWrite])


class SimulatedStore:
    """One worker's way to the store; keeps the port's promises and no more."""

    name = "simulated:"
    requests = 0

    def __init__(self, world: World, worker: Worker, objects: Objects) -> None:
        self._world, self._worker, self._objects = world, worker, objects

    def put(self, key: str, data: bytes, *, media_type: str = "application/octet-stream") -> None:
        self._begin("put", key)
        self._objects.kept[key] = data
        self._end("put", key)

    def create(self, key: str, data: bytes, *, media_type: str = "application/json") -> None:
        self._begin("create", key)
        if key in self._objects.kept:
            raise KeyExists(key)
        for watcher in self._objects.watchers:
            watcher(key, data)
        self._objects.kept[key] = data
        self._objects.created_at[key] = self._world.now
        if self._world.fault(self._world.chaos.store_faults):
            # The reply was lost and the adapter's own retry met its own write.
            raise KeyExists(key)
        self._end("create", key)

    def get(self, key: str) -> bytes:
        self._begin("get", key)
        try:
            return self._objects.kept[key]
        except KeyError as error:
            raise KeyMissing(key) from error

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self.get(key)[start : start + length]

    def head(self, key: str) -> ObjectHead | None:
        self._begin("head", key)
        data = self._objects.kept.get(key)
        return None if data is None else ObjectHead(key, len(data), self._world.now)

    def list(self, prefix: str, limit: int | None = None) -> Iterator[ObjectHead]:
        self._begin("list", prefix)
        keys = sorted(key for key in self._objects.kept if key.startswith(prefix))
        if self._world.fault(self._world.chaos.store_faults):
            since = self._world.now - 2.0
            keys = [key for key in keys if self._objects.created_at.get(key, 0.0) < since]
        return iter([ObjectHead(key, len(self._objects.kept[key]), self._world.now) for key in keys[:limit]])

    def delete(self, key: str) -> None:
        self._begin("delete", key)
        self._objects.kept.pop(key, None)

    def presign(self, key: str, expires_s: int) -> str:
        raise StoreError(self.name)

    def close(self) -> None:
        """Nothing to release."""

    def _begin(self, verb: str, key: str) -> None:
        self._world.step(self._worker, f"store.{verb} {key[:4]} {key[-11:]}")
        if self._world.fault(self._world.chaos.store_faults):
            raise StoreUnavailable(f"SlowDown: {verb} {key}")

    def _end(self, verb: str, key: str) -> None:
        if self._world.fault(self._world.chaos.store_faults):
            raise StoreUnavailable(f"time-out after {verb} {key}")
