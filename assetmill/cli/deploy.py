"""`assetmill deploy` and `assetmill serve`: every pipeline as a Prefect deployment with a form of its own."""

from __future__ import annotations

import asyncio
import datetime
import os
import shlex
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assetmill.cli.links import REVIEW_PORT
from assetmill.cli.options import json_option, print_json
from assetmill.errors import InvalidInput, InvalidSettings
from assetmill.local.services import local_services
from assetmill.local.timetables import check_schedules
from assetmill.project import find_configs, project_root
from assetmill.reviews.reviewers import read_reviewers
from assetmill.settings import load_settings
from assetmill.spec.checks import variable_name
from assetmill.spec.loading import load_pipeline, pipeline_names
from assetmill.spec.parameters import Scalar, convert
from assetmill.spec.pipeline import LoadedPipeline, PipelineSpec
from assetmill.spec.schedules import ConcurrencySpec, ScheduleSpec
from assetmill.spec.schema import parameter_schema

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.objects import ConcurrencyOptions

_ONE = ConcurrencySpec(limit=1)
"""Of a scheduled batch: runs of it that wait for their shards would keep the places that those need."""

SERVED = "served"
"""What deployments are called that `assetmill serve` runs; on a work pool they are called like the pool."""


@click.command()
@click.argument("pipelines", nargs=-1, metavar="[PIPELINE]...")
@click.option("--work-pool", metavar="POOL", required=True, help="Where runs go; it must exist.")
@click.option("--working-dir", metavar="DIR", help="Where a process worker starts runs; else where it likes.")
@click.option("--python", metavar="PATH", help="The interpreter of all process workers: runs start quicker.")
@click.option("--shards-only", is_flag=True, help="Prepare POOL for the shards of batches, for nothing else.")
@json_option
def deploy(
    pipelines: tuple[str, ...],
    work_pool: str,
    working_dir: str | None,
    python: str | None,
    *,
    shards_only: bool,
    as_json: bool,
) -> None:
    """Create or update each PIPELINE's Prefect deployment.

    Without one, those of all.

    Each has the pipeline's parameters as its form, and the schedules and the concurrency of its file.
    """
    if shards_only and pipelines:
        raise InvalidInput("--shards-only deploys no pipeline: leave out their names")
    loaded = [] if shards_only else _load(pipelines)
    with _prefect() as own:
        variables = dict(_job_variables(working_dir, python))
        made = asyncio.run(_deploy(loaded, work_pool, variables, makes_pool=own is not None))
    if as_json:
        return print_json({"deployments": made, "prefect": own})
    for entry in made:
        count = entry["schedules"]
        click.echo(
            f"{entry['name']:<40} {count} schedule{' ' if count == 1 else 's'}  {entry['deployment_id']}"
        )
    click.echo("\nNext:")
    if own:
        click.echo(f"  export PREFECT_API_URL={own['api_url']}")
        click.echo(f'  export PREFECT_API_AUTH_STRING="$(cat {shlex.quote(own["auth_file"])})"')
    where = "here" if own else "on any machine"
    click.echo(f"  prefect worker start --pool {work_pool}    runs them, {where}, unless one does")
    return None


@click.command()
@click.argument("pipelines", nargs=-1, metavar="[PIPELINE]...")
@click.option("--limit", type=click.IntRange(1, 64), default=4, help="Runs at once in this process.")
@click.option(
    "--review-port",
    type=click.IntRange(0, 65535),
    default=REVIEW_PORT,
    help="Where reviewers find their page, by `assetmill links`; 0 for a free port.",
)
@json_option
def serve(pipelines: tuple[str, ...], limit: int, review_port: int, *, as_json: bool) -> None:
    """Serve each PIPELINE, or all, from this process.

    It goes on until it is interrupted: no work pool, no worker.

    In a project with reviewers their page is served too, to this machine and to whom a proxy lets through.
    """
    loaded = _load(pipelines)
    # Runs start in processes of their own, elsewhere maybe: they are of this project all the same.
    os.environ.setdefault("ASSETMILL_ROOT", str(project_root().path))
    with _reviews(review_port), _prefect() as own:

        def told(made: list[dict[str, Any]]) -> None:
            if as_json:
                print_json({"deployments": made, "prefect": own})

        asyncio.run(_serve(loaded, limit, told))


@contextmanager
def _reviews(port: int) -> Generator[None]:
    """Show the review page beside, where the project has reviewers."""
    settings = load_settings()
    if not read_reviewers(settings.configs):
        yield
        return
    # Only here: a project without reviewers has no use for the server's packages.
    from assetmill.local.team_server import team_page

    with team_page(settings, port) as bound:
        address = settings.review.url or f"http://127.0.0.1:{bound}"
        click.echo(f"Reviews: {address}    by the links of `assetmill links add NAME`", err=True)
        yield


