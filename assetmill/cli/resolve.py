"""`assetmill resolve`: what a person decides about stages that cannot end by themselves.

Either the service left no evidence of the last attempt, or it was paid for and is not whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import click

from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.cli.resolving import Resolved, decide, open_places
from assetmill.cli.stage_places import StagePlace, find_places
from assetmill.errors import InvalidInput, NotFound
from assetmill.names import counted
from assetmill.settings import load_settings
from assetmill.stage.services import open_services


@click.command()
@click.argument("run")
@click.argument("stage", required=False)
@click.option("--wait", "choice", flag_value="wait", help="Look at the service until it shows something.")
@click.option("--retry", "choice", flag_value="retry", help="Pay again, though the first may have been paid.")
@click.option("--give-up", "choice", flag_value="give_up", help="Never pay for this stage as it is now.")
@click.option("--retry-now", "choice", flag_value="retry_now", help="Wait no more for a quota: it is back.")
@click.option(
    "--accept-partial", "choice", flag_value="accept_partial", help="Take what was kept for the whole."
)
@click.option("--row", "rows", multiple=True, help="Of a batch: this row, by its name or line. Repeatable.")
@click.option("--unasked", is_flag=True, help="Its endpoint is no more: decide without asking it.")
@click.option("--for", "wait_s", type=float, default=600.0, help="Seconds that --wait looks. [600]")
@profile_option
@json_option
def resolve(
    run: str,
    stage: str | None,
    *,
    choice: str | None,
    rows: tuple[str, ...],
    wait_s: float,
    profile: str | None,
    unasked: bool,
    as_json: bool,
) -> int:
    """Decide what becomes of STAGE of RUN.

    Its last attempt is in doubt, was in vain, or waits for a quota. Without STAGE all that are in doubt are
    meant. RUN may be a batch: then STAGE is meant of every row that is not done, or of --row alone.

    So it is with one whose checks took none of its draws: --retry draws again, --give-up never does.

    Whatever is chosen about a doubt, the service is asked first: a response that it shows is kept, not paid
    for again. Where its endpoint is no more, --unasked does without. Of an image model that was called itself
    nothing can be asked: your word alone counts.
    """
    if choice is None:
        raise InvalidInput("say --wait, --retry, --retry-now, --give-up or --accept-partial")
    if stage is None and choice not in {"wait", "retry", "give_up"}:
        raise InvalidInput(f"--{choice.replace('_', '-')} is for one STAGE: name it")
    settings = load_settings(profile)
    asked = _Typed(run, stage, rows, choice, wait_s, unasked)
    if choice != "retry_now" and settings.uses_emulator:
        from assetmill.local.services import local_services

        with local_services(settings, prefect=False) as local:
            local.wait_for_emulator()
            decided = _resolve(asked, profile)
    else:
        decided = _resolve(asked, profile)
    is_decided = all(one.outcome != "open" for _, one in decided)
    if as_json:
        print_json(_document(decided))
    else:
        _tell(decided)
    return 0 if is_decided else 1


@dataclass(frozen=True)
class _Typed:
    """What a person has typed."""

    run: str
    stage: str | None
    rows: tuple[str, ...]
    choice: str
    wait_s: float
    unasked: bool


_Decided = list[tuple[StagePlace, Resolved]]


def _resolve(asked: _Typed, profile: str | None) -> _Decided:
    with open_services(load_settings(profile)) as services:
        found = find_places(services.ledger, asked.run, asked.stage, asked.rows)
        places = open_places(services, found, asked.choice)
        if not places:
            raise NotFound("doubt", asked.run, "nothing of it is to be decided: run it again")
        decided = decide(services, places, asked.choice, asked.wait_s, unasked=asked.unasked)
        return list(zip(places, decided, strict=True))


def _document(decided: _Decided) -> dict[str, object]:
    """Return what was decided of one stage, or of many: `outcome` is `open` when anything is."""
    stages = [
        {
            "stage": place.stage,
            "row": place.row or None,
            "outcome": one.outcome,
            "text": one.text,
            "response_id": one.response_id,
        }
        for place, one in decided
    ]
    open_first = sorted(stages, key=lambda one: one["outcome"] != "open")
    return {**{name: value for name, value in open_first[0].items() if name != "row"}, "stages": stages}


def _tell(decided: _Decided) -> None:
    for _, one in decided:
        click.echo(one.said, err=one.outcome == "open")
    for after in dict.fromkeys(one.after for _, one in decided if one.after):
        click.echo(after)
    if still := sum(one.outcome == "open" for _, one in decided) if len(decided) > 1 else 0:
        click.echo(f"{counted(still, 'stage')} of {len(decided)} still open", err=True)
