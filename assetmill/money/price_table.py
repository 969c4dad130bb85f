"""The price list: dated data, read and checked. None means unknown, which is neither zero nor a guess."""

from __future__ import annotations

import datetime
import fnmatch
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from assetmill.money.megapixels import MegapixelPrice
from assetmill.settings import Settings, config_file, find_configs
from assetmill.spec.chat_models import load_chat_models
from assetmill.spec.image_models import load_image_models, parse_size
from assetmill.spec.reading import nearest
from assetmill.spec.tables import DataTable, Source, TableRow

P = TypeVar("P", "ChatPrice", "ImagePrice")

CONTRACT = "contract.toml"
LANES = ("batch", "flex", "priority")


class LongContext(NamedTuple):
    """Factors of the whole price of a request with more than `above` input tokens."""

    above: int
    input: float
    output: float


class ChatPrice(NamedTuple):
    """Dollars per million tokens of an orchestrating model; `lanes` are factors of it in the other lanes.

    Without a price of their own, input from the prompt cache and input written to it cost as `input`.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    long: LongContext | None = None
    lanes: Mapping[str, float] = {}
    reasons: bool = False
    sources: tuple[Source, ...] = ()

    def times(self, factor: float) -> ChatPrice:
        """Return every amount times a factor."""
        return self._replace(**_scaled(self, ("input", "output", "cached", "cache_write"), factor))

    def in_lane(self, lane: str) -> ChatPrice | None:
        """Return the price in a lane; None where nobody has said what it costs there."""
        if lane not in LANES:
            return self
        factor = self.lanes.get(lane)
        return None if factor is None else self.times(factor)


class ImagePrice(NamedTuple):
    """Dollars per million tokens of the image tool, and the output tokens of one picture.

    `tokens` gives for each quality those of a square, a landscape and, where it differs, a portrait picture;
    `least` the smaller readings where sources disagree. Models without qualities have `pixels_per_token`, or
    cost by the `megapixel` and count no tokens.
    """

    text_input: float
    image_input: float
    output: float
    tokens: Mapping[str, tuple[int, ...]]
    sizes: Mapping[str, int]
    text_cached: float | None = None
    image_cached: float | None = None
    text_output: float | None = None
    least: Mapping[str, tuple[int, ...]] = {}
    sources: tuple[Source, ...] = ()
    pixels_per_token: int | None = None
    megapixel: MegapixelPrice | None = None

    def times(self, factor: float) -> ImagePrice:
        """Return every amount times a factor."""
        names = ("text_input", "image_input", "output", "text_cached", "image_cached", "text_output")
        area = self.megapixel.times(factor) if self.megapixel else None
        return self._replace(**_scaled(self, names, factor), megapixel=area)

    def tokens_of(self, size: str, quality: str) -> int | None:
        """Return the output tokens of one picture, None when nobody has said."""
        exact = self.sizes.get(f"{size} {quality}")
        if self.pixels_per_token and (shape := parse_size(size)):
            return math.ceil(shape[0] * shape[1] / self.pixels_per_token)
        return _in_shape(self.tokens.get(quality, ()), size) if exact is None else exact

    def least_of(self, size: str, quality: str) -> int | None:
        """Return the same by the smallest reading."""
        least = _in_shape(self.least.get(quality, ()), size)
        return self.tokens_of(size, quality) if least is None else least


def _in_shape(known: tuple[int, ...], size: str) -> int | None:
    shapes = {"1024x1024": 0, "1536x1024": 1, "1024x1536": 2}
    if size not in shapes or not known:
        return None
    place = shapes[size]
    if place == 2 and len(known) == 2:
        place = 1
    return known[place] if place < len(known) else None


def _scaled(price: Any, names: tuple[str, ...], factor: float) -> dict[str, float]:
    amounts = {name: getattr(price, name) for name in names}
    return {name: round(amount * factor, 8) for name, amount in amounts.items() if amount is not None}


class Prices(NamedTuple):
    """The price list for one provider. Lists of models hold aliases as rows of their own."""

    chat: Mapping[str, ChatPrice]
    image: Mapping[str, ImagePrice]
    partial_image_tokens: int
    code_session: float | None
    file_search: float | None
    zones: Mapping[str, float] = {}
    as_of: datetime.date | None = None

    def times(self, factor: Callable[[str], float]) -> Prices:
        """Return the list with each model's prices times a factor that its name decides."""
        return self._replace(chat=_times(self.chat, factor), image=_times(self.image, factor))


def _times(rows: Mapping[str, P], factor: Callable[[str], float]) -> dict[str, P]:
    return {name: row if factor(name) == 1 else row.times(factor(name)) for name, row in rows.items()}


def load_prices(configs: Path, provider: str = "azure") -> Prices:
    """Read the price list.

    Raises:
        InvalidSpec: a fault in the file, with its line.
    """
    table = DataTable(config_file(configs, "prices.toml"))
    as_of = table.day("as_of")
    reasons = {name: model.reasons for name, model in load_chat_models(configs).items()}

    def chat_price(row: TableRow) -> ChatPrice:
        return _chat_price(row, provider)._replace(reasons=reasons[row.text("model")])

    chat = dict(_rows(table, "chat", chat_price, reasons))
    image = dict(_rows(table, "image", _image_price, load_image_models(configs).rows))
    tools, zones = table.section("tools"), table.section("zones")
    prices = Prices(
        chat,
        image,
        tools.count("partial_image_tokens"),
        _use(tools, "code_session", provider),
        _use(tools, "file_search", provider),
        dict(_zones(zones)),
        as_of,
    )
    tools.get("partial_image_source")
    tools.close()
    zones.close()
    return prices