@contextmanager
def _prefect() -> Generator[dict[str, str] | None]:
    """Use the caller's own Prefect, else the project's, started if need be; yield how that one is reached."""
    settings = load_settings()

    def say(text: str) -> None:
        click.echo(text, err=True)

    with local_services(settings, emulator=False, is_lasting=True, say=say) as local:
        if not local.has_started_prefect:
            yield None
            return
        local.wait_for_prefect()
        auth_file = str(settings.home / "prefect" / "auth")
        api_url = os.environ["PREFECT_API_URL"]
        page = api_url.removesuffix("/api")
        click.echo(f"Prefect: {page}    its page asks for what is in {auth_file}", err=True)
        yield {"api_url": api_url, "page": page, "auth_file": auth_file}


def _load(names: tuple[str, ...]) -> list[LoadedPipeline]:
    configs = find_configs()
    known = pipeline_names(configs)
    words = [variable_name(name) for name in known]
    for name in names or known:
        if name not in known:
            raise InvalidInput(f"no pipeline {name!r} under {configs / 'pipelines'}: only those are deployed")
        if words.count(variable_name(name)) > 1:
            raise InvalidInput(f"two pipelines would be the flow {variable_name(name)!r}: rename one")
    return [check_schedules(load_pipeline(name, configs)) for name in dict.fromkeys(names or known)]


def _job_variables(working_dir: str | None, python: str | None) -> Iterator[tuple[str, str]]:
    """Yield what a process worker is told beside the flow."""
    if working_dir:
        yield "working_dir", str(Path(working_dir).absolute())
    if python:
        # Without a command a worker starts a process that imports all of Prefect to fetch a flow's files, and
        # then becomes the one that runs the flow, which imports it again. Ours need not be fetched.
        yield "command", shlex.join([python, "-m", "prefect.engine"])


async def _deploy(
    loaded: list[LoadedPipeline], pool: str, variables: Mapping[str, str], *, makes_pool: bool
) -> list[dict[str, Any]]:
    from prefect import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound

    async with get_client() as client:
        try:
            await client.read_work_pool(pool)
        except ObjectNotFound as error:
            if makes_pool:
                # Nobody else can have made it on a server that only this project uses.
                await client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
            else:
                hint = f"`prefect work-pool create {pool} --type process`"
                raise InvalidSettings(f"Prefect has no work pool {pool!r}: {hint}") from error
        made = [await _apply_pipeline(client, one, pool, pool, variables) for one in loaded]
        for one in loaded:
            if _has_batches(one):
                made.append(await _apply_batch(client, one, one.name, pool, variables))
        made.append(await _apply_shards(client, pool, variables))
        return made


async def _serve(
    loaded: list[LoadedPipeline], limit: int, tell: Callable[[list[dict[str, Any]]], None]
) -> None:
    from prefect import get_client
    from prefect.deployments.runner import EntrypointType  # pyright: ignore[reportPrivateImportUsage]

    from assetmill.cli.serving import StoppableRunner, serve_until_stopped
    from flows.deployed import flow_of
    from flows.run_batch import run_batch

    runner, served = StoppableRunner(name="assetmill", limit=limit), list[dict[str, Any]]()
    async with get_client() as client:
        for one in loaded:
            made = await flow_of(one.path.stem).ato_deployment(
                SERVED, entrypoint_type=EntrypointType.MODULE_PATH
            )
            await runner.aadd_deployment(made)
            # Once more with the pipeline's own form: Prefect's own would be made from the types alone.
            told = [await _apply_pipeline(client, one, SERVED, None, {})]
            if _has_batches(one):
                name = f"{one.name}-{SERVED}"
                await runner.aadd_deployment(
                    await run_batch.ato_deployment(name, entrypoint_type=EntrypointType.MODULE_PATH)
                )
                told.append(await _apply_batch(client, one, name, None, {}))
            served += told
            for entry in told:
                click.echo(f"serving {entry['name']} ({entry['schedules']} schedules)", err=True)
    tell(served)
    await serve_until_stopped(runner)


def _has_batches(loaded: LoadedPipeline) -> bool:
    return any(schedule.batch for schedule in loaded.spec.schedules)


