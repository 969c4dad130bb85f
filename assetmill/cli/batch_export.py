"""A batch as files in a folder that a person opens: one folder for each row, and a table of all of them."""

from __future__ import annotations

import functools
import itertools
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from assetmill.batches.records import SETTLED, BatchManifest, BatchRow
from assetmill.cli import batch_table
from assetmill.cli.batch_table import Place
from assetmill.cli.exports import export_files, free_names, sidecar_names, write_sidecar
from assetmill.errors import InvalidInput, NotFound, StoreError, StoreUnavailable
from assetmill.fingerprint import Fingerprint
from assetmill.names import counted, distinct, safe_name
from assetmill.private import make_folder
from assetmill.provenance.sidecar import SidecarKind
from assetmill.records import AssetId, AssetRecord, BlobRef, StageRecord
from assetmill.spec.reading import nearest
from assetmill.stage.services import Services

BIG = 100
"""Rows from which on one wants to see how far it is."""

_SIDE_BY_SIDE = 8
_AHEAD = 32
_RECORDS_KEPT = 512
_NAMED = 5
_LISTED = 20
_LIVE_S, _PLAIN_S = 0.2, 10.0


@dataclass(frozen=True)
class Choice:
    """What of a batch is wanted. No stages: all of them."""

    everything: bool = False
    sidecars: tuple[SidecarKind, ...] = ()
    stages: tuple[str, ...] = ()

    def wants(self, label: str) -> bool:
        """Return whether a stage's files are wanted; a stage stands for all of its variants."""
        return not self.stages or label in self.stages or label.partition("[")[0] in self.stages


@dataclass(frozen=True)
class _Wanted:
    """One file of a row. `place` is None for what no stage was asked for; `asked` is its stored name."""

    name: str
    fingerprint: Fingerprint | None
    asset_id: AssetId
    blob: BlobRef
    place: Place | None
    asked: str


@dataclass
class _RowDone:
    row: BatchRow
    files: int = 0
    written: int = 0
    paths: dict[Place, str] = field(default_factory=dict[Place, str])
    answers: dict[str, str] = field(default_factory=dict[str, str])
    faults: list[str] = field(default_factory=list[str])
    renamed: list[str] = field(default_factory=list[str])


@dataclass
class BatchExport:
    """What came of an export.

    `faults` are files and records that the store has lost, `missing` what rows were to have and never got.
    """

    files: int = 0
    written: int = 0
    rows: int = 0
    faults: list[str] = field(default_factory=list[str])
    renamed: list[str] = field(default_factory=list[str])
    missing: list[str] = field(default_factory=list[str])

    @property
    def is_whole(self) -> bool:
        """Whether everything that was wanted is there."""
        return not self.faults and not self.missing


def export_batch(manifest: BatchManifest, directory: Path, choice: Choice, services: Services) -> BatchExport:
    """Write every row's files to a folder of its own, and `rows.csv`; what is there unchanged stays.

    Raises:
        NotFound: no row has a stage that is wanted.
        InvalidInput: the folder cannot be written.
    """
    _check_stages(manifest, choice)
    columns = batch_table.columns_of(manifest.rows, choice.wants)
    exporter = _Exporter(manifest, directory, choice, services, frozenset(columns.answers))
    told, progress = BatchExport(), _Progress(len(manifest.rows))
    try:
        make_folder(directory)
        with batch_table.Table(directory, columns) as table:
            for number, done in enumerate(_in_order(exporter, manifest.rows), start=1):
                table.add(done.row, done.paths, done.answers)
                told.files += done.files
                told.written += done.written
                told.rows += bool(done.files)
                told.faults += done.faults
                told.renamed += done.renamed
                told.missing += missing(done.row, choice)
                progress.show(number, told.files)
    except OSError as error:
        raise InvalidInput(f"cannot write to {directory}: {error.strerror or error}") from error
    finally:
        progress.end()
    return told


