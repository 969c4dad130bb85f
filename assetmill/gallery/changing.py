"""Pictures changed from the page: a price is shown, and what is confirmed is that edit at that price.

The page never says what to spend. It sends back the name of an offer that was made here, which works once;
what is then carried out is an edit like any other, under the ceilings and never above the price that was
shown. Were the price or the picture others by then, nothing is begun.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from threading import Lock
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from assetmill.editing.orders import COMPOSITE, STAGE, EditOrder, image_model, is_picture, nearest_shape
from assetmill.editing.painted import keep_painted
from assetmill.editing.run import EditRun, carry_out_all, prepare_edit, price_of, start_edit
from assetmill.errors import InvalidInput, NotFound
from assetmill.gallery.tiles import Slots, Tile
from assetmill.gallery.underway import RunUnderWay
from assetmill.money.price_table import read_prices_again
from assetmill.plan.plan import Cost
from assetmill.records import AssetId, AssetRecord
from assetmill.reviews.desk import BytesChanged
from assetmill.stage.services import Services
from assetmill.store.run_ids import make_run_id

MOST_MASK_CHARS = 12 * 1024 * 1024
_LONGEST_WORDS = 4000
_OFFERS = 32
_OFFERED_FOR_S = 900.0
_AT_ONCE = 2
_WAITING = 8
_FRAMES = 2
PRICED = ("1024x1024", "1536x1024", "1024x1536")
"""Sizes that every price list of a token-priced image model has."""


class OfferChanged(InvalidInput):
    """What was offered is not what it would be now: nothing was begun."""


class TooMuchAtOnce(InvalidInput):
    """As many edits are under way as one page may have."""


class ChangeOrder(BaseModel):
    """A change as the page asks its price; `sha256` is of the bytes on the screen, `mask` a PNG in base64."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asset_id: AssetId
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    instruction: Annotated[str, Field(max_length=_LONGEST_WORDS)]
    mask: Annotated[str, Field(max_length=MOST_MASK_CHARS)] | None = None


