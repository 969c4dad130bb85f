"""Where the code of a function tool is: found by its name, checked by its syntax, never imported here.

`module:function` is looked for beside the pipeline file, then in the working directory, then among the
installed packages. A plan reads the file and no more; the run that needs the function imports it.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from assetmill.errors import InvalidInput
from assetmill.fingerprint import Digest, digest

_MAX_SOURCE_BYTES = 4 * 1024 * 1024


class FunctionSource(NamedTuple):
    """A module that has the function. `is_local`: a file of the person's own, not an installed package."""

    module: str
    name: str
    path: Path
    is_local: bool
    digest: Digest


def find_function(reference: str, folder: Path | None) -> FunctionSource:
    """Return where `module:function` is defined. `folder` is the pipeline file's.

    Raises:
        InvalidInput: there is no such module or function, or a parameter has no type.
    """
    module, _, name = reference.partition(":")
    found = _find(module, folder)
    if found is None:
        places = " or ".join(str(place) for place in _folders(folder))
        raise InvalidInput(f"no module {module!r} in {places}, and none of that name is installed")
    path, is_local = found
    try:
        source = path.read_bytes()[:_MAX_SOURCE_BYTES]
        tree = ast.parse(source, str(path))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InvalidInput(f"cannot read module {module!r} from {path}: {error}") from error
    _check(tree, name, path)
    return FunctionSource(module, name, path, is_local, digest(source))


def _find(module: str, folder: Path | None) -> tuple[Path, bool] | None:
    parts = module.split(".")
    for place in _folders(folder):
        if path := _below(place, parts):
            return path, True
    try:
        top = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError, AttributeError):
        return None
    if top is None:
        return None
    if len(parts) == 1:
        return (Path(top.origin), False) if top.origin and top.origin.endswith(".py") else None
    for location in top.submodule_search_locations or ():
        if path := _below(Path(location), parts[1:]):
            return path, False
    return None


def _folders(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
    yield Path.cwd()


def _below(place: Path, parts: list[str]) -> Path | None:
    base = place.joinpath(*parts)
    candidates = (base.with_name(base.name + ".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _check(tree: ast.Module, name: str, path: Path) -> None:
    defined = {
        node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    if name not in defined:
        if name in imported:
            return  # checked when it is imported: the definition is in another file
        known = ", ".join(sorted(word for word in defined if not word.startswith("_"))) or "none"
        raise InvalidInput(f"{path} defines no function {name!r}; it has {known}")
    arguments = defined[name].args
    if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
        raise InvalidInput(f"{name!r} in {path} takes *args, **kwargs or positional-only parameters")
    for argument in (*arguments.args, *arguments.kwonlyargs):
        if argument.annotation is None:
            raise InvalidInput(f"parameter {argument.arg!r} of {name!r} in {path} has no type")
