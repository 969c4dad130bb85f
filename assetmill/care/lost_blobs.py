"""Brings back the bytes that records promise, from wherever they are, and settles what is lost for good.

A person's word makes a stage whose files are lost be made again. Other lost bytes, of attempts without a
commit, of containers, of imports, are noted as lost: from then on nothing asks for them any more.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from assetmill.care.kinds import kind_of, parse
from assetmill.care.promises import promised, promised_by_raw
from assetmill.care.repairs import Repaired, set_aside, start_of
from assetmill.care.salvage import LostBytes, Salvage
from assetmill.errors import KeyMissing
from assetmill.fingerprint import Digest, Fingerprint
from assetmill.records import AssetRecord, BlobRef, Intent, Receipt, RunId, StageEntry, StageRecord, Verdict
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.kinds import Unreadable, validated

_OTHERS = (layout.VERDICTS, layout.HARVESTS, layout.REPLIES, layout.RAW, layout.BATCHES)
R = TypeVar("R", Intent, Receipt)
_TURNS = (layout.HARVESTS, layout.RAW)


@dataclass
class LostBlobs:
    """Goes through all that a store promises; `run_id` is the repair's own."""

    services: Services
    salvage: Salvage
    run_id: RunId
    may_make_again: bool
    _seen: set[Digest] = field(default_factory=set[Digest])

    def __post_init__(self) -> None:
        self._backend = self.services.backend

    def repair(self, stages: Mapping[str, StageRecord]) -> Iterator[Repaired]:
        """Bring back what is lost; `stages` are the commits by their keys."""
        yield from self._mend_stages(stages)
        for prefix in _OTHERS:
            listed = (entry.key for entry in self._backend.list(prefix))
            for key in (key for key in listed if kind_of(key)):
                for lost in self._promised(key):
                    if lost.digest not in self._seen and (told := self._mend(lost, key)):
                        yield self._give_up(told, lost) if told.state == "lost" else told

    def _mend_stages(self, stages: Mapping[str, StageRecord]) -> Iterator[Repaired]:
        again: dict[str, tuple[StageRecord, list[AssetRecord]]] = {}
        for key, record in stages.items():
            for asset in record.outputs:
                told = self._mend(LostBytes.of_asset(asset))
                if told is None or told.state != "lost":
                    yield from (told,) if told else ()
                elif not _can_be_made(asset):
                    yield self._give_up(told, LostBytes.of_asset(asset))
                elif self.may_make_again:
                    again.setdefault(key, (record, []))[1].append(asset)
                else:
                    yield replace(told, message=_way_out(asset))
        for key, (record, assets) in again.items():
            self._make_again(key, record, assets)
            how = "pays for it again" if record.made_by else "makes it again, for nothing"
            yield Repaired("made_again", key, f"stage {record.label}", f"the next run {how}")
        if again:
            self._leave_out([record for record, _ in again.values()])

    def _promised(self, key: str) -> list[LostBytes]:
        """Return what an object promises that is no commit; what cannot be read is settled elsewhere."""
        try:
            data = self._backend.get(key)
            record = parse(key, data)
        except (KeyMissing, Unreadable):
            return []
        if record is None and not key.startswith(layout.RAW):
            return []
        return list(promised(record) if record else promised_by_raw(data))

    def _with_turn(self, key: str, lost: LostBytes) -> LostBytes:
        """Add which response of which endpoint made it, as the records of the key's turn tell."""
        turn = ".".join(key.split("/", 2)[2].split(".")[:3])
        intent = self._record(layout.INTENTS + turn, Intent)
        receipt = self._record(layout.RECEIPTS + turn, Receipt)
        return replace(
            lost,
            response_id=lost.response_id or (receipt.response_id if receipt else ""),
            endpoint=lost.endpoint or (intent.endpoint if intent else ""),
        )

    def _record(self, key: str, model: type[R]) -> R | None:
        try:
            return validated(model, self._backend.get(key))
        except (KeyMissing, Unreadable):
            return None

    def _mend(self, lost: LostBytes, named_by: str = "") -> Repaired | None:
        """Bring bytes back; None when nothing is wrong with them, or it is settled already."""
        self._seen.add(lost.digest)
        if self._is_there(lost) or self._is_settled(lost.digest):
            return None
        if named_by.startswith(_TURNS):
            lost = self._with_turn(named_by, lost)
        key = layout.blob(lost.digest)
        if source := self.salvage.find(lost):
            return Repaired("mended", key, lost.what, f"from {source}")
        return Repaired("lost", key, lost.what, "no copy was found: `assetmill import` the same file")

    def _is_there(self, lost: LostBytes) -> bool:
        size = lost.size_bytes
        if size is None:
            named = self.services.blobs.named(lost.digest)
            size = named.size_bytes if named else 0
        blob = BlobRef(digest=lost.digest, size_bytes=size, media_type=lost.media_type)
        return self.services.blobs.find(blob) is not None

    def _is_settled(self, digest: Digest) -> bool:
        notes = (layout.tombstone(digest), layout.lost(digest))
        return any(self._backend.head(key) is not None for key in notes)

    def _give_up(self, told: Repaired, lost: LostBytes) -> Repaired:
        """Note that bytes are lost which no stage will make again, once a person has said so."""
        if not self.may_make_again:
            return replace(told, message=f"{told.message}, or `repair --make-again` notes that it is lost")
        self._note(lost.digest, self._verdict(f"the store lost {lost.what}", lost.response_id or None, None))
        message = "no output, so no run makes it again; it counts as lost"
        return replace(told, state="made_again", message=message)

    def _verdict(self, reason: str, response_id: str | None, cost_usd: float | None) -> Verdict:
        return Verdict(
            kind="abandoned",
            error="Lost",
            reason=reason,
            response_id=response_id,
            run_id=self.run_id,
            cost_usd=cost_usd,
            created_at=time.time(),
        )

    def _note(self, digest: Digest, note: Verdict) -> None:
        data = note.model_dump_json().encode()
        self._backend.put(layout.lost(digest), data, media_type="application/json")

    def _make_again(self, key: str, record: StageRecord, assets: list[AssetRecord]) -> None:
        """Let a stage be made again: its cost stays as that of an attempt whose result is lost."""
        names = ", ".join(asset.name for asset in assets)
        response_id = record.made_by[-1].response_id if record.made_by else None
        reason = f"the store lost {names}, and a person lets it be made again"
        verdict = self._verdict(reason, response_id, record.cost_usd).model_copy(
            update={"run_id": record.run_id}
        )
        # The verdict first: with the record gone and no verdict, a run would take the response over again.
        self.services.ledger.write_verdict(record.pipeline, record.fingerprint, record.attempt, verdict)
        for asset in assets:
            self._note(asset.blob.digest, verdict)
        set_aside(self._backend, key)

    def _leave_out(self, lost: list[StageRecord]) -> None:
        """Seal a run of each pipeline without what is lost: plans go by the newest run."""
        gone = {record.fingerprint for record in lost}
        for pipeline in {record.pipeline for record in lost}:
            newest = self.services.ledger.latest_manifest(pipeline)
            if newest is None:
                continue
            entries = tuple(_without(entry, gone) for entry in newest.stages)
            now, run_id = time.time(), RunId(f"{self.run_id}_{layout.heads(pipeline).split('/')[2]}")
            sealed = newest.model_copy(
                update={
                    "run_id": run_id,
                    "status": "failed",
                    "stages": entries,
                    "spent_usd": 0.0,
                    "started_at": now,
                    "finished_at": now,
                    "flow_run_id": None,
                }
            )
            self.services.ledger.write_start(start_of(sealed))
            self.services.ledger.write_manifest(sealed)


def _can_be_made(asset: AssetRecord) -> bool:
    """Whether a run could make an asset again: on the service, or here from what it was derived from."""
    return asset.role != "import"


def _way_out(asset: AssetRecord) -> str:
    if asset.made_by is None:
        return "no copy was found: after `repair --make-again` the next run makes it again, for nothing"
    return "no copy was found: `assetmill import` the same file, or `repair --make-again` pays for it again"


def _without(entry: StageEntry, gone: set[Fingerprint]) -> StageEntry:
    if entry.fingerprint not in gone:
        kept = {"spent_usd": 0.0, "status": "reused"} if entry.record else {"spent_usd": 0.0}
        return entry.model_copy(update=kept)
    lost = "its files were lost; the next run makes it again"
    return entry.model_copy(update={"status": "failed", "record": None, "error": lost, "spent_usd": 0.0})
