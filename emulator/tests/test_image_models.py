"""Image models that are called themselves: what is drawn, charged, refused by name, and lost."""

from __future__ import annotations

import base64
import io
import ssl
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from foundry_emulator.server import running
from foundry_emulator.testing.calls import Control, Raw
from PIL import Image

MAI = "mai/v1/images/generations"
EDITS = "mai/v1/images/edits"
FLUX = "providers/blackforestlabs/v1/flux-2-pro?api-version=preview"
ASKED = {"model": "MAI-Image-2.6", "prompt": "a teal mug", "width": 1248, "height": 832}
PRO, KONTEXT = (FLUX.replace("flux-2-pro", name) for name in ("flux-pro-1.1", "flux-kontext-pro"))
FLUX_11 = {"model": "FLUX-1.1-pro", "prompt": "a teal mug"}
REDRAWN = {"model": "FLUX.1-Kontext-pro", "prompt": "a teal mug"}
FLUX_ASKED = {"model": "FLUX.2-pro", "prompt": "a teal mug", "width": 1024, "height": 1024}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Raw, Control]]:
    """An emulator with the real painter: sizes count here. The service at the root of its resource."""
    with running(tmp_path_factory.mktemp("studio")) as ready:
        context = ssl.create_default_context(cafile=ready.ca)
        with httpx2.Client(verify=context, trust_env=False, timeout=20) as http:
            headers = {"X-IDENTITY-HEADER": ready.identity_header}
            token = http.get(ready.identity_endpoint, params={"resource": "x"}, headers=headers).json()
            root = ready.endpoint.partition("/api/")[0]
            yield (
                Raw(http, root, str(token["access_token"])),
                Control(http, ready.control, ready.token),
            )


@pytest.fixture
def control(studio: tuple[Raw, Control]) -> Control:
    studio[1].post("reset")
    return studio[1]


@pytest.fixture
def resource(studio: tuple[Raw, Control], control: Control) -> Raw:
    del control
    return studio[0]


@pytest.fixture
def service(resource: Raw, control: Control) -> tuple[Raw, Control]:
    return resource, control


def size_of(reply: dict[str, Any]) -> tuple[int, int]:
    (picture,) = reply["data"]
    return Image.open(io.BytesIO(base64.b64decode(picture["b64_json"]))).size


