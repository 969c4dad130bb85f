"""The only hashing code: content digests and the fingerprint that finds a finished stage."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, NewType

Digest = NewType("Digest", str)
"""`sha256:` and 64 hex digits."""

Fingerprint = NewType("Fingerprint", str)
"""52 characters of lower-case base32: SHA-256 of everything that decides a stage's output."""


def digest(data: bytes) -> Digest:
    """Return the content digest of `data`, tagged with its algorithm."""
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


def canonical(value: Any) -> bytes:
    """Return canonical JSON: sorted keys, no white space, UTF-8, no NaN.

    Raises:
        ValueError: the value holds NaN or infinity, which have no JSON form.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def fingerprint(deciding: Mapping[str, Any]) -> Fingerprint:
    """Return the fingerprint of the fields that decide a stage's output.

    Key order does not matter; every value does.
    """
    sha = hashlib.sha256(canonical(deciding)).digest()
    return Fingerprint(base64.b32encode(sha).decode().rstrip("=").lower())


def short_key(name: str) -> str:
    """Return 8 hex digits that stand for a pipeline's name in object keys."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]
