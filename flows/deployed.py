"""One flow for each pipeline, with the pipeline's own parameters: what its deployment runs.

A deployment names its flow by module path; `flows.deployed.product_launch` is made when it is asked for.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, cast

from prefect import Flow, State
from prefect.task_runners import ThreadPoolTaskRunner

from assetmill.errors import NotFound
from assetmill.project import find_configs
from assetmill.spec.checks import variable_name
from assetmill.spec.loading import load_pipeline, pipeline_names
from assetmill.spec.parameters import ParameterSpec
from flows.run_pipeline import run_pipeline
from tasks.policies import MAX_STAGE_THREADS

_TYPES = {"string": str, "integer": int, "number": float, "boolean": bool}


def __getattr__(name: str) -> Flow[..., Any]:
    for pipeline in pipeline_names(find_configs()):
        if variable_name(pipeline) == name:
            return flow_of(pipeline)
    raise AttributeError(name)


@functools.cache
def flow_of(pipeline: str) -> Flow[..., Any]:
    """Return the flow that runs a pipeline of the configs folder; its parameters are the pipeline's.

    Raises:
        NotFound: no such pipeline.
        InvalidSpec: the file does not hold a valid pipeline.
    """
    spec = load_pipeline(pipeline, find_configs()).spec
    if pipeline not in pipeline_names(find_configs()):
        raise NotFound("pipeline", pipeline, "only those under configs/pipelines/ can be deployed")

    async def run(**parameters: Any) -> dict[str, Any] | State[Any]:
        return await run_pipeline.fn(pipeline, parameters)

    signature = [_parameter(name, parameter) for name, parameter in spec.parameters.items()]
    cast(Any, run).__signature__ = inspect.Signature(signature, return_annotation=dict[str, Any])
    run.__name__ = run.__qualname__ = variable_name(pipeline)
    run.__doc__ = spec.description or f"Run the pipeline {pipeline}."
    return Flow(
        cast(Any, run),
        name=spec.name,
        task_runner=cast(Any, ThreadPoolTaskRunner(max_workers=MAX_STAGE_THREADS)),
        persist_result=False,
        # The plan checks them, against the whole of what the pipeline says of each.
        validate_parameters=False,
    )


def _parameter(name: str, spec: ParameterSpec) -> inspect.Parameter:
    default = inspect.Parameter.empty if spec.default is None else spec.default
    annotation = _TYPES[spec.type]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
