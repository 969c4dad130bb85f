"""`assetmill doctor`: is everything as a run needs it? Each finding says what to do."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import click

from assetmill.agents.gateway import Finding
from assetmill.agents.told import keep_told
from assetmill.cli import models
from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.errors import AssetmillError, InvalidInput, InvalidSettings, StoreError
from assetmill.local import prefect_server
from assetmill.local.services import has_prefect_api, local_services
from assetmill.models.uses import direct_models
from assetmill.project import project_root
from assetmill.redaction import redact
from assetmill.settings import Settings, load_settings
from assetmill.spec.image_models import load_image_models
from assetmill.stage.probing import known_abilities, probe_endpoint
from assetmill.stage.services import Services, open_services

_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "problem": ("problem", "red")}
# From this version on, Prefect 3.8's client gets 422 from its own server.
_FASTAPI_BELOW = (0, 151)


@click.command()
@click.option(
    "--live",
    "is_live",
    is_flag=True,
    help="Also try what the endpoint can do: five tiny answers at most.",
)
@profile_option
@json_option
def doctor(profile: str | None, *, is_live: bool, as_json: bool) -> int:
    """Check profile, credential, endpoint, model deployments, store and versions.

    Nothing is spent, unless --live is given.
    """
    findings: list[Finding] = []
    for told in _examine(profile, is_live=is_live):
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


def _print(finding: Finding) -> None:
    word, color = _MARKS[finding.state]
    click.echo(f"{click.style(f'{word:<8}', fg=color)} {finding.check:<14} {finding.message}")
    if finding.advice:
        click.echo(f"{'':<24}-> {finding.advice}")


def _examine(profile: str | None, *, is_live: bool) -> Iterator[Finding]:
    yield from _versions()
    try:
        settings = load_settings(profile)
    except InvalidSettings as error:
        yield Finding("profile", "problem", str(error), "name one with --profile or ASSETMILL_PROFILE")
        return
    yield Finding("project", "ok", project_root().told())
    yield Finding("profile", "ok", f"{settings.profile}, configs {settings.configs}, home {settings.home}")
    yield _prefect(settings)
    try:
        with open_services(settings) as services:
            yield Finding("store", "ok", f"{services.backend.name} keeps its promises")
            yield from _service(services, is_live=is_live)
    except (InvalidSettings, StoreError) as error:
        yield Finding("store", "problem", str(error), "set store.url in the profile, or ASSETMILL_STORE_URL")
    try:
        yield from models.findings(settings, project_root().path)
    except InvalidInput as error:
        yield Finding("models", "problem", str(error), "mend that file, or delete it")


def _versions() -> Iterator[Finding]:
    version = sys.version_info
    yield Finding("python", "ok", f"{version.major}.{version.minor}.{version.micro}")
    fastapi = importlib.metadata.version("fastapi")
    if tuple(int(part) for part in fastapi.split(".")[:2]) >= _FASTAPI_BELOW:
        advice = "pip install -c constraints.txt fastapi"
        yield Finding("fastapi", "problem", f"{fastapi} does not work with Prefect 3.8", advice)
    names = ("prefect", "azure-ai-projects", "openai", "boto3", "fastapi")
    yield Finding("packages", "ok", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names))


def _prefect(settings: Settings) -> Finding:
    url = os.environ.get("PREFECT_API_URL")
    if url:
        return _answer("prefect", f"{url.rstrip('/')}/health", "start that server, or unset PREFECT_API_URL")
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


def _service(services: Services, *, is_live: bool) -> Iterator[Finding]:
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
            if is_live:
                yield from probe_endpoint(services)
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


def _say(text: str) -> None:
    click.echo(text, err=True)
