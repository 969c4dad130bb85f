"""Words reduced to the form that plural, possessive and identifier share, so that they can be matched."""

from __future__ import annotations

import re


def word_set(text: str) -> frozenset[str]:
    """Make a set of the words in `text`: how word lists are written down."""
    return frozenset(re.findall(r"\S+", text))


def words(text: str) -> list[str]:
    """List the lower-case words of `text` in order, each reduced to its stem; names are taken apart."""
    return [
        stem(word) for word in re.findall(r"[a-z0-9\u00c0-\u024f]+(?:'[a-z]+)?", split_names(text).lower())
    ]


def split_names(text: str) -> str:
    """Break `snake_case`, `kebab-case` and `camelCase` names into words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text.replace("_", " ").replace("-", " "))


def stem(word: str) -> str:
    """Reduce a lower-case word to the form shared by its plural and possessive."""
    word = re.sub(r"'s?$", "", word)
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
