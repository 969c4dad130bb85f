"""Lay out a store of many finished stages quickly: what two real stages leave, under other names."""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assetmill.fingerprint import Fingerprint, digest
from assetmill.plan.calls import StageCall
from assetmill.records import AssetId, RunId, StageRecord
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.index_rows import IndexPage, IndexRow, IndexRows, write_page
from benchmarks.places import Place, Written, at
from benchmarks.scripted_stages import picture, table, walk

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def fingerprint(number: int) -> str:
    """Return a fingerprint's shape for a number, spread as digests are."""
    digits = int.from_bytes(hashlib.sha256(str(number).encode()).digest())
    return "".join(_LETTERS[digits >> 5 * place & 31] for place in range(52))


@dataclass(frozen=True)
class Model:
    """A finished stage of which others are made under other names, each with bytes of its own as its file."""

    was: Fingerprint
    main: str
    text: bytes
    record: StageRecord
    others: dict[str, bytes]

    @classmethod
    def of(cls, store: Backend, call: StageCall) -> Model:
        """Read what a stage has left in a store."""
        mine = [entry.key for entry in store.list(layout.ROOT) if call.fingerprint in entry.key]
        (main,) = (key for key in mine if key.startswith(layout.STAGES))
        text = store.get(main)
        others = {key: store.get(key) for key in mine if key != main}
        return cls(call.fingerprint, main, text, StageRecord.model_validate_json(text), others)

    def under(self, number: int) -> Iterator[Written]:
        """Yield the objects of the stage that has a number."""
        name, data = fingerprint(number), _data(number)
        yield Written(layout.blob(digest(data)), data)
        blob = self.record.outputs[0].blob
        was = f'"digest":"{blob.digest}","size_bytes":{blob.size_bytes}'.encode()
        if was not in self.text:
            raise RuntimeError("a stage record names its blob in another way than this benchmark expects")
        now = f'"digest":"{digest(data)}","size_bytes":{len(data)}'.encode()
        changed = self.text.replace(was, now).replace(self.was.encode(), name.encode())
        yield Written(self.main.replace(self.was, name), changed)
        for key, kept in self.others.items():
            yield Written(key.replace(self.was, name), kept, is_shared=True)

    def asset_id(self, number: int) -> AssetId:
        """Return the asset of the stage that has a number."""
        return AssetId(self.record.outputs[0].asset_id.replace(self.was, fingerprint(number)))

    def row(self, number: int) -> IndexRow:
        """Return what the index says of that asset, had its run been sealed."""
        handles = (f"{handle.id}_{number}" for handle in self.record.outputs[0].handles)
        return IndexRow(
            asset_id=self.asset_id(number),
            digest=digest(_data(number)),
            service_ids=(*handles, f"resp_{number:048d}"),
            created_at=float(number),
        )


def lay_out(place: Place, prefix: str, home: Path, stages: int) -> str:
    """Write so many stages, pictures and files from containers in turn; return one's asset ID.

    Nothing is flushed: a benchmark's store need not survive a power cut.
    """
    store = place.open(prefix)
    calls = picture("model"), table("model")
    walk(store, home, calls)
    models = [Model.of(store, call) for call in calls]
    each = [models[number % len(models)] for number in range(stages)]
    place.write(prefix, (one for number, model in enumerate(each) for one in model.under(number)))
    index = IndexRows()
    index.load(model.row(number) for number, model in enumerate(each))
    page = write_page(IndexPage(floor=RunId(""), recent=(), rows=()), index)
    store.create(layout.index_page(time.time_ns()), page, media_type="application/gzip")
    store.close()
    return each[-1].asset_id(stages - 1)


def _data(number: int) -> bytes:
    return f"file {number}".encode()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stages", type=int, default=20_000)
    chosen = parser.parse_args()
    with at("directory", chosen.folder) as here:
        print(lay_out(here, "store", chosen.folder, chosen.stages))
