"""Every field of what the service sends, in turn null, missing, of another type, unknown or too much.

The outcome is always typed, and whatever picture can be read from what came is in the store.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from assetmill.agents.gateway import Response, ResponseRequest
from assetmill.agents.listing import Listing
from assetmill.agents.outputs import read_response, read_usage, without_pictures
from assetmill.agents.streaming import WatchedStream, decoded, pictures_of
from assetmill.agents.wording import read_wording
from assetmill.errors import AssetmillError, HandleExpired
from assetmill.fingerprint import digest
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from tests.assetmill.agents.wire import Wire, body, events, page_of_a_proxy, request
from tests.assetmill.agents.workshop import Shop
from tests.doubles import Body, ScriptedGateway, png, stage_call

Path = tuple[str | int, ...]
FIRST, SECOND = png(10, 10), png(11, 11)
WRONG: tuple[object, ...] = (None, 7, -1, 1.5, True, "", "unknown", [], {}, [None], [[1]], {"a": {"b": 1}})
GONE = object()


def whole() -> Body:
    """A finished response with all that may be in one."""
    from tests.doubles import image_item

    note = {
        "type": "container_file_citation",
        "container_id": "cntr_1",
        "file_id": "cfile_1",
        "filename": "a.csv",
        "start_index": 0,
        "end_index": 0,
    }
    text = {"type": "output_text", "text": "done", "annotations": [note], "logprobs": []}
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "background": True,
        "created_at": 1_770_000_000,
        "completed_at": 1_770_000_009,
        "error": None,
        "incomplete_details": None,
        "conversation": {"id": "conv_1"},
        "agent_reference": {"type": "agent_reference", "name": "assetmill-poster", "version": "1"},
        "metadata": {"assetmill_turn": "1"},
        "model": "gpt-4.1-mini",
        "content_filters": [
            {
                "blocked": False,
                "source_type": "prompt",
                "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
            }
        ],
        "output": [
            {
                **image_item(FIRST, "ig_1"),
                "action": "generate",
                "size": "1024x1024",
                "output_format": "png",
            },
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {
                "type": "code_interpreter_call",
                "id": "ci_1",
                "status": "completed",
                "code": "x = 1",
                "container_id": "cntr_1",
                "outputs": None,
            },
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]},
            image_item(SECOND, "ig_2"),
        ],
        "tools": [{"type": "image_generation", "model": "gpt-image-1.5", "headers": {"key": "secret"}}],
        "usage": {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 20,
            "total_tokens": 120,
        },
        "tool_usage": {"image_gen": {"input_tokens": 5, "output_tokens": 272}},
    }


def failure() -> Body:
    """A response that went wrong, with every place at which a reason may be."""
    details = {"moderation_stage": "output", "categories": ["hate"]}
    return {
        "id": "resp_1",
        "status": "failed",
        "error": {
            "code": "content_filter",
            "message": "no",
            "innererror": {"code": "x", "content_filter_result": {"hate": {"filtered": True}}},
        },
        "incomplete_details": {"reason": "content_filter"},
        "content_filters": [
            {
                "blocked": True,
                "source_type": "completion",
                "content_filter_results": {"hate": {"filtered": True}},
            }
        ],
        "output": [
            {
                "type": "image_generation_call",
                "id": "ig_1",
                "status": "failed",
                "result": None,
                "error": {"code": "moderation_blocked", "message": "no", "moderation_details": details},
            },
            {"type": "message", "content": [{"type": "refusal", "refusal": "no"}]},
        ],
        "usage": None,
    }


def paths(value: object, at: Path = ()) -> Iterator[Path]:
    if at:
        yield at
    if isinstance(value, dict):
        for name, inner in cast(Body, value).items():
            yield from paths(inner, (*at, name))
    elif isinstance(value, list):
        for number, inner in enumerate(cast(list[object], value)):
            yield from paths(inner, (*at, number))


def changed(value: Any, at: Path, to: object) -> Body:
    """Return a body with one field replaced, or without it."""
    found = copy.deepcopy(value)
    holder: Any = found
    for step in at[:-1]:
        holder = holder[step]
    if to is GONE:
        del holder[at[-1]]
    else:
        holder[at[-1]] = to
    return found


FEW: tuple[object, ...] = (None, 7, "unknown", [], {})


def variants(value: Any, wrong: tuple[object, ...] = WRONG) -> Iterator[Body]:
    """Yield a body with each field changed in each way, and with something more in each object."""
    for at in paths(value):
        for to in (*wrong, GONE):
            yield changed(value, at, to)
        yield changed(value, (*at[:-1], f"{at[-1]}_new") if isinstance(at[-1], str) else at, {"new": 1})


ROOTS = {"whole": whole(), "failure": failure()}


@pytest.mark.parametrize("root", ROOTS)
def test_every_reading_of_every_change_is_typed(root: str) -> None:
    count = 0
    for made in variants(ROOTS[root]):
        produced = read_response(made)
        assert isinstance(produced.error, str)
        assert all(isinstance(image.call_id, str) for image in produced.images)
        assert read_usage(made).images >= 0
        assert b"secret" not in without_pictures(made, {})
        read_wording(made)
        listing = Listing("conv_1")
        listing.take({"data": [made], "has_more": False})
        count += 1
    assert count > 500


class Echoing(ScriptedGateway):
    """A service whose every response has one given body but for its ID and its marks."""

    made: Body

    def read_container_file(self, container_id: str, file_id: str) -> bytes:
        if file_id not in self.containers[container_id]:
            raise HandleExpired("no such file", "not_found", 404)
        return super().read_container_file(container_id, file_id)

    def accept(self, request: ResponseRequest) -> Response:
        found = super().accept(request)
        body = {**self.made}
        if isinstance(body.get("id"), str):
            body["id"] = found.response_id
        status = body.get("status")
        response = Response(found.response_id, status if isinstance(status, str) else "unknown", body)
        self._responses[found.response_id] = response
        return response


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("part", range(4))
def test_a_stage_ends_typed_and_keeps_every_picture_that_came(shop: Shop, root: str, part: int) -> None:
    gateway = Echoing()
    gateway.containers["cntr_1"]["cfile_1"] = ("a.csv", b"1,2\n")
    shop.gateway = gateway
    for number, made in enumerate(variants(ROOTS[root], FEW)):
        if number % 4 != part or made.get("status") not in ("completed", "failed"):
            continue
        gateway.made = made
        call = stage_call(prompt=f"{root} {number}", outputs=())
        services = shop.process()
        with contextlib.suppress(AssetmillError):
            run_stage(call, services, RunId("run-1"))
        came = {digest(data) for item in pictures_of(made) if (data := decoded(item.get("result")))}
        raw = services.ledger.read_raw(call.pipeline, call.fingerprint, 1, 1).decode()
        assert all(sha in raw for sha in came), (number, came)
        assert all(services.blobs.named(sha) for sha in came)


def stream() -> list[Body]:
    """The events of a stream that draws one picture."""
    item = whole()["output"][0]
    partial = {
        "item_id": "ig_1",
        "output_index": 0,
        "partial_image_index": 0,
        "partial_image_b64": "iVBORw0K",
    }
    return [
        {"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "status": "queued"}},
        {"type": "response.image_generation_call.partial_image", "sequence_number": 1, **partial},
        {"type": "response.output_item.done", "sequence_number": 2, "output_index": 0, "item": item},
        {"type": "error", "sequence_number": 3, "error": {"code": "x", "message": "y"}},
        {"type": "response.completed", "sequence_number": 4, "response": whole()},
    ]


def test_no_event_of_a_stream_is_one_too_many() -> None:
    for place, event in enumerate(stream()):
        for made in variants(event):
            told = [*stream()[:place], made, *stream()[place + 1 :]]
            watched = WatchedStream(lambda _: None)
            for one in told:
                watched.take(one)
            came = [item for item in pictures_of(whole())]
            if place != 4 or made.get("type") == "response.completed":
                assert watched.complete({"id": "resp_1", "status": "completed"})["id"] == "resp_1"
            if place not in (2, 4):
                assert len(watched.pictures) == len(came)


FREE: dict[str, tuple[str, str, Body, Callable[[Wire], object]]] = {
    "a conversation": (
        "POST",
        "/conversations",
        {"id": "conv_1", "object": "conversation", "created_at": 1, "metadata": {}},
        lambda wire: wire.gateway.create_conversation({}),
    ),
    "a file": (
        "POST",
        "/files",
        {"id": "assistant-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "a.png"},
        lambda wire: wire.gateway.upload_file("a.png", b"abc", "image/png"),
    ),
    "a container's list": (
        "GET",
        "/containers/cntr_1/files",
        {
            "object": "list",
            "has_more": False,
            "data": [{"id": "cfile_1", "path": "/mnt/data/a.csv", "bytes": 3, "source": "assistant"}],
        },
        lambda wire: wire.gateway.list_container_files("cntr_1"),
    ),
    "a vector store": (
        "GET",
        "/vector_stores/vs_1",
        {"id": "vs_1", "status": "completed", "file_counts": {"failed": 0, "in_progress": 0}},
        lambda wire: wire.gateway.has_vector_store("vs_1"),
    ),
    "a response": ("GET", "/responses/resp_1", whole(), lambda wire: wire.gateway.get_response("resp_1")),
    "a list": (
        "GET",
        "/responses",
        {"object": "list", "has_more": False, "data": [whole()]},
        lambda wire: wire.gateway.list_responses("conv_1"),
    ),
}


@pytest.mark.parametrize("name", FREE)
def test_every_free_call_ends_typed(wire: Wire, name: str) -> None:
    method, path, answer, ask = FREE[name]
    simple = (
        answer if name not in ("a response", "a list") else {**answer, "output": [], "data": [{"id": "a"}]}
    )
    others: list[Any] = [[], None, "text"]
    for made in [*variants(simple), *others]:
        wire.on(method, path, body(made))
        try:
            ask(wire)
        except AssetmillError:
            continue


def test_the_answer_to_a_post_ends_typed_and_is_sent_once(wire: Wire) -> None:
    simple: Body = {"id": "resp_1", "status": "queued", "background": True, "error": None, "output": []}
    answers = [body(made) for made in variants(simple)] + [page_of_a_proxy, events(*stream())]
    for number, answer in enumerate(answers, start=1):
        wire.on("POST", "/responses", answer)
        with contextlib.suppress(AssetmillError):
            wire.gateway.create_response(request(), lambda _: None)
        assert len(wire.requests) == number
