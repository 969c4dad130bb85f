"""Mends what can be mended of a damaged store, and says of everything else what a person can do.

Records are mended from other records: a stage's from a manifest that holds it, a manifest from the stages, a
head from the manifests. Bytes come back from wherever they are still: beside their key, in files that were
exported, or from the service, which keeps responses for a while. Nothing is thrown away: what cannot be read
is set aside under another key. What was paid for and is lost stays as it is until a person says that it may
be made again; its cost stays in the books.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from assetmill.care.repairs import Repaired, replace, set_aside
from assetmill.care.salvage import Salvage
from assetmill.care.unread import UnreadRecords
from assetmill.fingerprint import Digest, Fingerprint
from assetmill.records import (
    AssetRecord,
    RunId,
    RunManifest,
    RunStart,
    StageEntry,
    StageRecord,
    Stored,
    Verdict,
)
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.kinds import Unreadable, is_stray, kind_of, parse


@dataclass
class Repairer:
    """Goes through a store once and mends it. With `may_make_again` what is lost may be paid for again."""

    services: Services
    salvage: Salvage
    run_id: RunId
    may_make_again: bool = False
    _stages: dict[str, StageRecord] = field(default_factory=dict[str, StageRecord])
    _manifests: dict[RunId, RunManifest] = field(default_factory=dict[RunId, RunManifest])
    _unread: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        self._backend = self.services.backend

    def repair(self) -> Iterator[Repaired]:
        """Mend what can be mended, and yield what became of each thing as it is done.

        Raises:
            StoreUnavailable: the store refused; what was done is done, and repeating goes on.
        """
        yield from self._read_all()
        yield from self._mend_stages()
        yield from self._mend_manifests()
        yield from self._mend_starts()
        yield from self._settle_rest()
        yield from self._mend_heads()
        yield from self._mend_blobs()

    def _read_all(self) -> Iterator[Repaired]:
        """Sort everything in the store into what is whole, what is not, and what is none of ours."""
        for entry in self._backend.list(layout.ROOT):
            if is_stray(entry.key):
                yield Repaired("stray", entry.key, "object", "nothing of assetmill's; nothing reads it")
                continue
            kind = kind_of(entry.key)
            if kind is None or kind.title == "blob":
                continue
            try:
                self._note(entry.key, parse(entry.key, self._backend.get(entry.key)))
            except Unreadable as error:
                self._unread[entry.key] = str(error)

    def _note(self, key: str, record: Stored | None) -> None:
        if isinstance(record, StageRecord):
            self._stages[key] = record
        elif isinstance(record, RunManifest):
            self._manifests[record.run_id] = record

    def _mend_stages(self) -> Iterator[Repaired]:
        """Bring stage records back from the manifests that hold them, or let the service be asked anew."""
        embedded = {
            layout.stage(record.pipeline, record.fingerprint): record
            for manifest in self._manifests.values()
            for entry in manifest.stages
            if (record := entry.record)
        }
        for key, record in embedded.items():
            if key in self._stages or self._is_given_up(record):
                continue
            self._replace(key, record.model_dump_json().encode())
            self._stages[key] = record
            yield Repaired("mended", key, f"stage {record.label}", "from a run that holds its record")

    def _is_given_up(self, record: StageRecord) -> bool:
        return any(self._backend.head(layout.lost(asset.blob.digest)) for asset in record.outputs)

    def _mend_manifests(self) -> Iterator[Repaired]:
        """Make manifests anew that cannot be read, or that a head names and that are gone."""
        wanted = {RunId(key.split("/")[2]): "" for key in self._unread if key.endswith("/manifest")}
        for entry in self._backend.list(layout.HEADS):
            if entry.key not in self._unread and not is_stray(entry.key):
                run_id = RunId(self._backend.get(entry.key).decode())
                if run_id not in self._manifests:
                    wanted[run_id] = entry.key
        for run_id, head in sorted(wanted.items()):
            key = layout.run_manifest(run_id)
            manifest = self._rebuilt(run_id)
            if manifest is not None:
                self._replace(key, manifest.model_dump_json().encode())
                self._manifests[run_id] = manifest
                yield Repaired("mended", key, f"run {run_id}", "from its start and the records of its stages")
            elif head:
                self._unread[head] = f"it names run {run_id}, of which there is no trace"

    def _rebuilt(self, run_id: RunId) -> RunManifest | None:
        """Return a run's manifest as far as other records tell it: the stages that it paid for itself."""
        start = self.services.ledger.find_start(run_id)
        made = [record for record in self._stages.values() if record.run_id == run_id]
        if start is None and not made:
            return None
        labels = start.stages if start else tuple((one.stage, one.variant) for one in made)
        by_label = {(record.stage, record.variant): record for record in made}
        entries = tuple(_entry(stage, variant, by_label.get((stage, variant))) for stage, variant in labels)
        costs = [entry.spent_usd for entry in entries]
        return _manifest(
            run_id, start, made, entries, None if None in costs else sum(c or 0.0 for c in costs)
        )

    def _mend_starts(self) -> Iterator[Repaired]:
        """Make the beginnings of runs anew from their ends: a run is listed by its beginning."""
        for run_id, manifest in self._manifests.items():
            key = layout.run_start(run_id)
            if key in self._unread or self._backend.head(key) is None:
                self._replace(key, _start_of(manifest).model_dump_json().encode())
                yield Repaired("mended", key, f"start of run {run_id}", "from its manifest")

    def _settle_rest(self) -> Iterator[Repaired]:
        """Settle what else cannot be read, and receipts whose intent is gone."""
        is_asked, may = self.salvage.asks_service, self.may_make_again
        records = UnreadRecords(self.services, self.run_id, is_asked, may)
        for entry in self._backend.list("v1/c/"):
            intent = f"{layout.INTENTS}{entry.key.removeprefix('v1/c/')}"
            is_ours = not is_stray(entry.key) and entry.key not in self._unread
            if is_ours and not self._is_finished(intent) and self._backend.head(intent) is None:
                self._unread[intent] = "it is not there, and its receipt is"
        for key, reason in sorted(self._unread.items()):
            yield records.settle(key, reason, is_finished=self._is_finished(key))

    def _is_finished(self, key: str) -> bool:
        """Whether a turn's stage has its commit, so that nobody asks how the turn came about."""
        fingerprint = key.removeprefix(layout.INTENTS).rsplit(".", 2)[0]
        return f"{layout.STAGES}{fingerprint}" in self._stages

    def _mend_heads(self) -> Iterator[Repaired]:
        """Give every pipeline its newest run again."""
        newest: dict[str, RunManifest] = {}
        for manifest in self._manifests.values():
            known = newest.get(manifest.pipeline)
            if known is None or manifest.finished_at > known.finished_at:
                newest[manifest.pipeline] = manifest
        for pipeline, manifest in newest.items():
            heads = [entry.key for entry in self._backend.list(layout.heads(pipeline))]
            if any(not is_stray(key) for key in heads):
                continue
            key = layout.head(pipeline, int(manifest.finished_at * 1e9))
            self._backend.put(key, manifest.run_id.encode(), media_type="text/plain")
            yield Repaired("mended", key, f"head of {pipeline}", f"its newest run is {manifest.run_id}")

    def _mend_blobs(self) -> Iterator[Repaired]:
        """Bring back the bytes that records promise; what is lost may be made again when a person says so."""
        lost: dict[str, tuple[StageRecord, list[AssetRecord]]] = {}
        for key, record in self._stages.items():
            for asset in record.outputs:
                told = self._mend_blob(asset)
                if told and told.state == "lost" and self.may_make_again and _can_be_made(asset):
                    lost.setdefault(key, (record, []))[1].append(asset)
                elif told:
                    yield told
        for _, verdict in self.services.ledger.kept.verdicts():
            for asset in verdict.kept:
                told = self._mend_blob(asset)
                if told and told.state == "lost" and self.may_make_again:
                    self._note_lost(asset, verdict)
                    message = "no output, so no run makes it again; it counts as lost"
                    yield Repaired("made_again", told.key, told.what, message)
                elif told:
                    yield told
        for key, (record, assets) in lost.items():
            self._give_up(key, record, assets)
            how = "pays for it again" if record.made_by else "makes it again, for nothing"
            yield Repaired("made_again", key, f"stage {record.label}", f"the next run {how}")
        if lost:
            self._leave_out([record for record, _ in lost.values()])

    def _mend_blob(self, asset: AssetRecord) -> Repaired | None:
        """Bring an asset's bytes back; None when nothing is wrong with them, or it is settled already."""
        if self.services.blobs.find(asset.blob) is not None or self._is_settled(asset.blob.digest):
            return None
        name, key = f"{asset.name} ({asset.asset_id})", layout.blob(asset.blob.digest)
        if source := self.salvage.find(asset):
            return Repaired("mended", key, name, f"from {source}")
        return Repaired("lost", key, name, _way_out(asset))

    def _is_settled(self, digest: Digest) -> bool:
        notes = (layout.tombstone(digest), layout.lost(digest))
        return any(self._backend.head(key) is not None for key in notes)

    def _give_up(self, key: str, record: StageRecord, assets: list[AssetRecord]) -> None:
        """Let a stage be made again: its cost stays as that of an attempt whose result is lost."""
        names = ", ".join(asset.name for asset in assets)
        verdict = Verdict(
            kind="abandoned",
            error="Lost",
            reason=f"the store lost {names}, and a person lets it be made again",
            response_id=record.made_by[-1].response_id if record.made_by else None,
            run_id=record.run_id,
            cost_usd=record.cost_usd,
            created_at=time.time(),
        )
        # The verdict first: with the record gone and no verdict, a run would take the response over again.
        self.services.ledger.write_verdict(record.pipeline, record.fingerprint, record.attempt, verdict)
        for asset in assets:
            self._note_lost(asset, verdict)
        set_aside(self._backend, key)

    def _note_lost(self, asset: AssetRecord, verdict: Verdict) -> None:
        note = verdict.model_dump_json().encode()
        self._backend.put(layout.lost(asset.blob.digest), note, media_type="application/json")

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
            self.services.ledger.write_start(_start_of(sealed))
            self.services.ledger.write_manifest(sealed)

    def _replace(self, key: str, data: bytes) -> None:
        self._unread.pop(key, None)
        replace(self._backend, key, data)


