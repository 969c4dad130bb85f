"""A running emulator with scripted rules, emptied before each test, and clients for it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest
from foundry_emulator.server import Ready, running
from foundry_emulator.testing.calls import Control, Raw
from foundry_emulator.testing.ids import pytest_make_parametrize_id
from foundry_emulator.testing.scripted import toolbox
from hypothesis import HealthCheck, settings

__all__ = ["pytest_make_parametrize_id"]

# How fast examples are made says something of the machine, nothing of the code.
settings.register_profile("emulator", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("emulator")


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    with running(tmp_path_factory.mktemp("emulator"), toolbox=toolbox()) as ready:
        yield ready


@pytest.fixture(scope="session")
def http(ready: Ready) -> Iterator[httpx2.Client]:
    context = ssl.create_default_context(cafile=ready.ca)
    with httpx2.Client(verify=context, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def token(ready: Ready, http: httpx2.Client) -> str:
    headers = {"X-IDENTITY-HEADER": ready.identity_header}
    params = {"resource": "https://ai.azure.com"}
    return str(http.get(ready.identity_endpoint, params=params, headers=headers).json()["access_token"])


@pytest.fixture
def control(ready: Ready, http: httpx2.Client) -> Control:
    control = Control(http, ready.control, ready.token)
    control.post("reset")
    return control


@pytest.fixture
def raw(ready: Ready, http: httpx2.Client, token: str, control: Control) -> Raw:
    del control
    return Raw(http, ready.endpoint, token)


@pytest.fixture
def client(ready: Ready, http: httpx2.Client, token: str, control: Control) -> openai.OpenAI:
    del control
    return openai.OpenAI(
        base_url=f"{ready.endpoint}/openai/v1",
        api_key=token,
        http_client=http,
        max_retries=0,
        default_headers={"x-ms-oai-image-generation-deployment": "gpt-image-1.5"},
    )


@pytest.fixture
def state_dir(ready: Ready) -> Path:
    return Path(ready.ca).parent.parent
