"""All records by name: the only memory of what was paid for and made.

Every record is created once. A writer's nonce inside it tells one's own write from another's, because a
lost reply makes the two look alike.
"""

from __future__ import annotations

import gzip
import itertools
import time
from collections.abc import Iterator

from assetmill.endpoints import Ability, EndpointAbility, EndpointFeature, EndpointProbe, EndpointRefusal
from assetmill.errors import KeyExists, NotFound
from assetmill.fingerprint import Fingerprint
from assetmill.names import stage_label
from assetmill.records import (
    Approval,
    AssetId,
    AssetRecord,
    Cancellation,
    Harvest,
    Intent,
    Receipt,
    Replies,
    RunId,
    RunManifest,
    RunStart,
    StageRecord,
    TurnCost,
    Upload,
    Verdict,
)
from assetmill.store import layout
from assetmill.store.attempts import Attempt, all_attempts, newest_attempt
from assetmill.store.backend import Backend
from assetmill.store.kept import KeptAssets, is_kept
from assetmill.store.kinds import RUN_ID, is_stray
from assetmill.store.record_objects import TRIED, RecordObjects
from assetmill.store.run_ids import began_at, counted_from

_LOOKED_THROUGH = 200
"""Each is a request: a stage that no run has must not cost as many as there ever were."""


