"""Everything that can be wrong with an object of a store, and what becomes of it.

A table: a kind of object, what is wrong with it, and which commands then cannot do their work. Those name the
object; all others work. Afterwards a repair mends it, or a person says that it may be made again.
"""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from assetmill.care.collecting import Collector
from assetmill.care.repairing import Repairer
from assetmill.care.repairs import Repaired
from assetmill.care.salvage import Salvage
from assetmill.care.verifying import Verifier
from assetmill.cli.exports import export_assets
from assetmill.editing.adopting import adopt_all
from assetmill.editing.orders import EditOrder
from assetmill.editing.run import begin_edit, carry_out_all
from assetmill.errors import AssetmillError
from assetmill.money.spending import spending
from assetmill.records import RunId
from assetmill.runs.planning import plan_pipeline
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.index import Index
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, image_item, png
from tests.millworks import CHAIN, run_here, services_on, settings_in

PREFIXES: Mapping[str, str] = {
    "blob": layout.BLOBS,
    "stage record": layout.STAGES,
    "manifest": layout.RUNS,
    "run start": layout.RUNS,
    "head": layout.HEADS,
    "intent": layout.INTENTS,
    "receipt": "v1/c/",
    "raw response": layout.RAW,
    "handle": "v1/u/",
    "index page": layout.INDEX,
}
DAMAGES = ("missing", "empty", "truncated", "garbage", "wrong schema", "other's content", "stray")

NEEDS: Mapping[str, frozenset[str]] = {
    "blob": frozenset({"export"}),
    "stage record": frozenset({"gc", "lineage"}),
    "manifest": frozenset({"gc", "show"}),
    "run start": frozenset({"gc"}),
    "head": frozenset(),
    "intent": frozenset({"gc"}),
    "receipt": frozenset(),
    "raw response": frozenset({"gc"}),
    "handle": frozenset(),
    "index page": frozenset({"gc"}),
}
"""Which commands need an object of a kind. A collection needs every record: it might name bytes."""


SPOILED = CHAIN.replace("outputs: [{name: first.png}]", "outputs: [{name: first.png, count: 2}]")
"""Its first stage makes one file where two are asked."""

UNSEEN = {("intent", "other's content"), ("raw response", "other's content")}
"""What is whole and of the right kind, and does not say of which stage it is."""


