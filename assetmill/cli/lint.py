"""`assetmill lint`: what is doubtful about a pipeline's prompts, before anything is paid for it."""

from __future__ import annotations

import click

from assetmill.cli.options import json_option, print_json
from assetmill.local.timetables import check_schedules
from assetmill.settings import find_configs
from assetmill.spec.lint import lint as find_warnings
from assetmill.spec.loading import load_pipeline


@click.command()
@click.argument("pipeline")
@click.option("--strict", is_flag=True, help="Exit with 1 when there is a warning.")
@json_option
def lint(pipeline: str, *, strict: bool, as_json: bool) -> int:
    """Warn of prompts in PIPELINE that rarely give what was meant. Nothing is spent."""
    found = find_warnings(check_schedules(load_pipeline(pipeline, find_configs())))
    if as_json:
        print_json({"pipeline": pipeline, "warnings": [vars(warning) for warning in found]})
    for warning in () if as_json else found:
        click.echo(f"{warning}")
    if not found and not as_json:
        click.echo(f"{pipeline}: nothing to remark")
    return 1 if found and strict else 0
