"""`assetmill pipelines` and `assetmill schema`: what there is, and how to write one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from assetmill.cli.options import json_option, print_json
from assetmill.errors import InvalidSpec
from assetmill.project import find_configs
from assetmill.spec.loading import find_pipeline, load_pipeline, pipeline_names
from assetmill.spec.schema import pipeline_schema


@click.command()
@json_option
def pipelines(*, as_json: bool) -> None:
    """List the pipelines of the project and their parameters.

    They lie under configs/pipelines/.
    """
    configs = find_configs()
    found = [_described(name, configs) for name in pipeline_names(configs)]
    if as_json:
        return print_json({"pipelines": found})
    for entry in found:
        click.echo(f"{entry['name']:<20} {entry['description'] or entry['error']}")
        for name, parameter in entry["parameters"].items():
            click.echo(f"    -p {name}=...  {parameter['type']}, default {parameter['default']!r}")
    return None


def _described(name: str, configs: Path) -> dict[str, Any]:
    """Describe a pipeline; one that is broken must not hide the others."""
    entry: dict[str, Any] = {"name": name, "path": str(find_pipeline(name, configs))}
    entry |= {"description": "", "stages": [], "parameters": {}, "error": None}
    try:
        spec = load_pipeline(name, configs).spec
    except InvalidSpec as error:
        return entry | {"error": str(error)}
    return entry | {
        "description": spec.description,
        "stages": [stage.name for stage in spec.stages],
        "parameters": {
            name: {"type": parameter.type, "default": parameter.default, "description": parameter.description}
            for name, parameter in spec.parameters.items()
        },
    }


@click.command()
@json_option
def schema(*, as_json: bool) -> None:
    """Print the JSON Schema of pipeline files.

    Editors complete and check them by it.
    """
    print_json(pipeline_schema())
