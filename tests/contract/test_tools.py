"""Every agent tool from a pipeline file to a stored record, through the vendor's SDK against the emulator."""

from __future__ import annotations

import gzip
import io
import json
import textwrap
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from foundry_emulator.server import running
from PIL import Image, ImageChops, ImageStat

from assetmill.agents.ready_file import read_ready_file
from assetmill.cli.approve import decide
from assetmill.records import RunManifest, StageRecord
from assetmill.settings import Settings, load_settings
from assetmill.stage.services import Services, connect
from assetmill.store.blobs import Blobs
from assetmill.store.memory import MemoryStore
from tests.assetmill.agents.pages import missing_browser, site
from tests.millworks import run_here, write_configs

pytestmark = pytest.mark.server

FUNCTIONS = '''
from typing import Annotated

from pydantic import Field

asked: list[str] = []


def stock_count(article: Annotated[str, Field(description="The article's name")]) -> dict[str, object]:
    """Get the stock count of an article."""
    asked.append(article)
    return {"article": article, "count": 42}
'''


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    with running(folder / "emulator"):
        yield folder


class Mill:
    """Pipelines written in place, run against the emulator with a store of their own."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home, self.folder, self.backend = home, folder, MemoryStore()
        self.configs = write_configs(folder / "configs")
        (self.configs / "pipelines" / "warehouse.py").write_text(FUNCTIONS)
        (self.configs / "pipelines" / "guide.md").write_text("# Guide\n\nThe brand's colour is teal.\n")

    def settings(self, **variables: str) -> Settings:
        return load_settings(
            "local", {"ASSETMILL_HOME": str(self.home), "ASSETMILL_CONFIGS": str(self.configs), **variables}
        )

    def run(self, text: str, **variables: str) -> RunManifest:
        (self.configs / "pipelines" / "p.yaml").write_text("name: p\n" + textwrap.dedent(text))
        services = Services(self.settings(**variables), self.backend, connect)
        try:
            return run_here(services, "p")
        finally:
            services.gateway.close()

    def record(self, text: str, stage: int = 0) -> StageRecord:
        manifest = self.run(text)
        assert [entry.error for entry in manifest.stages if entry.error] == []
        record = manifest.stages[stage].record
        assert record is not None
        return record


@pytest.fixture
def mill(home: Path, tmp_path: Path) -> Iterator[Mill]:
    made = Mill(home, tmp_path)
    with closing(made.backend):
        yield made


def test_a_function_of_ours_answers_the_agent(mill: Mill) -> None:
    record = mill.record("""
        stages:
          - name: ask
            prompt: What is the stock count of the article "teal mug"?
            tools: [{type: function, function: "warehouse:stock_count"}]
        """)
    assert record.turns == 2
    assert "42" in record.text
    assert len(record.made_by) == 2


def test_a_structured_answer_is_data_for_the_stage_after(mill: Mill) -> None:
    text = """
        stages:
          - name: brief
            prompt: 'Plan a poster: its title is "Harbour Lights" and its colour is teal.'
            schema:
              type: object
              properties: {title: {type: string}, colour: {type: string}}
              required: [title, colour]
              additionalProperties: false
          - name: after
            prompt: "Say: {{ stages.brief.data.title }}."
        """
    brief = mill.record(text)
    assert set(brief.data or {}) == {"title", "colour"}
    after = mill.record(text, stage=1)
    assert (brief.data or {})["title"] in after.deciding["prompt"]


def test_picture_code_search_and_function_work_in_one_stage(mill: Mill) -> None:
    (mill.configs / "pipelines" / "sales.csv").write_text("month,mugs\nJanuary,23\nFebruary,47\nMarch,82\n")
    record = mill.record("""
        knowledge: {guide: guide.md}
        stages:
          - name: all
            prompt: |
              What is the stock count of the article "teal mug"? Search the guide for the brand's colour
              and draw a picture of a mug in it, as a flat illustration. Then use Python to create a bar
              chart of mugs by month from sales.csv, and save it as chart.png.
            tools:
              - type: function
                function: "warehouse:stock_count"
              - type: file_search
              - type: image_generation
                quality: low
                partial_images: 2
              - code_interpreter
            inputs: [{file: sales.csv}]
            outputs:
              - {name: mug.png, size: 1024x1024, pattern: "image-*"}
              - {kind: chart, name: chart.png, pattern: chart.png}
        """)
    assert [(a.name, a.kind) for a in record.outputs if a.role == "output"] == [
        ("mug.png", "picture"),
        ("chart.png", "chart"),
    ]
    usage = record.usage
    assert (record.turns, usage.images, usage.code_sessions, usage.file_searches) == (2, 1, 1, 1)
    replies = mill.backend.get(next(iter(mill.backend.list("v1/y/"))).key)
    assert b'\\"count\\":42' in replies


def test_a_picture_is_edited_within_its_mask(mill: Mill) -> None:
    mask = Image.new("RGBA", (1024, 1024), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 512, 1024))
    mask.save(mill.configs / "pipelines" / "mask.png")
    text = """
        stages:
          - name: first
            prompt: Draw a red circle on white, flat.
            tools: [{type: image_generation, quality: low}]
            outputs: [{name: first.png}]
          - name: second
            prompt: "Edit the picture: make it blue."
            tools: [{type: image_generation, quality: low, action: edit}]
            inputs: [{from: first}, {file: mask.png, as: mask}]
            outputs: [{name: second.png}]
        """
    first, second = mill.record(text), mill.record(text, stage=1)
    assert second.outputs[0].derived_from == (first.outputs[0].asset_id,)
    blobs = Blobs(mill.backend)
    pictures = [Image.open(io.BytesIO(blobs.get(r.outputs[0].blob))).convert("RGB") for r in (first, second)]
    difference = ImageChops.difference(*pictures).convert("L")
    inside, outside = (difference.crop((left, 0, left + 500, 1024)) for left in (0, 524))
    assert ImageStat.Stat(outside).mean[0] < 4
    assert ImageStat.Stat(inside).extrema[0][1] > 20


def test_a_server_is_asked_once_a_person_has_approved(mill: Mill) -> None:
    with mcp_server() as (url, seen):
        text = f"""
            stages:
              - name: ask
                prompt: Search the docs server for lamps.
                tools:
                  - type: mcp
                    server_label: docs
                    server_url: {url}
                    require_approval: always
                    headers_from: docs
            """
        with_headers = (mill.configs / "profiles").resolve() / "local.toml"
        (mill.configs / "profiles").unlink()
        (mill.configs / "profiles").mkdir()
        profile = with_headers.read_text() + '\n[mcp.docs.headers]\nX-Key = "env:DOCS_KEY"\n'
        (mill.configs / "profiles" / "local.toml").write_text(profile)
        manifest = mill.run(text, DOCS_KEY="canary-71")
        assert manifest.stages[0].status == "waiting"
        assert f"assetmill approve {manifest.run_id} ask" in (manifest.stages[0].error or "")
        assert seen == {"tools/list": "canary-71"}
        services = Services(mill.settings(), mill.backend, connect)
        decide(services.ledger, manifest.run_id, "ask", is_granted=True)
        manifest = mill.run(text, DOCS_KEY="canary-71")
    record = manifest.stages[0].record
    assert record is not None
    assert (record.attempt, record.turns) == (1, 2)
    assert "A lamp is a light" in record.text
    assert seen["tools/call"] == "canary-71"
    kept = b"".join(_unpacked(mill.backend.get(entry.key)) for entry in mill.backend.list("v1/"))
    assert b"A lamp is a light" in kept
    assert b"canary-71" not in kept


@pytest.mark.skipif(bool(missing_browser()), reason=missing_browser() or "there is a browser to try it with")
def test_a_browser_is_worked_in_through_the_service(mill: Mill) -> None:
    with site() as pages:
        record = mill.record(f"""
            stages:
              - name: look
                prompt: Search for "lamps" on the page and press enter.
                tools:
                  - type: computer_use
                    start_url: {pages.url()}/start
                    allowed_hosts: 127.0.0.1
                    display_width: 400
                    display_height: 320
            """)
        assert "/start" in pages.seen_by("127.0.0.1")
        assert pages.seen_by("localhost") == set()
    assert record.turns >= 3
    assert {asset.role for asset in record.outputs} == {"screenshot"}
    assert len(record.outputs) == record.turns - 1


@pytest.mark.parametrize(
    ("fault", "scope"), [("moderation_input", "prompt"), ("moderation_output", "output")]
)
def test_a_refusal_says_at_which_stage_and_why(mill: Mill, fault: str, scope: str) -> None:
    ready = read_ready_file(mill.home / "emulator" / "ready.json")
    token = json.loads((mill.home / "emulator" / "ready.json").read_text())["token"]
    plan = {"faults": [{"op": "responses.create", "fault": fault}]}
    headers = {"Authorization": f"Bearer {token}"}
    httpx2.post(f"{ready.control}/faults", json=plan, headers=headers).raise_for_status()
    manifest = mill.run(f"""
        stages:
          - name: s
            prompt: Draw a flat mug for {fault}.
            tools: [{{type: image_generation, quality: low}}]
        """)
    error = manifest.stages[0].error or ""
    assert manifest.stages[0].status == "failed"
    assert f"moderation refused the {scope}" in error


@contextmanager
def mcp_server() -> Generator[tuple[str, dict[str, str]]]:
    """A server with one tool; it notes the key that each request brings."""
    seen: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if message["method"].startswith("tools/"):
                seen[message["method"]] = self.headers.get("X-Key", "")
            schema = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
            tool = {"name": "search_docs", "description": "Search the docs", "inputSchema": schema}
            result: dict[str, Any] = {
                "tools/list": {"tools": [tool]},
                "tools/call": {"content": [{"type": "text", "text": "A lamp is a light."}]},
            }.get(message["method"], {})
            body = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": result}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/mcp", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _unpacked(data: bytes) -> bytes:
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
