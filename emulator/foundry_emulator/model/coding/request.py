"""What a code template is given: the request, the mounted files, and what was found or made before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from pprint import pformat

from foundry_emulator.model.words import file_names, has, words
from foundry_emulator.steps import ContainerFile, Hit

DATA = "/mnt/data/"
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class Source:
    """A file in the container: where it is, and the name a person would call it by."""

    path: str
    name: str
    data: bytes = b""

    @property
    def stem(self) -> str:
        """Return the name without its extension."""
        return PurePosixPath(self.name).stem

    @property
    def extension(self) -> str:
        """Return the lower-case extension of the name, dot included."""
        return PurePosixPath(self.name).suffix.lower()


@dataclass(frozen=True)
class CodeRequest:
    """One request for code.

    `sources` are the mounted files in order, `made` what this response made already. `earlier` is what was
    said before, newest first. `hits` are passages that file search found: data, never orders.
    `code` is Python that the request brings along.
    """

    text: str
    sources: tuple[Source, ...] = ()
    made: tuple[Source, ...] = ()
    hits: tuple[Hit, ...] = ()
    earlier: tuple[str, ...] = ()
    code: str | None = None

    def with_made(self, paths: Sequence[str]) -> CodeRequest:
        """Return the request as it stands after a run left files at `paths`."""
        added = tuple(Source(path, PurePosixPath(path).name) for path in paths)
        return replace(self, made=self.made + added)

    def pictures(self) -> tuple[Source, ...]:
        """Return the mounted pictures."""
        return tuple(source for source in self.sources if source.extension in PICTURES)

    def tables(self) -> tuple[Source, ...]:
        """Return the mounted CSV and TSV files."""
        return tuple(source for source in self.sources if source.extension in TABLES)

    def chosen_pictures(self, text: str | None = None) -> tuple[Source, ...]:
        """Return the mounted pictures that the request means: those it names, otherwise all."""
        return named(self.pictures(), self.text if text is None else text) or self.pictures()

    def one_picture(self, text: str | None = None) -> Source | None:
        """Return the picture that the request means: the one it names, otherwise the newest."""
        pictures = self.pictures()
        found = named(pictures, self.text if text is None else text)
        return found[0] if found else pictures[-1] if pictures else None

    def new_names(self, *extensions: str, text: str | None = None) -> list[str]:
        """List the file names in the request that are no mounted file's, optionally of some kinds only."""
        names = file_names(self.text if text is None else text)
        taken = {source.name.lower() for source in (*self.sources, *self.made)}
        fresh = [name for name in names if name.lower() not in taken]
        return [name for name in fresh if not extensions or name.lower().endswith(extensions)]

    def target(self, default: str, *extensions: str, text: str | None = None) -> str:
        """Return the path under which the request wants its result, or `default` under the data folder."""
        names = self.new_names(*extensions, text=text)
        if not names:
            return DATA + default
        return DATA + names[-1 if text is None else 0]


def named(sources: Sequence[Source], text: str) -> tuple[Source, ...]:
    """Return the files that `text` names, by file name or by a telling word of it."""
    exact = [source for source in sources if source.name.lower() in text.lower()]
    if exact:
        return tuple(exact)
    said = set(words(re.sub(r"\S{1,99}\.\w{3,4}\b", " ", text)))
    common = {"image", "picture", "photo", "file", "chart", "the", "data"}
    return tuple(source for source in sources if (set(words(source.stem)) - common) & said)


def sources_of(files: Sequence[ContainerFile]) -> tuple[Source, ...]:
    """Turn mounted files into sources: uploads are mounted as `<file id>-<name>` and known by their name."""
    return tuple(Source(file.path, _plain_name(file), file.data) for file in files)


def _plain_name(file: ContainerFile) -> str:
    name = PurePosixPath(file.path).name
    if file.file_id and name.startswith(f"{file.file_id}-"):
        return name[len(file.file_id) + 1 :] or name
    return re.sub(r"^(?:assistant|file|cfile)[-_][A-Za-z0-9]{16,}-(?=.)", "", name)


def script(template: str, **values: object) -> str:
    """Fill a template: each `$name` becomes the value written as a Python literal."""

    def literal(match: re.Match[str]) -> str:
        return pformat(values[match.group(1)], width=100, sort_dicts=False)

    return re.sub(r"\$([a-z_]+)", literal, template.strip("\n") + "\n")


def fonts_for(template: str, text: str) -> str:
    """Replace `FONTS` by the code of `font_of(size)`: Pillow's own font for English, a wider one else."""
    return template.replace("FONTS", _PLAIN_FONT if text.isascii() else _WIDE_FONT)


_PLAIN_FONT = """
def font_of(size):
    return ImageFont.load_default(size)
"""
_WIDE_FONT = """
def font_of(size):
    from importlib.util import find_spec

    # Pillow's own font has English letters alone; the plotting library brings one with many scripts.
    fonts = Path(find_spec("matplotlib").origin).parent / "mpl-data" / "fonts" / "ttf"
    return ImageFont.truetype(str(fonts / "DejaVuSans.ttf"), size)
"""


def wants_all(text: str) -> bool:
    """Say whether the request speaks of every picture rather than one."""
    return has(text, "each", "every", "all", "both", "them", "these", "pictures", "images", "photos")
