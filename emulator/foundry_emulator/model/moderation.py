"""Words that a content filter refuses: small lists to try refusals with, no judgement of meaning."""

from __future__ import annotations

import re

_CATEGORIES = {
    "violence": (
        r"gore|gory|dismember\w*|behead\w*|decapitat\w*|tortur\w*|massacre|bloodbath|mutilat\w*|corpses?|"
        r"blood-soaked|kill(?:ing)? (?:people|a person|someone|him|her)"
    ),
    "sexual": r"nude|nudity|naked|porn\w*|erotic\w*|explicit sex\w*|sex scene|hentai|nsfw",
    "self-harm": r"suicid\w*|self[- ]harm\w*|(?:cutting|hang(?:ing)?) (?:my|her|him|one)self|overdos\w*",
    "hate": (
        r"nazi propaganda|swastikas?|ethnic cleansing|racial slurs?|white supremac\w*|genocide propaganda|"
        r"hate speech"
    ),
}


def refuses(prompt: str) -> tuple[str, ...]:
    """Return the categories for which the filter refuses `prompt`, in a fixed order; empty when it passes."""
    return tuple(
        name for name, said in _CATEGORIES.items() if re.search(rf"\b(?:{said})\b", prompt, re.IGNORECASE)
    )
