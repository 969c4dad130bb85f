"""Style kits: named parts of a prompt that many pipelines share, with the pictures that they refer to.

A kit is a YAML file under `configs/styles/`, named by a stage's `style`. Of several kits, a later one's part
stands in the place of an earlier one's.
"""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assetmill.errors import InvalidSpec, NotFound
from assetmill.fingerprint import Digest, canonical, digest
from assetmill.spec.reading import Problems, describe, nearest, read_yaml
from assetmill.spec.short_forms import TEXTS, ShortForms
from assetmill.spec.tools import Names

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
Part = Annotated[str, Field(min_length=1, max_length=2000)]


def _lines(value: Any) -> Any:
    """Join a list: a palette and what to avoid read better as one in the file."""
    return ", ".join(map(str, value)) if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]


Listed = Annotated[Part, ShortForms(_lines, TEXTS)]

PARTS: Mapping[str, str] = {
    "subject": "Subject",
    "style": "Visual style",
    "composition": "Composition",
    "palette": "Palette",
    "lighting": "Lighting",
    "text": "Text",
    "avoid": "Avoid",
}
"""The parts of a kit in the order of the prompt, with the words before them."""


class StyleKit(BaseModel):
    """A style file. `references` are pictures beside it, given to the image tool as inputs."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    description: str = ""
    subject: Part | None = None
    style: Part | None = None
    composition: Part | None = None
    palette: Listed | None = None
    lighting: Part | None = None
    text: Part | None = None
    avoid: Listed | None = None
    references: Names = ()

    def parts(self) -> Mapping[str, str]:
        """Return the parts that the kit has."""
        found = {name: getattr(self, name) for name in PARTS}
        return {name: " ".join(text.split()) for name, text in found.items() if text}


class LoadedStyle(NamedTuple):
    """A kit with its name and the files that it refers to."""

    name: str
    kit: StyleKit
    references: tuple[Path, ...]

    def digest(self, references: Sequence[Digest]) -> Digest:
        """Return what decides of the kit: its parts and its pictures; not its description."""
        return digest(canonical([dict(self.kit.parts()), list(references)]))


def load_style(name: str, configs: Path) -> LoadedStyle:
    """Read a style kit by name.

    Raises:
        NotFound: there is none; the message names the nearest.
        InvalidSpec: the file is no style kit.
    """
    folder = configs / "styles"
    path = folder / f"{name}.yaml"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise NotFound("style kit", name[:80], nearest(name, style_names(configs)))
    document = read_yaml(path)
    problems = Problems(document)
    try:
        kit = StyleKit.model_validate(document.value)
    except ValidationError as error:
        describe(error.errors(include_url=False), problems, {"": StyleKit.model_fields})
        problems.raise_if_any()
        raise InvalidSpec(str(path), None, "is no style kit") from error
    if not kit.parts():
        problems.add((), "says nothing", f"give one of {', '.join(PARTS)}")
    references = tuple(folder / reference for reference in kit.references)
    for number, reference in enumerate(references):
        if not reference.is_file():
            problems.add(("references", number), f"no such file: {str(reference)!r}")
    problems.raise_if_any()
    return LoadedStyle(name, kit, references)


def style_names(configs: Path) -> tuple[str, ...]:
    """Return the names under `configs/styles/`, sorted."""
    return tuple(sorted(path.stem for path in (configs / "styles").glob("*.yaml")))


def compose(prompt: str, kits: Sequence[LoadedStyle]) -> str:
    """Return the prompt with the kits' parts under it, one line each."""
    parts: dict[str, str] = {}
    for loaded in kits:
        parts.update(loaded.kit.parts())
    lines = [f"{PARTS[name]}: {parts[name]}" for name in PARTS if name in parts]
    return "\n\n".join([prompt, "\n".join(lines)]) if lines else prompt


_ANYWHERE = re.compile(
    r"\b(draw|paint|sketch|illustrate|render|generate|create|edit|retouch|recolou?r|restyle)\w*",
    re.IGNORECASE,
)
_AT_FIRST = re.compile(
    r"\W*(please\W+)?(make|design|produce|depict|show|change|turn|replace|remove|add|put|extend|transform|"
    r"convert|keep|combine|blend|use|run|look|take|give)\b",
    re.IGNORECASE,
)


def with_verb(prompt: str, *, edits: bool) -> str:
    """Put `Draw` or `Edit` before a prompt that says neither, nor any other thing to do."""
    if _ANYWHERE.search(prompt) or _AT_FIRST.match(prompt):
        return prompt
    return f"{'Edit the picture' if edits else 'Draw'}: {prompt}"
