"""The title that a request gives to a chart or a table."""

from __future__ import annotations

import re

_TITLED = (
    r"\b(?:[Tt]itled?|[Ee]ntitled|[Hh]eaded|[Hh]eading|[Tt]itle is|[Cc]aptioned|the title)(?:\s+it)?\s*:?"
)
_QUOTES = (
    r"[\"\u201c\u00ab]([^\"\u201d\u00bb\n]{1,100})[\"\u201d\u00bb]",
    r"['\u2018]([^\n]{1,100}?)['\u2019](?!\w)",
)


def said_in(*texts: str) -> str | None:
    """Return the title that the first of the texts gives, in quotation marks or after its name."""
    for text in dict.fromkeys(texts):
        for quoted in _QUOTES:
            if said := re.search(_TITLED + r"\s*" + quoted, text, re.IGNORECASE):
                return said[1].strip()
        if said := re.search(_TITLED + r":?\s+([A-Z0-9][^.;,\n]{1,80})", text):
            return re.split(r"\s+(?:and|as|with|in|to)\s+(?=save|write|store|\w+\.\w{3})", said[1])[0].strip()
    return None
