"""A turn as the rules read it: the request in words, what was said before, what has been answered since."""

from __future__ import annotations

import re
from dataclasses import dataclass

from foundry_emulator.model.history import (
    Answered,
    answered_calls,
    is_message,
    last_answer,
    part_kinds,
    since_user,
    user_texts,
)
from foundry_emulator.model.words import capitalised, content_words, has, shorten
from foundry_emulator.steps import Item, Turn

LONGEST = 6_000
"""Characters of a text that are read."""

_FENCE = r"```(?:python3?|py)[ \t]*\r?\n"
_QUESTION = (
    r"^\W*(?:what|who|whom|whose|when|where|which|why|how|is|are|was|were|does|do|did|can you tell|tell me)\b"
)


@dataclass(frozen=True)
class Reading:
    """What the rules know before they take a step."""

    turn: Turn
    text: str
    """The request in words: without fenced code, and with its middle left out when it is very long."""
    code: str | None
    """The Python that the request brings along in fenced blocks."""
    earlier: tuple[str, ...]
    """What the user said before, newest first."""
    said: str
    """The newest answer that was given."""
    since: tuple[Item, ...]
    """What the newest message has led to so far: calls, their outputs, approvals."""
    answers: tuple[Answered, ...]
    """The function calls among them that were answered."""

    @property
    def is_question(self) -> bool:
        """Say whether the request asks for words rather than for work."""
        return has(self.text, "what'?s") or re.search(_QUESTION, self.text, re.IGNORECASE) is not None

    @property
    def leans_on_context(self) -> bool:
        """Say whether the request cannot be understood without what was said before."""
        refers = has(self.text, "its?", "that", "those", "they", "their", "them", "the same", "this")
        opens = has(
            self.text[:14], "and", "now", "also", "what about", "how about", "what specific", "which specific"
        )
        return (bool(self.earlier) and (refers or opens)) or (
            bool(self.earlier) and len(content_words(self.text)) < 3
        )

    def subject(self) -> str:
        """Return what earlier turns were about: the newest proper name, or the newest question's words."""
        for text in (self.said, *self.earlier):
            names = [name for name in capitalised(shorten(text, 400)) if not has(name, *_NO_SUBJECTS)]
            if names:
                return names[0]
        return " ".join(content_words(self.earlier[0])) if self.earlier else ""

    def attached_pictures(self) -> bool:
        """Say whether the newest user message brings pictures of its own."""
        newest = next((item for item in reversed(self.turn.history) if is_message(item, "user")), None)
        return newest is not None and "input_image" in part_kinds(newest)


_NO_SUBJECTS = (
    "According",
    "From",
    "The",
    "Here",
    "It",
    "Source",
    "Price",
    "Stock",
    "Rating",
    "Category",
    "Done",
)


def fenced_code(text: str) -> str | None:
    """Return the fenced Python of `text`, several blocks joined, or None without any."""
    blocks = re.findall(rf"{_FENCE}(.*?)```", text, re.DOTALL | re.IGNORECASE)
    return "\n".join(block.rstrip() + "\n" for block in blocks) or None


def without_code(text: str) -> str:
    """Return `text` with every fenced block of Python left out: its words are no request."""
    return re.sub(rf"{_FENCE}.*?```", " ", text, flags=re.DOTALL | re.IGNORECASE)


def clipped(text: str) -> str:
    """Leave out the middle of a very long text: patterns take time, and requests stand at its ends."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]}\n{text[-half:]}"


def read(turn: Turn) -> Reading:
    """Read a turn."""
    since = since_user(turn)
    return Reading(
        turn=turn,
        text=clipped(without_code(turn.text).strip()),
        code=fenced_code(turn.text),
        earlier=tuple(clipped(text) for text in user_texts(turn)[:20]),
        said=clipped(last_answer(turn)),
        since=tuple(since),
        answers=tuple(answered_calls(since)),
    )
