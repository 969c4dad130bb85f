"""A service that is waited for while it is away, in every call that costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

from assetmill.agents.gateway import Finding, Gateway
from assetmill.errors import AssetmillError, HandleExpired, Rejected, ServiceAway, ServiceError, Throttled
from assetmill.outages import Outages, clock_time

_FREE = frozenset(
    {
        *("ensure_agent", "create_conversation", "delete_conversation", "list_responses", "get_response"),
        *("follow_response", "upload_file", "has_file", "create_vector_store", "has_vector_store"),
    }
)
_IN_PART = frozenset({"list_container_files", "read_container_file"})
"""Calls that one container may refuse while the service is there: only silence is an outage then."""
_ANSWERS = (Rejected, HandleExpired, Throttled)


def waiting_gateway(gateway: Gateway, outages: Outages) -> Gateway:
    """Return the gateway whose free calls wait while nothing answers.

    A post is made once, whatever comes of it: that it never left is the engine's to hear.
    """
    return cast(Gateway, _WaitingGateway(gateway, outages))


class _WaitingGateway:
    def __init__(self, gateway: Gateway, outages: Outages) -> None:
        self._gateway, self._outages = gateway, outages
        self._outage = outages.of("service", f"the service {gateway.endpoint}")

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._gateway, name)
        if name == "examine":
            return self._examine
        if name not in _FREE and name not in _IN_PART:
            return found

        is_away = _is_silent if name in _IN_PART else _is_away

        def call(*arguments: Any, **options: Any) -> Any:
            return self._patiently(lambda: found(*arguments, **options), is_away)

        return call

    def _examine(self, models: Sequence[str]) -> tuple[Finding, ...]:
        """Look what the endpoint has; one that is away is looked at again."""
        seen: list[tuple[Finding, ...]] = []

        def look() -> None:
            seen.append(self._gateway.examine(models))
            if away := next((found for found in seen[-1] if found.is_away), None):
                raise ServiceAway(away.message)

        # What it was seen to lack is said by whoever asked, as ever.
        with suppress(ServiceAway):
            self._outage.patiently(look, _is_away)
        return seen[-1]

    def _patiently(self, ask: Callable[[], Any], is_away: Callable[[AssetmillError], bool]) -> Any:
        try:
            return self._outage.patiently(ask, is_away, _ANSWERS)
        except ServiceAway as error:
            since = self._outage.since
            if not is_away(error) or not self._outage.is_waited_for or since is None:
                raise
            # Not one of the kinds that a stage tries again: it has been tried for as long as was said.
            message = f"{error.message}; waited for since {clock_time(since)}, as long as run.outage_s says"
            raise ServiceError(message, error.code, error.status) from error


def _is_away(error: AssetmillError) -> bool:
    return isinstance(error, ServiceAway)


def _is_silent(error: AssetmillError) -> bool:
    return isinstance(error, ServiceAway) and not error.status
