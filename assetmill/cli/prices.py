"""`assetmill prices`: what is reckoned with, where it comes from, and how it is brought up to date."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from assetmill.agents.lifecycles import Lifecycle
from assetmill.agents.told import keep_told, told_ends
from assetmill.cli.models import today
from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.errors import AssetmillError, InvalidInput
from assetmill.models.days import DayChange, day_changes
from assetmill.models.radar import lifetimes_of
from assetmill.money.price_table import (
    CONTRACT,
    ChatPrice,
    ImagePrice,
    Prices,
    discounted,
    load_contract,
    load_prices,
    prices_for,
)
from assetmill.settings import Settings, load_settings
from assetmill.spec.image_models import ImageModel, load_image_models, size_fault
from assetmill.stage.services import connect


@click.command()
@click.option(
    "--refresh",
    is_flag=True,
    help="Compare with Azure's public price list, and with what the endpoint tells of its models.",
)
@click.option("--region", default="eastus2", show_default=True, help="With --refresh: whose list.")
@click.option(
    "--contract",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take over your own discounts: [[discount]] rows with models, percent and source.",
)
@click.option("--add", "model", metavar="MODEL", help="Add a price that is unknown.")
@click.option("--as", "same_as", metavar="MODEL", help="With --add: it is a deployment of this model.")
@click.option("--input", "input_usd", type=float, help="With --add: dollars per million input tokens.")
@click.option("--output", "output_usd", type=float, help="With --add: dollars per million output tokens.")
@click.option(
    "--image-input",
    "image_input_usd",
    type=float,
    help="With --add, of a picture model: dollars per million tokens of pictures that it reads.",
)
@click.option(
    "--tokens",
    "tokens",
    multiple=True,
    metavar="SHAPE=N",
    help="With --add: tokens of one picture, as '1536x1024 medium=1372'; repeatable.",
)
@click.option("--source", default="given by hand", show_default=True, help="With --add: where it is from.")
@click.option("--yes", is_flag=True, help="Write without asking.")
@profile_option
@json_option
def prices(
    *,
    refresh: bool,
    region: str,
    contract: Path | None,
    model: str | None,
    same_as: str | None,
    input_usd: float | None,
    output_usd: float | None,
    image_input_usd: float | None,
    tokens: tuple[str, ...],
    source: str,
    yes: bool,
    profile: str | None,
    as_json: bool,
) -> None:
    """Show the prices of a profile, or bring them up to date.

    Nothing is written without consent.
    """
    settings = load_settings(profile)
    if refresh:
        return _refresh(settings, region, is_agreed=yes, as_json=as_json)
    if contract:
        return _take_over(settings, contract, is_agreed=yes)
    if model and same_as:
        return _add_alias(settings, model, same_as)
    if model:
        amounts = {"input": input_usd, "output": output_usd, "image_input": image_input_usd}
        return _add(settings, model, amounts, tokens, source)
    return _show(settings, as_json=as_json)


def _show(settings: Settings, *, as_json: bool) -> None:
    table = prices_for(settings)
    if as_json:
        print_json(_document(table))
        return
    for name, row in [*table.chat.items(), *table.image.items()]:
        click.echo(f"{name:<34} {_amounts(row):<44} {'; '.join(map(str, row.sources))}")
    foundry = settings.foundry
    click.echo(f"dollars per million tokens, as of {table.as_of}; {foundry.provider}, {foundry.zone}")


def _document(table: Prices) -> dict[str, Any]:
    """Return the list as `--json` shows it; null is unknown."""
    chat = {
        name: {"input": row.input, "cached": row.cached, "cache_write": row.cache_write, "output": row.output}
        for name, row in table.chat.items()
    }
    image = {
        name: {"text_input": row.text_input, "image_input": row.image_input, "output": row.output}
        for name, row in table.image.items()
    }
    return {"as_of": str(table.as_of), "chat": chat, "image": image}


def _amounts(row: ChatPrice | ImagePrice) -> str:
    if isinstance(row, ChatPrice):
        cached = "" if row.cached is None else f", cached {row.cached:g}"
        return f"in {row.input:g}{cached}, out {row.output:g}"
    return f"text in {row.text_input:g}, picture in {row.image_input:g}, out {row.output:g}"


def _refresh(settings: Settings, region: str, *, is_agreed: bool, as_json: bool) -> None:
    from assetmill.money import price_file, retail

    table = load_prices(settings.tables, settings.foundry.provider)
    found = retail.meters(retail.fetch_rows(region), table.chat, table.image, today())
    made = price_file.changes(table, found)
    title = f"Azure Retail Prices API, {region}"
    told = _told_by_endpoint(settings)
    known = told_ends(settings.home, settings.foundry.endpoint)
    days = day_changes(told or (), known, lifetimes_of(settings.tables), settings.foundry.provider)
    if as_json:
        rows = [{**one.meter._asdict(), "day": str(one.meter.day), "before": one.before} for one in made]
        source = {"source": title, "read": str(today()), "compared": len(found), "changes": rows}
        print_json({**source, "models": [_day_json(one) for one in days]})
    else:
        for one in (*made, *days):
            click.echo(str(one))
        click.echo(f"{title}, read {today()}: {len(found)} prices compared, {len(made)} differ")
        if told is not None:
            click.echo(f"{settings.foundry.endpoint}: {len(told)} models told of, {len(days)} days differ")
    if made and _is_agreed(is_agreed, f"Write them into {settings.tables / 'prices.toml'}?"):
        price_file.write_changes(settings.tables / "prices.toml", made, title, today())
    if told and days and _is_agreed(is_agreed, "Keep the days that the endpoint told?"):
        keep_told(settings.home, settings.foundry.endpoint, told, today())


def _told_by_endpoint(settings: Settings) -> tuple[Lifecycle, ...] | None:
    """Return what the profile's endpoint tells of its models; None, and a word, where it cannot be asked."""
    try:
        gateway = connect(settings, time.sleep)
        try:
            return gateway.lifecycles()
        finally:
            gateway.close()
    except AssetmillError as error:
        click.echo(f"the models of {settings.foundry.endpoint} were not read: {error}", err=True)
        return None