class Ledger:
    """Records in an object store. Safe for threads."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._records = RecordObjects(backend)

    @property
    def backend(self) -> Backend:
        """The store that it lies in."""
        return self._backend

    def read_stage(self, pipeline: str, fp: Fingerprint) -> StageRecord | None:
        """Return a stage's commit, None when the stage is not finished."""
        return self._records.read(layout.stage(pipeline, fp), StageRecord)

    def read_asset(self, asset_id: AssetId) -> AssetRecord | None:
        """Return an asset's record, also of an attempt without a commit: its ID holds its stage's key."""
        if is_kept(asset_id):
            found = self.kept.find(asset_id)
            return found.asset if found else None
        record = self.read_stage_of(asset_id)
        outputs = record.outputs if record else ()
        return next((asset for asset in outputs if asset.asset_id == asset_id), None)

    def read_stage_of(self, asset_id: AssetId) -> StageRecord | None:
        """Return the commit that holds an asset; None for one of an attempt that has none."""
        return None if is_kept(asset_id) else self._records.read(layout.stage_of(asset_id), StageRecord)

    @property
    def kept(self) -> KeptAssets:
        """What was paid for and is no stage's result."""
        return KeptAssets(self._backend, self._records)

    def commit(self, record: StageRecord) -> StageRecord:
        """Store a stage's commit and return the one that counts: the first."""
        return self._records.create(layout.stage(record.pipeline, record.fingerprint), record)

    def newest_attempt(self, pipeline: str, fp: Fingerprint) -> Attempt | None:
        """Return the newest attempt at a stage, None when nothing was ever intended; see `attempts`."""
        return newest_attempt(self._backend, self._records, pipeline, fp)

    def attempts(self, pipeline: str, fp: Fingerprint) -> tuple[Attempt, ...]:
        """Read every attempt at a stage, the first one first; see `attempts`."""
        return all_attempts(self._backend, self._records, pipeline, fp)

    def write_intent(self, pipeline: str, fp: Fingerprint, intent: Intent) -> bool:
        """Store an intent; False when another worker's is there already."""
        stored = self._records.create(layout.intent(pipeline, fp, intent.attempt, intent.turn), intent)
        return stored.nonce == intent.nonce

    def write_receipt(
        self, pipeline: str, fp: Fingerprint, attempt: int, turn: int, receipt: Receipt
    ) -> Receipt:
        """Store a turn's response ID; the first one counts and is returned."""
        return self._records.create(layout.receipt(pipeline, fp, attempt, turn), receipt)

    def write_verdict(self, pipeline: str, fp: Fingerprint, attempt: int, verdict: Verdict) -> Verdict:
        """Store why an attempt is over; the first verdict counts and is returned."""
        return self._records.create(layout.verdict(pipeline, fp, attempt), verdict)

    def write_raw(self, pipeline: str, fp: Fingerprint, attempt: int, turn: int, body: bytes) -> bool:
        """Store the terminal response as received; False when it was there already."""
        key = layout.raw(pipeline, fp, attempt, turn)
        try:
            self._backend.create(key, gzip.compress(body, mtime=0), media_type="application/gzip")
        except KeyExists:
            return False
        return True

    def read_raw(self, pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> bytes:
        """Return a stored terminal response.

        Raises:
            KeyMissing: there is none.
            StoreError: what is there is none.
        """
        return self._records.read_json(layout.raw(pipeline, fp, attempt, turn))

    def write_harvest(
        self, pipeline: str, fp: Fingerprint, attempt: int, turn: int, harvest: Harvest
    ) -> Harvest:
        """Store which container files of a turn were kept; the first record counts and is returned."""
        return self._records.create(layout.harvest(pipeline, fp, attempt, turn), harvest)

    def read_harvest(self, pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> Harvest | None:
        """Return which container files of a turn were kept, None when nobody has fetched them yet."""
        return self._records.read(layout.harvest(pipeline, fp, attempt, turn), Harvest)

    def write_kept_file(
        self, pipeline: str, fp: Fingerprint, attempt: int, turn: int, harvest: Harvest
    ) -> None:
        """Store that one container file of a turn was kept; repeating is free."""
        (file,) = harvest.files
        self._records.create(layout.kept_file(pipeline, fp, attempt, turn, file.handle.id), harvest)

    def kept_files(self, pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> tuple[Harvest, ...]:
        """Return the container files of a turn that were kept one by one, in the order of their coming."""
        keys = [entry.key for entry in self._backend.list(layout.kept_files(pipeline, fp, attempt, turn))]
        found = [record for key in keys if (record := self._records.read_or_warn(key, Harvest))]
        return tuple(sorted(found, key=lambda record: record.created_at))

    def write_turn_cost(
        self, pipeline: str, fp: Fingerprint, attempt: int, turn: int, cost: TurnCost
    ) -> None:
        """Store what a turn has cost; the first figure counts."""
        self._records.create(layout.turn_cost(pipeline, fp, attempt, turn), cost)

    def read_turn_cost(self, pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> TurnCost | None:
        """Return what a turn has cost that another one follows, and when its response had come."""
        return self._records.read(layout.turn_cost(pipeline, fp, attempt, turn), TurnCost)

    def read_verdict(self, pipeline: str, fp: Fingerprint, attempt: int) -> Verdict | None:
        """Return why an attempt is over, None when it is not."""
        return self._records.read(layout.verdict(pipeline, fp, attempt), Verdict)

    def write_replies(
        self, pipeline: str, fp: Fingerprint, attempt: int, turn: int, replies: Replies
    ) -> Replies:
        """Store what a turn's calls are answered; the first answer counts and is returned."""
        return self._records.create(layout.replies(pipeline, fp, attempt, turn), replies)

    def read_replies(self, pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> Replies | None:
        """Return what a turn's calls were answered, None when nothing was yet."""
        return self._records.read(layout.replies(pipeline, fp, attempt, turn), Replies)

    def write_approval(self, pipeline: str, fp: Fingerprint, approval: Approval) -> Approval:
        """Store what a person decided; the first decision counts and is returned."""
        return self._records.create(layout.approval(pipeline, fp, approval.subject), approval)

    def read_approval(self, pipeline: str, fp: Fingerprint, subject: str) -> Approval | None:
        """Return what a person decided about `subject`, None while nobody has."""
        return self._records.read(layout.approval(pipeline, fp, subject), Approval)

    def newest_upload(self, endpoint: str, what: str) -> tuple[int, Upload | None]:
        """Return the newest handle of `what` at an endpoint with its number; (0, None) when there is none."""
        # One after the other, without a listing: there are few, and those of other things are many.
        number = 0
        while self._backend.head(layout.handle(endpoint, what, number + 1)):
            number += 1
        # One that cannot be read is as good as one that has expired: the bytes are sent again.
        newest = layout.handle(endpoint, what, number)
        return number, self._records.read_or_warn(newest, Upload) if number else None

    def read_upload(self, key: str) -> Upload | None:
        """Return an upload that was found by listing, None when it is not there."""
        return self._records.read(key, Upload)

    def write_upload(self, endpoint: str, what: str, number: int, upload: Upload) -> Upload:
        """Store the `number`-th handle; the first writer's counts and is returned."""
        return self._records.create(layout.handle(endpoint, what, number), upload)

    def read_refusal(self, endpoint: str, feature: EndpointFeature) -> EndpointRefusal | None:
        """Return what an older version saw an endpoint refuse, None while nothing speaks against it."""
        return self._records.read_or_warn(layout.refusal(endpoint, feature), EndpointRefusal)

    def newest_ability(self, endpoint: str, ability: Ability) -> EndpointAbility | None:
        """Return what was last seen of an endpoint's ability, None when nobody has looked."""
        return self._records.newest(layout.abilities(endpoint, ability), EndpointAbility)

    def abilities(self, endpoint: str) -> tuple[EndpointAbility, ...]:
        """Return what was last seen of each ability of an endpoint, by name."""
        newest: dict[str, EndpointAbility] = {}
        for entry in self._backend.list(layout.abilities(endpoint)):
            name = entry.key.split("/ability.")[1].partition(".")[0]
            if name not in newest and (found := self._records.read_or_warn(entry.key, EndpointAbility)):
                newest[name] = found
        return tuple(newest.values())

    def write_ability(self, ability: EndpointAbility) -> None:
        """Store what an endpoint was seen to do or to refuse; the newest one counts."""
        prefix = layout.abilities(ability.endpoint, ability.ability)
        now = self._records.time_for(prefix, int(ability.created_at * 1e9))
        key = layout.ability(ability.endpoint, ability.ability, now)
        self._records.create(key, ability)

    def newest_probe(self, endpoint: str) -> EndpointProbe | None:
        """Return what the newest probe of an endpoint found, None when there was none."""
        return self._records.newest(layout.endpoint_probes(endpoint), EndpointProbe)

    def write_probe(self, probe: EndpointProbe) -> None:
        """Store what a probe found; the newest one counts."""
        now = self._records.time_for(layout.endpoint_probes(probe.endpoint), int(probe.created_at * 1e9))
        self._records.create(layout.endpoint_probe(probe.endpoint, now), probe)

    def write_start(self, start: RunStart) -> None:
        """Store that a run began."""
        self._records.create(layout.run_start(start.run_id), start)

    def cancel(self, run_id: RunId, reason: str) -> None:
        """Call a run off, on whatever machine it is; the first reason stays."""
        self._records.create(layout.run_cancel(run_id), Cancellation(reason=reason, created_at=time.time()))

    def cancelled(self, run_id: RunId) -> str:
        """Return why a run was called off, "" while nobody has."""
        key = layout.run_cancel(run_id)
        if self._backend.head(key) is None:
            return ""
        # That it is there is what counts.
        found = self._records.read_or_warn(key, Cancellation)
        return found.reason if found else "cancelled; the mark cannot be read"

    def write_manifest(self, manifest: RunManifest) -> None:
        """Seal a run and make it its pipeline's newest. Blobs and records come before."""
        self._records.create(layout.run_manifest(manifest.run_id), manifest, compressed=True)
        head = manifest.run_id.encode()
        now = self._records.time_for(layout.heads(manifest.pipeline), time.time_ns())
        for time_ns in itertools.count(now):
            key = layout.head(manifest.pipeline, time_ns)
            try:
                return self._backend.create(key, head, media_type="text/plain")
            except KeyExists:
                if self._backend.get(key) == head:
                    return None

    def latest_manifest(self, pipeline: str) -> RunManifest | None:
        """Return the newest sealed run of a pipeline: three requests, however many stages it has."""
        return next(self.manifests(pipeline, limit=TRIED), None)

    def manifests(self, pipeline: str, limit: int | None = None) -> Iterator[RunManifest]:
        """Yield the sealed runs of a pipeline, newest first; each is read when it is asked for.

        What cannot be read is told and left out: every stage record says the same of its own stage.
        """
        for head in list(self._backend.list(layout.heads(pipeline), limit=limit)):
            name = self._backend.get(head.key).decode(errors="replace")
            if not RUN_ID.fullmatch(name):
                self._records.warn(head.key, "it names no run")
            elif manifest := self._records.read_or_warn(layout.run_manifest(RunId(name)), RunManifest):
                yield manifest

    def read_manifest(self, run_id: RunId) -> RunManifest | None:
        """Return a run's manifest, None while the run is not sealed."""
        return self._records.read(layout.run_manifest(run_id), RunManifest)

    def find_manifest(self, run_id: RunId) -> RunManifest | None:
        """Return a run's manifest; one that cannot be read is told, and counts as none."""
        return self._records.read_or_warn(layout.run_manifest(run_id), RunManifest)

    def find_start(self, run_id: RunId) -> RunStart | None:
        """Return how a run began; what cannot be read is told, and counts as unknown."""
        return self._records.read_or_warn(layout.run_start(run_id), RunStart)

    def read_start(self, run_id: RunId) -> RunStart | None:
        """Return how a run began, None when no such run is known."""
        return self._records.read(layout.run_start(run_id), RunStart)

    def runs(self) -> list[RunId]:
        """Return the IDs of all runs by the time of their start, the newest last."""
        started: dict[RunId, float] = {}
        for entry in self._backend.list(layout.RUNS):
            if entry.key.endswith("/start") and not is_stray(entry.key):
                run_id = RunId(entry.key.split("/")[2])
                started[run_id] = counted_from(run_id, entry.modified_at)
        return sorted(started, key=lambda run_id: (started[run_id], run_id))

    def finished(self, pipeline: str) -> set[Fingerprint]:
        """Return the fingerprints of all finished stages of a pipeline: one request for a thousand."""
        entries = self._backend.list(layout.stages_of(pipeline))
        return {Fingerprint(entry.key.rpartition("/")[2]) for entry in entries}

    def stages(self) -> Iterator[StageRecord]:
        """Yield every finished stage of the store, in no useful order."""
        for entry in self._backend.list(layout.STAGES):
            if record := self._records.read_or_warn(entry.key, StageRecord):
                yield record

    def dead_attempts(self) -> Iterator[tuple[Verdict, Intent]]:
        """Yield every attempt that ended without a commit, with its first intent."""
        for entry in self._backend.list(layout.VERDICTS):
            verdict = self._records.read_or_warn(entry.key, Verdict)
            intent = self._records.read_or_warn(layout.intent_of_verdict(entry.key), Intent)
            if verdict and intent:
                yield verdict, intent

    def uploads(self, endpoint: str) -> Iterator[tuple[Upload, bool]]:
        """Yield every upload to an endpoint, and whether it is the newest of its kind and content."""
        keys = [entry.key for entry in self._backend.list(layout.uploads(endpoint))]
        newest = {key.rpartition(".")[0]: key for key in keys}
        for key in keys:
            if upload := self._records.read_or_warn(key, Upload):
                yield upload, newest[key.rpartition(".")[0]] == key

    def find_run(self, text: str) -> RunId:
        """Return the run whose ID is or starts with `text`; `latest` is the newest one.

        Raises:
            NotFound: none or several.
        """
        runs = self.runs()
        found = runs[-1:] if text == "latest" else [run for run in runs if run.startswith(text)]
        if text in found:
            return RunId(text)
        if len(found) != 1:
            told = "it has not begun yet, or not in this store: " if began_at(text) else ""
            hint = f"{told}see `assetmill show`"
            raise NotFound("run", text, f"{len(found)} runs match" if found else hint)
        return found[0]

    def find_run_of(self, text: str, stage: str) -> RunId:
        """Return the run that is meant where one of its stages is named, by its label or its name.

        `latest` is then the newest run that was to have that stage: an edit in between has none of them.

        Raises:
            NotFound: none or several.
        """
        for run_id in self.newest_runs() if text == "latest" else ():
            start = self.read_start(run_id)
            named = start.stages if start else ()
            if any(stage in (name, stage_label(name, variant)) for name, variant in named):
                return run_id
        return self.find_run(text)

    def newest_runs(self) -> list[RunId]:
        """Return the newest runs, newest first: as many as are looked through for one of them."""
        return self.runs()[: -_LOOKED_THROUGH - 1 : -1]
