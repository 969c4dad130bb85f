"""How often somebody may ask: a bucket of requests for each, which fills again with time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_KNOWN = 10_000


class RateLimit:
    """At most `burst` requests at once, and `per_second` of them in the long run, of each who asks."""

    def __init__(self, burst: int, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._per_second, self._clock = burst, per_second, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, who: str) -> float:
        """Take one request; return 0, or how long to wait until there is one again."""
        now = self._clock()
        left, seen = self._left.pop(who, (float(self._burst), now))
        left = min(self._burst, left + (now - seen) * self._per_second)
        is_one_left = left >= 1
        self._left[who] = (left - is_one_left, now)
        if len(self._left) > _MOST_KNOWN:
            # Who was not seen for longest has a full bucket by now, or nearly.
            self._left.popitem(last=False)
        return 0.0 if is_one_left else (1 - left) / self._per_second
