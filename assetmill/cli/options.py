"""Options and output that several commands share."""

from __future__ import annotations

import datetime
import json
import math
import re
import shlex
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from assetmill.cli.printing import json_item as json_item  # noqa: PLC0414 - as much theirs as ours
from assetmill.cli.printing import json_option as json_option  # noqa: PLC0414 - as much theirs as ours
from assetmill.cli.printing import print_json as print_json  # noqa: PLC0414 - as much theirs as ours
from assetmill.cli.printing import print_json_list as print_json_list  # noqa: PLC0414 - as much theirs as ours
from assetmill.errors import InvalidInput, InvalidSpec, RunWaiting
from assetmill.plan.plan import Cost
from assetmill.records import AssetRecord, StageRecord
from assetmill.settings import Settings
from assetmill.stage import interrupts
from assetmill.store.backend import Backend
from assetmill.store.kept import KeptAsset
from assetmill.store.ledger import Ledger
from assetmill.store.opening import open_store

F = TypeVar("F", bound=Callable[..., Any])
MAX_PARAMETERS_BYTES = 512 * 1024
"""Prefect refuses flow parameters above this; larger input belongs into files."""

profile_option = click.option("--profile", metavar="NAME", help="Settings to use: local, azure or your own.")


class Usd(click.FloatRange):
    """An amount of money: NaN compares with nothing, and would be a ceiling that holds nothing."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the amount."""
        amount = float(super().convert(value, param, ctx))
        if not math.isfinite(amount):
            self.fail(f"{value} is no amount of money", param, ctx)
        return amount


def exit_code_of(status: str, *, is_stopped: bool) -> int:
    """Return the exit code of a run: 0 when it is complete, 3 when it waits for people, else 1.

    The signal's when one stopped it.
    """
    if status == "completed":
        return 0
    if status == "waiting" and not is_stopped:
        return RunWaiting.exit_code
    return interrupts.exit_code() if is_stopped or status == "cancelled" else 1


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_SPAN = re.compile(r"(\d{1,6}(?:\.\d+)?)\s*([smhdw]?)")


