"""Where a project begins, and with it its configs, its lock and its home: looked for upwards, as git does.

A folder is a root when it holds one of `MARKS`. Where none is on the way up, it is the folder one works in.
"""

from __future__ import annotations

import functools
import os
import stat
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from assetmill.errors import InvalidSettings

HOME = ".assetmill"
"""What a project keeps for itself, below its root."""

REVIEWERS = "reviewers.toml"
"""What a project keeps beside its pipelines of whose word on a picture counts."""

MARKS = ("configs/pipelines", "assets.lock", "assetmill.toml", HOME)


@dataclass(frozen=True)
class Root:
    """A project's folder and which of the marks made it one; None where nothing is marked."""

    path: Path
    mark: str | None

    def told(self) -> str:
        """Return it as a person reads it."""
        why = f"marked by {self.mark}" if self.mark else "nothing above marks another"
        return f"{self.path} ({why})"


def find_root(start: Path, user_home: Path | None = None) -> Root:
    """Return the nearest folder with a mark, from `start` upwards.

    The way up ends at `user_home`, at the root of a file system, and below a folder that belongs to somebody
    else or that everybody may write to: who may write there could choose what is run here.
    """
    folder, user = start.resolve(), user_home.resolve() if user_home else None
    for place in _upwards(folder, user):
        # A home directory is full of programs' folders: one of ours there says nothing of what is below it.
        marks = MARKS if place == folder or place != user else MARKS[:-1]
        for mark in marks:
            if (place / mark).exists():
                return Root(place, mark)
    return Root(folder, None)


def find_upwards(name: str, start: Path, user_home: Path | None = None) -> Path | None:
    """Return the nearest file of that name, as far up as a root would be looked for."""
    places = _upwards(start.resolve(), user_home.resolve() if user_home else None)
    return next((place / name for place in places if (place / name).is_file()), None)


def _upwards(start: Path, user_home: Path | None) -> Iterator[Path]:
    yield start
    try:
        first = start.stat()
    except OSError:
        return
    below = start
    while below not in {user_home, below.parent}:
        place = below.parent
        try:
            found = place.stat()
        except OSError:
            return
        is_ours = found.st_uid in {first.st_uid, os.getuid()} and not found.st_mode & stat.S_IWOTH
        if found.st_dev != first.st_dev or not is_ours:
            return
        yield place
        below = place


class Borrowed(UserWarning):
    """Something of another place is used here: said once, so that nobody takes it for their own."""


def project_root(environ: Mapping[str, str] | None = None) -> Root:
    """Return the project that one works in: `ASSETMILL_ROOT`, else what is found upwards from here."""
    env = os.environ if environ is None else environ
    named = env.get("ASSETMILL_ROOT")
    return Root(Path(named).resolve(), "ASSETMILL_ROOT") if named else find_root(Path(), _user_home(env))


def home_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return where the project keeps what it makes: `ASSETMILL_HOME`, else `.assetmill` below its root."""
    env = os.environ if environ is None else environ
    return Path(env.get("ASSETMILL_HOME") or project_root(env).path / HOME).resolve()


def project_file(name: str, environ: Mapping[str, str] | None = None) -> Path:
    """Return the nearest file of that name upwards, else where it would be: in the project's root."""
    env = os.environ if environ is None else environ
    return find_upwards(name, Path(), _user_home(env)) or project_root(env).path / name


def _user_home(env: Mapping[str, str]) -> Path | None:
    return Path(env["HOME"]) if env.get("HOME") else None


def find_configs(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder with pipelines, profiles and dated data.

    `ASSETMILL_CONFIGS`, else `configs/` of the project, else what came with the installation.

    Raises:
        InvalidSettings: there is none, or the named one has neither pipelines nor profiles.
    """
    env = os.environ if environ is None else environ
    named = env.get("ASSETMILL_CONFIGS")
    candidates = [Path(named)] if named else [project_root(env).path / "configs", *_installed()]
    for candidate in candidates:
        if (candidate / "profiles").is_dir() or (candidate / "pipelines").is_dir():
            return candidate.resolve()
    raise InvalidSettings(
        f"no configs folder with pipelines/ or profiles/ at {', '.join(map(str, candidates))}"
    )


def _installed() -> list[Path]:
    here = Path(__file__).resolve().parent
    return [here / "configs", here.parent / "configs"]


def installed_configs() -> Path:
    """Return the configs that came with the installation.

    Raises:
        InvalidSettings: they are not there.
    """
    for candidate in _installed():
        if (candidate / "profiles").is_dir():
            return candidate
    raise InvalidSettings(f"the installation has no configs at {', '.join(map(str, _installed()))}")


_NEEDED = ("profiles", "prices.toml", "image_models.toml")


def config_file(configs: Path, name: str) -> Path:
    """Return a file or folder that every configs folder needs; one that is missing is the installation's.

    That is said, once, of those that decide what is paid: profiles, prices and image models.
    """
    if (configs / name).exists():
        return configs / name
    for candidate in _installed():
        if candidate != configs and (candidate / name).exists():
            missing = ", ".join(n for n in _NEEDED if not (configs / n).exists())
            if name in _NEEDED:
                _warn_once(f"{configs} has no {missing}: those of the installation, {candidate}, are used")
            return candidate / name
    return configs / name


def said_of_installed(configs: Path) -> str:
    """Return what somebody in the wrong folder should know; nothing where the configs are the project's."""
    here = project_root().path
    if configs == here / "configs" or configs not in {path.resolve() for path in _installed()}:
        return ""
    return f" (those of the installation: {here} has none; go to your project, or `assetmill init` here)"


def warn_of_another_project(pipeline: Path, configs: Path) -> None:
    """Say once that a pipeline's own project has prices or profiles, and others are used for it."""
    owner = find_root(pipeline.resolve().parent).path / "configs"
    own = [name for name in _NEEDED if (owner / name).exists()]
    if own and owner != configs.resolve():
        names = ", ".join(own)
        _warn_once(f"{pipeline} belongs to another project: {names} of {configs} are used, not of {owner}")


@functools.cache
def _warn_once(message: str) -> None:
    # Python's own "once" starts anew whenever a library changes the filters, as Prefect does in each run.
    warnings.warn(message, Borrowed, stacklevel=2)