def summary(manifest: BatchManifest, directory: Path, told: BatchExport) -> Iterator[str]:
    """Yield what a person should know at the end; the last line says how much there is."""
    if told.faults:
        yield f"{counted(len(told.faults), 'file')} could not be read from the store:"
        yield from (f"  {fault}" for fault in told.faults[:_NAMED])
    if told.renamed:
        yield f"{counted(len(told.renamed), 'file')} got another name, for its own is unsafe or taken:"
        yield from (f"  {name}" for name in told.renamed[:_NAMED])
    if left := unsettled(manifest.rows):
        yield f"not done: {left}"
    if told.missing:
        yield f"missing, {counted(len(told.missing), 'time')}:"
        yield from (f"  {text}" for text in told.missing[:_LISTED])
        if len(told.missing) > _LISTED:
            yield f"  and {len(told.missing) - _LISTED} more; {batch_table.NAME} has every row's state"
    yield (
        f"{counted(told.files, 'file')} of {counted(told.rows, 'row')} in {directory}, "
        f"{told.written} of them new; the table is {directory / batch_table.NAME}"
    )


def missing(row: BatchRow, choice: Choice) -> Iterator[str]:
    """Yield which wanted outputs a row does not have, whatever it is said to be: a line for each stage."""
    if not row.stages and row.state not in {*SETTLED, "invalid"}:
        yield f"{_printable(row.name)} (row {row.number}), which was not begun"
    for stage in row.stages:
        if not stage.is_done and choice.wants(stage.label):
            names = f": {', '.join(map(_printable, stage.missing))}" if stage.missing else ""
            yield f"{_printable(row.name)} (row {row.number}), stage {stage.label}{names}"


def unsettled(rows: Iterable[BatchRow]) -> str:
    """Return how many rows are in which state that is not done, with the names of the first."""
    names: dict[str, list[str]] = {}
    for row in rows:
        if not row.is_done:
            state = "incomplete" if row.state in SETTLED else row.state
            names.setdefault(state, []).append(_printable(row.name))
    return "; ".join(
        f"{len(named)} {state} ({', '.join(named[:_NAMED])}{', ...' if len(named) > _NAMED else ''})"
        for state, named in names.items()
    )


def folders_of(rows: Iterable[BatchRow]) -> list[str]:
    """Return the name of each row's folder: safe, and distinct on systems that ignore case too."""
    names = (safe_name(_flat(row.name), f"row-{row.number}") for row in rows)
    return list(distinct(names, taken=[batch_table.NAME], are_folders=True))


def _flat(name: str) -> str:
    """Keep both parts of a name such as `AB/12`, of which a file's name would lose one."""
    return name.replace("/", "-").replace("\\", "-").strip().lstrip(".-")


