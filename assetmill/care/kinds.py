"""Every kind of object that a store holds, those of the rooms above the store among them.

`store/kinds.py` has those that the store's own readers must tell apart; here are all. What is of no kind is a
stray: nothing of ours wrote it, and nothing reads it.
"""

from __future__ import annotations

from assetmill.batches.begun import check_mark
from assetmill.batches.ledger import blocked_by, is_name_of_manifest
from assetmill.batches.records import BatchManifest, BatchPage, BatchStart, Blocked, Halt
from assetmill.care.purging import PurgeReceipt, Tombstone
from assetmill.money.history import LinePage, MoneyEntry
from assetmill.records import Stored
from assetmill.store import batch_layout, kinds, layout
from assetmill.store.index_rows import read_page
from assetmill.store.kinds import RUN, STAGE, Kind, Unreadable, json_with, kind
from assetmill.store.pending_deletions import CollectionDone, CollectionPlan

CEILING_LINE = "line of a ceiling"
_SCOPE = rf"m/((run|day|batch)/{RUN}|project)"
_BATCH = r"n/[a-z0-9][a-z0-9_.-]*"
_TIME = r"[0-9a-f]{16}"
_SHA = r"[0-9a-f]{64}"


def _names_batch(data: bytes) -> None:
    if not is_name_of_manifest(data.decode(errors="replace")):
        raise Unreadable("it names no manifest of a batch")


KINDS = (
    # Read piece by piece: it has a row for each asset of the store.
    kind("index page", rf"k/{_TIME}", check=read_page),
    *kinds.KINDS,
    kind(CEILING_LINE, rf"{_SCOPE}/\d{{8}}", MoneyEntry),
    kind("page of a ceiling", rf"{_SCOPE}/pages/\d{{8}}\.[0-9a-f]{{32}}", LinePage,
         belongs=lambda key, r: key.startswith(layout.money_page(r.scope, r.first, ""))),
    kind("start of a batch", rf"{_BATCH}/start\.[0-9a-f]+", BatchStart,
         belongs=lambda key, r: key == batch_layout.start(r.batch_id, r.content)),
    kind("page of a batch", rf"{_BATCH}/p/{_TIME}\.[0-9a-f]+", BatchPage,
         belongs=lambda key, r: key.startswith(batch_layout.pages(r.batch_id))),
    kind("manifest of a batch", rf"{_BATCH}/m/{_TIME}", BatchManifest,
         belongs=lambda key, r: key.startswith(batch_layout.manifests(r.batch_id))),
    kind("halt of a batch", rf"{_BATCH}/halt\.{RUN}", Halt),
    kind("heartbeat of a shard", rf"{_BATCH}/live\.{RUN}"),
    kind("lease of rows", rf"{_BATCH}/w/{RUN}/[a-z0-9]+\.([0-9]{{2}}|end)"),
    kind("lease of a quota", rf"{_BATCH}/s/{RUN}/[0-9a-f]+\.([0-9]{{3}}|[0-9a-f]{{8}})\.[0-9]{{2}}"),
    kind("head of a batch", rf"j/[0-9a-f]{{8}}/{_TIME}", check=_names_batch),
    kind("mark of a batch", r"begun/[0-9a-f]{8}/[a-z0-9][a-z0-9_.-]*", check=check_mark),
    kind("blocked prompt", rf"z/{STAGE}", Blocked, belongs=lambda key, r: blocked_by(key) == r.fingerprint),
    kind("plan of a collection", r"g/plan/\d+", CollectionPlan,
         belongs=lambda key, r: key == layout.collection_plan(r.number)),
    kind("end of a collection", r"g/done/\d+", CollectionDone,
         belongs=lambda key, r: key == layout.collection_done(r.number)),
    kind("review", rf"d/{_SHA}/{_TIME}\.[0-9a-f]+", check=json_with("payload")),
    kind("tombstone", rf"t/{_SHA}", Tombstone, belongs=lambda key, r: key == layout.tombstone(r.digest)),
    kind("receipt of a purge", rf"p/{_TIME}\.[0-9a-f]+", PurgeReceipt),
    kind("mark of the store", r"meta/store\.json", check=json_with("format")),
    kind("race of the probe", r"meta/probe/[0-9a-f]+"),
    kind("quarantined blob", rf"q/{_SHA}\.[0-9a-f]+"),
    kind("object set aside", r"l/.+"),
)  # fmt: skip


def kind_of(key: str) -> Kind | None:
    """Return the kind of object that a key names; None for a stray."""
    return next((kind for kind in KINDS if kind.shape.fullmatch(key)), None)


def parse(key: str, data: bytes) -> Stored | None:
    """Return the record that a key names; None where its kind has no model, and it is sound, and of a stray.

    Raises:
        Newer: a newer version has written it.
        Unreadable: it cannot be read, or is another's.
    """
    kind = kind_of(key)
    return kinds.parse(kind, key, data) if kind else None
