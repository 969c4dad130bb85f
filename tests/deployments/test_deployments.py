"""What is deployed, judged by its own tools' validators: nothing here is built, started or installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2] / "deployments"
SCHEMAS = Path(__file__).with_name("schemas")
"""Of compose-spec/compose-spec and PrefectHQ/prefect-helm, both under the Apache License 2.0."""


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    # The charts name no draft that any validator knows.
    return {key: value for key, value in found.items() if key != "$schema"}


def test_hadolint_has_nothing_to_say_about_the_dockerfile() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed: it is a development dependency")
    told = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (0, "")


def test_the_images_are_pinned_and_not_root() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    pinned = r"python:3\.11\.14-slim-bookworm@sha256:[0-9a-f]{64}"
    images = re.findall(r"^FROM (\S+)", text, re.M)
    assert [bool(re.fullmatch(pinned, image)) for image in images] == [True] * 4
    assert len(set(images)) == 1
    assert text.count("pip install") == text.count("-c constraints.txt") == 2
    assert re.findall(r"^USER (\S+)", text, re.M) == ["10001:10001"] * 2
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M):
        for name in source.split():
            assert (ROOT.parent / name).exists(), name


def test_the_image_that_is_built_when_no_target_is_named_has_no_emulator() -> None:
    stages = re.split(r"^FROM \S+ AS ", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.M)[1:]
    by_name = {stage.split()[0]: stage for stage in stages}
    assert list(by_name) == ["emulator-build", "emulator", "build", "assetmill"]
    for name in ("build", "assetmill"):
        commands = [line for line in by_name[name].splitlines() if not line.startswith("#")]
        assert "emulator" not in "\n".join(commands)
    assert 'ENTRYPOINT ["foundry-emulator"]' in by_name["emulator"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("compose.yaml", "compose-spec"),
        ("kubernetes/server-values.yaml", "prefect-server"),
        ("kubernetes/worker-values.yaml", "prefect-worker"),
    ],
)
def test_files_are_valid_under_their_vendors_schema(file: str, name: str) -> None:
    validator = jsonschema.Draft202012Validator(schema(name))
    assert [error.message for error in validator.iter_errors(load(file))] == []


@pytest.mark.parametrize("name", ["server", "worker"])
def test_the_charts_know_every_value(name: str) -> None:
    """Their schemas allow any key: one that is misspelt would do nothing."""
    told = schema(f"prefect-{name}")
    assert list(unknown(load(f"kubernetes/{name}-values.yaml"), told, "")) == []


def unknown(value: Any, told: Mapping[str, Any], where: str) -> Iterator[str]:
    properties = cast("dict[str, Any]", told.get("properties") or {})
    if not isinstance(value, dict) or not properties:
        return
    for key, inner in cast("dict[str, Any]", value).items():
        if key not in properties:
            yield f"{where}.{key}"
        else:
            yield from unknown(inner, properties[key], f"{where}.{key}")


def test_compose_has_no_default_for_a_secret_and_pins_every_image() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    for secret in ("POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
        assert set(re.findall(rf"\$\{{{secret}([^}}]*)\}}", text)) == {":?"}
    services: dict[str, Any] = load("compose.yaml")["services"]
    assert {"postgres", "redis", "server", "store", "worker-1", "worker-2"} <= set(services)
    images = {service["image"] for service in services.values()}
    assert all(
        re.search(r":(local|[0-9][^:@]*[0-9a-z])(@sha256:[0-9a-f]{64})?$", image) for image in images
    ), images


def test_prefects_file_names_flows_that_import_and_parameters_that_they_take() -> None:
    from prefect.flows import load_flow_from_entrypoint

    told = load("prefect.yaml")
    assert told["pull"] == []
    for entry in told["deployments"]:
        flow: Any = load_flow_from_entrypoint(entry["entrypoint"], use_placeholder_flow=False)
        assert set(entry.get("parameters", {})) <= set(flow.parameters.properties)


def test_every_pipeline_has_a_flow_with_its_own_parameters() -> None:
    from prefect.flows import load_flow_from_entrypoint

    from assetmill.project import find_configs
    from assetmill.spec.loading import load_pipeline, pipeline_names

    configs = find_configs()
    for name in pipeline_names(configs):
        spec = load_pipeline(name, configs).spec
        flow: Any = load_flow_from_entrypoint(f"flows.deployed.{name.replace('-', '_')}")
        assert (flow.name, list(flow.parameters.properties)) == (spec.name, list(spec.parameters))


@pytest.mark.parametrize("file", sorted(path.name for path in (ROOT / "automations").glob("*.yaml")))
def test_prefect_reads_the_automations_and_they_wait_for_events_that_are_sent(file: str) -> None:
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

    from tasks import events, models

    sent = {*events.NAMES, models.ENDS}
    for told in load(f"automations/{file}")["automations"]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            automation = AutomationCore.model_validate(told)
        trigger = automation.trigger
        assert isinstance(trigger, EventTrigger)
        ours = {name for name in trigger.expect if name.startswith("assetmill")}
        assert ours <= sent


def test_somebody_is_told_of_every_event_that_needs_a_person() -> None:
    from tasks import events

    told = [one for name in ("notify", "review") for one in load(f"automations/{name}.yaml")["automations"]]
    silent = {f"assetmill.{what}.completed" for what in ("run", "batch")}
    assert {name for one in told for name in one["trigger"]["expect"]} == events.NAMES - silent


def test_a_worker_is_not_restarted_for_an_outage_that_its_shard_waits_out() -> None:
    from assetmill.outages import LIMIT_S
    from assetmill.settings import RunSettings

    worker = load("kubernetes/worker-values.yaml")["worker"]
    probe = worker["livenessProbe"]["config"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > LIMIT_S == RunSettings().outage_s
    mounted = {mount["name"] for mount in worker["extraVolumeMounts"]}
    assert mounted == {volume["name"] for volume in worker["extraVolumes"]}


def test_workers_serve_the_health_that_is_asked_for() -> None:
    assert '"--with-healthcheck"' in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    # The chart starts a worker that has a probe with its health check.
    assert load("kubernetes/worker-values.yaml")["worker"]["livenessProbe"]["enabled"]
    worker = load("compose.yaml")["services"]["worker-1"]
    assert worker["init"] is True
    assert "8080/health" in str(worker["healthcheck"])
