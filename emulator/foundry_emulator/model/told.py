"""What the user said of themselves or of a thing earlier in the conversation, and asks for now."""

from __future__ import annotations

import re
from collections.abc import Sequence

_OWNERS = {"my": "your", "our": "your", "the": "the"}
_ASKED = re.compile(
    r"\b(?:what|who)(?:\s+(?:is|are|was)|'?s)\s+(my|our|the)\s+([\w' -]{2,40}?)(?:\s+(?:called|named))?\s*\?",
    re.IGNORECASE,
)
_NAMES_ITSELF = r"\b(?:call me|i am called|i'm called|i am named)\s+"
_NEXT_CLAUSE = re.compile(
    r"[,;]?\s(?:and|but)\s(?=(?:my|our|the|i)\b)|[,;]\s(?=(?:my|our|the|i)\b)", re.IGNORECASE
)
_LONGEST_VALUE = 120


def told(text: str, earlier: Sequence[str]) -> str | None:
    """Answer "what is my name?" from what the user said before, newest first; None when nobody said it."""
    asked = _ASKED.search(text)
    if asked is None:
        return None
    owner, thing = asked.group(1).lower(), asked.group(2)
    for said in earlier:
        if value := _value(said, owner, thing):
            return f"{_OWNERS[owner].capitalize()} {thing} is {value}."
    return None


def _value(said: str, owner: str, thing: str) -> str | None:
    words = r"\s+".join(re.escape(word) for word in thing.split())
    ways = [rf"\b{owner}\s+{words}\s+(?:is|are|was)(?:\s+(?:called|named))?\s+"]
    ways += [_NAMES_ITSELF] if owner == "my" and thing.lower() == "name" else []
    value = rf"[\"'“]?([^\n.!?\"”]{{1,{_LONGEST_VALUE}}}(?:\.\d+)?)"
    for way in ways:
        # A question about the thing tells nothing of it.
        if (match := re.search(way + value, said, re.IGNORECASE)) and f"{match.group()}?" not in said:
            return _NEXT_CLAUSE.split(match.group(1))[0].strip(" ,'")
    return None