class Yard:
    """A store with one finished run of two stages, and everything that can be done with it."""

    def __init__(self, folder: Path, backend: MemoryStore) -> None:
        self.folder, self.backend = folder, backend
        colours = iter(["teal", "navy", "red", "gold"])
        self.gateway = ScriptedGateway(lambda _: [image_item(png(1024, 1024, next(colours)))])
        self.settings = settings_in(folder, chain=CHAIN)
        self.manifest = run_here(self.services(), "chain")
        page = Index(backend, self.services().ledger)
        backend.create(layout.index_page(1), _page(page))
        self.paid = len(self.gateway.posts)

    def services(self) -> Services:
        return services_on(self.settings, self.backend, self.gateway)

    def key(self, kind: str) -> str:
        """Return an object of a kind: the last stage's, where there is one for each."""
        record = self.manifest.stages[1].record
        assert record is not None
        place = record.pipeline, record.fingerprint
        return {
            "blob": layout.blob(record.outputs[0].blob.digest),
            "stage record": layout.stage(*place),
            "manifest": layout.run_manifest(self.manifest.run_id),
            "run start": layout.run_start(self.manifest.run_id),
            "intent": layout.intent(*place, 1, 1),
            "receipt": layout.receipt(*place, 1, 1),
            "raw response": layout.raw(*place, 1, 1),
        }.get(kind) or next(entry.key for entry in self.backend.list(PREFIXES[kind]))

    def damage(self, kind: str, damage: str) -> str:
        """Damage an object of a kind and return its key."""
        key = self.key(kind)
        if damage == "missing":
            self.backend.delete(key)
        elif damage == "stray":
            key = f"{PREFIXES[kind]}stray.bak"
            self.backend.put(key, b"left by somebody")
        else:
            self.backend.put(key, self._damaged(kind, key, damage))
        return key

    def _damaged(self, kind: str, key: str, damage: str) -> bytes:
        data = self.backend.get(key)
        others = [entry.key for entry in self.backend.list(PREFIXES[kind]) if entry.key != key]
        same_kind = [other for other in others if other.rpartition("/")[2] != "start"]
        return {
            "empty": b"",
            "truncated": data[: len(data) // 2],
            "garbage": b"\x00\xff garbage \xfe",
            "wrong schema": b"{}",
            "other's content": self.backend.get(same_kind[0]) if same_kind else b'{"other": 1}',
        }[damage]

    def commands(self) -> Mapping[str, Callable[[], Any]]:
        services = self.services()
        ledger, asset = services.ledger, self.manifest.assets()[1]

        def lineage() -> None:
            finder = Index(self.backend, ledger)
            assert finder.with_prefix("ast_") is not None
            assert ledger.read_asset(asset.asset_id) is not None, layout.stage_of(asset.asset_id)

        def show() -> None:
            assert ledger.runs() is not None
            assert ledger.read_manifest(self.manifest.run_id) is not None, layout.run_manifest(
                self.manifest.run_id
            )

        def export() -> None:
            export_assets(self.manifest.assets(), services.blobs, self.folder / uuid.uuid4().hex)

        return {
            "plan": lambda: plan_pipeline("chain", {}, self.settings, ledger),
            "assets": lambda: list(ledger.stages()),
            "spend": lambda: spending(ledger, "day"),
            "runs": lambda: [ledger.find_manifest(run_id) for run_id in ledger.runs()],
            "show": show,
            "lineage": lineage,
            "export": export,
            "gc": lambda: Collector(self.backend, 0.0).run(is_dry=True),
            "verify": lambda: list(Verifier(self.backend).problems()),
            "run another": lambda: run_here(services, "chain", subject="a red cup").status,
        }

    def repair(self, *, may_make_again: bool = False, asks_service: bool = True) -> list[Repaired]:
        services = self.services()
        run_id = RunId(f"run_repair{uuid.uuid4().hex[:6]}")
        salvage = Salvage(services, asks_service=asks_service)
        return list(Repairer(services, salvage, run_id, may_make_again=may_make_again).repair())

    def faults(self) -> list[str]:
        return [f"{p.kind} {p.key}" for p in Verifier(self.backend).problems() if p.is_fault]


def _page(index: Index) -> bytes:
    rows = ",".join(row.model_dump_json() for row in index.rows)
    return gzip.compress(f'{{"floor":"","recent":[],"rows":[{rows}]}}'.encode())


@pytest.fixture
def yard(tmp_path: Path, backend: MemoryStore) -> Yard:
    return Yard(tmp_path, backend)


def outcome(command: Callable[[], Any]) -> str:
    """Return what a command says when it cannot do its work, "" when it can."""
    try:
        command()
    except (AssetmillError, AssertionError) as error:
        return str(error) or repr(error)
    return ""


def needed(kind: str, damage: str) -> frozenset[str]:
    """Return the commands that cannot do their work."""
    if damage == "stray":
        return frozenset()
    is_unseen = damage == "missing" or (kind, damage) in UNSEEN
    return NEEDS[kind] - ({"gc"} if is_unseen else set())


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", PREFIXES)
def test_what_needs_a_damaged_object_names_it_and_all_else_works(yard: Yard, kind: str, damage: str) -> None:
    key = yard.damage(kind, damage)
    told = {name: said for name, command in yard.commands().items() if (said := outcome(command))}
    assert set(told) == needed(kind, damage), told
    for said in told.values():
        assert key in said


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", PREFIXES)
def test_a_repair_mends_it_and_the_next_run_pays_nothing(yard: Yard, kind: str, damage: str) -> None:
    yard.damage(kind, damage)
    before = [one.state for one in yard.repair()]
    assert "lost" not in before, before
    assert yard.faults() == []
    assert run_here(yard.services(), "chain").status == "completed"
    assert len(yard.gateway.posts) == yard.paid
    assert [one.state for one in yard.repair() if one.state != "stray"] == []


def lose(yard: Yard) -> None:
    """Lose the last picture, here and on the service."""
    yard.damage("blob", "missing")
    for post in list(yard.gateway.conversations.values()):
        for response in post:
            yard.gateway.delete_response(response.response_id)


def test_what_is_lost_stays_until_a_person_lets_it_be_made_again(yard: Yard) -> None:
    lose(yard)
    assert [one.state for one in yard.repair()] == ["lost"]
    assert run_here(yard.services(), "chain").status == "completed"
    assert len(yard.gateway.posts) == yard.paid
    spent = yard.manifest.spent_usd
    assert [one.state for one in yard.repair(may_make_again=True)] == ["made_again"]
    assert yard.faults() == []
    again = run_here(yard.services(), "chain")
    assert [stage.status for stage in again.stages] == ["reused", "done"]
    assert len(yard.gateway.posts) == yard.paid + 1
    assert spent is not None
    assert again.spent_usd is not None
    assert spending(yard.services().ledger, "day").usd == pytest.approx(spent + again.spent_usd)
    assert yard.faults() == []


def test_what_was_derived_here_is_made_again_for_nothing(yard: Yard) -> None:
    order = EditOrder(str(yard.manifest.assets()[1].asset_id), "make it red")
    report = carry_out_all(begin_edit(order, yard.services(), str(uuid.uuid4()))).assets()[-1]
    assert (report.role, report.made_by) == ("report", None)
    paid = len(yard.gateway.posts)
    yard.backend.delete(layout.blob(report.blob.digest))
    (told,) = yard.repair()
    assert told.state == "lost"
    assert "repair --make-again" in told.message
    assert "for nothing" in told.message
    assert [one.state for one in yard.repair(may_make_again=True)] == ["made_again"]
    again = carry_out_all(begin_edit(order, yard.services(), str(uuid.uuid4())))
    assert again.status == "completed"
    assert yard.services().blobs.find(again.assets()[-1].blob) is not None
    assert len(yard.gateway.posts) == paid
    assert yard.repair() == []
    assert yard.faults() == []


def test_a_lost_file_of_a_failed_attempt_is_settled_by_a_word(yard: Yard) -> None:
    spoiled = SPOILED.replace("name: chain", "name: spoiled")
    (yard.settings.configs / "pipelines" / "spoiled.yaml").write_text(spoiled)
    assert run_here(yard.services(), "spoiled").status == "failed"
    (kept,) = [one for _, verdict in yard.services().ledger.kept.verdicts() for one in verdict.kept]
    yard.backend.delete(layout.blob(kept.blob.digest))
    for post in list(yard.gateway.conversations.values()):
        for response in post:
            yard.gateway.delete_response(response.response_id)
    assert [one.state for one in yard.repair()] == ["lost"]
    assert [one.state for one in yard.repair(may_make_again=True)] == ["made_again"]
    assert yard.repair() == []
    assert yard.faults() == []


def test_an_import_of_the_same_bytes_restores_them(yard: Yard) -> None:
    data = yard.backend.get(yard.key("blob"))
    lose(yard)
    file = yard.folder / "kept.png"
    file.write_bytes(data)
    adopt_all([file], yard.services(), str(uuid.uuid4()))
    assert yard.backend.get(yard.key("blob")) == data
    assert yard.faults() == []


def test_an_exported_file_restores_what_it_was_made_from(yard: Yard) -> None:
    data = yard.backend.get(yard.key("blob"))
    out = yard.folder / "out"
    export_assets(yard.manifest.assets(), yard.services().blobs, out)
    lose(yard)
    services = yard.services()
    (told,) = Repairer(services, Salvage(services, (out,)), RunId("run_repair")).repair()
    assert (told.state, told.message) == ("mended", f"from {out / 'second.png'}")
    assert yard.backend.get(yard.key("blob")) == data


@pytest.mark.parametrize("damage", ["missing", "garbage"])
def test_an_open_attempt_without_its_intent_is_taken_over_by_its_receipt(yard: Yard, damage: str) -> None:
    for kind in ("stage record", "manifest", "head"):
        yard.damage(kind, "missing")
    yard.damage("intent", damage)
    assert "lost" not in [one.state for one in yard.repair()]
    assert run_here(yard.services(), "chain").status == "completed"
    assert len(yard.gateway.posts) == yard.paid


def test_an_unreadable_intent_without_a_receipt_waits_for_a_person(yard: Yard) -> None:
    for kind in ("stage record", "manifest", "head", "receipt", "raw response"):
        yard.damage(kind, "missing")
    yard.damage("intent", "garbage")
    assert "lost" in [one.state for one in yard.repair()]
    assert run_here(yard.services(), "chain").status == "failed"
    assert len(yard.gateway.posts) == yard.paid
    assert "made_again" in [one.state for one in yard.repair(may_make_again=True)]
    assert run_here(yard.services(), "chain").status == "completed"
    assert len(yard.gateway.posts) == yard.paid + 1


def test_nothing_that_is_set_aside_is_thrown_away(yard: Yard) -> None:
    key = yard.damage("receipt", "garbage")
    data = yard.backend.get(key)
    yard.repair()
    assert data in [yard.backend.get(entry.key) for entry in yard.backend.list(layout.ASIDE)]
