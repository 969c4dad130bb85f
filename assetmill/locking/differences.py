"""What changed between two locks, asset by asset, with the bytes of both sides where they can be found."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assetmill.fingerprint import digest
from assetmill.locking.deciding import changed_fields
from assetmill.locking.history import file_at, lfs_object
from assetmill.locking.models import Lock, LockedAsset
from assetmill.locking.offline_plan import blob_of
from assetmill.locking.paths import linked_folder
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
            is_asked_anew = old and new and old.fingerprint != new.fingerprint
            fields = changed_fields(old.deciding, new.deciding) if old and new and is_asked_anew else ()
            kind: ChangeKind = "added" if old is None else "removed" if new is None else "changed"
            found.append(Change(kind, path, old, new, fields))
    return tuple(found)


def reasons(change: Change, others: Iterable[Change]) -> tuple[str, ...]:
    """Return the fields that changed, and behind an input that is among `others` those that changed it."""
    folder = change.path.rpartition("/")[0]
    made = {other.asset.output: other for other in others if other.path.rpartition("/")[0] == folder}

    def said(field: str) -> str:
        source = made.get(field.removeprefix("inputs.")) if field.startswith("inputs.") else None
        return f"{field} ({', '.join(source.fields)})" if source and source.fields else field

    return tuple(map(said, change.fields))


def cost_of(changes: Iterable[Change]) -> tuple[float, int]:
    """Return what the newer sides cost in US dollars, each stage once, and of how many that is unknown."""
    stages = {change.after.fingerprint: change.after.stage_cost_usd for change in changes if change.after}
    known = [cost for cost in stages.values() if cost is not None]
    return sum(known), len(stages) - len(known)


def bytes_finder(
    root: Path, commit: str | None, folders: Lock, find: Find
) -> Callable[[str, LockedAsset], bytes | None]:
    """Return what finds an asset's bytes: in the tree, in a commit, else in the store of its folder."""

    def here(path: str, asset: LockedAsset) -> Iterator[bytes | None]:
        yield _file(root, path, asset.size_bytes)
        if commit:
            yield file_at(root, commit, path)
            yield lfs_object(root, asset.sha256)

    def find_bytes(path: str, asset: LockedAsset) -> bytes | None:
        wanted = blob_of(asset).digest
        for data in here(path, asset):
            if data is not None and digest(data) == wanted:
                return data
        folder = folders.folder.get(path.rpartition("/")[0])
        return find(folder.plan.profile, blob_of(asset)) if folder else None

    return find_bytes


def _file(root: Path, path: str, size_bytes: int) -> bytes | None:
    """Read a file of the tree; one of another size is another file, and may be too large to read."""
    found = root / path
    try:
        facts = found.lstat()
        is_it = stat.S_ISREG(facts.st_mode) and facts.st_size == size_bytes
        return found.read_bytes() if is_it and not linked_folder(root, path) else None
    except OSError:
        return None
