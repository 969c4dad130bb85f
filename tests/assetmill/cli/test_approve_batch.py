"""A person's word on what the agents of a batch's rows ask for, by the command that each row says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from assetmill.batches.records import BatchManifest
from assetmill.stage.services import Services
from tests.assetmill.agents.test_mcp import request
from tests.assetmill.agents.workshop import by_turn
from tests.assetmill.cli.terminal import Terminal
from tests.batchworks import run_rows, states, write_rows
from tests.doubles import ScriptedGateway, message_item

STOCK = """
name: stock
parameters:
  product: {title: Product}
stages:
  - name: ask
    prompt: How many of {{ product }} are there?
    tools: [{type: mcp, server_label: docs, server_url: "https://docs.invalid/mcp"}]
"""


@pytest.fixture
def pipelines() -> dict[str, str]:
    return {"stock": STOCK}


@pytest.fixture
def waiting(services: Services, tmp_path: Path) -> BatchManifest:
    gateway = services.gateway
    assert isinstance(gateway, ScriptedGateway)
    gateway.script = by_turn([request()], [message_item("seven")])
    manifest = run(services, tmp_path)
    assert states(manifest) == ["waiting", "waiting"]
    return manifest


def run(services: Services, folder: Path) -> BatchManifest:
    rows = write_rows(folder, [{"product": "a mug", "row": "mug"}, {"product": "a lamp", "row": "lamp"}])
    return run_rows(services, rows, "stock")


def test_the_command_that_a_row_says_approves_for_all_of_them(
    waiting: BatchManifest, services: Services, assetmill: Terminal, tmp_path: Path
) -> None:
    said = re.findall(r"To approve: assetmill (.*?) \(add", waiting.rows[0].reason or "")
    assert said == [f"approve {waiting.batch_id} ask"]
    assert assetmill(*shlex.split(said[0])) == 0
    assert "row mug: approved: docs: search" in assetmill.out
    assert f"assetmill batch --again {waiting.batch_id}" in assetmill.out
    assert states(run(services, tmp_path)) == ["done", "done"]


def test_one_row_is_approved_by_its_name(
    waiting: BatchManifest, services: Services, assetmill: Terminal, tmp_path: Path
) -> None:
    assert assetmill("approve", waiting.batch_id, "ask", "--row", "lamp", "--json") == 0
    assert [one["row"] for one in assetmill.document()["decisions"]] == ["lamp"]
    assert states(run(services, tmp_path)) == ["waiting", "done"]
