"""Which keys are allowed: names that every store and every file system takes as they are."""

from __future__ import annotations

import re

from assetmill.errors import InvalidInput

MAX_KEY_BYTES = 900
MAX_SEGMENT_BYTES = 200

_INNER = r"[A-Za-z0-9_.=@+-]*"
_SEGMENT = re.compile(rf"[A-Za-z0-9_=@+-](?:{_INNER}[A-Za-z0-9_=@+-])?")
_BEGINNING = re.compile(rf"(?:[A-Za-z0-9_=@+-]{_INNER})?")


def is_segment(name: str) -> bool:
    """Say whether `name` may stand between two slashes of a key."""
    return len(name) <= MAX_SEGMENT_BYTES and _SEGMENT.fullmatch(name) is not None


def check_key(key: str) -> tuple[str, ...]:
    """Return the key's segments.

    Raises:
        InvalidInput: it is empty, too long, or has a character or a segment (`..`) that is not allowed.
    """
    segments = tuple(key.split("/"))
    if len(key) > MAX_KEY_BYTES or not all(map(is_segment, segments)):
        raise InvalidInput(f"{key[:100]!r} is not a key: segments of A-Z a-z 0-9 _ . = @ + -, joined by /")
    return segments


def check_prefix(prefix: str) -> tuple[tuple[str, ...], str]:
    """Return a listing prefix as its whole segments and the beginning of the next one.

    Raises:
        InvalidInput: no allowed key can start like that.
    """
    *whole, beginning = prefix.split("/")
    is_short = len(prefix) <= MAX_KEY_BYTES and len(beginning) <= MAX_SEGMENT_BYTES
    if not (is_short and all(map(is_segment, whole)) and _BEGINNING.fullmatch(beginning)):
        raise InvalidInput(f"no key starts with {prefix[:100]!r}")
    return tuple(whole), beginning
