"""Rates per model deployment, as Azure grants them: requests, tokens and pictures a minute."""

from __future__ import annotations

import math
import threading
from collections import defaultdict, deque
from collections.abc import Mapping

from foundry_emulator.boundary.errors import WireError
from foundry_emulator.clock import Clock
from foundry_emulator.dialects import Dialect

_WINDOW_S = 60.0
_STANDARD = {"requests": 10_000, "tokens": 1_000_000}


def plainer(refusal: WireError, *, from_gateway: bool) -> WireError:
    """Return a 429 without any hint of how long to wait, in the service's words or in a gateway's."""
    if from_gateway:
        return WireError(429, "429", "Rate limit is exceeded. Try again later.", layer="gateway")
    message = (
        "Requests to the Responses_Create Operation under Azure OpenAI API have exceeded token rate limit of "
        "your current AIServices S0 pricing tier."
    )
    headers = {name: value for name, value in refusal.headers.items() if not name.startswith("retry-after")}
    return WireError(429, "429", message, headers=headers, more={"type": "too_many_requests"})


def standard_rates(dialect: Dialect, model: str) -> dict[str, str]:
    """Return the rate headers of an answer that was waited for, where no quota is set."""
    kinds = ("tokens",) if dialect.is_first else ("requests", "tokens")
    headers: dict[str, str] = {}
    for kind in kinds:
        limit = str(_STANDARD[kind])
        headers |= {f"x-ratelimit-limit-{kind}": limit, f"x-ratelimit-remaining-{kind}": limit}
        headers[f"x-ratelimit-reset-{kind}"] = "0"
        if not dialect.is_first:
            headers[f"x-ratelimit-renewalperiod-{kind}"] = str(int(_WINDOW_S))
    if not dialect.is_first:
        headers["x-ratelimit-abusepenalty-active"] = "False"
    return {**headers, "x-ratelimit-key": model} if dialect.is_newest else headers


class QuotaMeter:
    """Counts what each model deployment used in the last minute; a rate that is not set is not limited."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Runs may report tokens from worker threads while requests are admitted on the loop.
        self._lock = threading.Lock()
        self._used: dict[tuple[str, str], deque[tuple[float, float]]] = defaultdict(deque)

    def admit(
        self, rates: Mapping[str, Mapping[str, float]], wanted: Mapping[str, Mapping[str, float]]
    ) -> dict[str, str]:
        """Take what a request wants of each deployment's rates; the headers returned tell what is left.

        Raises:
            WireError: 429 with Retry-After and the rate limit headers; nothing was taken.
        """
        with self._lock:
            self._forget()
            headers: dict[str, str] = {}
            for deployment, amounts in wanted.items():
                limits = rates.get(deployment) or rates.get("*") or {}
                for name, amount in amounts.items():
                    if (limit := limits.get(f"{name}_per_minute")) is not None:
                        headers |= self._headers(deployment, name, limit, amount)
            for deployment, amounts in wanted.items():
                for name, amount in amounts.items():
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
            f"x-ratelimit-reset-{name}": str(reset_s if used else 0),
        }
        if refused:
            wait_s = self._wait_s(deployment, name, used + amount - limit)
            message = (
                f"Your requests to {deployment} have exceeded the {name} rate limit of {int(limit)} a minute "
                f"for your current AIServices S0 pricing tier: used {int(used)}, requested {int(amount)}. "
                f"Please retry after {wait_s} seconds."
            )
            raise WireError(429, "RateLimitReached", message, headers={"retry-after": str(wait_s), **headers})
        return headers

    def _wait_s(self, deployment: str, name: str, surplus: float) -> int:
        """Return the seconds until enough of the last minute's use has left the window."""
        leaves_at = self._clock.now()
        for at, taken in self._used[deployment, name]:
            leaves_at, surplus = at + _WINDOW_S, surplus - taken
            if surplus <= 0:
                break
        return max(math.ceil(leaves_at - self._clock.now()), 1)
