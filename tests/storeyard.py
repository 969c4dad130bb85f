"""A store with an object of every kind, and everything that can be done with it; damaged one at a time."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from assetmill.batches.begun import BegunBatches
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.opening import begin, store_start
from assetmill.batches.records import Blocked
from assetmill.batches.so_far import BatchLooks
from assetmill.care.collecting import Collector
from assetmill.care.kinds import CEILING_LINE, kind_of
from assetmill.care.purging import PurgeReceipt, Tombstone
from assetmill.care.repairing import Repairer
from assetmill.care.repairs import Repaired, mend_mark
from assetmill.care.salvage import Salvage
from assetmill.care.verifying import Verifier
from assetmill.cli.exports import export_assets
from assetmill.editing.adopting import adopt_all
from assetmill.endpoints import EndpointAbility, EndpointProbe, EndpointRefusal
from assetmill.errors import AssetmillError, StoreUnavailable
from assetmill.fingerprint import Fingerprint, digest
from assetmill.gallery.walls import Walls
from assetmill.money.budget import Ceiling
from assetmill.money.spending import spending
from assetmill.records import (
    Approval,
    AssetId,
    Harvest,
    Intent,
    KeptFile,
    Receipt,
    Replies,
    RunId,
    ServiceHandle,
    TurnCost,
    Verdict,
)
from assetmill.reviews.ledger import ReviewLedger
from assetmill.runs.planning import plan_pipeline
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.index import Index
from assetmill.store.memory import MemoryStore
from assetmill.store.opening import probe
from assetmill.store.pending_deletions import CollectionDone, CollectionPlan, PendingDeletion
from tests.batchworks import ONE, carry_out, colourful, plan_batch, products, work_on, write_rows
from tests.millworks import CHAIN, run_here, services_on, settings_in

CEILING = Ceiling("project", 9.0)
BATCH = "b1"
BEGUN = ("a1", "a2")
"""Batches that are not sealed."""
OPEN = (Fingerprint("b" * 52), Fingerprint("c" * 52))
"""Stages of which one attempt each was begun; their records are what an attempt leaves on its way."""


class Guarded(MemoryStore):
    """A store that refuses to show one object, and notes which were read."""

    def __init__(self, objects: Mapping[str, tuple[bytes, float]]) -> None:
        super().__init__()
        self._objects = dict(objects)
        self.refused, self.read = "", set[str]()

    @property
    def objects(self) -> dict[str, tuple[bytes, float]]:
        """Everything that is there."""
        return self._objects

    def get(self, key: str) -> bytes:
        """Return the object's bytes, unless this one is refused."""
        self.read.add(key)
        if key == self.refused:
            raise StoreUnavailable(f"{self.name}: {key!r}: permission denied")
        return super().get(key)