class Span(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - click's older stubs know none
    """A time span, `90d`, `12h` or `2w`, as seconds; a number alone is days."""

    name = "span"

    def __init__(self, least_s: float = 0.0) -> None:
        self._least_s = least_s

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        found = _SPAN.fullmatch(str(value).strip().lower())
        if not found:
            self.fail(f"{str(value)[:40]!r} is not a time span: write 90d, 12h or 2w", param, ctx)
        seconds = float(found[1]) * _UNITS[found[2] or "d"]
        if seconds < self._least_s:
            self.fail(f"{value} is too short: at least {self._least_s / 86400:g}d", param, ctx)
        return seconds


def given(*names: str) -> str:
    """Return options of the present command as they were typed, for a hint: what follows needs them too.

    `names` are those of the function's parameters. Begins with a space where there is anything.
    """
    context = click.get_current_context(silent=True)
    words: list[str] = []
    known = {option.name: option for option in context.command.params} if context else {}
    for name in names:
        option = known.get(name)
        if context is None or option is None:
            continue
        if context.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        for one in cast(tuple[object, ...], value) if option.multiple else (value,):
            words += [option.opts[0], f"{one:g}" if isinstance(one, float) else str(one)]
    return f" {shlex.join(words)}" if words else ""


def budget_option(said: str) -> Callable[[F], F]:
    """Add `--budget USD`."""
    amount = Usd(min=0, min_open=True)
    return click.option("--budget", "budget_usd", type=amount, metavar="USD", help=said)


def by_option(said: str) -> Callable[[F], F]:
    """Add `--by HOUR`."""
    return click.option("--by", metavar="HOUR", help=said)


def parameter_options(command: F) -> F:
    """Add `-p name=value` and `--params FILE`."""
    command = click.option(
        "-p", "--param", "pairs", multiple=True, metavar="NAME=VALUE", help="A parameter; may be repeated."
    )(command)
    return click.option(
        "--params", "file", metavar="FILE", help="Parameters from a YAML or JSON file; -p wins over it."
    )(command)


def read_parameters(pairs: tuple[str, ...], file: str | None) -> dict[str, Any]:
    """Return the parameters that were given; their types are the pipeline's business.

    Raises:
        InvalidInput: a pair without `=`, or a file that holds no mapping.
    """
    parameters = _from_file(Path(file)) if file else {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name.strip():
            raise InvalidInput(f"parameter {pair!r}: write name=value")
        parameters[name.strip()] = value
    if len(json.dumps(parameters, default=str)) > MAX_PARAMETERS_BYTES:
        raise InvalidInput("the parameters are larger than 512 KiB: put the text into a file and name that")
    return parameters


def _from_file(path: Path) -> dict[str, Any]:
    from assetmill.spec.reading import read_yaml

    value = read_yaml(path).value
    if not isinstance(value, dict):
        raise InvalidSpec(str(path), 1, "not a mapping of parameters", "write `name: value` lines")
    return cast(dict[str, Any], value)


@contextmanager
def opened_backend(settings: Settings) -> Generator[Backend]:
    """Open a profile's object store for reading alone: no probe, no service, no SDK."""
    store = settings.store
    backend = open_store(
        settings.store_url, endpoint_url=store.endpoint_url, region=store.region, home=settings.home
    )
    try:
        yield backend
    finally:
        backend.close()


@contextmanager
def opened_ledger(settings: Settings) -> Generator[Ledger]:
    """Open a profile's ledger, as `opened_backend` does."""
    with opened_backend(settings) as backend:
        yield Ledger(backend)


def usd(amount: float | None) -> str:
    """Return money as people read it; unknown is not zero."""
    return "$?" if amount is None else f"${amount:.4f}"


def cost_text(cost: Cost | None) -> str:
    """Return what something will probably cost; what is unknown is named beside what is known."""
    if cost is None or cost.is_known:
        return usd(cost.expected if cost else None)
    unknown = f"unknown ({', '.join(cost.unknown)})"
    return f"{usd(cost.expected)} + {unknown}" if cost.expected else unknown


def total_text(cost: Cost) -> str:
    """Return a sum with its ceiling; there is none while a part of it is unknown."""
    most = f", at most {usd(cost.ceiling)}" if cost.is_known else ""
    return f"about {cost_text(cost)}{most}"


def cost_json(cost: Cost | None) -> dict[str, Any]:
    """Return a cost as `--json` documents show it: `cost_usd` is null while any part is unknown."""
    if cost is None:
        return {"cost_usd": None}
    if cost.is_known:
        return {"cost_usd": cost.amounts()}
    return {"cost_usd": None, "known_usd": cost.amounts(), "unknown": list(cost.unknown)}


def when(seconds: float) -> str:
    """Return a time as people here read it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def asset_json(asset: AssetRecord, record: StageRecord | KeptAsset) -> dict[str, Any]:
    """Return an asset as `--json` documents show it. `run_id` is the run that made it.

    `reason` says why it is no output, "" for what is one.
    """
    is_kept = isinstance(record, KeptAsset)
    return {
        "asset_id": asset.asset_id,
        "name": asset.name,
        "kind": asset.kind,
        "role": asset.role,
        "media_type": asset.blob.media_type,
        "size_bytes": asset.blob.size_bytes,
        "digest": asset.blob.digest,
        "width": asset.width,
        "height": asset.height,
        "pipeline": record.pipeline,
        "stage": asset.stage if is_kept else record.stage,
        "variant": asset.variant if is_kept else record.variant,
        "reason": record.reason if is_kept else asset.rejected,
        "run_id": record.run_id,
        "response_id": asset.made_by.response_id if asset.made_by else None,
        "handles": [handle.model_dump(mode="json") for handle in asset.handles],
        "derived_from": list(asset.derived_from),
        "created_at": asset.created_at,
    }
