"""Which kind of thing a file is, by its name or its media type; and which kinds may stand for another."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

Kind = Literal["picture", "chart", "document", "data", "text"]

UNKNOWN = "application/octet-stream"
PICTURES = frozenset({"png", "jpeg", "webp", "gif"})
"""Formats of pictures that are decoded and examined; SVG is kept as it is."""

FORMATS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp",
           "avif": "image/avif"}  # fmt: skip
"""What a picture can be saved as, by its suffix."""

_COMMON: Mapping[str, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "gif": "image/gif",
    "svg": "image/svg+xml",
    "json": "application/json",
    "csv": "text/csv",
    "txt": "text/plain",
    "html": "text/html",
    "pdf": "application/pdf",
}
"""What no system calls otherwise: the tables of this one are read when another suffix is met."""
_DATA = frozenset({"text/csv", "application/json", "application/vnd.apache.parquet"})
_TABLES = frozenset({"csv", "tsv", "json", "jsonl", "ndjson", "parquet", "xlsx", "xls", "ods"})
_WORDS = frozenset(
    {"json", "jsonl", "ndjson", "yaml", "yml", "xml", "toml", "srt", "vtt", "md", "rst", "tex"}
)
_SAME = {"jpg": "jpeg", "htm": "html", "yml": "yaml", "tif": "tiff", "markdown": "md"}

ACCEPTED: Mapping[Kind, frozenset[Kind]] = {
    "picture": frozenset({"picture"}),
    "chart": frozenset({"picture", "document"}),
    "document": frozenset({"document", "text", "data"}),
    "data": frozenset({"data", "document"}),
    "text": frozenset({"text", "document"}),
}
"""Of which kinds a made file may be to be taken for an output of a kind."""


def suffix_of(name: str) -> str:
    """Return what comes after a name's last dot, as one word for each format; "" for a stem or a template."""
    stem, dot, suffix = name.rpartition(".")
    word = suffix.lower()
    return _SAME.get(word, word) if dot and stem and word.isalnum() else ""


@lru_cache(maxsize=1024)
def media_type_of(name: str) -> str:
    """Return the media type that a name promises."""
    stem, _, suffix = name.rpartition(".")
    if suffix in _COMMON and stem.strip(".") and not {"/", ":"} & set(name):
        return _COMMON[suffix]
    import mimetypes

    return mimetypes.guess_type(name)[0] or UNKNOWN


def kind_of(media_type: str) -> Kind:
    """Return which kind a made file is."""
    if media_type.startswith("image/"):
        return "picture"
    if media_type in _DATA:
        return "data"
    return "text" if media_type.startswith("text/") else "document"


def kind_of_name(name: str) -> Kind:
    """Return which kind of output a name asks for; a stem without a suffix asks for a picture."""
    suffix = suffix_of(name)
    if not suffix or kind_of(media_type_of(f"x.{suffix}")) == "picture":
        return "picture"
    if suffix in _TABLES:
        return "data"
    return "text" if is_writable(suffix) else "document"


def is_writable(suffix: str) -> bool:
    """Whether words alone can be a file with that suffix; one that nobody knows may be anything."""
    media_type = media_type_of(f"x.{suffix}")
    return not suffix or suffix in _WORDS or media_type == UNKNOWN or media_type.startswith("text/")
