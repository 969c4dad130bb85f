"""What becomes of a streamed response that nobody reads any more: ended, it stays; under way, it goes."""

from __future__ import annotations

from foundry_emulator.testing.calls import Control, Raw

RESPONSES = "openai/v1/responses"


def test_a_stream_that_was_read_to_its_end_can_be_read_again(raw: Raw, control: Control) -> None:
    del control
    # The server notices the end of a stream a moment before it has put the response away.
    for _ in range(20):
        last = raw.stream("say:hi")[-1]["response"]
        assert raw.ok("GET", f"{RESPONSES}/{last['id']}")["status"] == "completed"


def test_a_stream_that_was_left_cannot_be_read_again(raw: Raw, control: Control) -> None:
    control.post("settings", {"latency_s": 60.0})
    body = {"model": "gpt-4.1", "input": "say:hi", "stream": True}
    with raw.http.stream("POST", f"{raw.endpoint}/{RESPONSES}", json=body, headers=raw.headers) as stream:
        first = next(line for line in stream.iter_lines() if line.startswith("data: "))
    name = first.partition('"id":"')[2].partition('"')[0]
    while control.get("health")["running"]:
        pass
    assert raw.call("GET", f"{RESPONSES}/{name}").status_code == 404
