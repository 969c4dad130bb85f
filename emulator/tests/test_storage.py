"""Files, vector stores and containers: what they hold, and that they end."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import httpx2
import openai
import pytest
from foundry_emulator.testing.calls import Control, Raw
from foundry_emulator.testing.scripted import PICTURE_URL

HOUR_S = 3600
CODE: Any = {"type": "code_interpreter", "container": {"type": "auto"}}


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..\\x", "a\x00b", "a/b/c.txt", "x" * 500, "\uff0e\uff0e\uff0fe", "con.png"]
)
def test_hostile_file_names_stay_names(raw: Raw, name: str) -> None:
    file_id = raw.upload(name, b"data")
    stored = raw.ok("GET", f"openai/v1/files/{file_id}")["filename"]
    assert stored
    assert not set(stored) & set("/\\\x00")
    assert len(stored) <= 200
    container = raw.ok("POST", "openai/v1/containers", {"name": "c", "file_ids": [file_id]})
    (file,) = raw.ok("GET", f"openai/v1/containers/{container['id']}/files")["data"]
    assert file["path"].startswith("/mnt/data/")
    assert "/" not in file["path"].removeprefix("/mnt/data/")


def test_files_keep_their_bytes_and_expire_when_told(
    client: openai.OpenAI, raw: Raw, control: Control
) -> None:
    data = bytes(range(256)) * 10
    file = client.files.create(
        file=("a.bin", data), purpose="user_data", expires_after={"anchor": "created_at", "seconds": HOUR_S}
    )
    assert client.files.content(file.id).read() == data
    assert file.expires_at == file.created_at + HOUR_S
    control.post("clock", {"advance_s": HOUR_S + 1})
    assert raw.call("GET", f"openai/v1/files/{file.id}").status_code == 404
    assert raw.ok("GET", "openai/v1/files")["data"] == []


def test_azure_takes_pictures_for_assistants_alone(raw: Raw, control: Control) -> None:
    form: Any = {"data": {"purpose": "user_data"}, "files": {"file": ("a.png", b"x")}}
    address = f"{raw.endpoint}/openai/v1/files"
    assert raw.http.post(address, headers=raw.headers, **form).status_code == 400
    assert raw.upload("a.jsonl", b"{}", purpose="user_data")
    control.post("settings", {"flavour": "openai"})
    assert raw.http.post(address, headers=raw.headers, **form).status_code == 200


def test_lists_are_paged_by_the_sdk(client: openai.OpenAI, raw: Raw) -> None:
    made = [raw.upload(f"{number}.txt", b"x") for number in range(5)]
    assert [file.id for file in client.files.list(limit=2, order="asc")] == made
    assert [file.id for file in client.files.list(limit=2)] == made[::-1]
    assert raw.call("GET", "openai/v1/files?limit=0").status_code == 400


def test_a_csv_cannot_be_searched_but_can_be_computed_on(raw: Raw) -> None:
    file_id = raw.upload("a.csv", b"1,2")
    store = raw.ok("POST", "openai/v1/vector_stores", {"name": "s"})["id"]
    refused = raw.call("POST", f"openai/v1/vector_stores/{store}/files", {"file_id": file_id})
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["param"]) == (400, "unsupported_file", "file_id")
    assert ".csv" in error["message"]
    tool = {"type": "code_interpreter", "container": {"type": "auto", "file_ids": [file_id]}}
    assert raw.respond("code", tools=[tool])["status"] == "completed"


def test_a_file_is_in_progress_before_it_can_be_found(raw: Raw, control: Control) -> None:
    control.post("settings", {"file_processing_s": 0.3})
    file_id = raw.upload("a.md", b"Our colours are teal and coral.")
    store = raw.ok("POST", "openai/v1/vector_stores", {"name": "s", "file_ids": [file_id]})
    assert (store["status"], store["file_counts"]["in_progress"]) == ("in_progress", 1)
    assert raw.ok("POST", f"openai/v1/vector_stores/{store['id']}/search", {"query": "teal"})["data"] == []


def test_unreadable_files_fail_with_a_reason(raw: Raw) -> None:
    store = raw.store_with("a.pdf", b"this is no pdf")
    (file,) = raw.ok("GET", f"openai/v1/vector_stores/{store}/files")["data"]
    assert (file["status"], file["last_error"]["code"]) == ("failed", "invalid_file")


def test_searches_respect_attributes(raw: Raw) -> None:
    store = raw.store_with("a.md", b"teal is the colour")
    (file,) = raw.ok("GET", f"openai/v1/vector_stores/{store}/files")["data"]
    raw.ok("POST", f"openai/v1/vector_stores/{store}/files/{file['id']}", {"attributes": {"lang": "en"}})
    for lang, found in (("en", 1), ("de", 0)):
        filters = {"type": "eq", "key": "lang", "value": lang}
        body = {"query": "teal", "filters": filters}
        assert len(raw.ok("POST", f"openai/v1/vector_stores/{store}/search", body)["data"]) == found


def test_an_expired_vector_store_answers_no_search(raw: Raw, control: Control) -> None:
    store = raw.store_with("a.md", b"teal")
    control.post("expire/vector-stores")
    assert raw.ok("GET", f"openai/v1/vector_stores/{store}")["status"] == "expired"
    tool = {"type": "file_search", "vector_store_ids": [store]}
    refused = raw.call(
        "POST", "openai/v1/responses", {"model": "gpt-4.1", "input": "search", "tools": [tool]}
    )
    assert refused.status_code == 404


def test_a_chain_of_responses_shares_one_container(client: openai.OpenAI, control: Control) -> None:
    first = client.responses.create(model="gpt-4.1", input="code:first", tools=[CODE])
    second = client.responses.create(
        model="gpt-4.1", input="code:second", tools=[CODE], previous_response_id=first.id
    )
    containers = {item.to_dict()["container_id"] for item in (first.output[0], second.output[0])}
    assert len(containers) == 1
    (file,) = client.containers.files.list(str(containers.pop()))
    assert (
        client.containers.files.content.retrieve(file.id, container_id=file.container_id).read() == b"second"
    )
    kinds = [line["kind"] for line in control.bill()]
    assert kinds.count("code_interpreter_session") == 1


def test_an_idle_container_is_gone_for_good(raw: Raw, control: Control) -> None:
    body = raw.respond("code", tools=[CODE])
    container = body["output"][0]["container_id"]
    citation = body["output"][1]["content"][0]["annotations"][0]
    path = f"openai/v1/containers/{container}/files/{citation['file_id']}/content"
    control.post("clock", {"advance_s": 19 * 60})
    assert raw.call("GET", path).content == b"print(1)"
    control.post("clock", {"advance_s": 19 * 60})
    assert raw.call("GET", path).status_code == 200
    control.post("clock", {"advance_s": 21 * 60})
    gone = raw.call("GET", path)
    error = {"message": "Container is expired.", "type": "invalid_request_error", "param": None, "code": None}
    assert (gone.status_code, gone.json()["error"]) == (400, error)
    again_words = {"model": "gpt-4.1", "input": "code", "previous_response_id": body["id"], "tools": [CODE]}
    refused = raw.call("POST", "openai/v1/responses", again_words)
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, "Container is expired.")
    control.post("settings", {"replace_expired_containers": True})
    again = raw.respond("code", tools=[CODE], previous_response_id=body["id"])
    assert again["output"][0]["container_id"] != container


def test_files_go_into_and_out_of_a_container(client: openai.OpenAI) -> None:
    container = client.containers.create(name="c", expires_after={"anchor": "last_active_at", "minutes": 5})
    made = client.containers.files.create(container.id, file=("a.txt", b"one"))
    again = client.containers.files.create(container.id, file=("a.txt", b"two"))
    assert (made.id, made.path) == (again.id, "/mnt/data/a.txt")
    assert client.containers.files.content.retrieve(made.id, container_id=container.id).read() == b"two"
    client.containers.files.delete(made.id, container_id=container.id)
    client.containers.delete(container.id)
    with pytest.raises(openai.NotFoundError):
        client.containers.retrieve(container.id)


def test_a_link_left_in_a_container_is_never_written_through(
    client: openai.OpenAI, state_dir: Any, tmp_path: Any
) -> None:
    container = client.containers.create(name="c")
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (state_dir / "containers" / container.id / "a.txt").symlink_to(victim)
    client.containers.files.create(container.id, file=("a.txt", b"evil"))
    assert victim.read_text() == "untouched"


def test_responses_are_forgotten_after_thirty_days(raw: Raw, control: Control) -> None:
    body = raw.respond("say:x")
    control.post("clock", {"advance_s": 31 * 24 * HOUR_S})
    assert raw.call("GET", f"openai/v1/responses/{body['id']}").status_code == 404


def test_quotas_refuse_with_the_time_to_wait(raw: Raw, control: Control) -> None:
    control.post(
        "settings", {"quota": {"gpt-image-1.5": {"images_per_minute": 2}, "*": {"requests_per_minute": 9}}}
    )
    request = {"model": "gpt-4.1", "input": "draw", "tools": [{"type": "image_generation"}]}
    first = raw.call("POST", "openai/v1/responses", request)
    assert first.headers["x-ratelimit-remaining-images"] == "1"
    assert first.headers["x-ratelimit-limit-requests"] == "9"
    raw.call("POST", "openai/v1/responses", request)
    refused = raw.call("POST", "openai/v1/responses", request)
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")
    assert 50 <= int(refused.headers["retry-after"]) <= 60
    assert len([line for line in control.bill() if line["kind"] == "image"]) == 2
    control.post("clock", {"advance_s": 61})
    assert raw.call("POST", "openai/v1/responses", request).status_code == 200


def test_a_refusal_takes_nothing_and_says_when_enough_is_free(raw: Raw, control: Control) -> None:
    limits = {
        "gpt-4.1": {"tokens_per_minute": 100, "requests_per_minute": 9},
        "gpt-image-1.5": {"images_per_minute": 1},
    }
    control.post("settings", {"quota": limits})
    picture = [{"type": "input_image", "image_url": PICTURE_URL}]

    def ask(words: str, tools: Sequence[object] = ()) -> httpx2.Response:
        content = [{"type": "input_text", "text": words}, *picture]
        body = {"model": "gpt-4.1", "input": [{"role": "user", "content": content}], "tools": list(tools)}
        return raw.call("POST", "openai/v1/responses", body)

    drawing = [{"type": "image_generation"}]
    assert ask("draw", drawing).headers["x-ratelimit-remaining-tokens"] == "99"
    for _ in range(3):
        assert ask("draw", drawing).status_code == 429
    control.post("clock", {"advance_s": 20})
    assert ask("say:" + "x" * 196).headers["x-ratelimit-remaining-tokens"] == "49"
    control.post("clock", {"advance_s": 20})
    # The first token leaves the window in 20 s, which is not enough; the next fifty leave it in 40 s.
    refused = ask("say:" + "x" * 236)
    assert (refused.status_code, refused.headers["x-ratelimit-remaining-tokens"]) == (429, "49")
    assert 38 <= int(refused.headers["retry-after"]) <= 40


def test_a_model_is_retired_on_its_day_by_the_emulators_clock(raw: Raw, control: Control) -> None:
    tomorrow = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
    control.post("settings", {"retired": {"gpt-4.1": str(tomorrow), "gpt-image-1.5": str(tomorrow)}})
    assert raw.call("POST", "openai/v1/responses", {"model": "gpt-4.1", "input": "say:x"}).status_code == 200
    control.post("clock", {"advance_s": 24 * HOUR_S})
    gone = raw.call("POST", "openai/v1/responses", {"model": "gpt-4.1", "input": "say:x"})
    assert (gone.status_code, gone.json()["error"]["message"]) == (
        410,
        "The model of the deployment 'gpt-4.1' has been retired.",
    )
    draw = {"model": "gpt-4o", "input": "draw", "tools": [{"type": "image_generation"}]}
    assert raw.call("POST", "openai/v1/responses", draw).status_code == 410
    control.post("settings", {"flavour": "openai"})
    told = raw.call("POST", "openai/v1/responses", {"model": "gpt-4.1", "input": "say:x"})
    assert (told.status_code, told.json()["error"]["code"]) == (404, "model_not_found")
    assert [line["model"] for line in control.bill() if line["kind"] == "tokens"] == ["gpt-4.1"]
    with pytest.raises(AssertionError, match="Setting 'retired' cannot be"):
        control.post("settings", {"retired": {"gpt-4.1": "soon"}})


def test_an_upload_for_fine_tuning_is_pending_and_then_processed(client: openai.OpenAI) -> None:
    """The SDK's own wait must come to an end."""
    made = client.files.create(file=("lines.jsonl", b"{}\n"), purpose="fine-tune")
    assert made.status == "pending"
    assert client.files.wait_for_processing(made.id, poll_interval=0.01).status == "processed"
