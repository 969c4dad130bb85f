"""Lay out a store of many finished stages quickly: what one real stage leaves, under other names."""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

from assetmill.fingerprint import digest
from assetmill.records import AssetId, RunId, StageRecord
from assetmill.store import layout
from assetmill.store.index_rows import IndexPage, IndexRow, IndexRows, write_page
from assetmill.store.local import LocalStore
from benchmarks.growth import picture, walk

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_LINKS = 50_000
"""A file system limits how many names one file may have."""


def fingerprint(number: int) -> str:
    """Return a fingerprint's shape for a number, spread as digests are."""
    digits = int.from_bytes(hashlib.sha256(str(number).encode()).digest())
    return "".join(_LETTERS[digits >> 5 * place & 31] for place in range(52))


def lay_out(folder: Path, home: Path, stages: int) -> str:
    """Write so many stages, each with its records and a file of its own; return one's asset ID.

    Nothing is flushed: a benchmark's store need not survive a power cut.
    """
    store, model = LocalStore(folder), picture("model")
    walk(store, home, [model])
    mine = [entry.key for entry in store.list(layout.ROOT) if model.fingerprint in entry.key]
    (main,) = (key for key in mine if key.startswith(layout.STAGES))
    text = store.get(main)
    record = StageRecord.model_validate_json(text)
    blob = record.outputs[0].blob
    was = f'"digest":"{blob.digest}","size_bytes":{blob.size_bytes}'.encode()
    if was not in text:
        raise RuntimeError("a stage record names its blob in another way than this benchmark expects")
    sources = {key: _links(folder / key) for key in mine if key != main}
    asset_id = record.outputs[0].asset_id
    for number in range(stages):
        name = fingerprint(number)
        data = _data(number)
        sha = hashlib.sha256(data).hexdigest()
        _write(folder / layout.BLOBS / sha[:2] / sha, data)
        now = f'"digest":"sha256:{sha}","size_bytes":{len(data)}'.encode()
        changed = text.replace(was, now).replace(model.fingerprint.encode(), name.encode())
        _write(folder / main.replace(model.fingerprint, name), changed)
        for key, links in sources.items():
            (folder / key.replace(model.fingerprint, name)).hardlink_to(next(links))
    index = IndexRows()
    index.load(_row(asset_id.replace(model.fingerprint, fingerprint(n)), record, n) for n in range(stages))
    page = write_page(IndexPage(floor=RunId(""), recent=(), rows=()), index)
    store.create(layout.index_page(time.time_ns()), page, media_type="application/gzip")
    return asset_id.replace(model.fingerprint, fingerprint(stages - 1))


def _data(number: int) -> bytes:
    return f"file {number}".encode()


def _row(asset_id: str, record: StageRecord, number: int) -> IndexRow:
    """Return what the index says of a stage's file, had its run been sealed."""
    handles = (f"{handle.id}_{number}" for handle in record.outputs[0].handles)
    return IndexRow(
        asset_id=AssetId(asset_id),
        digest=digest(_data(number)),
        service_ids=(*handles, f"resp_{number:048d}"),
        created_at=float(number),
    )


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True)
        path.write_bytes(data)


def _links(source: Path) -> Iterator[Path]:
    """Yield a file to be linked to, a fresh copy as often as a file system needs one."""
    data, number = source.read_bytes(), 0
    while True:
        if number % _LINKS == _LINKS - 1:
            source = source.with_name(f".copy-{number}")
            source.write_bytes(data)
        number += 1
        yield source


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stages", type=int, default=20_000)
    chosen = parser.parse_args()
    print(lay_out(chosen.folder / "store", chosen.folder, chosen.stages))
