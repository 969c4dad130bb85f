"""`assetmill doctor`: is everything as a run needs it? Each finding says what to do."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assetmill.agents.gateway import Finding
from assetmill.agents.told import keep_told
from assetmill.care.condition import findings_on_store
from assetmill.cli import models
from assetmill.cli.doctor_workers import workers_findings
from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.cli.proxies import proxy_findings
from assetmill.errors import AssetmillError, BudgetExceeded, InvalidInput, InvalidSettings, StoreError
from assetmill.local import prefect_server
from assetmill.local.services import has_prefect_api, local_services
from assetmill.models.uses import direct_models
from assetmill.project import project_root
from assetmill.redaction import redact
from assetmill.settings import Settings, load_settings
from assetmill.spec.image_models import load_image_models
from assetmill.stage.picture_probes import PictureProbes
from assetmill.stage.probe_money import BUDGET_USD, ProbeBudget, probe_call
from assetmill.stage.probing import Prober, known_abilities, probe_endpoint
from assetmill.stage.rate_probe import probe_rates
from assetmill.stage.services import Services, open_services

if TYPE_CHECKING:
    # It imports an HTTP client, which most commands have no use for.
    from assetmill.agents.recording import Recorder

_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "problem": ("problem", "red")}


@click.command()
@click.option(
    "--live",
    "is_live",
    is_flag=True,
    help="Also try what the endpoint can do, for a few cents: tiny answers, two small pictures, one file.",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    default=BUDGET_USD,
    show_default=True,
    metavar="USD",
    help="With --live: the most that it may spend.",
)
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="With --live: write what passed on the line below DIR, without names, secrets and pictures.",
)
@click.option(
    "--workers",
    metavar="POOL",
    help="Also ask the workers of this work pool what they have installed, and say what differs from here.",
)
@profile_option
@json_option
def doctor(
    profile: str | None,
    *,
    is_live: bool,
    budget: float,
    record: Path | None,
    workers: str | None,
    as_json: bool,
) -> int:
    """Check whether pipelines can run here.

    Profile, credential, endpoint, model deployments, store and versions are looked at.

    Nothing is spent, unless --live is given.
    """
    if record and not is_live:
        raise click.UsageError("--record writes down what --live does: give both")
    findings: list[Finding] = []
    live = LiveProbes(budget, record) if is_live else None
    asked = workers_findings(profile, workers) if workers else ()
    for told in chain(_examine(profile, live), asked):
        finding = replace(told, message=redact(told.message), advice=redact(told.advice))
        findings.append(finding)
        if not as_json:
            _print(finding)
    problems = sum(finding.state == "problem" for finding in findings)
    if as_json:
        print_json({"findings": [vars(finding) for finding in findings], "problems": problems})
    else:
        warnings = sum(finding.state == "warning" for finding in findings)
        well = f"no problems, {warnings} warnings" if warnings else "all is well"
        click.echo(f"{problems} problems" if problems else well)
    return 2 if problems else 0


@dataclass(frozen=True)
class LiveProbes:
    """What `--live` may do: spend up to `usd`, and write down what passes below the folder `record`."""

    usd: float
    record: Path | None


def _print(finding: Finding) -> None:
    word, color = _MARKS[finding.state]
    click.echo(f"{click.style(f'{word:<8}', fg=color)} {finding.check:<14} {finding.message}")
    if finding.advice:
        click.echo(f"{'':<24}-> {finding.advice}")


def _examine(profile: str | None, live: LiveProbes | None) -> Iterator[Finding]:
    yield from _versions()
    yield from proxy_findings(os.environ)
    try:
        settings = load_settings(profile)
    except InvalidSettings as error:
        yield Finding("profile", "problem", str(error), "name one with --profile or ASSETMILL_PROFILE")
        return
    yield Finding("project", "ok", project_root().told())
    yield Finding("profile", "ok", f"{settings.profile}, configs {settings.configs}, home {settings.home}")
    yield _prefect(settings)
    recorder = _recorder(live)
    try:
        with open_services(settings, recorder=recorder) as services:
            yield from findings_on_store(services.backend)
            yield from _service(services, live)
    except (InvalidSettings, StoreError) as error:
        yield Finding("store", "problem", str(error), _store_advice(error))
    if recorder:
        yield from _recorded(recorder)
    try:
        yield from models.findings(settings, project_root().path)
    except InvalidInput as error:
        yield Finding("models", "problem", str(error), "mend that file, or delete it")


def _store_advice(error: AssetmillError) -> str:
    """Return what to do: a store that was asked and refuses needs no other URL."""
    if isinstance(error, StoreError) or isinstance(error.__cause__, StoreError):
        return "nothing else can be told before it answers: see to that, and ask again"
    return "set store.url in the profile, or ASSETMILL_STORE_URL"


def _recorder(live: LiveProbes | None) -> Recorder | None:
    if live is None or live.record is None:
        return None
    from assetmill.agents.recording import Recorder

    return Recorder(live.record)


def _recorded(recorder: Recorder) -> Iterator[Finding]:
    """Say where a recording is, and what of it could not be written."""
    advice = "read it before you send it to anybody; `foundry-emulator compare DIR` compares it"
    yield Finding("recording", "ok", f"{recorder.written} exchanges in {recorder.folder}", advice)
    for fault in recorder.faults:
        yield Finding("recording", "problem", f"not recorded: {fault}", "is the folder writable?")


def _versions() -> Iterator[Finding]:
    version = sys.version_info
    yield Finding("python", "ok", f"{version.major}.{version.minor}.{version.micro}")
    names = ("prefect", "azure-ai-projects", "openai", "boto3", "fastapi")
    yield Finding("packages", "ok", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names))


def _prefect(settings: Settings) -> Finding:
    url = os.environ.get("PREFECT_API_URL")
    if url:
        return _answer("prefect", f"{url.rstrip('/')}/ready", "start that server, or unset PREFECT_API_URL")
    if has_prefect_api():
        return Finding("prefect", "ok", "the API of the active Prefect profile")
    is_prepared = prefect_server.template().is_file() or (settings.home / "prefect" / "prefect.db").exists()
    if is_prepared:
        return Finding("prefect", "ok", "a local server, started when a run needs it")
    message = "the local server's database is not prepared: the first run waits half a minute"
    return Finding("prefect", "warning", message, "run `make install` or `assetmill setup`")


def _answer(check: str, url: str, advice: str) -> Finding:
    with suppress(ValueError, OSError), urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310
        return Finding(check, "ok", f"{url} answers {reply.status}")
    return Finding(check, "problem", f"{url} does not answer", advice)


def _service(services: Services, live: LiveProbes | None) -> Iterator[Finding]:
    settings = services.settings
    foundry = settings.foundry
    names = [foundry.model, foundry.image_deployment or foundry.image_model]
    advice = "see the profile's [foundry] section; `az login` gives a credential"
    try:
        with local_services(settings, prefect=False, say=_say) as local:
            local.wait_for_emulator()
            yield from services.gateway.examine(list(dict.fromkeys(names)))
            yield from _routes(services)
            told = services.gateway.lifecycles()
            keep_told(settings.home, foundry.endpoint, told, models.today())
            if live:
                yield from _probe(services, live.usd)
            yield from known_abilities(services)
    except AssetmillError as error:
        yield Finding("service", "problem", str(error), advice)


def _routes(services: Services) -> Iterator[Finding]:
    """Say of each image model that a pipeline calls itself whether the endpoint serves its route."""
    known = load_image_models(services.settings.configs)
    try:
        names = direct_models(services.settings)
    except InvalidInput:
        return  # the look at models names the file that is not valid
    for name in names:
        model = known.find(name)
        if model is None or not model.route:
            continue  # `plan` refuses it with file and line
        served = services.gateway.has_route(model.route, model.path)
        if served:
            yield Finding("image route", "ok", f"{name} can be called itself")
        elif served is None:
            yield Finding("image route", "warning", f"the endpoint does not say whether {name} can be called")
        else:
            message = f"the endpoint shows no route to {name}: a question that draws nothing got 404"
            advice = "some gateways answer so for routes that they have: look at the resource's endpoints"
            yield Finding("image route", "warning", message, advice)


def _probe(services: Services, usd: float) -> Iterator[Finding]:
    """Try what the endpoint can do; what that costs is told before and after."""
    purse = ProbeBudget(services, usd)
    yield Finding("probe", "ok", f"what follows may spend ${usd:.2f} at most (--budget)")
    answer = probe_call(services, "answer", "Say ok.")
    yield Finding("probe", "ok", f"five tiny answers at most, each {purse.told(answer)}")
    prober = Prober(services, purse)
    try:
        yield from probe_endpoint(services, prober)
    except BudgetExceeded as error:
        yield Finding("probe", "warning", str(error), "give it more with --budget")
    yield from PictureProbes(prober).run()
    yield from probe_rates(prober)
    yield Finding("probe", "ok", f"spent ${purse.spent_usd:.4f} of ${usd:.2f}")


def _say(text: str) -> None:
    click.echo(text, err=True)
