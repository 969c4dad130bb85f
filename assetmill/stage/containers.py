"""The container files of a turn: fetched once, each recorded as soon as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from assetmill.agents.container_files import Fetched, Keep, fetch_files, recalled
from assetmill.agents.harvest import MadeFile
from assetmill.fingerprint import Fingerprint
from assetmill.plan.calls import StageCall
from assetmill.records import Harvest, KeptFile
from assetmill.stage.finished import Finished
from assetmill.stage.services import Services

Place = tuple[str, Fingerprint, int, int]
"""Pipeline, fingerprint, attempt and turn: where a turn's records lie."""

_SECOND_LOOK_S = 2.0
"""After this a container that could not be read is read once more; after that the next run does."""


@dataclass(frozen=True)
class ContainerFiles:
    """One stage's container files, as its workers fetch them."""

    call: StageCall
    services: Services

    def empty(self, turn: Finished, *, is_first: bool) -> Fetched:
        """Fetch what no earlier pass has; each file is recorded before the next one is asked for.

        The first pass to see a response (`is_first`) does not look for earlier ones.
        """
        ledger = self.services.ledger
        place = self.call.pipeline, self.call.fingerprint, turn.intent.attempt, turn.intent.turn
        whole = None if is_first else ledger.read_harvest(*place)
        known: dict[str, KeptFile] = {} if is_first else self._fetched_before(place, whole)
        if whole and not whole.problems:
            at_hand = recalled(known.values(), self.services.blobs)
            if len(at_hand.files) == len(known):
                return at_hand

        def keep(file: MadeFile) -> None:
            kept = KeptFile(name=file.name, blob=file.blob, handle=file.handle)
            known[file.handle.id] = kept
            ledger.write_kept_file(*place, Harvest(files=(kept,), created_at=self.services.clock()))

        # At once: a container ends after 20 idle minutes, and its files with it.
        fetched = self._fetch(turn, known, keep)
        if fetched.may_pass:
            self.services.wait(_SECOND_LOOK_S)
        if fetched.faults:
            # What is kept back from this worker another one may have fetched meanwhile.
            before = self._fetched_before(place, whole or ledger.read_harvest(*place))
            if fetched.may_pass or before.keys() - known.keys():
                known.update(before)
                fetched = self._fetch(turn, known, keep)
        if not fetched.faults:
            files = tuple(known.values())
            ledger.write_harvest(*place, Harvest(files=files, created_at=self.services.clock()))
        return fetched

    def _fetched_before(self, place: Place, whole: Harvest | None) -> dict[str, KeptFile]:
        """Return the container files that any worker has recorded, by their IDs."""
        is_all = whole is not None and not whole.problems
        parts = (whole,) if is_all else (*self.services.ledger.kept_files(*place), whole)
        return {
            file.handle.id: file
            for part in parts
            for file in (part.files if part else ())
            if file.handle.kind == "container_file"
        }

    def _fetch(self, turn: Finished, known: Mapping[str, KeptFile], keep: Keep) -> Fetched:
        gateway, blobs = self.services.gateway, self.services.blobs
        given = frozenset(bound.blob.digest for bound in self.call.inputs)
        has = self.services.abilities.has
        cites = has("container_listing") is False and has("container_citation") is not False
        return fetch_files(
            turn.produced, gateway, blobs, known=dict(known), given=given, keep=keep, cites_first=cites
        )
