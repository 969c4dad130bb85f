"""Changes of prices.toml that a person agreed to: comments and order stay as they are."""

from __future__ import annotations

import datetime
import re
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import tomlkit

from assetmill.errors import InvalidInput
from assetmill.holding import held
from assetmill.money.price_table import Prices
from assetmill.money.retail import Meter


class PriceChange(NamedTuple):
    """One price that the list gives otherwise; `before` None where ours is unknown."""

    meter: Meter
    before: float | None

    def __str__(self) -> str:
        was = "unknown" if self.before is None else f"${self.before:g}"
        meter = self.meter
        return f"{meter.model} {meter.key}: {was} -> ${meter.usd:g} ({meter.meter}, since {meter.day})"


def changes(prices: Prices, found: Iterable[Meter]) -> list[PriceChange]:
    """Return what differs from our list, model by model."""
    made: list[PriceChange] = []
    for meter in found:
        row = (prices.chat if meter.kind == "chat" else prices.image)[meter.model]
        before = _amount(row, meter.key)
        if before is None or abs(before - meter.usd) > 1e-9:
            made.append(PriceChange(meter, before))
    return sorted(made, key=lambda change: (change.meter.kind, change.meter.model, change.meter.key))


def _amount(row: object, key: str) -> float | None:
    """Return an amount of a row; `megapixel.first` is one of its megapixel's, if it has such a price."""
    for name in key.split("."):
        row = getattr(row, name, None)
    return cast("float | None", row)


def write_changes(path: Path, made: Iterable[PriceChange], title: str, today: datetime.date) -> None:
    """Write changes into the file, each row with the source and its day."""
    with _changed(path) as document:
        source = f"retail_{today:%Y_%m_%d}"
        for change in made:
            row = _row(document, change.meter.kind, change.meter.model)
            _set(row, change.meter)
            names = row.get("source", [])
            listed = cast("list[str]", names) if isinstance(names, list) else [str(names)]
            if "sources" in document and source not in listed:
                row["source"] = [*listed, source]
        if "sources" in document:
            entry = tomlkit.inline_table()
            entry.update({"title": title, "day": today})
            _table(document, "sources")[source] = entry
        document["as_of"] = today


def _set(row: dict[str, Any], meter: Meter) -> None:
    *tables, key = meter.key.split(".")
    for name in tables:
        row = row.setdefault(name, tomlkit.inline_table())
    row[key] = meter.usd
    if key == "first" and row.get("least", 0.0) > meter.usd:
        del row["least"]  # another reading, of a price that has fallen below it


def add_alias(path: Path, deployment: str, model: str) -> None:
    """Give a model deployment of one's own the prices of its model.

    Raises:
        InvalidInput: the list has no such model.
    """
    with _changed(path) as document:
        rows = [*_rows(document, "chat"), *_rows(document, "image")]
        row = next((row for row in rows if row["model"] == model), None)
        if row is None:
            raise InvalidInput(f"prices.toml has no row for {model!r}: add its price first")
        row["aliases"] = [*row.get("aliases", []), deployment]


def add_chat_model(configs: Path, model: str, amounts: Mapping[str, float], source: str) -> None:
    """Add a chat model that the tables do not know, with the price that a person gives for it."""
    prices, models = configs / "prices.toml", configs / "chat_models.toml"
    with _changed(prices) as document:
        row = tomlkit.table()
        row.update({"model": model, **amounts, "source": _source(document, source)})
        _rows(document, "chat").append(row)
        known = tomlkit.parse(models.read_text(encoding="utf-8"))
        if all(entry["name"] != model for entry in _rows(known, "model")):
            entry = tomlkit.table()
            entry.update({"name": model, "reasons": True, "source": _source(known, source)})
            _rows(known, "model").append(entry)
            _replace(models, known)


def add_image_model(path: Path, model: str, amounts: Mapping[str, float], source: str) -> None:
    """Add a picture model that the price list does not know, or give it another price."""
    with _changed(path) as document:
        row = _row_of_picture_model(document, model)
        named = _source(document, source)
        if row is None:
            row = tomlkit.table()
            row.update({"model": model, "tokens": {}, "tokens_source": named})
            _rows(document, "image").append(row)
        prices = {"text_input": amounts["input"], "image_input": amounts["image_input"]}
        row.update({**prices, "output": amounts["output"], "source": named})


def add_tokens(path: Path, model: str, tokens: Mapping[str, int], source: str) -> None:
    """Say how many tokens single pictures of a model take, by size and quality.

    Raises:
        InvalidInput: the list has no price for that model.
    """
    with _changed(path) as document:
        row = _row_of_picture_model(document, model)
        if row is None:
            needs = "--input, --image-input and --output"
            raise InvalidInput(f"prices.toml has no row for {model!r}: give {needs} as well")
        sizes = row.get("sizes")
        if sizes is None:
            sizes = row["sizes"] = tomlkit.inline_table()
        sizes.update(tokens)
        names = row["tokens_source"]
        listed = [str(name) for name in cast("list[str]", names)] if isinstance(names, list) else [str(names)]
        row["tokens_source"] = list(dict.fromkeys([*listed, _source(document, source)]))


def _row_of_picture_model(document: tomlkit.TOMLDocument, model: str) -> dict[str, Any] | None:
    rows = _rows(document, "image")
    return next((row for row in rows if row["model"] == model or model in row.get("aliases", [])), None)


def _source(document: tomlkit.TOMLDocument, title: str) -> str:
    if "sources" not in document:
        return title
    today = datetime.datetime.now(datetime.UTC).date()
    name = f"given_{today:%Y_%m_%d}"
    entry = tomlkit.inline_table()
    entry.update({"title": title, "day": today})
    _table(document, "sources")[name] = entry
    return name


def _row(document: tomlkit.TOMLDocument, kind: str, model: str) -> dict[str, Any]:
    rows = _rows(document, kind)
    return next(row for row in rows if row["model"] == model or model in row.get("aliases", []))


def _rows(document: tomlkit.TOMLDocument, name: str) -> list[dict[str, Any]]:
    """Return the rows of a list of tables; changing them changes the document."""
    return cast("list[dict[str, Any]]", document[name])


def _table(document: tomlkit.TOMLDocument, name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", document[name])


@contextmanager
def _changed(path: Path) -> Generator[tomlkit.TOMLDocument]:
    """Yield a table of the project to be changed, and write it back; nobody else changes one meanwhile."""
    with held(path.parent):
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
        yield document
        _replace(path, document)


def _replace(path: Path, document: tomlkit.TOMLDocument) -> None:
    before = set(path.read_text(encoding="utf-8").splitlines())
    lines = [_as_before(line, before) for line in tomlkit.dumps(document).splitlines()]
    beside = path.with_suffix(".new")
    beside.write_text("\n".join([*lines, ""]), encoding="utf-8")
    beside.replace(path)


def _as_before(line: str, before: set[str]) -> str:
    """Return a line as it was: tomlkit 0.15.2 drops the space between a day and the brace behind it."""
    spaced = re.sub(r"(\d{4}-\d\d-\d\d)\}", r"\1 }", line)
    return spaced if spaced in before else line