def _day_json(one: DayChange) -> dict[str, Any]:
    days = {"before": str(one.before) if one.before else None, "day": str(one.day) if one.day else None}
    return {**one._asdict(), **days}


def _take_over(settings: Settings, contract: Path, *, is_agreed: bool) -> None:
    listed = load_prices(settings.tables, settings.foundry.provider)
    agreed = load_contract(contract, listed)
    own = discounted(listed, agreed)
    changed = 0
    for before, after in ((listed.chat, own.chat), (listed.image, own.image)):
        for name, row in after.items():
            if row != before[name]:
                changed += 1
                click.echo(f"{name:<34} {_amounts(before[name])} -> {_amounts(row)}")
    if not changed:
        raise InvalidInput(f"{contract}: its discounts name no model of prices.toml")
    target = settings.tables / CONTRACT
    if _is_agreed(is_agreed, f"Write it to {target}?") and contract.resolve() != target:
        shutil.copyfile(contract, target)


def _add_alias(settings: Settings, deployment: str, model: str) -> None:
    from assetmill.money import price_file

    price_file.add_alias(settings.tables / "prices.toml", deployment, model)
    click.echo(f"{deployment} costs what {model} costs: {settings.tables / 'prices.toml'}")


def _add(
    settings: Settings,
    model: str,
    amounts: Mapping[str, float | None],
    shapes: Sequence[str],
    source: str,
) -> None:
    """Add what a person says of a model: its price, the tokens of its pictures, or both.

    Raises:
        InvalidInput: something is missing, is no amount, or is not for such a model.
    """
    from assetmill.money import price_file

    tokens = dict(map(_tokens_of, shapes))
    known = {name: amount for name, amount in amounts.items() if amount is not None}
    if any(not math.isfinite(amount) or amount < 0 for amount in known.values()):
        raise InvalidInput(f"{model}: an amount is a number, and never negative")
    path = settings.tables / "prices.toml"
    image = load_image_models(settings.tables).find(model)
    if image:
        _check_shapes(image, tokens)
        if known:
            price_file.add_image_model(path, model, _whole(model, known, amounts), source)
        elif not tokens:
            raise InvalidInput(f"{model}: give --as MODEL, --tokens, or --input, --image-input and --output")
        if tokens:
            price_file.add_tokens(path, model, tokens, source)
        click.echo(f"{model} is in {path}")
        return
    if tokens or amounts["image_input"] is not None:
        raise InvalidInput(f"{model}: image_models.toml has no such model, so it draws no pictures")
    if amounts["input"] is None or amounts["output"] is None:
        raise InvalidInput(f"{model}: give --as MODEL for a deployment of one, or --input and --output")
    price_file.add_chat_model(settings.tables, model, known, source)
    click.echo(f"{model} is in prices.toml and chat_models.toml under {settings.tables}")
    click.echo("say in chat_models.toml until when it lives, and whether it reasons")


def _whole(
    model: str, known: Mapping[str, float], amounts: Mapping[str, float | None]
) -> Mapping[str, float]:
    if len(known) < len(amounts):
        raise InvalidInput(f"{model}: a picture model needs --input, --image-input and --output")
    return known


def _tokens_of(pair: str) -> tuple[str, int]:
    shape, sign, count = pair.rpartition("=")
    if not sign or len(shape.split()) != 2 or not count.isdecimal() or int(count) == 0:
        raise InvalidInput(f"--tokens {pair!r}: write 'WIDTHxHEIGHT QUALITY=N', as '1536x1024 medium=1372'")
    return " ".join(shape.split()), int(count)


def _check_shapes(image: ImageModel, tokens: Mapping[str, int]) -> None:
    for shape in tokens:
        size, quality = shape.split()
        if fault := size_fault(image, size):
            raise InvalidInput(f"--tokens {shape!r}: {fault[0]} ({fault[1]})")
        if quality not in image.qualities:
            known = ", ".join(image.qualities)
            raise InvalidInput(f"--tokens {shape!r}: {image.name} has the qualities {known}")


def _is_agreed(is_agreed: bool, question: str) -> bool:
    return is_agreed or click.confirm(question, default=False, err=True)