def png(wide: int, high: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (wide, high), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def error_of(answer: httpx2.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def test_a_mai_model_draws_one_picture_and_reports_its_tokens(resource: Raw, control: Control) -> None:
    reply = resource.ok("POST", MAI, ASKED)
    assert size_of(reply) == (1248, 832)
    assert set(reply) == {"created", "data", "model", "size", "usage"}
    assert (reply["model"], reply["size"]) == ("MAI-Image-2.6", "1248x832")
    assert reply["usage"]["num_output_tokens"] == 1014
    (charge,) = control.bill()
    tokens = 1014 * 38.0 + reply["usage"]["num_input_text_tokens"] * 5.0
    assert charge["usd"] == pytest.approx(tokens / 1_000_000)


def test_an_edit_takes_one_picture_and_chooses_its_size(resource: Raw) -> None:
    files = [("image", ("mug.png", png(553, 311), "image/png"))]
    words = {"model": "MAI-Image-2.6", "prompt": "edit: make it navy"}
    reply = resource.ok("POST", EDITS, data=words, files=files)
    assert reply["size"] == "1360x768"
    assert reply["usage"]["num_input_image_tokens"] > 0
    answer = resource.call("POST", EDITS, data={**words, "width": "1024"}, files=files)
    assert error_of(answer)[1:] == ("unknown_parameter", "Unknown parameter: 'width'.")
    answer = resource.call("POST", EDITS, data=words, files=files * 2)
    assert error_of(answer)[0] == 400


def test_flux_is_charged_by_the_megapixel(resource: Raw, control: Control) -> None:
    assert "usage" not in resource.ok("POST", FLUX, FLUX_ASKED)
    seen = base64.b64encode(png(640, 480)).decode()
    resource.ok("POST", FLUX, {**FLUX_ASKED, "width": 2048, "input_image": seen})
    assert [(charge["megapixels"], charge["usd"]) for charge in control.bill()] == [(1, 0.04), (2, 0.08)]


def test_older_flux_models_cost_the_same_for_any_size(resource: Raw, control: Control) -> None:
    resource.ok("POST", PRO, {**FLUX_11, "width": 1440, "height": 1440})
    assert size_of(resource.ok("POST", KONTEXT, {**REDRAWN, "aspect_ratio": "3:2"})) == (1248, 832)
    seen = base64.b64encode(png(640, 480)).decode()
    assert size_of(resource.ok("POST", KONTEXT, {**REDRAWN, "input_image": seen})) == (1184, 880)
    assert [charge["usd"] for charge in control.bill()] == [0.04, 0.04, 0.04]


@pytest.mark.parametrize(
    ("path", "body", "refused", "words"),
    [
        (MAI, {**ASKED, "width": 512}, (400, "unsupported_request_value"), "'width' must be at least 768"),
        (MAI, {**ASKED, "width": 2048, "height": 2048}, (400, "unsupported_request_value"), "2359296 pixels"),
        (MAI, {**ASKED, "size": "1024x1024"}, (400, "unknown_parameter"), "'size'"),
        (MAI, {**ASKED, "seed": 1}, (400, "unknown_parameter"), "'seed'"),
        (MAI, {**ASKED, "n": 1}, (400, "unknown_parameter"), "'n'"),
        (MAI, {**ASKED, "web_grounding": True}, (400, "operation_not_emulated"), "'web_grounding'"),
        (MAI, {**ASKED, "model": "FLUX.2-pro"}, (404, "DeploymentNotFound"), "FLUX.2-pro"),
        (MAI, {**ASKED, "model": "gpt-image-2"}, (404, "DeploymentNotFound"), "gpt-image-2"),
        (MAI, {**ASKED, "prompt": "gore and a severed head"}, (400, "content_filter"), "content management"),
        (FLUX, {**FLUX_ASKED, "quality": "high"}, (400, "unknown_parameter"), "'quality'"),
        (FLUX, {**FLUX_ASKED, "num_images": 2}, (400, "integer_above_max_value"), "'num_images'"),
        (FLUX, {**FLUX_ASKED, "width": 1000}, (400, "unsupported_request_value"), "divisible by 16"),
        (FLUX, {**FLUX_ASKED, "input_image": "@"}, (400, "invalid_value"), "no base64"),
        (FLUX.partition("?")[0], FLUX_ASKED, (400, "MissingApiVersionParameter"), "api-version"),
        (PRO, {**FLUX_11, "num_images": 1}, (400, "unknown_parameter"), "'num_images'"),
        (PRO, {**FLUX_11, "input_image": "eA=="}, (400, "unknown_parameter"), "'input_image'"),
        (PRO, {**FLUX_11, "width": 1040}, (400, "unsupported_request_value"), "divisible by 32"),
        (KONTEXT, {**REDRAWN, "width": 64}, (400, "unknown_parameter"), "'width'"),
        (KONTEXT, {**REDRAWN, "aspect_ratio": "22:9"}, (400, "invalid_value"), "between 21:9 and 9:21"),
        (KONTEXT, {**REDRAWN, "aspect_ratio": "wide"}, (400, "invalid_value"), "between 21:9 and 9:21"),
        (FLUX.replace("-pro", "-max"), FLUX_ASKED, (404, "DeploymentNotFound"), "FLUX.2-pro"),
    ],
)
def test_what_a_model_does_not_take_is_refused_by_name_and_free(
    service: tuple[Raw, Control], path: str, body: dict[str, Any], refused: tuple[int, str], words: str
) -> None:
    resource, control = service
    found = error_of(resource.call("POST", path, body))
    assert found[:2] == refused
    assert words in found[2]
    assert control.bill() == []


def test_a_question_about_a_route_draws_nothing(resource: Raw, control: Control) -> None:
    assert resource.call("GET", MAI).status_code == 405
    assert resource.call("GET", "mai/v2/images/generations").status_code == 404
    assert resource.call("POST", MAI, ASKED, headers={"Authorization": "Bearer x"}).status_code == 401
    assert control.bill() == []


def test_quota_and_retirement_are_the_deployments_own(resource: Raw, control: Control) -> None:
    control.post("settings", {"quota": {"MAI-Image-2.6": {"requests_per_minute": 1}}})
    resource.ok("POST", MAI, ASKED)
    answer = resource.call("POST", MAI, ASKED)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    control.post("settings", {"quota": {}, "retired": {"FLUX.2-pro": "2020-01-01"}})
    assert resource.call("POST", FLUX, FLUX_ASKED).status_code == 410


@pytest.mark.parametrize(
    ("fault", "charges"),
    [("drop_before", 0), ("error_before", 0), ("drop_after_accept", 1), ("error_after", 1), ("half_body", 1)],
)
def test_a_reply_may_be_lost_before_and_after_the_bill(
    resource: Raw, control: Control, fault: str, charges: int
) -> None:
    control.faults({"op": "image_models.*", "fault": fault})
    try:
        assert resource.call("POST", MAI, ASKED).status_code == 500
    except httpx2.TransportError:
        assert fault in {"drop_before", "drop_after_accept", "half_body"}
    assert len(control.bill()) == charges


def test_a_reply_may_drip_and_be_whole(resource: Raw, control: Control) -> None:
    control.faults({"op": "image_models.*", "fault": "drip", "delay_s": 0.001})
    assert size_of(resource.ok("POST", MAI, ASKED)) == (1248, 832)


@pytest.mark.parametrize("fault", ["moderation_output", "empty_result", "bad_base64", "truncated_picture"])
def test_a_picture_may_be_held_back_or_spoilt_and_is_charged(
    resource: Raw, control: Control, fault: str
) -> None:
    control.faults({"op": "image_models.*", "fault": fault})
    reply = resource.ok("POST", MAI, ASKED)
    assert len(control.bill()) == 1
    if fault == "empty_result":
        assert reply["data"] == []
    elif fault == "moderation_output":
        assert reply["data"][0]["content_filter_results"]["violence"]["filtered"] is True
    else:
        assert reply["data"][0]["b64_json"]
