"""Azure's public price list, read: which of its meters is which of our prices. It needs no credentials.

Names of meters are not made for programs: words are abbreviated in several ways, and rows of other zones,
lanes and makers stand between ours. A row of which any word is not understood is left alone.
"""

from __future__ import annotations

import datetime
import json
import re
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from assetmill.errors import InvalidInput

HOST = "prices.azure.com"
_PAGES = 100
_TIMEOUT_S = 60.0
_TOKENS = {"1k": 1000.0, "1m": 1.0}
_MEGAPIXELS = {"1": 1.0}
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("in", "inp", "inpt", "input"), "in"),
    **dict.fromkeys(("out", "opt", "outp", "outpt", "output"), "out"),
    **dict.fromkeys(("cd", "cchd", "ccchd", "cached"), "cached"),
    **dict.fromkeys(("gl", "glbl", "global"), "global"),
    **dict.fromkeys(("std", "shortco"), ""),
    "wr": "write",
    **dict.fromkeys(("txt", "text"), "text"),
    **dict.fromkeys(("img", "image"), "image"),
    "initial": "first",
    **dict.fromkeys(("mp", "megapixel"), "megapixel"),
}
_PRODUCTS = {"": "Azure OpenAI", "MAI": "MAI Models", "FLUX": "Azure BFL Flux"}
"""How products of the makers are called whose models we know, by how the names of those begin."""

_CHAT_KEYS: Mapping[frozenset[str], str] = {
    frozenset({"in"}): "input",
    frozenset({"out"}): "output",
    frozenset({"cached", "in"}): "cached",
    frozenset({"cached", "write"}): "cache_write",
}
_IMAGE_KEYS: Mapping[frozenset[str], str] = {
    frozenset({"text", "in"}): "text_input",
    frozenset({"image", "in"}): "image_input",
    frozenset({"text", "cached", "in"}): "text_cached",
    frozenset({"image", "cached", "in"}): "image_cached",
    frozenset({"image", "out"}): "output",
    frozenset({"text", "out"}): "text_output",
}
# Its older rows say no more than that they are of what comes out.
_MAI_KEYS: Mapping[frozenset[str], str] = {**_IMAGE_KEYS, frozenset({"out"}): "output"}
_FLUX_KEYS: Mapping[frozenset[str], str] = {frozenset({"first", "megapixel"}): "megapixel.first"}

Get = Callable[[str], bytes]


class Meter(NamedTuple):
    """One list price, under our name for it, since `day`: dollars per million tokens, or per megapixel."""

    kind: str
    model: str
    key: str
    usd: float
    day: datetime.date
    meter: str


def address(region: str) -> str:
    """Return where a region's list begins."""
    wanted = f"serviceName eq 'Foundry Models' and armRegionName eq '{region}' and priceType eq 'Consumption'"
    return f"https://{HOST}/api/retail/prices?" + urllib.parse.urlencode({"$filter": wanted})


