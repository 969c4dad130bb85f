"""Rates per model deployment, as Azure grants them: requests, tokens and pictures a minute."""

from __future__ import annotations

import math
import threading
from collections import defaultdict, deque
from collections.abc import Mapping

from assetmill.emulator.clock import Clock
from assetmill.emulator.errors import ServiceError

_WINDOW_S = 60.0


class Quota:
    """Counts what each model deployment used in the last minute; a rate that is not set is not limited."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Runs may report tokens from worker threads while requests are admitted on the loop.
        self._lock = threading.Lock()
        self._used: dict[tuple[str, str], deque[tuple[float, float]]] = defaultdict(deque)

    def admit(
        self, rates: Mapping[str, Mapping[str, float]], deployment: str, wanted: Mapping[str, float]
    ) -> dict[str, str]:
        """Take what a request wants from the deployment's rates; the headers returned tell what is left.

        Raises:
            ServiceError: 429 with Retry-After and the rate limit headers; nothing was taken.
        """
        limits = rates.get(deployment) or rates.get("*") or {}
        with self._lock:
            self._forget()
            headers: dict[str, str] = {}
            for name, amount in wanted.items():
                if (limit := limits.get(f"{name}_per_minute")) is not None:
                    headers |= self._headers(deployment, name, limit, amount)
            for name, amount in wanted.items():
                self._used[deployment, name].append((self._clock.now(), amount))
        return headers

    def _forget(self) -> None:
        horizon = self._clock.now() - _WINDOW_S
        for entries in self._used.values():
            while entries and entries[0][0] <= horizon:
                entries.popleft()

    def _headers(self, deployment: str, name: str, limit: float, amount: float) -> dict[str, str]:
        entries = self._used[deployment, name]
        used = sum(taken for _, taken in entries)
        oldest = entries[0][0] if entries else self._clock.now()
        reset_s = max(math.ceil(oldest + _WINDOW_S - self._clock.now()), 1)
        refused = used + amount > limit and used > 0
        left = max(int(limit - used - (0 if refused else amount)), 0)
        headers = {
            f"x-ratelimit-limit-{name}": str(int(limit)),
            f"x-ratelimit-remaining-{name}": str(left),
            f"x-ratelimit-reset-{name}": f"{reset_s}s",
        }
        if refused:
            message = (
                f"Rate limit reached for deployment '{deployment}' on {name} per minute: limit {int(limit)}, "
                f"used {int(used)}, requested {int(amount)}. Please try again in {reset_s}s."
            )
            raise ServiceError(
                429, "rate_limit_exceeded", message, headers={"retry-after": str(reset_s), **headers}
            )
        return headers
