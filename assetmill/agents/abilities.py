"""What an endpoint can be asked for, as it has shown: remembered in the store with the day and the evidence.

What was seen to work is taken for granted until it is refused; what was refused is asked again after a week,
because services change. Nothing is tried for its own sake here: that is `assetmill doctor --live`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

from assetmill.agents.gateway import WAYS, Json, ResponseRequest
from assetmill.endpoints import Ability, EndpointAbility
from assetmill.errors import Rejected
from assetmill.records import Way
from assetmill.store.ledger import Ledger

NO_COUNTS_S = 7 * 24 * 3600.0
"""How long a refusal is believed."""

_MOST_CHARS = 300
_SAYS_NO: tuple[tuple[Ability, re.Pattern[str]], ...] = (
    ("background", re.compile(r"\bbackground\b", re.IGNORECASE)),
    ("stream", re.compile(r"\bstream(?:s|ed|ing)?\b", re.IGNORECASE)),
    ("metadata", re.compile(r"\bmetadata\b", re.IGNORECASE)),
)


class Abilities:
    """One endpoint's abilities. Safe for threads; each is read from the store once.

    `fixed` is the way that the profile wants and no other, None when the endpoint decides.
    """

    def __init__(
        self, endpoint: str, ledger: Ledger, clock: Callable[[], float], fixed: Way | None = None
    ) -> None:
        self._endpoint, self._ledger, self._clock = endpoint, ledger, clock
        self.fixed = fixed
        self._known: dict[Ability, EndpointAbility | None] = {}
        # Stages learn in many threads: one must not store what another has just stored.
        self._lock = threading.Lock()

    def has(self, ability: Ability) -> bool | None:
        """Whether the endpoint has shown an ability, None when nobody knows, or a refusal is too old."""
        with self._lock:
            return self._has(ability)

    def learn(self, ability: Ability, *, holds: bool, evidence: str) -> None:
        """Remember what the endpoint has shown, when that is news."""
        with self._lock:
            if self._has(ability) == holds:
                return
            seen = EndpointAbility(
                endpoint=self._endpoint,
                ability=ability,
                holds=holds,
                evidence=evidence[:_MOST_CHARS],
                created_at=self._clock(),
            )
            self._ledger.write_ability(seen)
            self._known[ability] = seen

    def way(self) -> Way:
        """Return how to post: as is fixed, else in the first way that is not refused, else in the first."""
        if self.fixed:
            return self.fixed
        left: list[Way] = [way for way in WAYS if self.has(way) is not False]
        return left[0] if left else WAYS[0]

    def refuses_form(self, request: ResponseRequest, error: Rejected) -> bool:
        """Learn from a definite refusal; True when it is about the form of the post and another is left.

        A refusal of the form spends nothing, so the same request may be posted in the next form.
        """
        if type(error) is not Rejected or error.status not in {400, 404, 405, 415, 422, 501}:
            return False
        used = _used(request)
        said: list[Ability] = [
            name for name, words in _SAYS_NO if name in used and words.search(error.message)
        ]
        if not said:
            return False
        self.learn(said[0], holds=False, evidence=f"refused: {error.message}")
        # Metadata and partial pictures are left out next time; a way needs another one.
        return said[0] != request.way or self.way() != request.way

    def hear(self, way: Way, body: Json) -> None:
        """Learn from how a response describes itself whether it runs in the background as it was asked to."""
        echo: object = body.get("background")
        if way == "background" and isinstance(echo, bool):
            shown = "true" if echo else "false"
            self.learn("background", holds=echo, evidence=f"a response said background: {shown}")

    def _older(self, ability: Ability) -> EndpointAbility | None:
        """Return what stores kept of a refusal before there were abilities."""
        if ability not in ("image_file", "image_call"):
            return None
        found = self._ledger.read_refusal(self._endpoint, ability)
        if found is None:
            return None
        return EndpointAbility(
            endpoint=self._endpoint,
            ability=ability,
            holds=False,
            evidence=found.reason[:_MOST_CHARS],
            created_at=found.created_at,
        )

    def _has(self, ability: Ability) -> bool | None:
        if ability not in self._known:
            self._known[ability] = self._ledger.newest_ability(self._endpoint, ability) or self._older(
                ability
            )
        seen = self._known[ability]
        if seen is None or (not seen.holds and self._clock() - seen.created_at > NO_COUNTS_S):
            return None
        return seen.holds


def _used(request: ResponseRequest) -> set[Ability]:
    used: set[Ability] = {request.way}
    if request.is_streamed:
        used.add("stream")
    if request.metadata:
        used.add("metadata")
    return used
