"""What an output asks for that can never come true, however good the model: found before anything is paid.

Texts may still hold templates; what is not known yet is not judged.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from assetmill.spec.file_kinds import (
    ACCEPTED,
    PICTURES,
    Kind,
    is_writable,
    kind_of,
    media_type_of,
    suffix_of,
)
from assetmill.spec.image_models import parse_size

if TYPE_CHECKING:
    from assetmill.spec.output_checks import ChecksSpec

Fault = tuple[str, str, str]
"""The key of the output that is at fault, what is wrong, and what to do."""

_DRAWN = ("png", "jpeg", "webp")
_NO_ALPHA = frozenset({"jpeg"})
_MOST_FILES = 64
_ASPECT_TOLERANCE = 0.02


@dataclass(frozen=True)
class Makers:
    """What of a stage can make files. `image` is its image tool as far as it is known, None without one."""

    image: Mapping[str, Any] | None
    runs_code: bool

    @property
    def only_draws(self) -> bool:
        """Whether nothing but the image tool makes files."""
        return self.image is not None and not self.runs_code


@dataclass(frozen=True)
class Asked:
    """One output as it is written, or as far as its templates are rendered; "" for what is not given."""

    kind: Kind
    name: str
    count: int
    pattern: str = ""
    format: str = ""
    size: str = ""
    alpha: bool | None = None
    checks: ChecksSpec | None = None

    @property
    def file_format(self) -> str:
        """The format that its files must have, as one word; "" when any will do."""
        return suffix_of(f"x.{self.format}") if _is_known(self.format) else suffix_of(self.name)


def contradictions(asked: Asked, makers: Makers) -> Iterator[Fault]:
    """Yield what of an output can never be."""
    yield from _name_faults(asked)
    yield from _format_faults(asked, makers)
    yield from _alpha_faults(asked, makers)
    yield from _pattern_faults(asked, makers)
    if asked.checks:
        yield from _check_faults(asked, asked.checks)


def _name_faults(asked: Asked) -> Iterator[Fault]:
    suffix, written = suffix_of(asked.name), suffix_of(f"x.{asked.format}") if _is_known(asked.format) else ""
    if suffix and written and suffix != written and {suffix, written} & _suffixes():
        yield (
            "format",
            f"{asked.name!r} cannot be {asked.format}",
            f"call it so that it ends in .{asked.format}",
        )


def _format_faults(asked: Asked, makers: Makers) -> Iterator[Fault]:
    found = asked.file_format
    if not found:
        return
    made = kind_of(media_type_of(f"x.{found}"))
    is_picture = asked.kind in {"picture", "chart"}
    if asked.kind == "picture" and makers.only_draws and found not in _DRAWN:
        yield (
            "name",
            f"image_generation writes {', '.join(_DRAWN)}, not {found}",
            "let code_interpreter make it",
        )
    elif is_picture and made == "picture" and found not in PICTURES | {"svg"}:
        yield "name", f"no {found} is examined here", "ask for png, jpeg, webp or svg"
    elif made not in ACCEPTED[asked.kind] and not (
        asked.kind in {"text", "data"} and is_writable(found) and made != "picture"
    ):
        yield (
            "kind",
            f"{asked.name!r} is no {asked.kind}",
            "leave the kind out, or give the file another name",
        )
    elif asked.kind in {"text", "data"} and not makers.runs_code and not is_writable(found):
        yield "name", f"words alone make no {found}", "add code_interpreter, or ask for txt, md, csv or json"


def _alpha_faults(asked: Asked, makers: Makers) -> Iterator[Fault]:
    if asked.kind not in {"picture", "chart"}:
        return
    wanted = {asked.alpha, asked.checks.alpha if asked.checks else None} - {None}
    if len(wanted) == 2:
        yield "alpha", "its checks ask for the opposite", "leave one of them out"
    if True in wanted and asked.file_format in _NO_ALPHA:
        yield "alpha", f"{asked.file_format} has no alpha channel", "use png or webp"
    background = (makers.image or {}).get("background") if makers.only_draws else None
    if True in wanted and background == "opaque":
        yield "alpha", "the tool draws an opaque background", "background: transparent"
    if False in wanted and background == "transparent":
        yield "alpha", "the tool draws a transparent background", "leave the background out"


def _pattern_faults(asked: Asked, makers: Makers) -> Iterator[Fault]:
    pattern = asked.pattern
    if not _is_known(pattern):
        return
    if makers.only_draws and asked.kind == "picture":
        drawn = str((makers.image or {}).get("output_format") or asked.file_format)
        extensions = [{"jpeg": "jpg"}.get(word, word) for word in ((drawn,) if drawn in _DRAWN else _DRAWN)]
        names = [[f"image-{n}.{ext}" for n in range(1, _MOST_FILES + 1)] for ext in extensions]
        if all(sum(fnmatch.fnmatchcase(name, pattern) for name in some) < asked.count for some in names):
            yield (
                "pattern",
                f"what the tool draws is called {names[0][0]}, which {pattern!r} never matches",
                ("leave the pattern out"),
            )
        return
    suffix = suffix_of(pattern)
    made = kind_of(media_type_of(f"x.{suffix}"))
    if suffix in _suffixes() and made not in ACCEPTED[asked.kind]:
        yield "pattern", f"what {pattern!r} matches is no {asked.kind}", "change the pattern or the kind"
    elif suffix in PICTURES and asked.file_format in PICTURES and suffix != asked.file_format:
        yield "pattern", f"what {pattern!r} matches is no {asked.file_format}", "let both say the same format"


def _check_faults(asked: Asked, checks: ChecksSpec) -> Iterator[Fault]:
    found, size = asked.file_format, parse_size(asked.size)
    if checks.format and found and checks.format != found:
        yield "checks", f"it is to be {found} and is checked to be {checks.format}", "let both say the same"
    if checks.alpha and checks.format in _NO_ALPHA:
        yield "checks", f"{checks.format} has no alpha channel", "use png or webp"
    checked = parse_size(checks.size) if checks.size else None
    if size and checked and size != checked:
        yield (
            "checks",
            f"it is to be {asked.size} and is checked to be {checks.size}",
            "let both say the same",
        )
    from assetmill.spec.output_checks import parse_ratio  # few outputs have any

    ratio, exact = parse_ratio(checks.aspect) if checks.aspect else None, size or checked
    if ratio and exact and abs(exact[0] / exact[1] - ratio) > _ASPECT_TOLERANCE * ratio:
        yield "checks", f"{exact[0]}x{exact[1]} is not {checks.aspect}", "leave one of them out"


def schema_faults(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the service refuses of a schema that it is to keep to strictly.

    A schema is strict when its outermost object takes no other properties and requires all of its own.
    """
    if schema.get("additionalProperties") is not False:
        return
    properties = cast(Mapping[str, Any], schema.get("properties") or {})
    if sorted(map(str, schema.get("required") or ())) != sorted(map(str, properties)):
        return
    waiting: list[tuple[str, object, int]] = [("the schema", schema, 0)]
    while waiting:
        where, part, depth = waiting.pop()
        if isinstance(part, list):
            waiting += [(where, one, depth) for one in cast(list[object], part)]
        if not isinstance(part, Mapping):
            continue
        inner = cast(Mapping[str, Any], part)
        yield from _object_faults(where, inner, depth)
        for key in ("items", "anyOf", "prefixItems"):
            waiting.append((f"{key} of {where}", inner.get(key), depth + (key == "items")))
        for key in ("properties", "$defs", "definitions"):
            named = inner.get(key)
            if isinstance(named, Mapping):
                parts = cast(Mapping[str, object], named).items()
                waiting += [(f"{name!r}", one, depth + (key == "properties")) for name, one in parts]


_REFUSED_WORDS = ("allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "oneOf")
_DEEPEST = 10


def _object_faults(where: str, part: Mapping[str, Any], depth: int) -> Iterator[str]:
    if words := [word for word in _REFUSED_WORDS if word in part]:
        yield f"{where} uses {', '.join(words)}, which a strict schema may not"
    if depth > _DEEPEST:
        yield f"{where} is nested more than {_DEEPEST} deep"
    properties = part.get("properties")
    if part.get("type") == "object" or isinstance(properties, Mapping):
        names = sorted(map(str, cast(Mapping[str, Any], properties or {})))
        if (
            part.get("additionalProperties") is not False
            or sorted(map(str, part.get("required") or ())) != names
        ):
            yield f"{where} must be closed and require all that it has, as the outermost object does"


def _is_known(text: str) -> bool:
    return bool(text) and "{" not in text


def _suffixes() -> frozenset[str]:
    """Return the suffixes of which everybody knows what they are."""
    return PICTURES | {"svg", "bmp", "tiff", "avif", "heic", "ico", "csv", "json", "txt", "md", "html", "pdf"}
