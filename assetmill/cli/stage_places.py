"""Where the stages lie that a person decides about: one of a run, or those of a batch's rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from assetmill.batches.ledger import BATCH_ID, BatchLedger
from assetmill.batches.records import BatchManifest, BatchRow
from assetmill.cli.again import asked_again, batch_again, run_again
from assetmill.errors import InvalidInput, NotFound
from assetmill.fingerprint import Fingerprint
from assetmill.records import RunId, RunStart
from assetmill.spec.reading import nearest
from assetmill.store.ledger import Ledger

_BATCHES = 64
"""So many batches are looked through for one of whose runs only the ID is known, the newest ones."""


@dataclass(frozen=True)
class StagePlace:
    """A stage of a run, and how that run began; or of a row of a batch. `row` is "" for a run."""

    stage: str
    pipeline: str
    fp: Fingerprint
    start: RunStart | None
    batch_id: str = ""
    row: str = ""

    @property
    def key(self) -> tuple[str, Fingerprint]:
        """What the stage's records lie under."""
        return self.pipeline, self.fp

    @property
    def command(self) -> str:
        """The command that asks for the run, or the batch, once more."""
        if self.batch_id:
            return f"assetmill batch --again {self.batch_id}"
        return asked_again(self.pipeline, self.start)

    @property
    def named(self) -> str:
        """The stage, and the row where there are many."""
        return f"{self.stage} of row {self.row}" if self.row else self.stage

    def again(self, after: str) -> str:
        """Return the hint of what to do next."""
        if self.batch_id:
            return batch_again(self.batch_id, after)
        return run_again(self.pipeline, self.start, after)


def find_places(
    ledger: Ledger, run: str, stage: str | None, rows: Sequence[str] = ()
) -> tuple[StagePlace, ...]:
    """Return the stages that are meant: of a run `stage`, without one all that are in doubt.

    `run` may be the ID of a batch, or of one of its runs: then `stage` is meant of every row that is not
    done, or of `rows`, which are named, or told by their lines.

    Raises:
        NotFound: no such run, batch, stage or row.
        InvalidInput: rows are named, and it is no batch.
    """
    batches = BatchLedger(ledger.backend)
    manifest = batches.find(run) or _batch_with_run(batches, ledger, run)
    if manifest:
        return tuple(_of_batch(manifest, stage, rows))
    if BATCH_ID.fullmatch(run) and batches.is_known(run):
        raise NotFound(
            "decision", run, "it has not ended, or was killed: run it again, which says what is in doubt"
        )
    if rows:
        raise InvalidInput(f"{run} is a run and has no rows: leave out --row")
    if stage is not None:
        run_id = ledger.find_run_of(run, stage)
        return (StagePlace(stage, *find_stage(ledger, run_id, stage), ledger.find_start(run_id)),)
    return tuple(_in_doubt(ledger, ledger.find_run(run)))


def _in_doubt(ledger: Ledger, run_id: RunId) -> Iterator[StagePlace]:
    manifest, start = ledger.read_manifest(run_id), ledger.find_start(run_id)
    if manifest:
        for one in manifest.stages:
            if one.status == "in_doubt" and one.fingerprint:
                yield StagePlace(one.label, manifest.pipeline, one.fingerprint, start)
        return
    if start is None:
        return
    for label, fp in ledger.kept.begun_by(start.pipeline, run_id).items():
        newest = ledger.newest_attempt(start.pipeline, fp)
        if newest and newest.verdict is None and ledger.read_stage(start.pipeline, fp) is None:
            yield StagePlace(label, start.pipeline, fp, start)


def _of_batch(manifest: BatchManifest, stage: str | None, named: Sequence[str]) -> Iterator[StagePlace]:
    rows = list(_rows_named(manifest.rows, named))
    labels = {one.label for row in rows for one in row.stages}
    if stage is not None and stage not in labels:
        raise NotFound("stage", stage, nearest(stage, labels))
    for row in rows:
        for one in row.stages:
            is_meant = one.status == "in_doubt" if stage is None else one.label == stage and not one.is_done
            if is_meant and one.fingerprint:
                row_name = row.name or str(row.number)
                yield StagePlace(
                    one.label, manifest.pipeline, one.fingerprint, None, manifest.batch_id, row_name
                )


def _rows_named(rows: Iterable[BatchRow], named: Sequence[str]) -> Iterator[BatchRow]:
    rows = tuple(rows)
    names = {row.name for row in rows} | {str(row.number) for row in rows}
    for name in named:
        if name not in names:
            raise NotFound("row", name, nearest(name, {row.name for row in rows}))
    yield from (row for row in rows if not named or row.name in named or str(row.number) in named)


def _batch_with_run(batches: BatchLedger, ledger: Ledger, run: str) -> BatchManifest | None:
    """Return the batch of which a run was, or began what a row of it is in doubt about."""
    if not run.startswith("run_") or ledger.read_start(RunId(run)):
        return None
    for manifest in batches.newest(_BATCHES):
        if manifest.run_id == run:
            return manifest
        doubts = (one for row in manifest.rows for one in row.stages if one.status == "in_doubt")
        for fp in (one.fingerprint for one in doubts if one.fingerprint):
            newest = ledger.newest_attempt(manifest.pipeline, fp)
            if newest and newest.turns[0].intent.run_id == run:
                return manifest
    return None


def find_stage(ledger: Ledger, run_id: RunId, stage: str) -> tuple[str, Fingerprint]:
    """Return the pipeline and the fingerprint of a run's stage, named with its variant.

    Raises:
        NotFound: there is no such stage; of a run that was killed, none at which it began anything, and so
            where its manifest had to be made anew.
    """
    manifest = ledger.read_manifest(run_id)
    if manifest is None:
        return _find_begun(ledger, run_id, stage)
    found = {entry.label: entry.fingerprint for entry in manifest.stages}
    if fp := found.get(stage):
        return manifest.pipeline, fp
    if stage in found:
        return _find_begun(ledger, run_id, stage)
    raise NotFound("stage", stage, nearest(stage, found))


def _find_begun(ledger: Ledger, run_id: RunId, stage: str) -> tuple[str, Fingerprint]:
    start = ledger.find_start(run_id)
    begun = ledger.kept.begun_by(start.pipeline, run_id) if start else {}
    if start is None or stage not in begun:
        known = f"it began {', '.join(begun)}" if begun else "it has not ended, or was killed: run it again"
        raise NotFound("stage", stage, f"of run {run_id}: {known}")
    return start.pipeline, begun[stage]
