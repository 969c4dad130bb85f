"""What was paid for and is no stage's result: the files of attempts that failed, or that are still open.

A verdict keeps what its attempt made. What a worker had stored before there was a verdict, or fetched after
it, is read from the records of each turn. All of it has IDs of its own, from which it is found again.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from assetmill.errors import KeyMissing, StoreError, StoreUnavailable
from assetmill.fingerprint import Digest, Fingerprint, short_key
from assetmill.pictures import EXTENSIONS, MEDIA_TYPES, PictureDamaged, examine, sniff
from assetmill.records import (
    AssetId,
    AssetRecord,
    AssetRole,
    BlobRef,
    Harvest,
    Intent,
    Receipt,
    Replies,
    ResponseRef,
    RunId,
    RunStart,
    ServiceHandle,
    StageRecord,
    TurnCost,
    Verdict,
)
from assetmill.spec.file_kinds import kind_of
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.joining import Beside
from assetmill.store.kinds import is_stray
from assetmill.store.record_objects import RecordObjects

_FIRST = 10_000
"""Ordinals from here on are those of attempts without a commit: ten thousand for each."""
_PICTURE, _FILE, _SCREENSHOT = 1_000, 4_000, 7_000
OPEN = "its attempt is not over"


@dataclass(frozen=True)
class KeptAsset:
    """A file of an attempt without a commit, and why it is no output. `pipeline` is "" where nobody knows."""

    asset: AssetRecord
    pipeline: str
    run_id: RunId
    fingerprint: Fingerprint
    attempt: int
    verdict: Verdict | None

    @property
    def reason(self) -> str:
        """Why it is no output of its stage."""
        return self.asset.rejected or (self.verdict.reason if self.verdict else OPEN)


def is_kept(asset_id: AssetId) -> bool:
    """Whether an ID is that of a file without a commit."""
    ordinal = asset_id.rpartition("_")[2]
    return ordinal.isdecimal() and int(ordinal) >= _FIRST


class KeptAssets:
    """The files of a store's attempts that have no commit; every record of those asked for is read."""

    def __init__(self, backend: Backend, records: RecordObjects) -> None:
        self._backend, self._records = backend, records
        self._pipelines: dict[RunId, str] = {}

    def all(self) -> Iterator[KeptAsset]:
        """Yield what every attempt of the store has kept, in the order of their keys."""
        finished = Beside((key.removeprefix(layout.STAGES), True) for key in self._keys(layout.STAGES))
        for stem in self._stems(layout.INTENTS):
            stage, _, attempt = stem.rpartition(".")
            if finished.at(stage) and self._committed(stage) == int(attempt):
                continue
            yield from self._of_attempt(stem)

    def of_stage(self, pipeline: str, fp: Fingerprint) -> Iterator[KeptAsset]:
        """Yield what the attempts at a stage have kept that are not its commit."""
        committed = self._committed(layout.stage(pipeline, fp).removeprefix(layout.STAGES))
        for stem in self._stems(layout.intents(pipeline, fp)):
            if int(stem.rpartition(".")[2]) != committed:
                yield from self._of_attempt(stem)

    def find(self, asset_id: AssetId) -> KeptAsset | None:
        """Return the file that an ID means, None when there is none."""
        if not is_kept(asset_id):
            return None
        stem = layout.attempt_of(asset_id, int(asset_id.rpartition("_")[2]) // _FIRST)
        return next((one for one in self._of_attempt(stem) if one.asset.asset_id == asset_id), None)

    def verdicts(self) -> Iterator[tuple[str, Verdict]]:
        """Yield every verdict of the store with its `<pipeline>/<fp>.<n>`."""
        for key in self._keys(layout.VERDICTS):
            if verdict := self._records.read_or_warn(key, Verdict):
                yield key.removeprefix(layout.VERDICTS), verdict

    def refused_draws(self) -> dict[AssetId, AssetRecord]:
        """Return the files of finished draws that checks refused, by ID, with the reason."""
        return {
            asset.asset_id: asset
            for stem, verdict in self.verdicts()
            for asset in verdict.kept
            # What an attempt of the stage itself has kept bears the ID of what its commit made.
            if not is_kept(asset.asset_id) and not _is_of(asset, stem)
        }

    def intent_of(self, stem: str) -> Intent | None:
        """Return the first intent of an attempt, by `<pipeline>/<fp>.<n>`."""
        return self._records.read_or_warn(f"{layout.INTENTS}{stem}.001", Intent)

    def begun_by(self, pipeline: str, run_id: RunId) -> dict[str, Fingerprint]:
        """Return the stages, by label, at which a run has begun an attempt; it may have been killed."""
        begun: dict[str, Fingerprint] = {}
        for stem in self._stems(layout.intents_of(pipeline)):
            intent = self.intent_of(stem)
            if intent and intent.run_id == run_id:
                begun[intent.stage] = Fingerprint(stem.rpartition(".")[0].rpartition("/")[2])
        return begun

    def turn_costs(self, stem: str) -> dict[int, float | None]:
        """Return what is known of the cost of an attempt's turns, by `<pipeline>/<fp>.<n>`."""
        keys = self._keys(f"{layout.COSTS}{stem}.")
        found = {int(key.rpartition(".")[2]): self._records.read_or_warn(key, TurnCost) for key in keys}
        return {turn: cost.usd for turn, cost in found.items() if cost}

    def turns_of(self, stem: str) -> int:
        """Return how many turns of an attempt the service has taken, by `<pipeline>/<fp>.<n>`."""
        return sum(1 for _ in self._keys(f"{layout.RECEIPTS}{stem}."))

    def open_attempts(
        self, committed: Iterable[tuple[str, int]]
    ) -> Iterator[tuple[str, list[tuple[Intent, Receipt | None]]]]:
        """Yield every attempt that is neither committed nor decided, as `<pipeline>/<fp>.<n>` and its turns.

        `committed` gives `<pipeline>/<fp>` and the attempt of each commit, in the order of their keys.
        """
        commits = Beside(committed)
        decided = Beside((key.removeprefix(layout.VERDICTS), True) for key in self._keys(layout.VERDICTS))
        keys = (key.removeprefix(layout.INTENTS) for key in self._keys(layout.INTENTS))
        for stem, group in itertools.groupby(keys, lambda key: key.rpartition(".")[0]):
            stage, _, attempt = stem.rpartition(".")
            if not decided.at(stem) and commits.at(stage) != int(attempt):
                turns = [
                    (intent, self._records.read_or_warn(layout.RECEIPTS + key, Receipt))
                    for key in group
                    if (intent := self._records.read_or_warn(layout.INTENTS + key, Intent))
                ]
                yield stem, turns

    def _stems(self, prefix: str) -> Iterator[str]:
        """Yield `<pipeline>/<fp>.<n>` of every attempt under a prefix of intents."""
        keys = (key.removeprefix(layout.INTENTS) for key in self._keys(prefix))
        return (stem for stem, _ in itertools.groupby(keys, lambda key: key.rpartition(".")[0]))

    def _committed(self, stage: str) -> int | None:
        record = self._records.read_or_warn(f"{layout.STAGES}{stage}", StageRecord)
        return record.attempt if record else None

    def _of_attempt(self, stem: str) -> Iterator[KeptAsset]:
        intent = self._records.read_or_warn(layout.INTENTS + stem + ".001", Intent)
        verdict = self._records.read_or_warn(layout.VERDICTS + stem, Verdict)
        if intent is None or (verdict and (verdict.kind in {"refused", "fenced"} or verdict.is_of_choice)):
            return
        pipeline = self._pipeline_of(intent.run_id, stem)
        stage, _, attempt = stem.rpartition(".")
        fp = Fingerprint(stage.rpartition("/")[2])
        seen = set[Digest]()
        for asset in (*_told(stem, verdict), *self._loose(stem, intent)):
            if asset.blob.digest not in seen:
                seen.add(asset.blob.digest)
                yield KeptAsset(asset, pipeline, intent.run_id, fp, int(attempt), verdict)

    def _pipeline_of(self, run_id: RunId, stem: str) -> str:
        if run_id not in self._pipelines:
            start = self._records.read_or_warn(layout.run_start(run_id), RunStart)
            self._pipelines[run_id] = start.pipeline if start else ""
        found = self._pipelines[run_id]
        return found if found and stem.startswith(short_key(found)) else ""

    def _loose(self, stem: str, intent: Intent) -> Iterator[AssetRecord]:
        """Yield what the records of an attempt's turns name, in an order that later turns only add to."""
        at = _Place(stem, intent, self._responses(stem))
        number = _PICTURE
        for key in self._keys(f"{layout.RAW}{stem}."):
            for call in self._drawn(key):
                number += 1
                yield from self._picture(at, number, call)
        harvests = [
            self._records.read_or_warn(key, Harvest) for key in self._keys(f"{layout.HARVESTS}{stem}.")
        ]
        files = {
            file.handle.id: file
            for record in sorted((one for one in harvests if one), key=lambda one: one.created_at)
            for file in record.files
            if file.handle.kind != "response"  # a partial picture, which is no file of anybody's
        }
        for number, file in enumerate(files.values(), start=_FILE + 1):
            yield at.asset(number, file.name, file.blob, handle=file.handle)
        replies = [self._records.read_or_warn(key, Replies) for key in self._keys(f"{layout.REPLIES}{stem}.")]
        shots = [blob for record in replies if record for blob in record.screenshots]
        for number, blob in enumerate(shots, start=1):
            yield at.asset(_SCREENSHOT + number, f"screenshot-{number}.png", blob, role="screenshot")

    def _picture(self, at: _Place, number: int, call: Mapping[str, Any]) -> Iterator[AssetRecord]:
        name = Digest(str(call["result"]["blob"]))
        try:
            data = self._backend.get(layout.blob(name))
        except KeyMissing:
            return  # purged, or lost: `verify` tells of it
        kind = MEDIA_TYPES.get(sniff(data) or "", "application/octet-stream")
        extension = EXTENSIONS.get(kind, "bin")
        blob = BlobRef(digest=name, size_bytes=len(data), media_type=kind)
        made = at.asset(number, f"image-{number - _PICTURE}.{extension}", blob)
        try:
            facts = examine(data)
        except PictureDamaged:
            yield made
            return
        yield made.model_copy(update={"width": facts.width, "height": facts.height})

    def _responses(self, stem: str) -> list[str]:
        keys = self._keys(f"{layout.RECEIPTS}{stem}.")
        return [record.response_id for key in keys if (record := self._records.read_or_warn(key, Receipt))]

    def _keys(self, prefix: str) -> Iterator[str]:
        return (entry.key for entry in self._backend.list(prefix) if not is_stray(entry.key))

    def _drawn(self, key: str) -> list[Mapping[str, Any]]:
        """Return the image calls of a raw response whose pictures were stored."""
        try:
            body = cast(dict[str, Any], json.loads(self._records.read_json(key)))
        except StoreUnavailable:
            raise
        except StoreError as error:
            self._records.warn(key, str(error))
            return []
        items = cast(list[object], body.get("output") or [])
        calls = [cast(dict[str, Any], item) for item in items if isinstance(item, dict)]
        return [call for call in calls if isinstance(call.get("result"), dict) and "blob" in call["result"]]


@dataclass(frozen=True)
class _Place:
    """The attempt that loose files belong to."""

    stem: str
    intent: Intent
    responses: list[str]

    def asset(
        self,
        number: int,
        name: str,
        blob: BlobRef,
        *,
        role: AssetRole = "candidate",
        handle: ServiceHandle | None = None,
    ) -> AssetRecord:
        intent = self.intent
        made_by = ResponseRef(
            response_id=self.responses[-1] if self.responses else "",
            conversation_id=intent.conversation_id,
            endpoint=intent.endpoint,
            agent_name="",
            agent_version="",
            model="",
        )
        stage, _, variant = intent.stage.partition("[")
        return AssetRecord(
            asset_id=_asset_id(self.stem, number),
            name=name,
            kind=kind_of(blob.media_type),
            blob=blob,
            stage=stage,
            variant=variant.removesuffix("]"),
            role=role,
            made_by=made_by,
            handles=(handle,) if handle else (),
            created_at=handle.created_at if handle else intent.created_at,
        )


def _told(stem: str, verdict: Verdict | None) -> Iterator[AssetRecord]:
    """Yield what a verdict keeps. Its IDs would be good only if a commit had taken them over."""
    for number, asset in enumerate(verdict.kept if verdict else (), start=1):
        yield asset.model_copy(update={"asset_id": _asset_id(stem, number)})


def _is_of(asset: AssetRecord, stem: str) -> bool:
    """Whether a file belongs to the stage of an attempt, by `<pipeline>/<fp>.<n>`."""
    return layout.stage_of(asset.asset_id).removeprefix(layout.STAGES) == stem.rpartition(".")[0]


def _asset_id(stem: str, number: int) -> AssetId:
    stage, _, attempt = stem.rpartition(".")
    return AssetId(f"ast_{stage.replace('/', '_')}_{int(attempt) * _FIRST + number}")
