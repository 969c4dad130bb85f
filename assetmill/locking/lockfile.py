"""`assets.lock` on disk: TOML that git merges.

Every block stands for itself, begins with a line and ends with a line that no other block has, and holds no
count, order or time of the whole. So two branches that add assets merge by `merge=union`, which the line in
`.gitattributes` asks for; where both changed the same asset, reading fails and names the line, and `lock` and
`update` look that asset up again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from assetmill.errors import InvalidInput, InvalidSpec
from assetmill.locking.merging import without_doubles
from assetmill.locking.models import Lock
from assetmill.locking.paths import folder_problem, path_problem, replace_file
from assetmill.spec.reading import read_bytes

NAME = "assets.lock"
MAX_BYTES = 64 * 1024 * 1024
_HEAD = "# Written by `assetmill lock`; `assetmill check` compares it with the tree.\n\nversion = 1\n"
_KINDS = ("folder", "given", "stage", "asset")
_MENDS = "keep one of the blocks, or let `assetmill update` look them up again"
_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")


def read_lock(path: Path) -> Lock:
    """Read a lock file.

    Raises:
        InvalidSpec: there is none, or it is not valid; with the line where that is known.
    """
    if not path.exists():
        raise InvalidSpec(str(path), None, "no lock file", "`assetmill lock PIPELINE` writes one")
    return parse_lock(read_bytes(path, MAX_BYTES), str(path))


def parse_lock(data: bytes, name: str = NAME) -> Lock:
    """Parse a lock file's bytes; `name` is for messages. Errors as in `read_lock`."""
    return _parse(_decoded(data, name), name)


def mend_lock(path: Path) -> tuple[Lock, tuple[str, ...]]:
    """Read a lock file that may have come out of a merge; return with it what is now missing from it.

    Errors as in `read_lock`, and for folders that both sides changed.
    """
    try:
        return read_lock(path), ()
    except InvalidSpec:
        if not path.exists():
            raise
        mended, missing = without_doubles(_decoded(read_bytes(path, MAX_BYTES), str(path)))
        return _parse(mended, str(path)), missing


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InvalidSpec(name, None, f"is not UTF-8 text: {error.reason}") from error


def _parse(text: str, name: str) -> Lock:
    value = _parsed(text, name)
    _check_version(value, name)
    try:
        lock = Lock.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = tuple(str(part) for part in first["loc"] if part != "[key]")
        # A key may be any text; as it stands in a message it is one line.
        where = ".".join(map(_key, place[2:])) or (_key(place[0]) if len(place) == 1 else "")
        message = f"{where}: {first['msg']}" if where else str(first["msg"])
        raise InvalidSpec(name, _line_of(text, place), message) from error
    for place, message in _problems(lock):
        raise InvalidSpec(name, _line_of(text, place), message)
    return lock


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock file as a whole, sorted; the same lock always gives the same bytes.

    A file that has them is left alone.

    Raises:
        InvalidInput: it cannot be written.
    """
    try:
        data = format_lock(lock).encode()
        if not path.is_file() or path.read_bytes() != data:
            replace_file(path, data)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror or error}") from error


def format_lock(lock: Lock) -> str:
    """Return a lock file's text."""
    return _HEAD + "".join(_blocks(lock))


def ask_for_union(lock_path: Path) -> bool:
    """Make git merge a lock file block by block; return whether `.gitattributes` had to be written.

    Outside a git work tree nothing is written.
    """
    folder = lock_path.parent.resolve()
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return False
    attributes = folder / ".gitattributes"
    if attributes.is_symlink():
        # git does not read it through a link, and what the link leads to is not ours to copy.
        return False
    before = attributes.read_bytes().decode(errors="surrogateescape") if attributes.is_file() else ""
    if any(line.split()[:1] == [lock_path.name] and "merge=" in line for line in before.splitlines()):
        return False
    separator = "" if not before or before.endswith("\n") else "\n"
    # Not text=auto: a lock with other line ends would be another file.
    line = f"{lock_path.name} merge=union text eol=lf\n"
    replace_file(attributes, f"{before}{separator}{line}".encode(errors="surrogateescape"))
    return True


