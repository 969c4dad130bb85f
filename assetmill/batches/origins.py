"""With what a stage was asked for: its run's parameters, or those of the batch's row that it was made for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from assetmill.batches.begun import BegunBatches
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.records import BatchRow
from assetmill.batches.rows import unpack
from assetmill.errors import NotFound
from assetmill.fingerprint import Fingerprint
from assetmill.plan.plan import Plan
from assetmill.records import StageRecord
from assetmill.runs.planning import plan_pipeline
from assetmill.stage.services import Services

_READERS = 8
_READ_AT_ONCE = 64
_BEGUN = 8
"""So many batches that are not sealed are looked through, the newest ones."""


@dataclass(frozen=True)
class Origin:
    """A pipeline with the parameters that it was given by a run, or by a row of a batch.

    `batch_id` is "" for a run.
    """

    pipeline: str
    parameters: Mapping[str, Any]
    batch_id: str = ""


class Origins:
    """Finds with what stages were asked for. Holds what it has found, for one that is asked twice."""

    def __init__(self, services: Services, choice: Fingerprint | None = None) -> None:
        """Look in a store; `choice` is the fingerprint of the choice that is looked at, if one is.

        Without it as many records may be read as a batch has rows.
        """
        self._services, self._choice = services, choice
        self._batches = BatchLedger(services.backend)
        self._found: dict[Fingerprint, Origin | None] = {}

    def find(self, record: StageRecord) -> Origin | None:
        """Return with what a stage or one of its draws was asked for, None where the store does not know.

        Of the rows of a batch that one is meant whose newest choice it is, or belongs to.
        """
        if record.fingerprint not in self._found:
            self._found[record.fingerprint] = self._find(record)
        return self._found[record.fingerprint]

    def plan(self, record: StageRecord) -> Plan:
        """Plan what asked for a stage anew, as its file is now and with all that was said by now.

        Raises:
            NotFound: the store does not know what that was.
        """
        origin, services = self.find(record), self._services
        if origin is None:
            again = "run it again, which pays for nothing that is there, and its rows are kept"
            raise NotFound("run", record.run_id, f"what it was given is not in this store: {again}")
        return plan_pipeline(origin.pipeline, origin.parameters, services.settings, services.ledger)

    def _find(self, record: StageRecord) -> Origin | None:
        if run := self._services.ledger.read_start(record.run_id):
            return Origin(_file_of(run.spec_path, run.pipeline), run.parameters)
        for batch_id, rows in self._told_of(record.pipeline):
            key = self._row_with(record, rows)
            if key and (origin := self._of_row(batch_id, key)):
                return origin
        return None

    def _told_of(self, pipeline: str) -> Iterator[tuple[str, Iterable[BatchRow]]]:
        """Yield each batch of a pipeline with its rows: of those that are not sealed, by their pages."""
        for begun in BegunBatches(self._services.backend).newest(_BEGUN, pipeline):
            batch_id = begun.start.batch_id
            pages = (self._batches.read_page(key) for key in self._batches.page_keys(batch_id))
            yield batch_id, [row for page in pages if page for row in page.rows]
        for manifest in self._batches.each_of(pipeline):
            yield manifest.batch_id, manifest.rows

    def _of_row(self, batch_id: str, key: str) -> Origin | None:
        start = self._batches.newest_start(batch_id)
        if start is None:
            return None
        rows = unpack(self._services.blobs.get(start.rows))
        row = next((one for one in rows if one.key == key), None)
        return Origin(_file_of(start.spec_path, start.pipeline), row.parameters, batch_id) if row else None

    def _row_with(self, record: StageRecord, told: Iterable[BatchRow]) -> str | None:
        """Return the key of the row that a stage or a draw is of."""
        rows = {
            stage.fingerprint: row.key
            for row in told
            for stage in row.stages
            if stage.label == record.label and stage.fingerprint
        }
        for choice in (record.fingerprint, self._choice):
            if choice and choice in rows:
                return rows[choice]
        return next((rows[fp] for fp in self._choosing(record, list(rows))), None)

    def _choosing(self, record: StageRecord, choices: list[Fingerprint]) -> Iterator[Fingerprint]:
        """Yield the choices that have a draw in common with a record, which is itself one or a draw."""
        draws = {record.fingerprint, *record.draws}
        read = partial(self._services.ledger.read_stage, record.pipeline)
        with ThreadPoolExecutor(_READERS) as readers:
            for first in range(0, len(choices), _READ_AT_ONCE):
                for choice in readers.map(read, choices[first : first + _READ_AT_ONCE]):
                    if choice and draws.intersection(choice.draws):
                        yield choice.fingerprint


def _file_of(spec_path: str, pipeline: str) -> str:
    return spec_path if Path(spec_path).is_file() else pipeline