async def _apply_pipeline(
    client: PrefectClient,
    loaded: LoadedPipeline,
    name: str,
    pool: str | None,
    variables: Mapping[str, Any],
) -> dict[str, Any]:
    """Create or update a pipeline's own deployment."""
    spec, word = loaded.spec, variable_name(loaded.path.stem)
    width = spec.concurrency
    schedules = [_schedule(s, _typed(spec, s.parameters)) for s in spec.schedules if s.batch is None]
    flow_id = await client.create_flow_from_name(spec.name)
    deployment_id = await client.create_deployment(
        flow_id,
        name,
        description=spec.description or None,
        entrypoint=f"flows.deployed.{word}",
        parameter_openapi_schema=parameter_schema(spec),
        enforce_parameter_schema=True,
        parameters=_typed(spec, {n: p.default for n, p in spec.parameters.items() if p.default is not None}),
        schedules=schedules,
        concurrency_limit=width.limit if width else None,
        concurrency_options=_collision(width),
        work_pool_name=pool,
        job_variables=dict(variables),
        pull_steps=[],
        tags=["assetmill"],
        version=loaded.digest.removeprefix("sha256:")[:12],
    )
    return {"name": f"{spec.name}/{name}", "deployment_id": str(deployment_id), "schedules": len(schedules)}


def _collision(width: ConcurrencySpec | None) -> ConcurrencyOptions | None:
    from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions

    return width and ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy(width.collision.upper()))


async def _apply_batch(
    client: PrefectClient, loaded: LoadedPipeline, name: str, pool: str | None, variables: Mapping[str, Any]
) -> dict[str, Any]:
    """Create or update the deployment that runs a pipeline's scheduled batches."""
    from flows.run_batch import run_batch

    schedules = [_schedule(s, dict(_batch_parameters(loaded, s))) for s in loaded.spec.schedules if s.batch]
    return await _apply_flow(
        client,
        run_batch,
        name,
        pool,
        variables=variables,
        parameters={"pipeline": loaded.path.stem},
        schedules=schedules,
        width=loaded.spec.concurrency or _ONE,
    )


async def _apply_shards(client: PrefectClient, pool: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Create or update the deployment to which batches hand their shards."""
    from flows.run_shard import run_shard

    return await _apply_flow(client, run_shard, pool, pool, variables=variables, parameters={}, schedules=[])


async def _apply_flow(
    client: PrefectClient,
    flow: Any,
    name: str,
    pool: str | None,
    *,
    variables: Mapping[str, Any],
    parameters: Mapping[str, Any],
    schedules: list[DeploymentScheduleCreate],
    width: ConcurrencySpec | None = None,
) -> dict[str, Any]:
    deployment_id = await client.create_deployment(
        await client.create_flow_from_name(flow.name),
        name,
        description=(flow.description or "").partition("\n")[0] or None,
        entrypoint=f"{flow.fn.__module__}.{flow.fn.__name__}",
        parameter_openapi_schema=flow.parameters.model_dump(mode="json", exclude_unset=True),
        enforce_parameter_schema=True,
        parameters=dict(parameters),
        schedules=schedules,
        concurrency_limit=width.limit if width else None,
        concurrency_options=_collision(width),
        work_pool_name=pool,
        job_variables=dict(variables),
        pull_steps=[],
        tags=["assetmill"],
    )
    return {
        "name": f"{flow.name}/{name}",
        "deployment_id": str(deployment_id),
        "schedules": len(schedules),
    }


def _batch_parameters(loaded: LoadedPipeline, schedule: ScheduleSpec) -> Iterator[tuple[str, Any]]:
    yield "pipeline", loaded.path.stem
    if schedule.parameters:
        yield "common", _typed(loaded.spec, schedule.parameters)
    if schedule.batch:
        yield from schedule.batch.model_dump(exclude_defaults=True, exclude={"rows", "by"}).items()
        if schedule.batch.by:
            # The hour is of the schedule's zone, wherever a worker stands.
            yield "by", f"{schedule.batch.by} {schedule.timezone}"
        rows = schedule.batch.rows
        # As for knowledge and inputs: a path is meant from the pipeline's file, wherever a worker starts.
        yield "rows", rows if "://" in rows else str((loaded.path.parent / rows).resolve())


def _typed(spec: PipelineSpec, given: Mapping[str, Scalar]) -> dict[str, Any]:
    """Return values as their parameters' types: to Prefect `"5"` is no number, in a pipeline's file it is."""
    return {name: convert(spec.parameters[name], value)[1] for name, value in given.items()}


def _schedule(spec: ScheduleSpec, parameters: dict[str, Any]) -> DeploymentScheduleCreate:
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule

    if spec.cron is not None:
        when: Any = CronSchedule(cron=spec.cron, timezone=spec.timezone)
    else:
        when = IntervalSchedule(interval=datetime.timedelta(seconds=spec.every or 0), timezone=spec.timezone)
    return DeploymentScheduleCreate(
        schedule=when, active=spec.active, parameters=parameters, slug=spec.name or None
    )
