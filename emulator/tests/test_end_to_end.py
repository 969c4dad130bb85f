"""The real rules and tools behind the vendor's unmodified SDK: one pass through everything."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from azure.ai.projects import AIProjectClient
from azure.ai.projects.models import ImageGenTool, PromptAgentDefinition
from azure.identity import DefaultAzureCredential
from foundry_emulator.server import Ready, running
from openai import OpenAI
from PIL import Image

pytestmark = pytest.mark.server
HEADERS = {"x-ms-oai-image-generation-deployment": "gpt-image-1.5"}
REFERENCE: Any = {"agent_reference": {"type": "agent_reference", "name": "painter"}}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    with running(tmp_path_factory.mktemp("real")) as ready:
        yield ready


@pytest.fixture
def project(real: Ready, monkeypatch: pytest.MonkeyPatch) -> Iterator[AIProjectClient]:
    for name, value in real.environment().items():
        monkeypatch.setenv(name, value)
    with (
        DefaultAzureCredential() as credential,
        AIProjectClient(endpoint=real.endpoint, credential=credential) as project,
    ):
        yield project


@pytest.fixture
def service(project: AIProjectClient) -> Iterator[OpenAI]:
    with project.get_openai_client(max_retries=0) as service:
        yield service


def picture_in(response: Any) -> Image.Image:
    (call,) = [item for item in response.output if item.type == "image_generation_call"]
    return Image.open(io.BytesIO(base64.b64decode(call.result, validate=True)))


def test_an_agent_draws_and_then_edits_its_picture(project: AIProjectClient, service: OpenAI) -> None:
    tool = ImageGenTool(model="gpt-image-1.5", quality="low", size="1536x1024", output_format="webp")
    definition = PromptAgentDefinition(model="gpt-4.1", instructions="Draw what is asked.", tools=[tool])
    project.agents.create_version("painter", definition=definition)
    conversation = service.conversations.create()
    drawn = service.responses.create(
        conversation=conversation.id,
        input="Draw a red lighthouse on a cliff at night",
        extra_body=REFERENCE,
        extra_headers=HEADERS,
    )
    first = picture_in(drawn)
    assert (first.format, first.size) == ("WEBP", (1536, 1024))
    edited = service.responses.create(
        conversation=conversation.id,
        input="Edit the picture: make the sky green",
        extra_body=REFERENCE,
        extra_headers=HEADERS,
    )
    assert picture_in(edited).tobytes() != first.tobytes()


def test_a_file_is_found_and_cited(service: OpenAI) -> None:
    store = service.vector_stores.create(name="brand")
    file = service.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("brand.md", b"# Brand\n\nThe brand colours are teal and coral.")
    )
    assert file.status == "completed"
    response = service.responses.create(
        model="gpt-4.1",
        input="What are the brand colours?",
        tools=[{"type": "file_search", "vector_store_ids": [store.id]}],
    )
    message: Any = response.output[-1]
    assert "teal" in response.output_text
    assert [note.filename for note in message.content[0].annotations] == ["brand.md"]


def test_code_charts_an_upload_and_the_chart_can_be_fetched(service: OpenAI, real: Ready) -> None:
    del real
    table = b"SECTOR,OPERATING PROFIT\nTRANSPORTATION,4\nENERGY,9\n"
    file = service.files.create(purpose="assistants", file=("profits.csv", table))
    response = service.responses.create(
        model="gpt-4.1",
        input="Create a bar chart of operating profit by sector from the uploaded CSV and save it as a PNG",
        tools=[{"type": "code_interpreter", "container": {"type": "auto", "file_ids": [file.id]}}],
    )
    call: Any = response.output[0]
    if call.status == "failed":
        pytest.skip("no sandbox holds on this machine")
    message: Any = response.output[-1]
    notes = [note for note in message.content[0].annotations if note.type == "container_file_citation"]
    assert notes
    chart = service.containers.files.content.retrieve(
        file_id=notes[-1].file_id, container_id=notes[-1].container_id
    ).read()
    assert Image.open(io.BytesIO(chart)).format == "PNG"


def test_the_state_of_the_server_is_private(real: Ready) -> None:
    state = Path(real.ca).parent.parent
    assert state.stat().st_mode & 0o077 == 0


def test_an_unknown_subject_is_noted_beside_the_wire_with_its_response(real: Ready, service: OpenAI) -> None:
    tool: Any = {"type": "image_generation", "quality": "low"}
    response = service.responses.create(
        model="gpt-4.1", input="Draw a zorblax", tools=[tool], extra_headers=HEADERS
    )
    with httpx2.Client(trust_env=False) as http:
        headers = {"Authorization": f"Bearer {real.token}"}
        notes = http.get(f"{real.control}/notes", headers=headers).json()["notes"]
    assert {"kind": "unknown_subject", "name": "zorblax", "response_id": response.id} in notes
