"""Which of a conversation's responses is a turn's: told by its marks, and by what earlier turns have."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from assetmill.agents.gateway import Response
from assetmill.agents.streaming import as_map
from assetmill.records import Intent


def find_response(
    intent: Intent, listed: Sequence[Response], fp: str, taken: Collection[str]
) -> Response | None:
    """Return the response of a turn among those listed, oldest first; None when it is not there.

    There is one response a turn: what earlier turns have (`taken`) is none of this one's, in whatever order
    the list came. Marks that a response does not echo say nothing.
    """
    left = [one for one in listed if one.response_id not in taken and _may_be(one, intent, fp)]
    marked = [one for one in left if "assetmill_turn" in as_map(one.body.get("metadata"))]
    if marked:
        return marked[0]
    position = max(0, intent.turn - 1 - len(taken))
    return left[position] if len(left) > position else None


def _may_be(response: Response, intent: Intent, fp: str) -> bool:
    """Whether the marks that a response echoes are those of the turn's post."""
    marks = as_map(response.body.get("metadata"))
    expected = {
        "assetmill_fingerprint": fp,
        "assetmill_attempt": str(intent.attempt),
        "assetmill_turn": str(intent.turn),
    }
    return all(marks.get(name, value) == value for name, value in expected.items())
