"""Mends what can be mended of a damaged store, and says of everything else what a person can do.

Records are mended from other records: a stage's from a manifest that holds it, a manifest from the stages, a
head from the manifests. Bytes come back from wherever they are still: beside their key, in files that were
exported, or from the service, which keeps responses for a while. Nothing is thrown away: what cannot be read
is set aside under another key. What was paid for and is lost stays as it is until a person says that it may
be made again; its cost stays in the books.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from assetmill.batches.begun import BegunBatches
from assetmill.care.kinds import CEILING_LINE, kind_of, parse
from assetmill.care.lost_blobs import LostBlobs
from assetmill.care.money_repairs import MoneyRepairer
from assetmill.care.repairs import Repaired, replace, set_aside, start_of
from assetmill.care.salvage import Salvage
from assetmill.care.unread import UnreadRecords
from assetmill.fingerprint import Digest, Fingerprint
from assetmill.names import stage_label
from assetmill.records import (
    Intent,
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
from assetmill.store.kinds import Newer, Unreadable, is_stray


@dataclass
class Repairer:
    """Goes through a store once and mends it. With `may_make_again` what is lost may be paid for again."""

    services: Services
    salvage: Salvage
    run_id: RunId
    may_make_again: bool = False
    objects: int = 0
    """How many records have been read so far."""
    _stages: dict[str, StageRecord] = field(default_factory=dict[str, StageRecord])
    _manifests: dict[RunId, RunManifest] = field(default_factory=dict[RunId, RunManifest])
    _unread: dict[str, str] = field(default_factory=dict[str, str])
    _newer: set[str] = field(default_factory=set[str])
    _choices: set[str] = field(default_factory=set[str])
    _most_usd: float = 0.0

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
        yield from self._mend_marks()
        yield from self._mend_heads()
        yield from MoneyRepairer(self._backend, self._most_usd).repair()
        yield from LostBlobs(self.services, self.salvage, self.run_id, self.may_make_again).repair(
            self._stages
        )

    def _read_all(self) -> Iterator[Repaired]:
        """Sort everything in the store into what is whole, what is not, and what is none of ours."""
        for entry in self._backend.list(layout.ROOT):
            kind = kind_of(entry.key)
            self.objects += kind is not None and not kind.is_bytes
            if kind is None:
                yield Repaired("stray", entry.key, "object", "nothing of assetmill's; nothing reads it")
            elif not kind.is_bytes and kind.title != CEILING_LINE:
                try:
                    self._note(entry.key, parse(entry.key, self._backend.get(entry.key)))
                except Newer as error:
                    self._newer.add(entry.key)
                    yield Repaired("newer", entry.key, kind.title, str(error))
                except Unreadable as error:
                    self._unread[entry.key] = str(error)

    def _note(self, key: str, record: Stored | None) -> None:
        if isinstance(record, StageRecord):
            self._stages[key] = record
        elif isinstance(record, RunManifest):
            self._manifests[record.run_id] = record
        elif isinstance(record, Verdict) and record.is_of_choice:
            self._choices.add(key)
        elif isinstance(record, Intent):
            self._most_usd = max(self._most_usd, record.reserved_usd or 0.0)

    def _mend_stages(self) -> Iterator[Repaired]:
        """Bring stage records back from the manifests that hold them, or let the service be asked anew."""
        embedded = {
            layout.stage(record.pipeline, record.fingerprint): record
            for manifest in self._manifests.values()
            for entry in manifest.stages
            if (record := entry.record)
        }
        for key, record in embedded.items():
            if key in self._stages or key in self._newer or self._is_given_up(record):
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
                if run_id not in self._manifests and layout.run_manifest(run_id) not in self._newer:
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
        is_open = start and not by_label.keys() >= set(labels)
        begun = self.services.ledger.kept.begun_by(start.pipeline, run_id) if start and is_open else {}
        entries = tuple(
            _entry(stage, variant, by_label.get((stage, variant)), begun.get(stage_label(stage, variant)))
            for stage, variant in labels
        )
        costs = [entry.spent_usd for entry in entries]
        return _manifest(
            run_id, start, made, entries, None if None in costs else sum(c or 0.0 for c in costs)
        )

    def _mend_starts(self) -> Iterator[Repaired]:
        """Make the beginnings of runs anew from their ends: a run is listed by its beginning."""
        for run_id, manifest in self._manifests.items():
            key = layout.run_start(run_id)
            if key in self._unread or self._backend.head(key) is None:
                self._replace(key, start_of(manifest).model_dump_json().encode())
                yield Repaired("mended", key, f"start of run {run_id}", "from its manifest")

    def _settle_rest(self) -> Iterator[Repaired]:
        """Settle what else cannot be read, and receipts whose intent is gone."""
        is_asked, may = self.salvage.asks_service, self.may_make_again
        records = UnreadRecords(self.services, self.run_id, is_asked, may)
        for entry in self._backend.list(layout.RECEIPTS):
            intent = f"{layout.INTENTS}{entry.key.removeprefix('v1/c/')}"
            is_ours = not is_stray(entry.key) and entry.key not in self._unread
            if is_ours and not self._is_finished(intent) and self._backend.head(intent) is None:
                self._unread[intent] = "it is not there, and its receipt is"
        for entry in self._backend.list(layout.VERDICTS):
            intent = layout.intent_of_verdict(entry.key)
            # Without it the number would be given again, and the verdict be taken for the next attempt's.
            is_sound = not is_stray(entry.key) and entry.key not in self._unread
            is_attempts = is_sound and entry.key not in self._choices
            if is_attempts and not self._is_finished(intent) and self._backend.head(intent) is None:
                self._unread[intent] = "it is not there, and its verdict is"
        for key, reason in sorted(self._unread.items()):
            yield records.settle(key, reason, is_finished=self._is_finished(key))

    def _is_finished(self, key: str) -> bool:
        """Whether a turn's stage has its commit, so that nobody asks how the turn came about."""
        fingerprint = key.removeprefix(layout.INTENTS).rsplit(".", 2)[0]
        return f"{layout.STAGES}{fingerprint}" in self._stages

    def _mend_marks(self) -> Iterator[Repaired]:
        """Take away the marks of batches that are sealed, or of which nothing is left."""
        for entry in list(BegunBatches(self._backend).stale()):
            set_aside(self._backend, entry.key)
            yield Repaired("mended", entry.key, "mark of a batch", "set aside: its batch is over")

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

    def _replace(self, key: str, data: bytes) -> None:
        self._unread.pop(key, None)
        replace(self._backend, key, data)


def _entry(stage: str, variant: str, record: StageRecord | None, begun: Fingerprint | None) -> StageEntry:
    if record is None and begun:
        # What became of it, its attempts say: they are found by the fingerprint.
        error = "the run's manifest was lost; an attempt at this stage was begun, and no record tells its end"
        return StageEntry(stage=stage, variant=variant, status="cancelled", fingerprint=begun, error=error)
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
