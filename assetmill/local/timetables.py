"""Whether Prefect could carry out a pipeline's schedules: asked of its own parser, before it is deployed."""

from __future__ import annotations

from typing import Any

from assetmill.spec.pipeline import LoadedPipeline
from assetmill.spec.reading import Problems


def check_schedules(loaded: LoadedPipeline) -> LoadedPipeline:
    """Return the pipeline whose schedules Prefect can carry out.

    Imports Prefect's parser, a second, when there is a cron line, and nothing else.

    Raises:
        InvalidSpec: Prefect would refuse a cron line, or could never find a time for it.
    """
    problems = Problems(loaded.document)
    for number, schedule in enumerate(loaded.spec.schedules):
        if schedule.cron is not None and (fault := _fault(schedule.cron)):
            problems.add(("schedules", number, "cron"), f"{schedule.cron!r} {fault}", "as `0 6 * * 1-5`")
    problems.raise_if_any()
    return loaded


def _fault(cron: str) -> str:
    from prefect._vendor import croniter

    parser: Any = croniter
    if {"r", "h"} & {field.lower() for field in cron.split()}:
        return "asks for a time by chance, which Prefect does not take"
    try:
        parser.croniter(cron).get_next()
    except parser.CroniterBadDateError:
        return "is a time that never comes"
    except (ValueError, KeyError) as error:
        return f"is no cron line for Prefect: {error}"
    return ""
