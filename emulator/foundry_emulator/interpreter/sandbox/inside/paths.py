"""Make `/mnt/data` and `/tmp` work where nothing can be mounted: the file functions are taught to translate.

Not a wall: it only keeps promises about names. What may be opened is decided by the kernel.
"""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable, Iterable
from functools import wraps
from types import ModuleType
from typing import Any

from . import hooks

DATA = "/mnt/data"
TMP = "/tmp"  # noqa: S108  # the program's word for its own directory

_ONE_PATH = (
    *(
        "access",
        "chdir",
        "chmod",
        "chown",
        "lchown",
        "listdir",
        "lstat",
        "mkdir",
        "mkfifo",
        "open",
        "readlink",
    ),
    *("remove", "rmdir", "scandir", "stat", "statvfs", "truncate", "unlink", "utime"),
    *("getxattr", "listxattr", "setxattr", "removexattr"),
)
_TWO_PATHS = ("link", "rename", "replace", "symlink")
_PATH_NAMES = frozenset({"path", "file", "src", "dst", "database"})


class Names:
    """The two directories under the names the program knows them by.

    `kept` are trees that keep their own names even below these: an interpreter may well live in `/tmp`.
    """

    def __init__(self, work: str, tmp: str, kept: Iterable[str] = ()) -> None:
        self._table = ((DATA, work), (TMP, tmp))
        self._kept = (work, tmp, *kept)

    def real(self, path: Any) -> Any:
        """Translate a path, whatever its type; anything else comes back as it is."""
        if not isinstance(path, str | bytes | os.PathLike):
            return path
        plain: str | bytes = os.fspath(path)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        name = os.fsdecode(plain)
        if not name.startswith("/"):
            return path  # pyright: ignore[reportUnknownVariableType]
        tidy = os.path.normpath(name)
        if any(_is_below(tidy, tree) for tree in self._kept):
            return path  # pyright: ignore[reportUnknownVariableType]
        for said, meant in self._table:
            if _is_below(tidy, said):
                translated = meant + tidy[len(said) :]
                return os.fsencode(translated) if isinstance(plain, bytes) else translated
        return path  # pyright: ignore[reportUnknownVariableType]

    def said(self, path: str) -> str:
        """Translate back what the kernel calls it."""
        for said, meant in self._table:
            if _is_below(path, meant):
                return said + path[len(meant) :]
        return path

    def wrap(self, function: Callable[..., Any], count: int) -> Callable[..., Any]:
        """Return the function with its first `count` arguments translated."""

        @wraps(function)
        def translating(*arguments: Any, **named: Any) -> Any:
            paths = (self.real(argument) for argument in arguments[:count])
            for name in _PATH_NAMES & named.keys():
                named[name] = self.real(named[name])
            return function(*paths, *arguments[count:], **named)

        return translating


def translate(work: str, tmp: str, kept: Iterable[str]) -> None:
    """Teach this process the names `/mnt/data` and `/tmp`. Before any of the program's own code runs."""
    names = Names(work, tmp, kept)
    for count, functions in ((1, _ONE_PATH), (2, _TWO_PATHS)):
        for name in functions:
            _replace(os, name, names.wrap(getattr(os, name), count))
    opening = names.wrap(io.open, 1)
    builtins.open = io.open = opening  # pyright: ignore[reportAttributeAccessIssue]
    io.FileIO = _translating_file(names)  # pyright: ignore[reportAttributeAccessIssue]
    real_getcwd = os.getcwd
    os.getcwd = lambda: names.said(real_getcwd())
    os.getcwdb = lambda: os.fsencode(os.getcwd())

    def wrapping(attribute: str) -> hooks.Change:
        def change(module: ModuleType) -> None:
            setattr(module, attribute, names.wrap(getattr(module, attribute), 1))

        return change

    # These two open files in C. sqlite3.connect is re-exported, so the inner module is the one to change.
    hooks.after_import({"sqlite3.dbapi2": wrapping("connect"), "PIL._imagingft": wrapping("getfont")})


def _is_below(path: str, tree: str) -> bool:
    return path == tree or path.startswith(tree + "/")


def _translating_file(names: Names) -> type[io.FileIO]:
    class FileIO(io.FileIO):
        def __init__(self, file: Any, mode: str = "r", **options: Any) -> None:
            super().__init__(names.real(file), mode, **options)

    return FileIO


def _replace(module: ModuleType, name: str, replacement: Callable[..., Any]) -> None:
    original = getattr(module, name)
    setattr(module, name, replacement)
    # shutil and tempfile ask these sets what a function can do.
    for capability in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
        if original in capability:
            capability.add(replacement)