def _parsed(text: str, name: str) -> Mapping[str, Any]:
    import tomli

    if conflict := re.search(r"^(<{7}|>{7}) ", text, re.MULTILINE):
        line = text.count("\n", 0, conflict.start()) + 1
        raise InvalidSpec(name, line, "has a merge conflict", _MENDS)
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        message = _LINE.sub("", str(error))
        is_twice = "twice" in message or "overwrite" in message
        hint = f"both sides of a merge changed it? {_MENDS}" if is_twice else ""
        raise InvalidSpec(name, int(found[1]) if found else None, message, hint) from error
    except (RecursionError, ValueError) as error:
        raise InvalidSpec(name, None, f"is not TOML: {error}") from error


def _check_version(value: Mapping[str, Any], name: str) -> None:
    """Tell a newer lock, and a file that was cut off, from one with a mistake in it."""
    version = value.get("version")
    if version is None:
        raise InvalidSpec(name, 1, "has no `version`", "`assetmill lock PIPELINE` writes it anew")
    if isinstance(version, bool) or not isinstance(version, int):
        raise InvalidSpec(name, None, "`version` is not a number")
    if version > 1:
        raise InvalidSpec(
            name, None, f"has version {version}: a newer assetmill wrote it, and is needed here"
        )


def _blocks(lock: Lock) -> Iterator[str]:
    for kind in _KINDS:
        blocks: Mapping[str, BaseModel] = getattr(lock, kind)
        for key in sorted(blocks):
            values = blocks[key].model_dump(exclude_none=True, exclude_defaults=True)
            lines = [f"{name} = {_value(value)}" for name, value in values.items()]
            # Two blocks may end with the same value; the key tells their last lines apart for git.
            yield "\n" + "\n".join([_header(kind, key), *lines]) + f"  # {_string(key)}\n"


def _header(kind: str, key: str) -> str:
    return f"[{kind}.{_string(key)}]"


def _value(value: Any) -> str:
    """Write a value on one line: a line is what git merges."""
    if isinstance(value, dict):
        inside: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in inside.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, str):
        return _string(value)
    import tomlkit

    return str(tomlkit.item(value).as_string())  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)


def _string(text: str) -> str:
    import tomlkit

    return tomlkit.string(text).as_string()


def _line_of(text: str, place: tuple[str, ...]) -> int | None:
    """Find a block, and in it a key, as we write them; a block written otherwise has no line."""
    if len(place) < 2:
        return None
    lines = text.splitlines()
    try:
        start = lines.index(_header(place[0], place[1]))
    except ValueError:
        return None
    for number in range(start + 1, len(lines)):
        if lines[number].startswith("["):
            break
        if len(place) > 2 and lines[number].startswith(f"{place[2]} ="):
            return number + 1
    return start + 1


def _problems(lock: Lock) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what the models cannot say, with its place."""
    for folder in lock.folder:
        if problem := folder_problem(folder):
            yield ("folder", folder), f"folder {folder[:120]!r} {problem}"
    for key, block in lock.stage.items():
        if key.partition(":")[0] not in lock.folder:
            yield ("stage", key), f"stage {key[:120]!r} belongs to no folder of this file"
        if block.data is not None and not _is_json(block.data):
            yield ("stage", key, "data"), "data is not JSON"
    seen: dict[str, str] = {}
    for path in lock.asset:
        if problem := path_problem(path):
            yield ("asset", path), f"path {path[:120]!r} {problem}"
        if path.rpartition("/")[0] not in lock.folder:
            yield ("asset", path), f"path {path[:120]!r} is in no folder of this file"
        twin = seen.setdefault(path.lower(), path)
        if twin != path:
            yield ("asset", path), f"path {path!r} and {twin!r} are one file on some systems"
    yield from _disagreements(lock)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _disagreements(lock: Lock) -> Iterator[tuple[tuple[str, ...], str]]:
    """A stage has one fingerprint, however many blocks it has."""
    prints = {key: block.fingerprint for key, block in lock.stage.items()}
    for path, asset in lock.asset.items():
        key = f"{path.rpartition('/')[0]}:{asset.stage}"
        if prints.setdefault(key, asset.fingerprint) != asset.fingerprint:
            yield ("asset", path, "fingerprint"), f"two blocks of stage {asset.stage!r} do not agree"
