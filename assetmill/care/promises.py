"""Which bytes a record promises, whatever kind of record it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import cast

from assetmill.batches.records import BatchStart
from assetmill.care.references import unpacked
from assetmill.care.salvage import LostBytes
from assetmill.fingerprint import Digest
from assetmill.records import AssetRecord, Harvest, Replies, RunManifest, StageRecord, Stored, Verdict


def promised(record: Stored) -> Iterator[LostBytes]:
    """Yield the bytes that a record promises, each with a name that a person knows."""
    if isinstance(record, StageRecord):
        yield from _named(record.outputs)
    elif isinstance(record, RunManifest):
        yield from _named(record.assets())
    elif isinstance(record, Verdict):
        yield from _named(record.kept)
    elif isinstance(record, Harvest):
        for file in record.files:
            blob = file.blob
            yield LostBytes(
                file.name,
                blob.digest,
                blob.size_bytes,
                blob.media_type,
                (file.handle,),
                file.handle.id if file.handle.kind == "response" else "",
                file.handle.endpoint,
            )
    elif isinstance(record, Replies):
        for blob in record.screenshots:
            yield LostBytes("a screenshot", blob.digest, blob.size_bytes, blob.media_type)
    elif isinstance(record, BatchStart):
        blob = record.rows
        yield LostBytes(f"the rows of {record.batch_id}", blob.digest, blob.size_bytes, blob.media_type)


def promised_by_raw(data: bytes) -> Iterator[LostBytes]:
    """Yield the pictures of a raw response: their digests alone, also when its stage never ended."""
    body = _map(json.loads(unpacked(data)))
    response_id = str(body.get("id") or "")
    for item in _list(body.get("output")):
        blob = _map(_map(item).get("result")).get("blob")
        if isinstance(blob, str):
            name = Digest(f"sha256:{blob.removeprefix('sha256:')}")
            yield LostBytes("a picture", name, response_id=response_id)


def _named(assets: tuple[AssetRecord, ...]) -> Iterator[LostBytes]:
    yield from (LostBytes.of_asset(asset) for asset in assets)


def _map(value: object) -> Mapping[str, object]:
    return cast(Mapping[str, object], value) if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return cast(list[object], value) if isinstance(value, list) else []
