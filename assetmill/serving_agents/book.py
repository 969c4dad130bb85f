"""The book of calls that spend: whoever repeats a call finds it here, on any machine with the same store."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

from assetmill.errors import InvalidInput, KeyExists, NotFound, StoreError
from assetmill.records import Stored
from assetmill.serving_agents.records import AgentCall, CallBegun, CallEnded
from assetmill.store import layout
from assetmill.store.backend import Backend

R = TypeVar("R", bound=Stored)
_ID_DIGITS = 24
_RUN_TAIL = 2
"""Which part of a run's ID its call's begins with."""


def digest_of_key(key: str) -> str:
    """Return the digest of a caller's key, of which the names of its call are made."""
    return hashlib.sha256(key.encode()).hexdigest()


def call_id_of(key: str) -> str:
    """Return the ID of the call that has a key."""
    return f"call_{digest_of_key(key)[:_ID_DIGITS]}"


class CallBook:
    """Calls in an object store. Every record is created once; nothing is ever replaced."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def open(
        self,
        key: str,
        tool: str,
        arguments: dict[str, Any],
        ceiling_usd: float,
        profile: str,
        *,
        name_run: Callable[[float], str | None] = lambda _: None,
    ) -> AgentCall:
        """Store what is asked for under a key, or find it there: repeating is free.

        `name_run` names the run that will carry a new call out, by the time at which it was asked for.

        Raises:
            InvalidInput: the key is another call's.
        """
        created_at, is_known = time.time(), self.is_known(call_id_of(key))
        asked = AgentCall(
            call_id=call_id_of(key),
            key=key,
            tool=tool,
            arguments=arguments,
            ceiling_usd=ceiling_usd,
            profile=profile,
            created_at=created_at,
            run_id=None if is_known else name_run(created_at),
        )
        try:
            self._backend.create(layout.agent_call(asked.call_id), asked.model_dump_json().encode())
        except KeyExists:
            known = self.read(asked.call_id)
            if not known.asks_the_same(asked):
                raise InvalidInput(
                    f"the key {key!r} belongs to another call ({known.tool}, "
                    f"${known.ceiling_usd:.2f}): take a new key for a new call"
                ) from None
            return known
        return asked

    def read(self, call_id: str) -> AgentCall:
        """Return a call.

        Raises:
            NotFound: no such call in this store.
        """
        found = self._read(layout.agent_call(call_id), AgentCall) if _is_id(call_id) else None
        if found is None:
            raise NotFound("call", call_id, "it was never asked for in this store")
        return found

    def find(self, name: str) -> AgentCall:
        """Return a call by its own ID, or the newest that the run or batch of an ID carries out.

        Raises:
            NotFound: no such call in this store.
        """
        if _is_id(name):
            return self.read(name)
        parts = name.split("_")
        is_run = parts[0] == "run" and len(parts) > _RUN_TAIL
        prefix = f"{layout.AGENT_CALLS}call_{parts[_RUN_TAIL]}" if is_run else layout.AGENT_CALLS
        told = "_".join(parts[: _RUN_TAIL + 1]) if is_run else name
        keys = [entry.key for entry in self._backend.list(prefix) if entry.key.endswith("/call")]
        calls = [call for key in keys if (call := self._read(key, AgentCall)) and call.run_id == told]
        if not calls:
            raise NotFound("call", name, "it was never asked for in this store")
        return max(calls, key=lambda call: call.created_at)

    def is_known(self, call_id: str) -> bool:
        """Say whether a call was ever asked for in this store."""
        return next(iter(self._backend.list(layout.agent_call(call_id), 1)), None) is not None

    def newest(self, call_id: str) -> tuple[CallBegun | None, CallEnded | None]:
        """Return a call's newest attempt, and what became of it."""
        numbers = [
            int(entry.key.rpartition(".")[2])
            for entry in self._backend.list(f"{layout.AGENT_CALLS}{call_id}/begun.")
        ]
        if not numbers:
            return None, None
        number = max(numbers)
        begun = self._read(layout.agent_call_begun(call_id, number), CallBegun)
        return begun, self._read(layout.agent_call_ended(call_id, number), CallEnded)

    def begin(self, call_id: str, pid: int, run_id: str | None = None) -> CallBegun | None:
        """Store that a new attempt begins; None when another machine began one at the same moment."""
        newest, _ = self.newest(call_id)
        number = newest.attempt + 1 if newest else 1
        begun = CallBegun(
            call_id=call_id,
            attempt=number,
            host=socket.gethostname(),
            pid=pid,
            began_at=time.time(),
            run_id=run_id,
        )
        try:
            self._backend.create(layout.agent_call_begun(call_id, number), begun.model_dump_json().encode())
        except KeyExists:
            return None
        return begun

    def end(self, ended: CallEnded) -> None:
        """Store what became of an attempt."""
        key = layout.agent_call_ended(ended.call_id, ended.attempt)
        self._backend.create(key, ended.model_dump_json().encode())

    def _read(self, key: str, model: type[R]) -> R | None:
        if next(iter(self._backend.list(key, 1)), None) is None:
            return None
        try:
            return model.model_validate_json(self._backend.get(key))
        except ValueError as error:
            raise StoreError(
                f"{key} in {self._backend.name} cannot be read: see `assetmill repair`"
            ) from error


def _is_id(text: str) -> bool:
    return text.startswith("call_") and text[5:].isalnum() and text.isascii()
