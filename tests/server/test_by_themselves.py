"""What runs without a person: served deployments, scheduled batches, one pipeline after another."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.server.stack import Stack

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("server"), pytest.mark.timeout(300)]

AUTOMATIONS = Path(__file__).parents[2] / "deployments" / "automations"
ZEROS = "00000000-0000-0000-0000-000000000000"
BLOCK = """
from prefect.blocks.notifications import CustomWebhookNotificationBlock
block = CustomWebhookNotificationBlock(name="told", url="{url}", json_data={{"subject": "{{{{subject}}}}"}})
print(block.save("told", overwrite=True))
"""


@pytest.fixture
def served(world: Stack) -> Iterator[Stack]:
    """The pipelines, served by one process: no work pool, no worker."""
    world.start("serve", ["assetmill", "serve", "card", "nightly"])
    try:
        world.wait_until(lambda: world.deployment("run-batch/nightly-served"), "the deployments")
        yield world
    finally:
        for name in ("card/served", "nightly/served", "run-batch/nightly-served"):
            with suppress(OSError):
                world.pause(name)
        world.kill("serve")


def test_one_process_serves_forms_schedules_and_batches(served: Stack) -> None:
    card = served.deployment("card/served")
    body = {"parameters": {"product": "a kettle", "colour": "green"}, "enforce_parameter_schema": True}
    with pytest.raises(urllib.error.HTTPError) as refused:
        served.api("POST", f"/deployments/{card['id']}/create_flow_run", body)
    refused.value.close()
    asked = {"parameters": {"product": "a kettle"}, "state": {"type": "SCHEDULED"}}
    served.api("POST", f"/deployments/{card['id']}/create_flow_run", asked)

    def products() -> set[str]:
        return {run["parameters"]["product"] for run in served.flow_runs("card/served", state="COMPLETED")}

    served.wait_until(lambda: products() >= {"a kettle", "a clock"}, "a run by hand and one by schedule")

    def batches() -> list[dict[str, Any]]:
        return served.flow_runs("run-batch/nightly-served", state="COMPLETED")

    served.wait_until(batches, "a scheduled batch")
    assert served.deployment("run-batch/nightly-served")["global_concurrency_limit"]["limit"] == 1
    run = batches()[0]
    assert run["auto_scheduled"]
    assert run["parameters"]["common"] == {"colour": "red"}
    shown = json.loads(served.run("assetmill", "assets", "--json").stdout)
    assert len([one for one in shown["assets"] if one["pipeline"] == "nightly"]) == 2 * 3


@contextmanager
def automation(world: Stack, file: str, **replaced: str) -> Generator[None]:
    """Create the automations of an example as its first line says, with names of this server in them."""
    text = (AUTOMATIONS / file).read_text(encoding="utf-8")
    command = text.splitlines()[0].removeprefix("# ").split()
    for old, new in replaced.items():
        text = text.replace({"zeros": ZEROS, "product_launch": "product-launch"}[old], new)
    path = world.folder / file
    path.write_text(text)
    done = world.run(*command[:-1], str(path))
    assert done.returncode == 0, done.stderr + done.stdout
    try:
        yield
    finally:
        for told in yaml.safe_load(text)["automations"]:
            world.run("prefect", "--no-prompt", "automation", "delete", told["name"])


def test_one_pipeline_runs_after_another(world: Stack) -> None:
    pool = world.api("POST", "/work_pools/", {"name": "after", "type": "process"})
    made = world.run("assetmill", "deploy", "nightly", "--work-pool", pool["name"], "--json")
    assert made.returncode == 0, made.stderr
    target = json.loads(made.stdout)["deployments"][0]["deployment_id"]
    world.pause("run-batch/nightly")
    wanted = {"deployments": {"id": {"any_": [target]}}}
    with automation(world, "chain.yaml", zeros=target, product_launch="card"):
        assert world.api("POST", "/flow_runs/filter", wanted) == []
        done = world.run("assetmill", "run", "card", "-p", "product=a lamp")
        assert done.returncode == 0, done.stderr
        world.wait_until(lambda: world.api("POST", "/flow_runs/filter", wanted), "the run after it")


class _Told(http.server.BaseHTTPRequestHandler):
    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture
def told() -> Iterator[tuple[str, list[bytes]]]:
    """A web hook of somebody who wants to be told: its URL, and what it was told."""
    handler = type("Told", (_Told,), {"bodies": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", handler.bodies
        server.shutdown()
        thread.join()


def test_somebody_is_told_when_a_ceiling_stops_a_batch(world: Stack, told: tuple[str, list[bytes]]) -> None:
    url, bodies = told
    made = subprocess.run(
        [sys.executable, "-c", BLOCK.format(url=url)],
        env=world.environment, cwd=world.folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = world.folder / "dear.csv"
    rows.write_text("product\n" + "\n".join(f"a dear thing {n}" for n in range(6)) + "\n")
    with automation(world, "notify.yaml", zeros=made.stdout.split()[-1]):
        done = world.run("assetmill", "batch", "plain", "--rows", str(rows), "--budget", "0.02")
        assert done.returncode != 0
        wanted = b"assetmill.budget.reached in plain"
        # What is left of the batch is told as well, in a message of its own.
        world.wait_until(lambda: any(wanted in body for body in bodies), "the notification")
