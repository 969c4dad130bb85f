"""Change a module right after it is imported, without importing it: pandas and friends stay lazy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Importing it for real costs every run ten milliseconds.
    from importlib.abc import Loader

Change = Callable[[ModuleType], None]


class _Finder:
    def __init__(self, changes: Mapping[str, Change]) -> None:
        self._changes = dict(changes)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        # Taken out first: the look-up below comes through here again.
        change = self._changes.pop(fullname, None)
        if change is None:
            return None
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            _extend(spec.loader, change)
        return spec


def _extend(loader: Loader, change: Change) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        change(module)

    loader.exec_module = exec_module


def after_import(changes: Mapping[str, Change]) -> None:
    """Run each change once, when its module has been imported; at once if it has been already."""
    waiting: dict[str, Change] = {}
    for name, change in changes.items():
        module = sys.modules.get(name)
        if module is None:
            waiting[name] = change
        else:
            change(module)
    sys.meta_path.insert(0, _Finder(waiting))