def _rows(
    table: DataTable, kind: str, read: Callable[[TableRow], P], models: Mapping[str, Any]
) -> Iterator[tuple[str, P]]:
    for model, row in table.rows(kind, "model"):
        if model not in models:
            hint = nearest(model, models) or "name a deployment of yours under `aliases` of its model"
            row.refuse("model", f"unknown model {model!r}: no table describes it", hint)
        price = read(row)
        for name in (model, *row.words("aliases")):
            yield name, price
        row.close()


def _chat_price(row: TableRow, provider: str) -> ChatPrice:
    return ChatPrice(
        row.usd("input"),
        row.usd("output"),
        row.optional_usd("cached"),
        row.optional_usd("cache_write"),
        _long_context(row),
        dict(_lanes(row, provider)),
        sources=row.sources(),
    )


def _lanes(row: TableRow, provider: str) -> Iterator[tuple[str, float]]:
    """Yield the factor of each lane that a provider has; a bare number counts for all of them."""
    for lane in _known(row, "lanes", LANES):
        given = row.by_provider("lanes", lane)
        for name, factor in given.items():
            amount = row.amount("lanes", factor)
            if name == provider:
                yield lane, amount


def _known(row: TableRow, key: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    given = row.mapping(key)
    for name in given:
        if name not in names:
            row.refuse(key, f"{row.text('model')}: unknown {key} {name!r}", nearest(name, names))
    return given


def _long_context(row: TableRow) -> LongContext | None:
    given = _known(row, "long", LongContext._fields)
    if not given:
        return None
    if set(given) != set(LongContext._fields):
        row.refuse("long", f"long must give {', '.join(LongContext._fields)}")
    above, *factors = (row.amount("long", given[name]) for name in LongContext._fields)
    return LongContext(int(above), *factors)


def _image_price(row: TableRow) -> ImagePrice:
    row.sources("tokens_source")
    if area := _known(row, "megapixel", MegapixelPrice._fields):
        amounts = {name: row.amount("megapixel", area[name]) for name in area}
        if "first" not in amounts:
            row.refuse("megapixel", f"{row.text('model')}: megapixel must give first")
        return ImagePrice(0.0, 0.0, 0.0, {}, {}, sources=row.sources(), megapixel=MegapixelPrice(**amounts))
    return ImagePrice(
        row.usd("text_input"),
        row.usd("image_input"),
        row.usd("output"),
        dict(_tokens(row, "tokens")),
        {size: int(row.amount("sizes", tokens)) for size, tokens in row.mapping("sizes").items()},
        row.optional_usd("text_cached"),
        row.optional_usd("image_cached"),
        row.optional_usd("text_output"),
        dict(_tokens(row, "least")),
        row.sources(),
        row.count("pixels_per_token", 0) or None,
    )


def _tokens(row: TableRow, key: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    for quality, known in row.mapping(key).items():
        if not isinstance(known, list) or not 1 <= len(known) <= 3:  # pyright: ignore[reportUnknownArgumentType]
            row.refuse(key, f"{quality} must list the tokens of one to three shapes")
        yield quality, tuple(int(row.amount(key, tokens)) for tokens in known)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]


def _use(tools: TableRow, key: str, provider: str) -> float | None:
    by_provider = tools.by_provider(key)
    if by_provider:
        tools.sources(f"{key}_source")
    amount = by_provider.get(provider)
    return None if amount is None else tools.amount(key, amount)


def _zones(row: TableRow) -> Iterator[tuple[str, float]]:
    if row.values:
        row.sources()
    for zone in ("data_zone", "regional"):
        if (factor := row.get(zone)) is not None:
            yield zone, row.amount(zone, factor)


class Discount(NamedTuple):
    """What a contract takes off the list price of the models that a glob names."""

    models: str
    percent: float

    @property
    def factor(self) -> float:
        """The part of the list price that is paid."""
        return 1 - self.percent / 100


def load_contract(path: Path, prices: Prices) -> tuple[Discount, ...]:
    """Read a contract: `[[discount]]` rows with `models` (a name or a glob), `percent` and `source`.

    Raises:
        InvalidSpec: a fault in the file, with its line; a row that fits no model of the list is one.
    """
    known = (*prices.chat, *prices.image)
    found: list[Discount] = []
    for models, row in DataTable(path).rows("discount", "models"):
        percent = row.usd("percent")
        if percent > 100:
            row.refuse("percent", f"{models}: {percent:g} percent is more than the whole price")
        if not fnmatch.filter(known, models):
            row.refuse("models", f"no model of the price list is called {models!r}", nearest(models, known))
        row.sources()
        row.close()
        found.append(Discount(models, percent))
    return tuple(found)


def discounted(prices: Prices, contract: tuple[Discount, ...]) -> Prices:
    """Return a price list by one's own contract; of several discounts the first that fits counts."""

    def factor(model: str) -> float:
        fits = (one.factor for one in contract if fnmatch.fnmatchcase(model, one.models))
        return next(fits, 1.0)

    return prices.times(factor) if contract else prices


def current_prices() -> Prices:
    """Return the price list of the configs folder that this process uses."""
    return _loaded(find_configs(), "azure", "global")


def prices_for(settings: Settings) -> Prices:
    """Return what a profile pays: its provider's list, its zone's surcharge, its contract's discounts."""
    return _loaded(settings.tables, settings.foundry.provider, settings.foundry.zone)


def read_prices_again() -> None:
    """Let the next question for prices read the files: who serves for days must not go by old ones."""
    _loaded.cache_clear()


@functools.cache
def _loaded(configs: Path, provider: str, zone: str) -> Prices:
    prices = load_prices(configs, provider)
    surcharge = prices.zones.get(zone, 1.0)
    contract = configs / CONTRACT
    prices = prices.times(lambda _: surcharge)
    return discounted(prices, load_contract(contract, prices)) if contract.is_file() else prices