def download(url: str) -> bytes:
    """Return the body of an address of the price list."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as reply:  # noqa: S310 - `fetch_rows` checks the host
        return reply.read()


def fetch_rows(region: str, get: Get = download) -> list[Mapping[str, Any]]:
    """Return all rows of a region's list.

    Raises:
        InvalidInput: it cannot be reached, a page is no price list, or it is empty: a filter that fits
            nothing is answered like that, and never with an error.
    """
    rows: list[Mapping[str, Any]] = []
    url: str | None = address(region)
    for _ in range(_PAGES):
        if not url:
            break
        if urllib.parse.urlsplit(url).scheme != "https" or urllib.parse.urlsplit(url).hostname != HOST:
            raise InvalidInput(f"the price list goes on at {url!r}, which is not {HOST}")
        page = _page(url, get)
        rows += cast("list[Mapping[str, Any]]", page["Items"])
        url = page.get("NextPageLink")
    if not rows:
        raise InvalidInput(f"the price list has no rows for the region {region!r}")
    return rows


def _page(url: str, get: Get) -> Mapping[str, Any]:
    try:
        page = json.loads(get(url))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"cannot read the price list at {HOST}: {error}") from error
    if not isinstance(page, dict) or not isinstance(cast("dict[str, Any]", page).get("Items"), list):
        raise InvalidInput(f"what {HOST} answered is no page of a price list")
    return cast("Mapping[str, Any]", page)


class _Priced(NamedTuple):
    """Which row of ours a name of the list means, and how its rows are read."""

    kind: str
    model: str
    keys: Mapping[frozenset[str], str]
    units: Mapping[str, float]


def meters(
    rows: Iterable[Mapping[str, Any]], chat: Iterable[str], image: Iterable[str], today: datetime.date
) -> list[Meter]:
    """Return the prices of these models that the rows give: of each the newest that counts already."""
    names = {
        **{_name(name): _Priced("chat", name, _CHAT_KEYS, _TOKENS) for name in chat},
        **{_name(name): _priced_image(name) for name in image},
    }
    newest: dict[tuple[str, str], Meter] = {}
    for meter in _read(rows, names):
        known = newest.get((meter.model, meter.key))
        if meter.day <= today and (known is None or meter.day >= known.day):
            newest[meter.model, meter.key] = meter
    return list(newest.values())


def _priced_image(model: str) -> _Priced:
    maker = _maker(model)
    keys = {"MAI": _MAI_KEYS, "FLUX": _FLUX_KEYS}.get(maker, _IMAGE_KEYS)
    return _Priced("image", model, keys, _MEGAPIXELS if maker == "FLUX" else _TOKENS)


def _maker(model: str) -> str:
    return next((maker for maker in _PRODUCTS if maker and model.startswith(maker)), "")


def _name(model: str) -> tuple[str, str]:
    """Return a model's maker and how rows of its products call it: `Image 2` is one thing at two makers."""
    maker = _maker(model)
    plain = model.removeprefix("gpt-").removeprefix("MAI-")
    plain = plain.replace("FLUX.", "FLUX-") if maker == "FLUX" else plain
    return maker, plain.replace("-", " ").lower()


def _read(rows: Iterable[Mapping[str, Any]], names: Mapping[tuple[str, str], _Priced]) -> Iterator[Meter]:
    for row in rows:
        head, words = _parted(str(row.get("skuName") or ""))
        maker = _maker_of(row)
        known = names.get((maker, head)) if maker is not None and _is_list_price(row) else None
        if known is None or words is None:
            continue
        unit = known.units.get(str(row.get("unitOfMeasure") or "").lower())
        price, day = row.get("retailPrice"), str(row.get("effectiveStartDate") or "")[:10]
        key = known.keys.get(words)
        if key and unit and isinstance(price, int | float) and price >= 0:
            usd = round(price * unit, 6)
            since = datetime.date.fromisoformat(day)
            yield Meter(known.kind, known.model, key, usd, since, str(row.get("meterName")))


def _maker_of(row: Mapping[str, Any]) -> str | None:
    """Return whose product a row is of, None for one of which we know no model."""
    product = str(row.get("productName") or "")
    return next((maker for maker, starts in _PRODUCTS.items() if product.startswith(starts)), None)


def _is_list_price(row: Mapping[str, Any]) -> bool:
    is_list = row.get("type", "Consumption") == "Consumption" and not row.get("tierMinimumUnits")
    return is_list and row.get("currencyCode", "USD") == "USD"


def _parted(sku: str) -> tuple[str, frozenset[str] | None]:
    """Return the model's part of a name, and what the rest means; None where it is not a plain Global row.

    A part of a version as of `2e` is none of the words, nor is `pro`: what follows the first word is read.
    """
    words = re.sub(r"[\s-]+", " ", sku.lower()).split()
    head: list[str] = []
    for place, word in enumerate(words):
        has_version = any(sign.isdigit() for part in head for sign in part)
        if has_version and word in _WORDS:
            meanings = [_WORDS.get(word, "?") for word in words[place:]]
            known = frozenset(meaning for meaning in meanings if meaning)
            is_plain = "?" not in known and "global" in known
            return " ".join(head), known - {"global"} if is_plain else None
        if word != "gpt":
            head.append("image" if word == "img" else word)
    return " ".join(head), None
