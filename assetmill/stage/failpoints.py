"""Named places at which a process may be told to die: before and after every effect of the money protocol.

They lie around the store and the gateway, so that the engine's code knows nothing of them. Only a test sets
`ASSETMILL_FAILPOINT=name[:nth]`; without it nothing here is used.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from assetmill.agents.gateway import Gateway
from assetmill.errors import InvalidSettings
from assetmill.store.backend import Backend

T = TypeVar("T")
Reach = Callable[[str], None]

# The letters of `store/layout.py`: intent, receipt, raw response, harvest, cost, replies, verdict and so on.
_CREATED = ("i", "c", "w", "f", "o", "y", "x", "s", "u", "m", "r", "h")
_CALLS = (
    "ensure_agent",
    "create_conversation",
    "delete_conversation",
    "list_responses",
    "create_response",
    "draw",
    "get_response",
    "follow_response",
    "upload_file",
    "has_file",
    "create_vector_store",
    "has_vector_store",
    "list_container_files",
    "read_container_file",
)
ACCEPTED = "gateway.create_response.accepted"
"""The service has taken the request and said so; nothing of that is stored yet."""


def names() -> tuple[str, ...]:
    """Return every failpoint, in no order that matters."""
    effects = [f"store.create.{letter}" for letter in _CREATED]
    effects += ["store.put.b", *(f"gateway.{call}" for call in _CALLS)]
    return (*(f"{effect}.{when}" for effect in effects for when in ("before", "after")), ACCEPTED)


class Failpoint:
    """Ends the process with SIGKILL when a point is reached for the nth time.

    Raises:
        InvalidSettings: there is no such point.
    """

    def __init__(self, text: str) -> None:
        self._name, _, nth = text.partition(":")
        if self._name not in names() or not (nth or "1").isdigit():
            raise InvalidSettings(f"ASSETMILL_FAILPOINT={text!r} is no failpoint: name[:nth] of {names()}")
        self._left = int(nth or "1")
        # Stages run in several threads: of two that pass at once only one is the nth.
        self._lock = threading.Lock()

    def reach(self, name: str) -> None:
        """Pass a point, or die there."""
        if name != self._name:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def watch_backend(backend: Backend, reach: Reach) -> Backend:
    """Return the store with `reach` told of every write, before and after."""

    def effect(method: str, arguments: tuple[Any, ...]) -> str | None:
        if method not in {"create", "put"}:
            return None
        letter = str(arguments[0]).split("/")[1]
        return f"store.{method}.{letter}"

    return _watch(backend, effect, reach)


def watch_gateway(gateway: Gateway, reach: Reach) -> Gateway:
    """Return the gateway with `reach` told of every call, before and after, and of an accepted response."""
    return _watch(gateway, lambda method, _: f"gateway.{method}" if method in _CALLS else None, reach)


def _watch(target: T, effect: Callable[[str, tuple[Any, ...]], str | None], reach: Reach) -> T:
    return cast(T, _Watched(target, effect, reach))


class _Watched:
    """Stands in for an object and tells of the calls that are effects."""

    def __init__(
        self, target: object, effect: Callable[[str, tuple[Any, ...]], str | None], reach: Reach
    ) -> None:
        self._target, self._effect, self._reach = target, effect, reach

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._target, method)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            name = self._effect(method, arguments)
            if name is None:
                return found(*arguments, **options)
            self._reach(f"{name}.before")
            if method == "create_response":
                arguments = (arguments[0], self._telling(arguments[1]))
            result = found(*arguments, **options)
            self._reach(f"{name}.after")
            return result

        return call

    def _telling(self, on_created: Callable[[str], None]) -> Callable[[str], None]:
        def accepted(response_id: str) -> None:
            self._reach(ACCEPTED)
            on_created(response_id)

        return accepted
