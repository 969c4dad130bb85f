"""Whatever stops and disturbs a batch, and in whatever order: its end is that of one run without a hitch."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assetmill.agents.gateway import ResponseRequest
from assetmill.batches.ledger import BatchLedger
from assetmill.batches.opening import Batch
from assetmill.batches.records import BatchManifest, BatchPage
from assetmill.errors import PromptBlocked, Rejected
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.batchworks import CARD, carry_out, colourful, plan_batch, run_rows, write_rows
from tests.doubles import ScriptedGateway
from tests.millworks import run_here, services_on, settings_in

PRODUCTS = ("mug", "lamp", "bed")

Kind = Literal["budget", "hour", "kill", "stop", "block", "fail", "single", "edit", "again"]


@dataclasses.dataclass(frozen=True)
class Event:
    """One thing that happens: `row` is whom it meets, `after` how many posts come before it."""

    kind: Kind
    row: int
    after: int
    order: Literal["rows", "stages"]


EVENTS = st.builds(
    Event,
    kind=st.sampled_from(Kind.__args__),
    row=st.integers(0, len(PRODUCTS) - 1),
    after=st.integers(0, 5),
    order=st.sampled_from(["rows", "stages"]),
)


class Killed(BaseException):
    """The end of a process."""


class DeadLedger(BatchLedger):
    """What a process writes that has been killed: nothing."""

    def write_page(self, page: BatchPage) -> None:
        raise Killed


class Workshop:
    """A store and a service that outlive every process, and a table that is edited and put right again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.gateway = folder, colourful()
        self.services = services_on(settings_in(folder, card=CARD), MemoryStore(), self.gateway)
        self.rows = self.table(*PRODUCTS)

    def table(self, *products: str) -> str:
        return write_rows(self.folder, [{"product": product} for product in products])

    def plan(self, **order: Any) -> Batch:
        return plan_batch(self.services, self.rows, name="nightly", **order)

    def happen(self, event: Event) -> None:
        getattr(self, f"_{event.kind}")(event)
        self.gateway.before = self.gateway.after = lambda _: None
        self.services.stop.clear()

    def end(self) -> BatchManifest:
        return run_rows(self.services, self.rows, name="nightly", retries_blocked=True)

    def _again(self, event: Event) -> None:
        carry_out(self.plan(order=event.order))

    def _budget(self, event: Event) -> None:
        whole = self.plan().totals.cost.ceiling
        carry_out(self.plan(order=event.order, budget_usd=max(whole, 0.01) * (event.after + 1) / 8))

    def _hour(self, event: Event) -> None:
        batch = self.plan(order=event.order, by=time.time() + 3600)
        self.gateway.before = _at(event.after, lambda: setattr(batch.services.gate, "until", 1.0))
        carry_out(batch)

    def _kill(self, event: Event) -> None:
        batch = self.plan(order=event.order)

        def die() -> None:
            self.services.stop.set()
            raise Killed

        # The service has accepted the post, and nobody hears of it.
        self.gateway.after = _at(event.after, die)
        # Where all is paid already nothing is posted, and nobody dies.
        with suppress(Killed):
            carry_out(dataclasses.replace(batch, ledger=DeadLedger(self.services.backend)), is_sealed=False)

    def _stop(self, event: Event) -> None:
        self.gateway.before = _at(event.after, self.services.stop.set)
        carry_out(self.plan(order=event.order))

    def _block(self, event: Event) -> None:
        self.gateway.before = _for(PRODUCTS[event.row], PromptBlocked("no", "content_filter", 400))
        carry_out(self.plan(order=event.order))

    def _fail(self, event: Event) -> None:
        self.gateway.before = _for(PRODUCTS[event.row], Rejected("no", "invalid_request", 400))
        carry_out(self.plan(order=event.order))

    def _single(self, event: Event) -> None:
        run_here(self.services, "card", product=PRODUCTS[event.row])

    def _edit(self, event: Event) -> None:
        others = [product for product in PRODUCTS if product != PRODUCTS[event.row]]
        self.table(*others, "vase")
        carry_out(self.plan(order=event.order))
        self.table(*PRODUCTS)


def _at(number: int, act: Callable[[], None]) -> Callable[[ResponseRequest], None]:
    seen: list[ResponseRequest] = []

    def hook(request: ResponseRequest) -> None:
        seen.append(request)
        if len(seen) == number + 1:
            act()

    return hook


def _for(product: str, error: Exception) -> Callable[[ResponseRequest], None]:
    def hook(request: ResponseRequest) -> None:
        if product in str(request.input):
            raise error

    return hook


@contextmanager
def workshop() -> Generator[Workshop]:
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(Path(folder))
        yield shop
        shop.services.close()


def made(manifest: BatchManifest) -> list[tuple[int, str, list[tuple[str, str]]]]:
    return [
        (row.number, str(row.name), [(asset.name, str(asset.digest)) for asset in row.assets])
        for row in manifest.rows
    ]


def paid(gateway: ScriptedGateway) -> list[str]:
    return [str(request.metadata["assetmill_fingerprint"]) for request in gateway.posts]


def exported(services: Services, manifest: BatchManifest, folder: Path) -> int:
    from assetmill.cli.batch_export import Choice, export_batch

    told = export_batch(manifest, folder, Choice(), services)
    assert told.is_whole, (told.faults, told.missing)
    return told.files


@pytest.fixture(scope="module")
def clean() -> list[tuple[int, str, list[tuple[str, str]]]]:
    with workshop() as shop:
        return made(shop.end())


@pytest.mark.timeout(120)
@settings(max_examples=15)
@given(events=st.lists(EVENTS, min_size=1, max_size=4))
def test_every_interleaving_ends_as_one_clean_run(
    clean: list[tuple[int, str, list[tuple[str, str]]]], events: list[Event]
) -> None:
    with workshop() as shop:
        for event in events:
            shop.happen(event)
        end = shop.end()
        assert (end.status, made(end)) == ("completed", clean)
        assert exported(shop.services, end, shop.folder / "out") == 3 * len(PRODUCTS)
        assert len(paid(shop.gateway)) == len(set(paid(shop.gateway))), "a stage was paid twice"
        assert all(row.is_done and row.reason is None for row in end.rows)
