"""`assetmill migrate`: another model, priced and seen before a pin is written."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from assetmill.cli import migrate_page
from assetmill.cli.migrate_page import MigrationReport
from assetmill.cli.models import today
from assetmill.cli.options import (
    budget_option,
    cost_json,
    cost_text,
    given,
    json_option,
    opened_ledger,
    parameter_options,
    print_json,
    profile_option,
    read_parameters,
    total_text,
    usd,
)
from assetmill.cli.terminal import watched
from assetmill.cli.written import write_text
from assetmill.errors import InvalidInput, RunStopped
from assetmill.local.services import local_services
from assetmill.locking.lockfile import NAME as LOCK
from assetmill.migrating.drawing import Drawing, DrawnSample, is_done
from assetmill.migrating.measuring import Measured
from assetmill.migrating.proposal import Proposal, Proposing
from assetmill.migrating.questions import Answers, Question, read_answers
from assetmill.migrating.target import find_target
from assetmill.migrating.writing import write_files
from assetmill.money.budget import Ceiling
from assetmill.money.prices import missing_prices, prices_for
from assetmill.names import safe_name
from assetmill.private import make_folder
from assetmill.project import project_root
from assetmill.settings import Settings, load_settings
from assetmill.spec.loading import pipeline_names
from assetmill.stage.interrupts import interruptible
from assetmill.stage.services import Services, open_services

_file = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("pipelines", nargs=-1, metavar="[PIPELINE]...")
@click.option("--to", "model", metavar="MODEL", required=True, help="A picture model or a chat model.")
@click.option("--from", "only_from", metavar="MODEL", help="Only stages that have this model now.")
@click.option("--deployment", metavar="NAME", help="The deployment of MODEL where it is not called MODEL.")
@click.option(
    "--answer",
    "pairs_answered",
    multiple=True,
    metavar="OPTION:WORD=NEW",
    help="What an option becomes where tables do not say: quality:medium=high; repeatable.",
)
@click.option(
    "--sample",
    type=click.IntRange(0, 200),
    default=6,
    show_default=True,
    help="How many stages to draw with the new model.",
)
@budget_option("Spend no more than this on the sample.")
@click.option("--dry", is_flag=True, help="Plan and price alone: draw nothing, write nothing.")
@click.option("--yes", is_flag=True, help="Draw and write the pins without asking.")
@click.option("--html", metavar="FILE", type=_file, help="Where the page goes.")
@click.option("--markdown", "markdown_path", metavar="FILE", type=_file, help="Where the table goes.")
@parameter_options
@profile_option
@json_option
def migrate(
    pipelines: tuple[str, ...],
    *,
    model: str,
    only_from: str | None,
    deployment: str | None,
    pairs_answered: tuple[str, ...],
    sample: int,
    budget_usd: float | None,
    dry: bool,
    yes: bool,
    html: Path | None,
    markdown_path: Path | None,
    pairs: tuple[str, ...],
    file: str | None,
    profile: str | None,
    as_json: bool,
) -> int:
    """Go over to another MODEL: see it, then write it.

    In each PIPELINE, or in the whole project.

    Without PIPELINE the profile's own pin changes as well; with it, pipelines that follow the profile get
    pins of their own. With --budget the sample is drawn without asking. Asked for again, nothing is drawn
    twice; `git checkout` takes the pins back.
    """
    settings, root = load_settings(profile), project_root().path
    target = find_target(model, settings.configs, only_from=only_from, deployment=deployment)
    names = pipelines or pipeline_names(settings.configs)
    parameters, answers = read_parameters(pairs, file), Answers(read_answers(pairs_answered))

    def propose() -> Proposal:
        with opened_ledger(settings) as ledger:
            asking = Proposing(settings, ledger, target, answers, root, today(), whole=not pipelines)
            return asking.propose(names, parameters, sample)

    proposal = _answered(propose, answers, asks=not as_json and sys.stdin.isatty())
    if not proposal.pipelines:
        return _say_nothing_to_do(proposal, as_json=as_json)
    if dry or not as_json:
        _say_plan(proposal, root, as_json=as_json)
    wishes = _Wishes(budget_usd, html, markdown_path, is_agreed=yes, as_json=as_json)
    return 0 if dry else _carry_out(proposal, settings, root, wishes)


@dataclass(frozen=True)
class _Wishes:
    """What a person allowed, and how they want to see it."""

    budget_usd: float | None
    html: Path | None
    markdown: Path | None
    is_agreed: bool
    as_json: bool


def _carry_out(proposal: Proposal, settings: Settings, root: Path, wishes: _Wishes) -> int:
    """Draw the sample, show it, and write the pins if somebody agrees."""
    _check_money(proposal, wishes.budget_usd, is_agreed=wishes.is_agreed, asks=not wishes.as_json)
    with open_services(settings, _ceilings(wishes.budget_usd)) as services:
        drawn, spent = _drawn(services, proposal)
        prices = prices_for(settings)
        found = migrate_page.report(proposal, drawn, spent, prices=prices, blobs=services.blobs, root=root)
    pages = _write_pages(found, settings, wishes.html, wishes.markdown)
    if not wishes.as_json:
        click.echo(migrate_page.table(found))
    failed = [row.label for row in found.rows if row.after.note]
    is_agreed = not failed and (wishes.is_agreed or (not wishes.as_json and _is_agreed(proposal)))
    written = write_files(proposal.files) if is_agreed else []
    if wishes.as_json:
        print_json(_document(proposal, found, written, pages))
    else:
        click.echo("\n".join(_next(proposal, written, failed, root)))
    return 1 if failed else 0


def _answered(propose: Callable[[], Proposal], answers: Answers, *, asks: bool) -> Proposal:
    """Return the proposal once every question has an answer; a person at a terminal is asked.

    Raises:
        InvalidInput: nobody can be asked, or an answer fits no question.
    """
    proposal = propose()
    while answers.open:
        if not asks:
            raise InvalidInput("\n".join(map(str, answers.open.values())))
        answers.given = {**answers.given, **{key: _ask(one) for key, one in answers.open.items()}}
        answers.open = {}
        proposal = propose()
    # Where all has gone over already the same command is right once more, and does nothing.
    for key in answers.unused() if proposal.pipelines else ():
        raise InvalidInput(f"--answer {key}: nothing asks for it")
    return proposal


def _ask(question: Question) -> str:
    click.echo(f"{question.option} {question.word}: {question.reason}", err=True)
    for choice in question.choices:
        click.echo(f"  {choice}", err=True)
    known = click.Choice([choice.answer for choice in question.choices]) if question.choices else None
    return str(click.prompt(f"{question.option} {question.word} becomes", type=known, err=True))


def _say_nothing_to_do(proposal: Proposal, *, as_json: bool) -> int:
    if as_json:
        print_json(_document(proposal, None, [], {}))
    else:
        names = ", ".join(proposal.looked_at)
        click.echo(f"nothing to migrate: no stage of {names} would change for {proposal.target.name}")
    return 0


def _say_plan(proposal: Proposal, root: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(_document(proposal, None, [], {}))
        return
    for one in proposal.pipelines:
        before, after = one.costs
        click.echo(f"{one.pipeline.name}: {len(one.changed)} stages go over to {proposal.target.name}")
        old = sum(stage.record is None for stage in one.before_sample.stages)
        new = sum(stage.record is None for stage in one.after_sample.stages)
        click.echo(f"  sample: {', '.join(one.picked) or 'none'}")
        made = f"{new} to make with it, {cost_text(after)}; {old} before it, {cost_text(before)}"
        click.echo(f"  {made if old or new else 'all of it is there'}")
        click.echo(f"  a whole run: {cost_text(one.before.run_cost)}, then {cost_text(one.after.run_cost)}")
    for note in proposal.notes:
        click.echo(f"note: {note}")
    for name, lines in migrate_page.diffs(proposal, root):
        click.echo(f"{name}\n" + "\n".join(f"  {line}" for kind, line in lines if kind in {"new", "old"}))
    click.echo(f"the sample: {total_text(proposal.cost)}")
    click.echo(f"  expected {proposal.measured}")
    if proposal.cost.unknown:
        click.echo(missing_prices(proposal.cost.unknown))


def _check_money(proposal: Proposal, budget_usd: float | None, *, is_agreed: bool, asks: bool) -> None:
    """Make sure that somebody allowed what the sample costs.

    Raises:
        InvalidInput: it is over the budget, or nobody can be asked.
    """
    cost = proposal.cost
    if is_done(proposal):
        return
    if budget_usd is not None:
        if cost.unknown:
            raise InvalidInput(f"no ceiling holds: {missing_prices(cost.unknown)}")
        if cost.expected > budget_usd:
            needs = f"the sample costs about {usd(cost.expected)}, more than {usd(budget_usd)}"
            raise InvalidInput(f"{needs}: give a smaller --sample or a larger --budget")
        return
    if is_agreed:
        return
    if not asks or not sys.stdin.isatty():
        raise InvalidInput(
            f"the sample costs {total_text(cost)}: allow it with --budget USD, or --dry plans alone"
        )
    click.confirm("Draw it?", abort=True, err=True)


def _ceilings(budget_usd: float | None) -> tuple[Ceiling, ...]:
    return () if budget_usd is None else (Ceiling(f"migrate/{uuid.uuid4().hex}", budget_usd),)


def _drawn(services: Services, proposal: Proposal) -> tuple[list[DrawnSample], float | None]:
    drawing, has_work = Drawing(services, proposal), not is_done(proposal)
    with interruptible(services) as interrupts, watched() as screen:
        stopped = services.stop.is_set
        with local_services(
            services.settings, emulator=has_work, prefect=False, say=screen.say, is_stopped=stopped
        ) as local:
            local.wait_for_emulator()
            interrupts.is_handled = True
            drawn = drawing.make()
    if services.stop.is_set():
        raise RunStopped("the sample was stopped; run it again to go on")
    return drawn, drawing.spent_usd


def _write_pages(
    found: MigrationReport, settings: Settings, html: Path | None, markdown_path: Path | None
) -> dict[str, str]:
    folder = settings.home / "out" / "migrate"
    make_folder(folder)
    name = safe_name(found.model)
    pages = {"html": html or folder / f"{name}.html", "markdown": markdown_path or folder / f"{name}.md"}
    write_text(pages["html"], migrate_page.page(found))
    write_text(pages["markdown"], migrate_page.markdown(found))
    for path in pages.values():
        click.echo(f"wrote {path}", err=True)
    return {kind: str(path) for kind, path in pages.items()}


def _is_agreed(proposal: Proposal) -> bool:
    """Ask for the word to write; without a terminal nobody gave it."""
    if not sys.stdin.isatty():
        return False
    files = ", ".join(file.path.name for file in proposal.files)
    return click.confirm(f"Write the pins into {files}?", default=False, err=True)


def _next(proposal: Proposal, written: Sequence[Path], failed: Sequence[str], root: Path) -> list[str]:
    if failed:
        again = "run it again to go on, or write without looking: --sample 0 --yes"
        return [f"no pin was written: {failed[0]} has no picture that was accepted; {again}"]
    names = " ".join(one.pipeline.name for one in proposal.pipelines)
    if not written:
        return [
            "no pin was written; Next:",
            "  the same command with --yes    writes the pins, draws nothing again",
        ]
    lines = [f"wrote {path}" for path in written]
    lines += ["Next:", "  git diff    shows the change; git alone takes it back"]
    if (root / LOCK).is_file():
        lines.append(
            f"  assetmill update{given('profile')}    makes what is locked anew, with {proposal.target.name}"
        )
    return [*lines, f"  assetmill plan {names.split()[0]}{given('profile')}    what is left to draw"]


def _expected(measured: Measured) -> dict[str, Any]:
    return {"usd": measured.usd, **asdict(measured)}


def _document(
    proposal: Proposal,
    found: MigrationReport | None,
    written: Sequence[Path],
    pages: Mapping[str, str],
) -> dict[str, Any]:
    """Return a migration as `--json` shows it."""
    return {
        "to": proposal.target.name,
        "pipelines": [
            {
                "pipeline": one.pipeline.name,
                "changed": list(one.changed),
                "sample": list(one.picked),
                "run_before": cost_json(one.before.run_cost),
                "run_after": cost_json(one.after.run_cost),
            }
            for one in proposal.pipelines
        ],
        "notes": list(proposal.notes),
        "files": [str(file.path) for file in proposal.files],
        "sample_cost": cost_json(proposal.cost),
        "sample_expected": _expected(proposal.measured),
        "spent_usd": found.spent_usd if found else 0.0,
        "rows": migrate_page.document(found) if found else [],
        "pages": dict(pages),
        "written": [str(path) for path in written],
    }
