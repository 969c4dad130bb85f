"""The project's fonts, `configs/fonts.toml`: each name's file, and the licence under which it is there."""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import tomli
from pydantic import Field, ValidationError

from assetmill.errors import InvalidSpec
from assetmill.spec.base import SpecModel

FILE = "fonts.toml"


class FontSpec(SpecModel):
    """One font. `file` is relative to the table; `face` is its number in a collection (.ttc)."""

    file: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    face: int = Field(default=0, ge=0, le=255)


def load_fonts(configs: Path) -> Mapping[str, tuple[FontSpec, Path]]:
    """Return every font by name, with its file; none where there is no table.

    Raises:
        InvalidSpec: the table is not valid.
    """
    path = configs / FILE
    try:
        changed = path.stat().st_mtime_ns
    except FileNotFoundError:
        return {}
    return _loaded(path, changed)


@lru_cache(maxsize=8)
def _loaded(path: Path, _changed: int) -> Mapping[str, tuple[FontSpec, Path]]:
    try:
        table = tomli.loads(path.read_text(encoding="utf-8"))
        fonts = {name: FontSpec.model_validate(entry) for name, entry in table.items()}
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise InvalidSpec(str(path), None, f"cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        hint = "each font has file, licence and perhaps face"
        raise InvalidSpec(str(path), None, f"{where}: {first['msg']}", hint) from error
    return {name: (font, path.parent / font.file) for name, font in fonts.items()}
