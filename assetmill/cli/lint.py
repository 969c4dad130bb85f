"""`assetmill lint`: what is doubtful about a pipeline's prompts, before anything is paid for it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from assetmill.cli.options import json_option, print_json
from assetmill.local.timetables import check_schedules
from assetmill.project import find_configs
from assetmill.spec.lint import Remark
from assetmill.spec.lint import lint as find_warnings
from assetmill.spec.loading import load_pipeline
from assetmill.spec.needless import needless_stages
from assetmill.spec.pipeline import LoadedPipeline


@click.command()
@click.argument("pipeline")
@click.option("--strict", is_flag=True, help="Exit with 1 when there is a warning.")
@json_option
def lint(pipeline: str, *, strict: bool, as_json: bool) -> int:
    """Warn of prompts that rarely give what was meant.

    Those of PIPELINE. Nothing is spent.
    """
    loaded = check_schedules(load_pipeline(pipeline, find_configs()))
    found = (*find_warnings(loaded), *_needless(loaded, pipeline))
    if as_json:
        print_json({"pipeline": pipeline, "warnings": [vars(warning) for warning in found]})
    for warning in () if as_json else found:
        click.echo(f"{warning}")
    if not found and not as_json:
        click.echo(f"{pipeline}: nothing to remark")
    return 1 if found and strict else 0


def _needless(loaded: LoadedPipeline, named: str) -> Iterator[Remark]:
    """Yield a remark for each stage that pays an agent for what is made here for nothing."""
    if not any(needless_stages(loaded)):
        return
    from assetmill.runs.saving import savings_in
    from assetmill.settings import load_settings

    for saving in savings_in(loaded, load_settings(None)):
        message, _, hint = saving.message(named).partition("; ")
        yield Remark(str(loaded.path), saving.line, message, hint)