def _can_be_made(asset: AssetRecord) -> bool:
    """Whether a run could make an asset again: on the service, or here from what it was derived from."""
    return asset.role != "import"


def _way_out(asset: AssetRecord) -> str:
    if not _can_be_made(asset):
        return "no copy was found: `assetmill import` the same file"
    if asset.made_by is None:
        return "no copy was found: after `repair --make-again` the next run makes it again, for nothing"
    return "no copy was found: `assetmill import` the same file, or `repair --make-again` pays for it again"


def _entry(stage: str, variant: str, record: StageRecord | None) -> StageEntry:
    if record is None:
        error = "the run's manifest was lost, and no record of its own tells of this stage"
        return StageEntry(stage=stage, variant=variant, status="skipped", error=error, spent_usd=0.0)
    return StageEntry(
        stage=stage,
        variant=variant,
        status="done",
        fingerprint=record.fingerprint,
        record=record,
        spent_usd=record.cost_usd,
        seconds=record.finished_at - record.started_at,
    )


def _manifest(
    run_id: RunId,
    start: RunStart | None,
    made: list[StageRecord],
    entries: tuple[StageEntry, ...],
    spent_usd: float | None,
) -> RunManifest:
    is_whole = all(entry.record for entry in entries)
    began = start.started_at if start else min(record.started_at for record in made)
    return RunManifest(
        run_id=run_id,
        pipeline=start.pipeline if start else made[0].pipeline,
        parameters=dict(start.parameters) if start else {},
        profile=start.profile if start else "",
        spec_digest=start.spec_digest if start else Digest(""),
        status="completed" if is_whole else "failed",
        stages=entries,
        spent_usd=spent_usd,
        started_at=began,
        finished_at=max([record.finished_at for record in made], default=began),
    )


def _without(entry: StageEntry, gone: set[Fingerprint]) -> StageEntry:
    if entry.fingerprint not in gone:
        kept = {"spent_usd": 0.0, "status": "reused"} if entry.record else {"spent_usd": 0.0}
        return entry.model_copy(update=kept)
    lost = "its files were lost; the next run makes it again"
    return entry.model_copy(update={"status": "failed", "record": None, "error": lost, "spent_usd": 0.0})


def _start_of(manifest: RunManifest) -> RunStart:
    return RunStart(
        run_id=manifest.run_id,
        pipeline=manifest.pipeline,
        parameters=manifest.parameters,
        profile=manifest.profile,
        spec_digest=manifest.spec_digest,
        spec_path="",
        stages=tuple((entry.stage, entry.variant) for entry in manifest.stages),
        started_at=manifest.started_at,
    )
