"""Files from the store into the tree: only those that differ, verified, each written as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from assetmill.locking.models import Lock, LockedAsset
from assetmill.locking.offline_plan import blob_of
from assetmill.locking.paths import file_state, write_file
from assetmill.progress import unwatched
from assetmill.records import BlobRef

Find = Callable[[str, BlobRef], bytes | None]
"""Given a profile and a blob, its verified bytes from that profile's store; None when it has none."""

_THREADS = 8


@dataclass(frozen=True)
class Synced:
    """What a sync did, as paths: `unknown` are those whose bytes no store had.

    `replaced` are those of the written ones where another file was.
    """

    written: tuple[str, ...]
    replaced: tuple[str, ...]
    unchanged: tuple[str, ...]
    unknown: tuple[str, ...]


def sync_files(
    lock: Lock,
    root: Path,
    find: Find,
    *,
    folders: Iterable[str] | None = None,
    on_file: Callable[[], None] = unwatched,
) -> Synced:
    """Make the files of the tree what the lock says, in some folders or in all.

    `on_file` is called after each, in any thread.

    Raises:
        InvalidInput: a path leads out of the tree through a link, or a file cannot be written.
        StoreUnavailable: a store still refused after its own retries.
    """
    wanted = frozenset(lock.folder if folders is None else folders)
    listed = sorted((p, a) for p, a in lock.in_tree().items() if p.rpartition("/")[0] in wanted)

    def bring(entry: tuple[str, LockedAsset]) -> str:
        outcome = brought(entry)
        on_file()
        return outcome

    def brought(entry: tuple[str, LockedAsset]) -> str:
        path, asset = entry
        state = file_state(root, path, asset.sha256, through_pointers=False)
        if state == "there":
            return "unchanged"
        data = find(lock.folder[path.rpartition("/")[0]].plan.profile, blob_of(asset))
        if data is None:
            return "unknown"
        write_file(root, path, data)
        return "replaced" if state == "altered" else "written"

    with ThreadPoolExecutor(_THREADS) as pool:
        outcomes = list(zip(listed, pool.map(bring, listed), strict=True))

    def paths(*kinds: str) -> tuple[str, ...]:
        return tuple(path for (path, _), outcome in outcomes if outcome in kinds)

    return Synced(paths("written", "replaced"), paths("replaced"), paths("unchanged"), paths("unknown"))