class Confirmation(BaseModel):
    """A person's yes to an offer; `most_usd` is the price that they saw."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    offer: Annotated[str, Field(max_length=100)]
    most_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Offer:
    """An edit that is prepared, at a price, of certain bytes."""

    run: EditRun
    cost: Cost
    sha256: str
    until: float

    def document(self, name: str) -> dict[str, Any]:
        """Return it as the page shows it."""
        return {"offer": name, "price": self.cost.amounts(), "model": _model_of(self.run)}


class Changing:
    """Edits of one page, from its question for a price to their end. Safe for threads.

    `enter` opens what an edit needs, once and not before the first is asked for; `ready` holds the service
    while it draws.
    """

    def __init__(
        self,
        enter: Callable[[], AbstractContextManager[Services]],
        ready: Callable[[Services], AbstractContextManager[object]],
    ) -> None:
        self._enter, self._ready = enter, ready
        self._stack = ExitStack()
        self._opened: Services | None = None
        self._offers: OrderedDict[str, Offer] = OrderedDict()
        self._running: list[Future[None]] = []
        self._pool = ThreadPoolExecutor(_AT_ONCE, "change")
        self._lock = Lock()

    def offer(self, order: ChangeOrder) -> dict[str, Any]:
        """Return what a change would cost, and the name by which it can be confirmed.

        Raises:
            BytesChanged: the asset has other bytes than were on the screen.
            InvalidInput: it cannot be done, or nobody can say what it costs.
        """
        services = self._services()
        asset = _asset_of(order.asset_id, order.sha256, services)
        if not is_picture(asset):
            raise InvalidInput(f"{asset.name} is no picture: `assetmill edit` changes files by words")
        flow_run_id = str(uuid.uuid4())
        painted = None
        if order.mask:
            run_id = make_run_id(flow_run_id, time.time())
            painted = keep_painted(_decoded(order.mask), asset, services, run_id).asset_id
        wanted = EditOrder(asset.asset_id, order.instruction, mask=painted)
        frames = 0 if image_model(wanted, services.settings).route else _FRAMES
        run, cost = _prepared(replace(wanted, frames=frames), services, flow_run_id)
        name = secrets.token_urlsafe(24)
        made = Offer(run, cost, order.sha256, time.time() + _OFFERED_FOR_S)
        with self._lock:
            self._offers[name] = made
            while len(self._offers) > _OFFERS:
                self._offers.popitem(last=False)
        return made.document(name)

    def confirm(self, said: Confirmation) -> EditUnderWay:
        """Begin what was offered, once, and return it.

        Raises:
            OfferChanged: there is no such offer any more, or it would be another now.
            BytesChanged: the picture was replaced since.
            TooMuchAtOnce: other edits are under way.
        """
        services = self._services()
        with self._lock:
            self._running = [one for one in self._running if not one.done()]
            if len(self._running) >= _WAITING:
                raise TooMuchAtOnce(f"{_WAITING} edits are under way: wait for one to end")
            offer = self._offers.pop(said.offer, None)
        if offer is None or offer.until < time.time():
            raise OfferChanged("this price holds no more: ask for it again")
        _asset_of(offer.run.subject.asset.asset_id, offer.sha256, services)
        now = _known_price(offer.run)
        if now != offer.cost or said.most_usd != offer.cost.ceiling:
            raise OfferChanged(
                f"it may cost ${now.ceiling:.4f} now, and another price was shown: ask for it again"
            )
        start_edit(offer.run, budget_usd=now.ceiling)
        start = services.ledger.find_start(offer.run.run_id)
        if start is None:
            raise NotFound("run", offer.run.run_id, "the store has lost it")
        with self._lock:
            self._running.append(self._pool.submit(self._carry_out, offer.run))
        return EditUnderWay(RunUnderWay(services.backend, start, {}), offer.run)

    def wait(self) -> None:
        """Wait until everything that was begun has ended."""
        with self._lock:
            running = list(self._running)
        for one in running:
            one.result()

    def close(self) -> None:
        """Stop what runs, and let it seal itself; the next edit that asks for the same goes on from there."""
        if self._opened:
            self._opened.stop.set()
        self._pool.shutdown(wait=True)
        self._stack.close()

    def _carry_out(self, run: EditRun) -> None:
        try:
            with self._ready(run.services):
                carry_out_all(run)
        except Exception as error:
            # Any: nobody waits for this thread, and what stopped it is told where the picture should be.
            for label in run.calls:
                run.end(label, error)
            run.seal()

    def _services(self) -> Services:
        with self._lock:
            if self._opened is None:
                self._opened = self._stack.enter_context(self._enter())
            return self._opened


class EditUnderWay:
    """One edit as one tile: what the service draws, and in its place what is made of it."""

    def __init__(self, work: RunUnderWay, run: EditRun) -> None:
        self._work, self._is_masked = work, run.order.is_masked
        self._name = run.subject.asset.name
        self.is_over = False

    def look(self) -> Slots:
        """Return the tile as it is now."""
        slots = self._work.look()
        self.is_over = self._work.is_over
        drawn, put_back = slots.get(STAGE, ()), slots.get(COMPOSITE)
        if put_back or not self._is_masked or self.is_over:
            return {STAGE: put_back or drawn or (Tile(self._name, STAGE, "queued"),)}
        # What came from the service is not yet the edit: outside the mask it may be anything.
        coming = [tile if tile.asset_id is None else Tile(self._name, STAGE, "drawing") for tile in drawn]
        return {STAGE: tuple(coming[:1]) or (Tile(self._name, STAGE, "queued"),)}


def _asset_of(asset_id: AssetId, sha256: str, services: Services) -> AssetRecord:
    try:
        asset = services.ledger.read_asset(asset_id)
    except ValueError:
        asset = None
    if asset is None:
        raise NotFound("picture", asset_id, "load the page again")
    if asset.blob.digest != f"sha256:{sha256}":
        raise BytesChanged(f"{asset.name} is not what you looked at any more: load it again")
    return asset


def _prepared(order: EditOrder, services: Services, flow_run_id: str) -> tuple[EditRun, Cost]:
    """Return an edit at the picture's own size; where that has no price, at the nearest one that has."""
    read_prices_again()
    run = prepare_edit(order, services, flow_run_id)
    cost = price_of(run)
    if not cost.is_known and run.subject.size and not order.size:
        sized = replace(order, size=nearest_shape(run.subject.size, PRICED))
        run = prepare_edit(sized, services, flow_run_id)
    return run, _known_price(run)


def _known_price(run: EditRun) -> Cost:
    read_prices_again()
    cost = price_of(run)
    if not cost.is_known:
        unknown = ", ".join(cost.unknown)
        raise InvalidInput(f"nobody can say what it costs: {unknown} has no price; see `assetmill prices`")
    return cost


def _decoded(mask: str) -> bytes:
    try:
        return base64.b64decode(mask, validate=True)
    except binascii.Error as error:
        raise InvalidInput("the mask is no PNG in base64") from error


def _model_of(run: EditRun) -> str:
    tools = [tool for call in run.calls.values() for tool in call.tools]
    return next((str(tool["model"]) for tool in tools if tool.get("model")), "")