class _Exporter:
    """Writes the rows of one batch. Safe for threads: each row has a folder of its own."""

    def __init__(
        self,
        manifest: BatchManifest,
        directory: Path,
        choice: Choice,
        services: Services,
        answers: frozenset[str],
    ) -> None:
        self._directory, self._choice, self._services = directory, choice, services
        self._pipeline, self._answers = manifest.pipeline, answers
        self.folders = folders_of(manifest.rows)
        self._record = functools.lru_cache(_RECORDS_KEPT)(self._read)

    def export(self, row: BatchRow, folder: str) -> _RowDone:
        done = _RowDone(row)
        own = list(self._wanted(row, done))
        names = free_names([(one.name, one.blob) for one in own], self._directory / folder)
        wanted = {name: replace(one, name=name) for name, one in zip(names, own, strict=True)}
        beside = sidecar_names(names, self._choice.sidecars, self._directory / folder)
        done.renamed += [f"{folder}/{one.asked}" for one in wanted.values() if one.name != one.asked]
        if wanted:
            files = {name: one.blob for name, one in wanted.items()}
            exported = export_files(files, self._services.blobs, self._directory / folder)
            done.written = len(exported.written)
            done.files = len(files) - len(exported.lost)
            done.faults += [f"{folder}/{name}: {error}" for name, error in exported.lost.items()]
            for name in exported.lost:
                del wanted[name]
        for name, one in wanted.items():
            if one.place:
                done.paths[one.place] = f"{folder}/{name}"
            self._write_sidecars(one, self._directory / folder, beside, done)
        done.answers.update(self._said(row, done))
        return done

    def _wanted(self, row: BatchRow, done: _RowDone) -> Iterator[_Wanted]:
        """Yield a row's files. Names stay the same, whatever is wanted: what is left out has one too."""
        outputs = [
            (stage, position, asset) for stage in row.stages for position, asset in enumerate(stage.assets)
        ]
        others = list(self._others(row, done)) if self._choice.everything else []
        names = distinct(
            safe_name(name)
            for name in itertools.chain((asset.name for *_, asset in outputs), (a.name for _, a in others))
        )
        for stage, position, asset in outputs:
            name = next(names)
            if self._choice.wants(stage.label):
                blob = BlobRef(digest=asset.digest, size_bytes=asset.size_bytes, media_type=asset.media_type)
                place = (stage.label, position)
                yield _Wanted(name, stage.fingerprint, asset.asset_id, blob, place, asset.name)
        for fp, asset in others:
            yield _Wanted(next(names), fp, asset.asset_id, asset.blob, None, asset.name)

    def _others(self, row: BatchRow, done: _RowDone) -> Iterator[tuple[Fingerprint, AssetRecord]]:
        for label, fp in self._finished(row):
            record = self._record_of(fp, done, label)
            for asset in record.outputs if record else ():
                if asset.role != "output":
                    yield fp, asset

    def _said(self, row: BatchRow, done: _RowDone) -> Iterator[tuple[str, str]]:
        for label, fp in self._finished(row):
            if label in self._answers and (record := self._record_of(fp, done, label)):
                yield label, record.text

    def _finished(self, row: BatchRow) -> Iterator[tuple[str, Fingerprint]]:
        for stage in row.stages:
            if stage.is_done and stage.fingerprint and self._choice.wants(stage.label):
                yield stage.label, stage.fingerprint

    def _write_sidecars(
        self, one: _Wanted, folder: Path, beside: Mapping[tuple[str, SidecarKind], str], done: _RowDone
    ) -> None:
        if not self._choice.sidecars or not one.fingerprint:
            return
        record = self._record_of(one.fingerprint, done, one.name)
        for asset in record.outputs if record else ():
            if asset.asset_id == one.asset_id:
                for kind in self._choice.sidecars:
                    write_sidecar(kind, asset, folder / beside[one.name, kind], self._services)

    def _record_of(self, fp: Fingerprint, done: _RowDone, what: str) -> StageRecord | None:
        """One record that is damaged keeps no other row from being written."""
        try:
            record = self._record(fp)
        except StoreUnavailable:
            raise
        except StoreError as error:
            done.faults.append(f"{what} of {_printable(done.row.name)}: {error}")
            return None
        if record is None:
            done.faults.append(f"{what} of {_printable(done.row.name)}: its record is not there")
        return record

    def _read(self, fp: Fingerprint) -> StageRecord | None:
        return self._services.ledger.read_stage(self._pipeline, fp)


def _in_order(exporter: _Exporter, rows: Iterable[BatchRow]) -> Iterator[_RowDone]:
    """Yield rows in their order; a few are written side by side, and only as many wait in memory."""
    pool = ThreadPoolExecutor(_SIDE_BY_SIDE, "export")
    waiting: deque[Future[_RowDone]] = deque()
    try:
        for row, folder in zip(rows, exporter.folders, strict=True):
            waiting.append(pool.submit(exporter.export, row, folder))
            if len(waiting) >= _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _check_stages(manifest: BatchManifest, choice: Choice) -> None:
    labels = {stage.label for row in manifest.rows for stage in row.stages}
    known = labels | {label.partition("[")[0] for label in labels}
    for name in choice.stages:
        if name not in known:
            raise NotFound("stage", name, nearest(name, known))


class _Progress:
    """A line on stderr: live on a terminal, else now and then."""

    def __init__(self, rows: int) -> None:
        self._rows, self._is_live = rows, sys.stderr.isatty()
        self._told_at, self._is_open = time.monotonic(), False

    def show(self, rows: int, files: int) -> None:
        now = time.monotonic()
        if self._rows < BIG or now - self._told_at < (_LIVE_S if self._is_live else _PLAIN_S):
            return
        self._told_at, self._is_open = now, self._is_live
        text = f"{rows} of {self._rows} rows, {files} files"
        click.echo(f"\r{text}" if self._is_live else text, err=True, nl=not self._is_live)

    def end(self) -> None:
        if self._is_open:
            click.echo("\r\033[K", err=True, nl=False)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