class Origin:
    """The whole store, made once; each test works on a copy of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.backend, self.gateway = folder, MemoryStore(), colourful()
        self.settings = settings_in(folder, chain=CHAIN, one=ONE)
        self.rows = products(folder, "cup", "pot")
        probe(self.backend)
        services = services_on(self.settings, self.backend, self.gateway)
        services.ceilings = (CEILING,)
        self.committed_usd = 0.0
        self.manifest = run_here(services, "chain")
        for name in (BATCH, "b2"):
            batch = plan_batch(services, self.rows, "one", name=name)
            store_start(batch)
            carry_out(batch)
        jug = write_rows(folder, [{"product": "jug"}], "jug.csv")
        for name in BEGUN:
            begin(plan_batch(services, jug, "one", name=name), RunId(f"run_{name}"))
        for fp in OPEN:
            _open_attempt(services, fp)
        _learnt(services)
        _halted(BatchLedger(self.backend))
        for run in ("run_a", "run_b"):
            services.ledger.cancel(RunId(run), "somebody wants no more of it")
        _collected(self.backend)
        _purged(self.backend)
        _reviewed(self.backend)
        services.budget.reserve("never-begun.1", 0.4, services.ceilings)
        # Who begins later reads its lines, and leaves pages of them.
        late = services_on(self.settings, self.backend, self.gateway).budget
        late.reserve("never-begun.2", 0.1, services.ceilings)
        self.committed_usd = late.committed_usd(CEILING.scope)
        self.objects = dict(self.backend._objects)  # pyright: ignore[reportPrivateUsage]


def _open_attempt(services: Services, fp: Fingerprint) -> None:
    ledger, place, now = services.ledger, ("chain", fp), 1.0
    blob = services.blobs.put(b"a,b\n" + fp.encode(), "text/csv")
    handle = ServiceHandle(
        kind="container_file", id="cf", endpoint=services.gateway.endpoint, container_id="c", created_at=now
    )
    intent = Intent(
        nonce="n", owner="o", run_id=RunId("run_gone"), stage="first", attempt=1,
        endpoint=services.gateway.endpoint, conversation_id="conv", request_digest=digest(b"r"),
        reserved_usd=0.4, created_at=now, lease_until=now,
    )  # fmt: skip
    ledger.write_intent(*place, intent)
    ledger.write_receipt(*place, 1, 1, Receipt(response_id="resp", how="reply", created_at=now))
    ledger.write_raw(*place, 1, 1, json.dumps({"id": "resp", "output": []}).encode())
    harvest = Harvest(files=(KeptFile(name="a.csv", blob=blob, handle=handle),), created_at=now)
    ledger.write_harvest(*place, 1, 1, harvest)
    ledger.write_kept_file(*place, 1, 1, harvest)
    ledger.write_turn_cost(*place, 1, 1, TurnCost(usd=0.1, created_at=now))
    ledger.write_replies(*place, 1, 1, Replies(items=({"type": "x"},), created_at=now))
    subject = f"approve {fp}"
    ledger.write_approval(*place, Approval(subject=subject, is_granted=True, decided_by="me", created_at=now))
    ledger.write_verdict(
        *place, 1, Verdict(kind="failed", error="E", reason="r", run_id=RunId("run_gone"), created_at=now)
    )


def _learnt(services: Services) -> None:
    ledger, endpoint = services.ledger, services.gateway.endpoint
    for feature in ("image_file", "image_call"):
        refusal = EndpointRefusal(endpoint=endpoint, feature=feature, reason="no", created_at=1.0)
        services.backend.create(layout.refusal(endpoint, feature), refusal.model_dump_json().encode())
    for name in ("listing", "metadata"):
        ledger.write_ability(
            EndpointAbility(endpoint=endpoint, ability=name, holds=True, evidence="seen", created_at=2.0)
        )
    for at in (1.0, 2.0):
        ledger.write_probe(EndpointProbe(endpoint=endpoint, kept={"late": True}, created_at=at))


def _halted(batches: BatchLedger) -> None:
    for fp, run in zip(OPEN, ("run_a", "run_b"), strict=True):
        blocked = Blocked(fingerprint=fp, label="only", reason="moderation", batch_id=BATCH, created_at=1.0)
        batches.write_blocked("one", blocked)
        batches.halt(BATCH, run, "the account is blocked")


def _collected(backend: MemoryStore) -> None:
    for number in (1, 2, 3):
        gone = PendingDeletion(key=layout.blob(digest(b"gone")), size_bytes=4, modified_at=1.0)
        plan = CollectionPlan(
            number=number, nonce="n", created_at=1.0, older_than_s=1.0, grace_s=9e12, objects=(gone,)
        )
        backend.create(layout.collection_plan(number), gzip.compress(plan.model_dump_json().encode()))
    for number in (1, 2):
        done = CollectionDone(number=number, created_at=1.0, grace_s=1.0, deleted=1, spared=0)
        backend.create(layout.collection_done(number), done.model_dump_json().encode())


def _reviewed(backend: MemoryStore) -> None:
    reviews = ReviewLedger(backend)
    for said in ("good", "bad"):
        reviews.add(digest(b"a picture"), json.dumps({"payload": said, "signatures": []}))


def _purged(backend: MemoryStore) -> None:
    for data in (b"one", b"two"):
        note = Tombstone(digest=digest(data), asset_id=AssetId("ast"), created_at=1.0)
        backend.create(layout.tombstone(note.digest), note.model_dump_json().encode())
        receipt = PurgeReceipt(
            digests=(note.digest,), records_kept=(), size_bytes=3, service=(), asked_service=False,
            created_at=1.0,
        )  # fmt: skip
        backend.create(layout.purge_receipt(len(data), uuid.uuid4().hex), receipt.model_dump_json().encode())


class Yard:
    """One copy of the store, what can be done with it, and how it is damaged and repaired."""

    def __init__(self, origin: Origin, folder: Path) -> None:
        self.origin, self.folder = origin, folder
        self.backend = Guarded(origin.objects)
        self.gateway, self.manifest = origin.gateway, origin.manifest
        self.runs = 0

    def services(self, *ceilings: Ceiling) -> Services:
        services = services_on(self.origin.settings, self.backend, self.gateway)
        services.ceilings = ceilings
        return services

    def keys(self, kind: str) -> list[str]:
        """Return the keys of all objects of a kind."""
        listed = [entry.key for entry in self.backend.list(layout.ROOT)]
        return [key for key in listed if (found := kind_of(key)) and found.title == kind]

    def key(self, kind: str) -> str:
        """Return the object of a kind that most rests on: of stages, that of an attempt without a commit.

        Of a collection's plans only the last one still counts; of lines neither the first nor the last.
        """
        keys = self.keys(kind)
        begun = [key for key in keys if OPEN[1] in key]
        return keys[1] if kind == CEILING_LINE else (begun or keys)[-1]

    def damage(self, kind: str, damage: str) -> str:
        """Damage an object of a kind and return its key."""
        keys = self.keys(kind)
        key = self.key(kind)
        if damage == "missing":
            self.backend.delete(key)
        elif damage == "refused":
            self.backend.refused = key
        elif damage == "stray":
            key = f"{key.rpartition('/')[0]}/stray.bak"
            self.backend.put(key, b"left by somebody")
        else:
            self.backend.put(key, self._damaged(key, keys, damage))
        return key

    def _damaged(self, key: str, keys: list[str], damage: str) -> bytes:
        data = self.backend.get(key)
        others = [other for other in keys if other != key]
        return {
            "empty": lambda: b"",
            "truncated": lambda: data[: len(data) // 2],
            "garbage": lambda: b"\x1f\x8b garbage \xfe",
            "wrong schema": lambda: b'{"right": "form"}',
            "other's content": lambda: self.backend.get(others[0]) if others else b'{"other": 1}',
            "newer": lambda: _of_tomorrow(data),
        }[damage]()

    def commands(self) -> Mapping[str, Callable[[], Any]]:
        services = self.services()
        ledger, batches = services.ledger, BatchLedger(self.backend)
        asset, looks = self.manifest.assets()[1], BatchLooks(self.backend)

        def resume() -> None:
            for fp in OPEN:
                ledger.newest_attempt("chain", fp)
                ledger.read_harvest("chain", fp, 1, 1)
                ledger.read_replies("chain", fp, 1, 1)
                ledger.read_approval("chain", fp, f"approve {fp}")
                ledger.read_raw("chain", fp, 1, 1)

        def lineage() -> None:
            assert Index(self.backend, ledger).with_prefix("ast_") is not None
            assert ledger.read_asset(asset.asset_id) is not None, layout.stage_of(asset.asset_id)

        def show() -> None:
            run_id = self.manifest.run_id
            assert ledger.runs() is not None
            assert ledger.read_manifest(run_id) is not None, layout.run_manifest(run_id)

        def shard() -> None:
            batch = plan_batch(services, self.origin.rows, "one", name=BATCH)
            for name in (BATCH, "b2"):
                batches.read_start(name, batch.content)

        def batch() -> None:
            again = plan_batch(services, self.origin.rows, "one", name=BATCH)
            work_on(again).read_new_pages()
            carry_out(again)
            assert batches.find(BATCH) is not None

        def take_in() -> None:
            file = self.folder / f"{uuid.uuid4().hex}.csv"
            file.write_text(f"{uuid.uuid4()}\n")
            adopt_all([file], services, str(uuid.uuid4()))

        return {
            "open": lambda: probe(self.backend),
            "plan": lambda: plan_pipeline("chain", {}, self.origin.settings, ledger),
            "assets": lambda: (list(ledger.stages()), list(ledger.kept.all())),
            "spend": lambda: spending(ledger, "day"),
            "runs": lambda: [ledger.find_manifest(run_id) for run_id in ledger.runs()],
            "doctor": lambda: (
                ledger.abilities(self.gateway.endpoint),
                services.may_fence_in(services.way()),
            ),
            "show": show,
            "lineage": lineage,
            "export": lambda: export_assets(
                self.manifest.assets(), services.blobs, self.folder / uuid.uuid4().hex
            ),
            "gc": lambda: Collector(self.backend, 0.0, clock=lambda: 9e13).run(is_dry=True),
            "verify": lambda: list(Verifier(self.backend).problems()),
            "home": lambda: [looks.look(one) for one in BegunBatches(self.backend).newest(5)],
            "latest": lambda: Walls(self.backend).find("latest"),
            "resume": resume,
            "shard": shard,
            "batch": batch,
            "import": take_in,
            "run another": lambda: self.run(services, "a red cup"),
            "pay": lambda: self.run(self.services(CEILING), "a blue cup"),
        }

    def run(self, services: Services, product: str) -> None:
        """Run a pipeline for something new; why a stage failed is what the run says."""
        self.runs += 1
        manifest = run_here(services, "one", product=f"{product} {self.runs}")
        errors = [entry.error for entry in manifest.stages if entry.error]
        assert manifest.status == "completed", "; ".join(errors)

    def told(self) -> dict[str, str]:
        """Return what each command says that cannot do its work."""
        said: dict[str, str] = {}
        for name, command in self.commands().items():
            try:
                command()
            except (AssetmillError, AssertionError) as error:
                said[name] = str(error) or repr(error)
        return said

    def readers(self, key: str) -> set[str]:
        """Return the commands that read an object, each in a process of its own."""
        found: set[str] = set()
        for name in self.commands():
            self.backend.read.clear()
            self.commands()[name]()
            if key in self.backend.read:
                found.add(name)
        return found

    def repair(self, *, may_make_again: bool = False) -> Iterator[Repaired]:
        if mark := mend_mark(self.backend):
            yield mark
            probe(self.backend)
        services = self.services()
        run_id = RunId(f"run_repair{uuid.uuid4().hex[:6]}")
        yield from Repairer(services, Salvage(services), run_id, may_make_again=may_make_again).repair()

    def run_again(self) -> str:
        """Run what was run before, which must not be paid for again, and return how that ended."""
        paid = len(self.gateway.posts)
        status = run_here(self.services(CEILING), "chain").status
        assert len(self.gateway.posts) == paid
        return status

    def committed_usd(self) -> float:
        """Return what counts as spent or reserved under the ceiling."""
        return self.services().budget.committed_usd(CEILING.scope)

    def faults(self) -> list[str]:
        return [f"{p.kind} {p.key}" for p in Verifier(self.backend).problems() if p.is_fault]


def _of_tomorrow(data: bytes) -> bytes:
    """Return a record as a later version would write it: with a field more."""
    is_packed = data[:2] == b"\x1f\x8b"
    record = json.loads(gzip.decompress(data) if is_packed else data)
    text = json.dumps({**record, "of_tomorrow": 1}).encode()
    return gzip.compress(text) if is_packed else text
