"""`assetmill run`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from assetmill.api import run_with
from assetmill.batches.hour import parse_by
from assetmill.cli import exports
from assetmill.cli.options import (
    budget_option,
    by_option,
    exit_code_of,
    given,
    json_option,
    parameter_options,
    print_json,
    profile_option,
    read_parameters,
    usd,
)
from assetmill.cli.run_json import document
from assetmill.cli.terminal import watched
from assetmill.local.emulator_notes import unknown_to_emulator
from assetmill.records import RunManifest
from assetmill.settings import load_settings
from assetmill.stage.services import open_services

_SHOWN = 24
_UNDONE = {"failed", "in_doubt", "waiting", "rejected", "over_budget"}


@click.command()
@click.argument("pipeline")
@parameter_options
@budget_option("Spend no more than this.")
@by_option("When it must be done, as 06:00: cheaper lanes are used until then; nothing is begun after it.")
@click.option("--pay-again", is_flag=True, help="Also for a stage that failed the same way twice.")
@profile_option
@json_option
def run(
    pipeline: str,
    pairs: tuple[str, ...],
    file: str | None,
    budget_usd: float | None,
    profile: str | None,
    *,
    by: str | None,
    pay_again: bool,
    as_json: bool,
) -> int:
    """Run PIPELINE, a name under configs/pipelines/ or a path.

    What is stored already is not made again. Progress goes to stderr, the result to stdout.
    """
    parameters = read_parameters(pairs, file)
    hour = parse_by(by) if by is not None else None
    with open_services(load_settings(profile)) as services:
        with watched() as screen:
            manifest = run_with(
                services,
                pipeline,
                parameters,
                say=screen.say,
                on_plan=screen.plan,
                budget_usd=budget_usd,
                pay_again=pay_again,
                by=hour,
            )
        folder = exports.folder_of(services.settings, manifest.pipeline)
        paths = exports.export_assets(exports.wanted(manifest), services.blobs, folder)
    if as_json:
        print_json(document(manifest) | {"files": [str(path) for path in paths]})
    else:
        click.echo(summary(manifest, pipeline, paths, unknown_to_emulator(services.settings, manifest)))
    return exit_code_of(manifest.status, is_stopped=services.stop.is_set())


def summary(manifest: RunManifest, pipeline: str, paths: list[Path], unknown: Sequence[str] = ()) -> str:
    """Return the last lines of a run: what was spent and reused, where the files are, what to try next.

    `unknown`: what the prompts name and the emulator cannot draw.
    """
    found = [entry.status for entry in manifest.stages]
    counts = ", ".join(
        f"{found.count(status)} {status}" for status in dict.fromkeys(found) if found.count(status)
    )
    seconds = manifest.finished_at - manifest.started_at
    lines = [
        "",
        f"{manifest.pipeline} {how_it_ended(manifest)} in {seconds:.1f} s: {counts}; "
        f"spent {usd(manifest.spent_usd)}  ({manifest.run_id})",
    ]
    lines += [f"  {e.label}: {e.error}" for e in manifest.stages if e.status in _UNDONE]
    if unknown:
        names = ", ".join(repr(name) for name in unknown)
        lines.append(f"  the emulator does not know {names}: it drew plain shapes instead, or left it out")
    if paths:
        lines += ["", "Files:"] + [f"  {_short(path)}" for path in paths[:_SHOWN]]
        if len(paths) > _SHOWN:
            lines.append(f"  and {len(paths) - _SHOWN} more in {_short(paths[0].parent)}")
    return "\n".join([*lines, "", "Next:", *_advice(manifest, pipeline)])


def how_it_ended(manifest: RunManifest) -> str:
    """Return how a run ended, in a word or two: that its money was used up is no failure."""
    undone = {entry.status for entry in manifest.stages if not entry.is_done}
    return "stopped at its ceiling" if undone and undone <= {"over_budget", "skipped"} else manifest.status


def _advice(manifest: RunManifest, pipeline: str) -> list[str]:
    program = _program()
    show = f"  {program} show {manifest.run_id}{given('profile')}"
    typed, all_typed = given("pairs", "file"), given("pairs", "file", "budget_usd", "profile")
    if manifest.status == "waiting":
        return [
            f"  {program} open {manifest.run_id}{given('profile')}    shows what waits",
            f"  {program} run {pipeline}{all_typed}    goes on from there",
        ]
    if manifest.status != "completed":
        again = f"  {program} run {pipeline}{all_typed}    goes on where this run ended"
        is_short = any(entry.status == "over_budget" for entry in manifest.stages)
        # A run's ceiling begins anew with the run: what it had no room for, the same one may never have.
        higher = ["      with a higher --budget, where one stage alone may cost more than this one"]
        return [again, *(higher if is_short and given("budget_usd") else []), f"{show}    says more"]
    name = next(iter(manifest.parameters), None)
    changed = f" -p {name}=..." if name and not typed else ""
    again = f"  {program} run {pipeline}{changed}{all_typed}"
    return [
        f"{again}    makes only what changes",
        f"{show}    what each stage made, from what, for how much",
        f"  {program} plan {pipeline}{typed}{given('profile')}    what a run would do and cost",
    ]


def _program() -> str:
    """How to call this program from here: a newcomer has not activated the environment of `make demo`."""
    found, called = shutil.which("assetmill"), Path(sys.argv[0])
    is_script = called.name == "assetmill" and called.is_file()
    return _short(called) if is_script and (found is None or not called.samefile(found)) else "assetmill"


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
