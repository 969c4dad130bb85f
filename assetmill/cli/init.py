"""`assetmill init`: a project of one's own, with a pipeline that runs at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from assetmill.cli.options import json_option, print_json
from assetmill.errors import InvalidInput
from assetmill.holding import held
from assetmill.project import HOME, installed_configs, project_root
from assetmill.spec.pipeline import NAME

_STARTER = Path(__file__).with_name("starter.yaml")
_COPIED = ("profiles/*.toml", "styles/*.yaml", "prices.toml", "image_models.toml", "chat_models.toml")
"""What decides what is paid and how it looks: a project's own, so that an upgrade changes neither unseen."""

_IGNORED = f"{HOME}/"


@click.command()
@click.argument("name", metavar="[NAME]", default="first")
@json_option
def init(name: str, *, as_json: bool) -> None:
    """Make this folder a project with a first pipeline, NAME.

    Writes the pipeline, profiles, prices and styles under configs/, and .gitignore. What is there already is
    left as it is.
    """
    if not re.fullmatch(NAME, name):
        raise InvalidInput(
            f"{name!r} is no name for a pipeline: small letters, digits and dashes, as `first`"
        )
    root, here = project_root(), Path.cwd()
    if root.path != here:
        raise InvalidInput(f"this is inside the project {root.told()}: go there, or set ASSETMILL_ROOT=.")
    written: list[str] = []
    kept: list[str] = []
    for path, data in _files(name):
        (written if _write(here / path, data) else kept).append(path.as_posix())
    with held(here):
        (written if _ignore(here / ".gitignore") else kept).append(".gitignore")
    following = f"assetmill run {name}"
    if as_json:
        return print_json({"root": str(here), "written": written, "kept": kept, "next": following})
    for path in written:
        click.echo(f"wrote  {path}")
    for path in kept:
        click.echo(f"kept   {path}, which was there already")
    return click.echo(f"next:  {following}")


def _files(name: str) -> Iterator[tuple[Path, bytes]]:
    starter = _STARTER.read_text(encoding="utf-8").replace("NAME", name)
    yield Path("configs/pipelines", f"{name}.yaml"), starter.encode()
    source = installed_configs()
    for pattern in _COPIED:
        for path in sorted(source.glob(pattern)):
            yield Path("configs") / path.relative_to(source), path.read_bytes()


def _write(path: Path, data: bytes) -> bool:
    """Write a file that is not there; False when it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() or path.is_symlink():
            return False
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        if isinstance(error, FileExistsError) and path.is_file():
            return False  # somebody else has just written it
        raise InvalidInput(f"cannot write {path}: {error.strerror or error}") from error
    return True


def _ignore(path: Path) -> bool:
    """Keep the home out of version control; False when that is said already."""
    if _write(path, f"{_IGNORED}\n".encode()):
        return True
    said = path.read_text(encoding="utf-8", errors="surrogateescape")
    if _IGNORED in (line.strip().removeprefix("/") for line in said.splitlines()):
        return False
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{'' if said.endswith(chr(10)) or not said else chr(10)}{_IGNORED}\n")
    return True
