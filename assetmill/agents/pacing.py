"""Keeps this process within its share of a model deployment's quota, without asking anybody.

The service counts what it admitted in the last minute; this keeps the same account of what was sent, so that
a batch goes as fast as the quota allows and is hardly ever refused. Between taking a share and the answer lie
a wait for a slot and every free call: what counts is the answer, which comes after the service's own entry.
Limits come from the profile; what the service says in its `x-ratelimit-*` headers and in a 429 corrects them.
A limit that is renewed every ten seconds is kept in each ten seconds. What was refused counts like the rest.
Where nobody names a limit, refusals teach it (learnt_limits.py).
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from assetmill.agents.learnt_limits import LearntLimit

LONGEST_ASKED_S = 7 * 86_400.0
"""A service that asks for more has made a mistake: milliseconds since 1970 were seen, and years."""

PROBE_S = 120.0
"""So long after a refusal one request may ask whether the quota is back, whatever the service asked for.

Quotas of a minute are over by then, and a wrong hour costs one refused request every two minutes.
"""

UNSAID_PAUSE_S = 5.0
"""So long after a refusal that names no wait nothing is sent."""

LEARNT_PAUSE_S = 1.0
"""The same where the account of the last minute says when more can be granted."""

ASKED_AGAIN_S = 30.0
"""Whoever waits for a quota asks again after this."""

LENT_AGAIN_S = 0.25
"""The same where parts of quotas go from one process to another."""

_MINUTE_S = 60.0
WINDOW_S = 60.25
"""The service's minute, and a little for clocks that do not tick alike."""


@dataclass(frozen=True)
class Rates:
    """What one model deployment grants this process a minute; None is no limit that is known."""

    requests: float | None = None
    tokens: float | None = None
    images: float | None = None


def sane_wait_s(asked_s: float | None) -> float | None:
    """Return what a service asks to wait; None when it does not say, or says what cannot be meant."""
    return asked_s if asked_s is not None and 0.0 < asked_s <= LONGEST_ASKED_S else None


@dataclass
class _Closed:
    """A quota that said no: until when, and when somebody may ask whether it is back."""

    until: float
    next_probe: float
    is_probed: bool = False


@dataclass(frozen=True)
class _Spend:
    """What one request took, and whether the service has yet to answer it."""

    at: float
    amount: float
    is_open: bool


