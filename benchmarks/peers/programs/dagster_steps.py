"""Dagster: one job, a step for each picture, each in a process forked from one with the imports done."""

import json
import os

from dagster import (
    DagsterInstance,
    DynamicOut,
    DynamicOutput,
    execute_job,
    job,
    multiprocess_executor,
    op,
    reconstructable,
)
from drawing import AT_ONCE, FOLDER, draw, serve


@op(out=DynamicOut())
def names():
    for name in json.loads((FOLDER / "names.json").read_text()):
        yield DynamicOutput(name, mapping_key=name.replace("-", "_"))


@op
def drawn(name: str) -> str:
    return draw(name)


START = {"forkserver": {"preload_modules": ["dagster", "drawing", "dagster_steps"]}}


@job(executor_def=multiprocess_executor.configured({"max_concurrent": AT_ONCE, "start_method": START}))
def pictures():
    names().map(drawn)


def carry_out(asked: list[str]) -> None:
    (FOLDER / "names.json").write_text(json.dumps(asked))
    with DagsterInstance.get() as instance:
        done = execute_job(reconstructable(pictures), instance, raise_on_error=True)
        assert done.success


if __name__ == "__main__":
    os.environ["DAGSTER_HOME"] = str(FOLDER)
    import dagster_steps

    serve(dagster_steps.carry_out)
