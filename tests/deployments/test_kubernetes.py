"""What is installed on Kubernetes: each property that production needs, and what the charts make of it.

`ASSETMILL_CHARTS` names a folder with the official charts `prefect-server` and `prefect-worker`, their
dependencies within; the dependency group `charts` brings Helm and the schemas of Kubernetes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2] / "deployments" / "kubernetes"
RELEASES = {"server": "prefect", "worker": "assetmill"}
KUBERNETES = "1.36"


def load(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / name).read_text(encoding="utf-8")))


def values(name: str) -> dict[str, Any]:
    (told,) = load(f"{name}-values.yaml")
    return told


def policies() -> dict[str, Any]:
    return {told["metadata"]["name"]: told["spec"] for told in load("network-policy.yaml")}


@pytest.mark.parametrize(
    "told",
    [values("server")["server"], values("server")["backgroundServices"], values("worker")["worker"]],
    ids=["server", "background-services", "worker"],
)
def test_nothing_runs_as_root_or_writes_to_its_image(told: dict[str, Any]) -> None:
    context = told["containerSecurityContext"]
    assert context["runAsNonRoot"]
    assert context["readOnlyRootFilesystem"]
    assert not context["allowPrivilegeEscalation"]
    assert context["capabilities"] == {"drop": ["ALL"]}


def test_the_worker_starts_what_our_image_has() -> None:
    worker = values("worker")["worker"]
    assert worker["command"] == ["/usr/bin/env"], "the chart's own entry point is not in our image"
    assert worker["config"]["type"] == "process"
    paths = [mount["mountPath"] for mount in worker["extraVolumeMounts"]]
    assert paths == ["/srv/assetmill/.assetmill"], "the chart mounts /tmp itself: a path twice is refused"


def test_several_api_servers_share_one_broker() -> None:
    told = values("server")
    assert told["server"]["replicaCount"] > 1
    assert told["server"]["autoscaling"]["minReplicas"] > 1
    assert told["backgroundServices"]["runAsSeparateDeployment"]
    assert told["backgroundServices"]["messaging"]["broker"] == "prefect_redis.messaging"
    assert told["postgresql"]["enabled"] is False


def test_secrets_are_named_and_not_written_down() -> None:
    assert values("server")["secret"] == {"create": False, "name": "prefect-server"}
    for entry in values("worker")["worker"]["extraEnvVars"]:
        is_secret = any(word in entry["name"] for word in ("ENDPOINT", "KEY", "SECRET", "TOKEN", "PASSWORD"))
        assert is_secret == ("secretKeyRef" in entry.get("valueFrom", {})), entry["name"]


def test_a_node_that_is_emptied_takes_one_worker_at_a_time() -> None:
    assert values("worker")["worker"]["podDisruptionBudget"] == {"maxUnavailable": 1}


def test_workers_follow_the_queue_and_not_the_cpu() -> None:
    assert values("worker")["worker"]["autoscaling"] == {"enabled": False}
    scaled = next(told for told in load("autoscaling.yaml") if told["kind"] == "ScaledObject")["spec"]
    assert scaled["scaleTargetRef"]["name"] == "prefect-worker"
    assert scaled["minReplicaCount"] == values("worker")["worker"]["replicaCount"]
    (trigger,) = scaled["triggers"]
    assert (trigger["type"], trigger["metadata"]["targetQueryValue"]) == ("postgresql", "1")
    assert "RUNNING" in trigger["metadata"]["query"], "a worker at work must not be ended"


def test_nobody_reaches_a_worker_and_it_reaches_what_it_needs() -> None:
    told = policies()
    assert told["assetmill-nobody"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    worker, server = told["assetmill-worker"], told["assetmill-server"]
    assert worker["ingress"] == []
    assert {port["port"] for rule in worker["egress"] for port in rule["ports"]} == {53, 443, 4200}
    (rule,) = server["ingress"]
    assert {port["port"] for port in rule["ports"]} == {4200}
    assert "4200" in values("worker")["worker"]["selfHostedServerApiConfig"]["apiUrl"]


@pytest.fixture
def charts() -> Path:
    if not (told := os.environ.get("ASSETMILL_CHARTS")):
        pytest.skip("ASSETMILL_CHARTS names no folder with Prefect's charts, which are not ours to keep")
    return Path(told)


def rendered(chart: Path, name: str) -> Iterator[dict[str, Any]]:
    helm: Any = pytest.importorskip("helm_python", reason="the dependency group `charts` is not installed")
    with helm.Chart.load(str(chart)) as loaded:
        texts: dict[str, str] = loaded.render(values(name), name=RELEASES[name], namespace="assetmill")
    for path, text in texts.items():
        if path.endswith(".yaml"):
            yield from (document for document in yaml.safe_load_all(text) if document)


@pytest.mark.parametrize("name", list(RELEASES))
def test_what_the_charts_render_is_what_kubernetes_takes(charts: Path, name: str) -> None:
    check: Any = pytest.importorskip("kubernetes_validate", reason="the group `charts` is not installed")
    found = list(rendered(charts / f"prefect-{name}", name))
    for document in found:
        check.validate(document, KUBERNETES, strict=True)
    deployments = {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == "Deployment"}
    assert f"prefect-{name}" in deployments, "the policies and the autoscaling go by this name"
    for spec in deployments.values():
        labels = spec["template"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == f"prefect-{name}"
        for container in spec["template"]["spec"]["containers"]:
            paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            assert len(paths) == len(set(paths)), f"a path is mounted twice: {paths}"


def test_the_policies_are_what_kubernetes_takes() -> None:
    check: Any = pytest.importorskip(
        "kubernetes_validate", reason="the dependency group `charts` is not installed"
    )
    for document in load("network-policy.yaml"):
        check.validate(document, KUBERNETES, strict=True)
