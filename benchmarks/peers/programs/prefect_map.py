"""Prefect: one flow run, a task run for each picture, on threads."""

from drawing import AT_ONCE, draw, serve
from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner


@task
def drawn(name: str) -> str:
    return draw(name)


@flow(task_runner=ThreadPoolTaskRunner(max_workers=AT_ONCE))
def pictures(names: list[str]) -> list[str]:
    return drawn.map(names).result()


serve(pictures)
