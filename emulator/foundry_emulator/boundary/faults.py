"""Makes the emulator fail on request: a plan says which call of which operation meets which fault."""

from __future__ import annotations

import base64
import fnmatch
import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from foundry_emulator.boundary.errors import invalid
from foundry_emulator.boundary.fields import Fields
from foundry_emulator.jsons import Json

FaultName = Literal[
    "drop_before",  # the connection is cut, nothing happened
    "drop_after_accept",  # the request is carried out, the reply is cut
    "late",  # the connection is cut, the request is carried out `delay_s` later
    "slow",  # the reply, or each event of a stream, waits `delay_s`
    "rate_limit",  # 429 with Retry-After, nothing happened
    "error_before",  # `status` (500; 408 is the gateway's), nothing happened
    "error_after",  # `status` (500), the request was carried out
    "redirect",  # 307 to the same address, nothing happened
    "garbage",  # the request was carried out, the reply is no JSON
    "half_body",  # the request was carried out, the reply is cut in the middle
    "account_block",  # 403 with `message` until the plan is cleared
    "moderation_input",  # the prompt is refused, for `categories`; with `where: image` only the picture
    "moderation_output",  # the picture was drawn and charged, then refused
    "bad_base64",  # the picture's text is no base64
    "truncated_picture",  # the picture's bytes end early
    "empty_result",  # completed, without a picture; with `charged: true` an item without a result
    "fail_response",  # the response ends as failed with `code` (server_error) and `message`
    "stuck",  # the response stays queued for ever
    "cut_stream",  # the connection is cut before event `event`
    "clean_early_close",  # the stream ends cleanly before event `event`
    "drip",  # the reply comes in sixteen pieces, `delay_s` apart
    "patch",  # the reply is changed as `routes/patching.py` says; with `instead: true` nothing happened
]
FAULT_NAMES: tuple[str, ...] = get_args(FaultName)
RESPONSE_FAULTS = frozenset(
    {
        "moderation_input",
        "moderation_output",
        "bad_base64",
        "truncated_picture",
        "empty_result",
        "fail_response",
        "stuck",
        "cut_stream",
        "clean_early_close",
        "slow",
        "drip",
    }
)
"""Faults that a run or a stream carries out; the rest happen at the HTTP boundary."""


@dataclass(frozen=True)
class Fault:
    """One fault to be carried out, with its parameters."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def number(self, key: str, default: float) -> float:
        """Return a numeric parameter."""
        return float(self.params.get(key, default))


@dataclass
class _Rule:
    op: str
    fault: Fault
    nth: frozenset[int]
    probability: float | None
    chance: random.Random
    times: float
    seen: int = 0

    def strikes(self) -> bool:
        self.seen += 1
        if self.times <= 0:
            return False
        if self.nth and self.seen not in self.nth:
            return False
        if self.probability is not None and self.chance.random() >= self.probability:
            return False
        self.times -= 1
        return True


def _rule(entry: Fields) -> _Rule:
    name = entry.choice("fault", FAULT_NAMES)
    if name is None:
        raise invalid(f"Missing required parameter: '{entry.path('fault')}'.", entry.path("fault"))
    nth = entry.raw.get("nth")
    numbers = cast("list[Any]", nth) if isinstance(nth, list) else [] if nth is None else [nth]
    if not all(isinstance(number, int) and number > 0 for number in numbers):
        raise entry.wrong_type("nth", "a positive integer or an array of them")
    probability = entry.number("probability", 0, 1)
    # A rule that says when it strikes strikes once for each; a block or a patch stays until it is cleared.
    forever = probability is not None or (name in ("account_block", "patch") and not numbers)
    times = entry.integer("times", 1, 10**9) or (float("inf") if forever else max(len(numbers), 1))
    known = {"op", "fault", "nth", "probability", "seed", "times"}
    params = {key: value for key, value in entry.raw.items() if key not in known}
    for key in ("delay_s", "retry_after_s", "event", "status"):
        value = params.get(key, 0)
        if not isinstance(value, (int, float)):
            raise entry.wrong_type(key, "a number")
    return _Rule(
        entry.need_text("op"),
        Fault(name, params),
        frozenset(numbers),
        probability,
        random.Random(entry.integer("seed", 0, 2**63) or 0),  # noqa: S311 - a repeatable plan, not a secret
        times,
    )


class Faults:
    """The current plan. Calls are counted from the moment a rule was set."""

    def __init__(self) -> None:
        # Two requests may arrive in one tick of the loop and on worker threads: counting needs the lock.
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self.struck: Counter[str] = Counter()

    def set(self, plan: Sequence[Fields]) -> None:
        """Replace the plan; entries are `{op, fault, nth? | probability?, seed?, times?, …parameters}`."""
        rules = [_rule(entry) for entry in plan]
        with self._lock:
            self._rules = rules

    def clear(self) -> None:
        """Drop the plan and the count of faults carried out."""
        with self._lock:
            self._rules = []
            self.struck.clear()

    def take(self, operation: str) -> Fault | None:
        """Count one call of an operation and return the fault it meets, if any."""
        with self._lock:
            hits = [r for r in self._rules if fnmatch.fnmatchcase(operation, r.op) and r.strikes()]
            if not hits:
                return None
            self.struck[hits[0].fault.name] += 1
            return hits[0].fault

    def as_json(self) -> Json:
        """Show how often each fault was carried out."""
        with self._lock:
            return {"rules": len(self._rules), "struck": dict(self.struck)}


def damaged(fault: str, text: bytes) -> bytes:
    """Spoil the base64 text of a picture as that fault does; other faults leave it alone."""
    if fault == "bad_base64":
        middle = len(text) // 2
        return text[:middle] + b"@@@ not base64 @@@" + text[middle:]
    if fault == "truncated_picture":
        data = base64.b64decode(text)
        return base64.b64encode(data[: max(len(data) * 2 // 3, 1)])
    return text
