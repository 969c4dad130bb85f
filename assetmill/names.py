"""Names: of stages and endpoints as they are told apart, and of files, made safe to write on any system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit, urlunsplit

MAX_LENGTH = 96

_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
)


def stage_label(stage: str, variant: str) -> str:
    """Return how a stage's variant is called wherever a person or a key names it: `stage[variant]`."""
    return f"{stage}[{variant}]" if variant else stage


def counted(count: int, word: str) -> str:
    """Return `1 row` or `2 rows`."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def endpoint_name(address: str) -> str:
    """Return an endpoint's address in its one spelling: who writes it with a slash at its end means the same.

    Raises:
        ValueError: the text is no address at all.
    """
    parts = urlsplit(address)
    host = parts.netloc.lower()
    host = host.removesuffix(":443") if parts.scheme == "https" else host
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), parts.query, parts.fragment))


def is_same_endpoint(left: str, right: str) -> bool:
    """Whether two addresses mean one endpoint; older records have them as a person wrote them."""
    return endpoint_name(left) == endpoint_name(right)


def safe_name(text: str, fallback: str = "file") -> str:
    """Return a file name of `[A-Za-z0-9._-]`, at most 96 long, never hidden, reserved or empty.

    The extension survives when the stem has to be cut.
    """
    plain = unicodedata.normalize("NFKC", text).replace("\\", "/").rpartition("/")[2]
    letters = (c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", "".join(letters)).rstrip(".-_ ")
    stem, dot, extension = plain.rpartition(".")
    if not dot or len(extension) > 12:
        stem, extension = plain, ""
    stem = stem.strip(".-_")[: MAX_LENGTH - len(extension) - 1].rstrip(".-_") or fallback
    if stem.lower().split(".")[0] in _RESERVED:
        stem = f"{fallback}-{stem}"
    return f"{stem}.{extension}" if extension else stem


def distinct(names: Iterable[str], *, taken: Iterable[str] = (), are_folders: bool = False) -> Iterator[str]:
    """Yield the names, a repeated one with a number before its extension; case does not tell names apart.

    None is one of `taken`. A folder's name has no extension: its number comes last.
    """
    seen = {name.lower() for name in taken}
    # Where the last search of a name ended: ten thousand equal names would try each other's numbers.
    numbers: dict[str, int] = {}
    for name in names:
        stem, dot, extension = name.rpartition(".") if "." in name and not are_folders else (name, "", "")
        found, number = name, numbers.get(name.lower(), 2)
        while found.lower() in seen:
            found, number = f"{stem}-{number}{dot}{extension}", number + 1
        numbers[name.lower()] = number
        seen.add(found.lower())
        yield found
