"""`assetmill fonts`: the project's fonts, and which of them writes what in a pipeline."""

from __future__ import annotations

import click

from assetmill.cli.options import json_option, parameter_options, print_json, profile_option, read_parameters
from assetmill.runs.font_use import FontUse, font_uses, known_fonts
from assetmill.runs.planning import plan_pipeline
from assetmill.settings import load_settings


@click.command()
@click.argument("pipeline", required=False)
@parameter_options
@profile_option
@json_option
def fonts(
    pipeline: str | None, pairs: tuple[str, ...], file: str | None, profile: str | None, *, as_json: bool
) -> None:
    """Show the fonts of the project, or those of PIPELINE.

    With PIPELINE: which of them writes the texts of each of its stages.
    """
    settings = load_settings(profile)
    known = list(known_fonts(settings.configs))
    uses: list[FontUse] = []
    if pipeline:
        uses = list(font_uses(plan_pipeline(pipeline, read_parameters(pairs, file), settings, None)))
    if as_json:
        return print_json(
            {
                "fonts": [{**one._asdict(), "scripts": list(one.scripts)} for one in known],
                "uses": [{**one._asdict(), "fonts": dict(one.fonts)} for one in uses],
            }
        )
    if pipeline:
        width = max((len(one.label) for one in uses), default=0)
        lines = [f"{one.label:<{width}}  {_shares(one)}  {one.text}" for one in uses]
        return click.echo("\n".join(lines) or f"{pipeline}: no stage writes texts here")
    if not known:
        return click.echo("no fonts: name them in configs/fonts.toml, each with file and licence")
    width = max(len(one.name) for one in known)
    for one in known:
        told = one.fault or f"{one.characters} characters: {', '.join(one.scripts)}"
        click.echo(f"{one.name:<{width}}  {one.licence}  {told}")


def _shares(use: FontUse) -> str:
    return ", ".join(f"{name} {count}" for name, count in use.fonts)