class Pacer:
    """Accounts of what was sent to each model deployment. Safe for threads; nobody waits inside."""

    def __init__(
        self, rates: Mapping[str, Rates], *, share: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._share, self._clock = share, clock
        self._limits: dict[tuple[str, str], float] = {}
        self._periods: dict[tuple[str, str], float] = {}
        self._assumed: set[tuple[str, str]] = set()
        self._refusals: dict[str, _Closed] = {}
        self._sent: defaultdict[tuple[str, str], deque[_Spend]] = defaultdict(deque)
        self._lent: dict[str, float] | None = None
        self._unmet: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._learnt: defaultdict[str, LearntLimit] = defaultdict(lambda: LearntLimit(WINDOW_S, PROBE_S))
        # Every thread of the process asks here before it sends: two must not take the last request.
        self._lock = threading.Lock()
        for deployment, rate in rates.items():
            for name, limit in vars(rate).items():
                if limit is not None:
                    self._limits[deployment, name] = limit * share

    def take(self, deployment: str, wanted: Mapping[str, float]) -> float:
        """Take what a request wants, or return the seconds after which to ask again; 0 means taken."""
        with self._lock:
            now = self._clock()
            waits = [self._wait_s(deployment, name, amount, now) for name, amount in wanted.items()]
            learnt = self._learnt[deployment]
            wait_s = max([*waits, self._refused_s(deployment, now), learnt.wait_s(now)])
            if wait_s > 0.0:
                for name, amount in wanted.items():
                    self._unmet[deployment, name] += amount
            else:
                if refusal := self._refusals.get(deployment):
                    refusal.next_probe, refusal.is_probed = now + PROBE_S, True
                for name, amount in wanted.items():
                    self._sent[deployment, name].append(_Spend(now, amount, is_open=True))
                learnt.sent(now)
            return wait_s

    def free(self) -> dict[str, float]:
        """Return how many requests each model deployment of a known quota grants this moment."""
        with self._lock:
            now = self._clock()
            return {
                deployment: max(
                    0.0,
                    limit * self._part(deployment)
                    - sum(entry.amount for entry in self._in_window(deployment, name, now)),
                )
                for (deployment, name), limit in self._limits.items()
                if name == "requests"
            }

    def usage(self) -> list[tuple[str, str, float, float]]:
        """Return of each known quota its deployment, its name, what was taken of it and what it grants.

        Both for a minute, or for the shorter time after which it is renewed; what is lent to others is not
        granted.
        """
        with self._lock:
            now = self._clock()
            return [
                (
                    deployment,
                    name,
                    sum(entry.amount for entry in self._in_window(deployment, name, now)),
                    self._in_period(deployment, name) * self._part(deployment),
                )
                for deployment, name in self._limits
            ]

    def borrow(self) -> None:
        """From now on keep to what `lend` says: several processes share the quotas, each by what it uses.

        The part that a profile sets for a process of its own does not count among them.
        """
        with self._lock:
            self._limits = {key: limit / self._share for key, limit in self._limits.items()}
            self._share, self._lent = 1.0, {}

    def lend(self, deployment: str, part: float) -> None:
        """Set which part of a deployment's quota is this process's."""
        with self._lock:
            if self._lent is not None:
                self._lent[deployment] = part

    @property
    def pause_s(self) -> float:
        """How long to wait, at the most, before asking again: others may have used less than they took."""
        return ASKED_AGAIN_S if self._lent is None else LENT_AGAIN_S

    def limited(self) -> dict[str, float]:
        """Return the model deployments of a known quota, with the fewest requests or pictures of a minute.

        Where it counts tokens alone, that is without an end.
        """
        with self._lock:
            found: dict[str, float] = {}
            for (deployment, name), limit in self._limits.items():
                counted = math.inf if name == "tokens" else limit
                found[deployment] = min(counted, found.get(deployment, counted))
            return found

    def unmet(self, deployment: str) -> float:
        """Return which part of a whole quota was asked for in vain since this was asked last."""
        with self._lock:
            names = [name for of, name in self._limits if of == deployment]
            asked = [
                self._unmet.pop((deployment, name), 0.0) / self._limits[deployment, name] for name in names
            ]
            return max(asked, default=0.0)

    def used(self, deployment: str) -> float:
        """Return which part of a whole quota this process has used in the last minute."""
        with self._lock:
            return self._used(deployment)

    def unused(self, deployment: str) -> float:
        """Return which part of a whole quota is this process's and was not used in the last minute."""
        with self._lock:
            return self._unused(deployment)

    def release(self, deployment: str, step: float, most: int) -> int:
        """Give back as many steps of a part as were not used, and no more; return how many."""
        with self._lock:
            count = max(0, min(most, int(self._unused(deployment) / step + 1e-9)))
            if self._lent is not None:
                self._lent[deployment] = self._part(deployment) - count * step
            return count

    def _unused(self, deployment: str) -> float:
        return max(0.0, self._part(deployment) - self._used(deployment))

    def _used(self, deployment: str) -> float:
        now = self._clock()
        used = [
            sum(entry.amount for entry in self._in_window(deployment, name, now))
            / self._in_period(deployment, name)
            for of, name in self._limits
            if of == deployment
        ]
        return max(used, default=0.0)

    def _part(self, deployment: str) -> float:
        return 1.0 if self._lent is None else self._lent.get(deployment, 0.0)

    def _in_period(self, deployment: str, name: str) -> float:
        """Return what the whole quota grants in the time after which it is renewed."""
        period_s = self._periods.get((deployment, name), _MINUTE_S)
        return self._limits[deployment, name] * period_s / _MINUTE_S

    def arrived(self, deployment: str, wanted: Mapping[str, float]) -> None:
        """Count what was taken from now on: the service has just answered, and has counted it before."""
        with self._lock:
            now = self._clock()
            # What was sent before the refusal proves nothing.
            if (refusal := self._refusals.get(deployment)) and refusal.is_probed:
                del self._refusals[deployment]
            self._learnt[deployment].admitted(now)
            for name, amount in wanted.items():
                self._take_back(deployment, name, amount)
                self._sent[deployment, name].append(_Spend(now, amount, is_open=False))

    def assume(self, deployment: str, rates: Rates) -> None:
        """Begin with limits that an earlier process was told; the profile's own count before them."""
        with self._lock:
            for name, limit in vars(rates).items():
                if limit is not None and (deployment, name) not in self._limits:
                    self._limits[deployment, name] = limit * self._share
                    self._assumed.add((deployment, name))

    def correct(self, deployment: str, headers: Mapping[str, str]) -> None:
        """Learn a limit that the profile does not know from the headers of an answer."""
        with self._lock:
            for name in ("requests", "tokens", "images"):
                text = headers.get(f"x-ratelimit-limit-{name}", "")
                period = headers.get(f"x-ratelimit-renewalperiod-{name}", "")
                period_s = min(float(period), _MINUTE_S) if period.isdigit() and int(period) else _MINUTE_S
                if text.isdigit() and int(text) > 0:
                    is_old = (deployment, name) in self._assumed
                    self._assumed.discard((deployment, name))
                    known = None if is_old else self._limits.get((deployment, name))
                    told = int(text) * self._share * _MINUTE_S / period_s
                    self._limits[deployment, name] = told if known is None else min(known, told)
                    self._periods[deployment, name] = period_s
                    if name != "tokens":
                        self._learnt[deployment].forget()

    def refused(
        self,
        deployment: str,
        wanted: Mapping[str, float],
        retry_after_s: float | None,
        *,
        is_shortest: bool = True,
    ) -> None:
        """Close the deployment for as long as a 429 asks; what was refused counts there, and so here.

        `is_shortest` says that of the deployments that the request needed it is the one that grants least.
        """
        with self._lock:
            now = self._clock()
            asked_s = sane_wait_s(retry_after_s)
            is_known = any((deployment, name) in self._limits for name in ("requests", "images"))
            is_learnt = is_shortest and not is_known and self._learnt[deployment].refused(now)
            unsaid_s = LEARNT_PAUSE_S if is_learnt else UNSAID_PAUSE_S
            until = now + (unsaid_s if asked_s is None else asked_s)
            self._refusals[deployment] = _Closed(until, now + PROBE_S)
            for name, amount in wanted.items():
                self._take_back(deployment, name, amount)
                self._sent[deployment, name].append(_Spend(now, amount, is_open=False))

    def refused_until(self, deployment: str) -> float | None:
        """Return until when the service refuses a deployment, None while it does not."""
        with self._lock:
            refusal = self._refusals.get(deployment)
            return refusal.until if refusal and refusal.until > self._clock() else None

    def reopen(self, deployment: str) -> None:
        """Forget a refusal: a person says that the quota is back."""
        with self._lock:
            self._refusals.pop(deployment, None)

    def _refused_s(self, deployment: str, now: float) -> float:
        refusal = self._refusals.get(deployment)
        return min(refusal.until, refusal.next_probe) - now if refusal else 0.0

    def _take_back(self, deployment: str, name: str, amount: float) -> None:
        """Drop a request that was not answered yet; those that want the same are alike."""
        sent = self._sent[deployment, name]
        if entry := next((one for one in sent if one.is_open and one.amount == amount), None):
            sent.remove(entry)

    def _in_window(self, deployment: str, name: str, now: float) -> deque[_Spend]:
        """Return what still counts, and forget the rest."""
        sent = self._sent[deployment, name]
        while sent and sent[0].at <= now - self._window_s(deployment, name):
            sent.popleft()
        return sent

    def _window_s(self, deployment: str, name: str) -> float:
        return self._periods.get((deployment, name), _MINUTE_S) + WINDOW_S - _MINUTE_S

    def _wait_s(self, deployment: str, name: str, amount: float, now: float) -> float:
        sent = self._in_window(deployment, name, now)
        window_s = self._window_s(deployment, name)
        if (deployment, name) not in self._limits:
            return 0.0
        whole = self._in_period(deployment, name)
        limit = whole * self._part(deployment)
        if limit < amount <= whole:
            return window_s  # until more is lent
        free = limit - sum(entry.amount for entry in sent)
        for entry in sent:
            if amount <= free:
                break
            free += entry.amount
            wait_s = entry.at + window_s - now
            if amount <= free:
                return max(wait_s, 0.001)
        # More than a whole minute's quota is let through alone: the service must say what it makes of it.
        return 0.0 if amount <= free or not sent else max(sent[-1].at + window_s - now, 0.001)
