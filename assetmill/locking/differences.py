"""What changed between two locks, asset by asset, with the bytes of both sides where they can be found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assetmill.fingerprint import digest
from assetmill.locking.deciding import changed_fields
from assetmill.locking.history import file_at
from assetmill.locking.models import Lock, LockedAsset
from assetmill.locking.replanning import blob_of
from assetmill.locking.syncing import Find

ChangeKind = Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class Change:
    """An asset that is not the same in two locks. `fields` are the deciding fields that changed."""

    kind: ChangeKind
    path: str
    before: LockedAsset | None
    after: LockedAsset | None
    fields: tuple[str, ...]

    @property
    def asset(self) -> LockedAsset:
        """The newer side that there is."""
        found = self.after or self.before
        assert found is not None  # noqa: S101 - a change has a side
        return found


def changed_assets(before: Lock, after: Lock, *, everything: bool = False) -> tuple[Change, ...]:
    """Return the assets of the tree whose bytes changed, by path; with `everything`, those beside it too."""
    found: list[Change] = []
    for path in sorted(before.asset.keys() | after.asset.keys()):
        old, new = before.asset.get(path), after.asset.get(path)
        is_shown = everything or any(side and side.in_tree for side in (old, new))
        if is_shown and (old is None or new is None or old.sha256 != new.sha256):
            fields = changed_fields(old.deciding, new.deciding) if old and new else ()
            kind: ChangeKind = "added" if old is None else "removed" if new is None else "changed"
            found.append(Change(kind, path, old, new, fields))
    return tuple(found)


def cost_of(changes: Iterable[Change]) -> tuple[float, int]:
    """Return what the newer sides cost in US dollars, each stage once, and of how many that is unknown."""
    stages = {change.after.fingerprint: change.after.stage_cost_usd for change in changes if change.after}
    known = [cost for cost in stages.values() if cost is not None]
    return sum(known), len(stages) - len(known)


def bytes_finder(
    root: Path, commit: str | None, folders: Lock, find: Find
) -> Callable[[str, LockedAsset], bytes | None]:
    """Return what finds an asset's bytes: in the tree, in a commit, else in the store of its folder."""

    def find_bytes(path: str, asset: LockedAsset) -> bytes | None:
        wanted = blob_of(asset).digest
        for data in (_file(root / path), file_at(root, commit, path) if commit else None):
            if data is not None and digest(data) == wanted:
                return data
        folder = folders.folder.get(path.rpartition("/")[0])
        return find(folder.plan.profile, blob_of(asset)) if folder else None

    return find_bytes


def _file(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() and not path.is_symlink() else None
    except OSError:
        return None
