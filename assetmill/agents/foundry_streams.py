"""The streams of responses: watched as they come, attached again where they were cut, read once more.

Whatever asks for a stream here is a GET, which spends nothing. A refusal, a line that is cut again, a replay
that brings nothing new: each leads back to asking for the response, as if there had been no stream.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import openai

from assetmill.agents.foundry_errors import from_event, translated
from assetmill.agents.foundry_wire import body_of, rates_of, read_body
from assetmill.agents.gateway import Json, Response, ResponseRequest
from assetmill.agents.streaming import WatchedStream, as_map
from assetmill.errors import NotSent, OutcomeUnknown, ServiceError


@dataclass(frozen=True)
class _OpenStream:
    """A stream whose response is known, as far as it was read."""

    events: Iterator[Json]
    last: int | None
    may_reattach: bool


class ResponseStreams:
    """The streams that this process has opened. Each is followed by one thread."""

    def __init__(self, reading: openai.OpenAI) -> None:
        self._reading = reading
        self._open: dict[str, _OpenStream] = {}

    def begin(
        self, stream: openai.Stream[Any], request: ResponseRequest, on_created: Callable[[str], None]
    ) -> Response:
        """Read a posted stream until it names its response.

        Raises:
            ServiceError: it ended, or told of an error, before that.
        """
        events = (body_of(event) for event in stream)
        for event in events:
            body = as_map(event.get("response"))
            if body.get("id"):
                response = read_body(body)
                on_created(response.response_id)
                opened = _OpenStream(events, sequence_of(event), request.may_reattach)
                self._open[response.response_id] = opened
                return replace(response, rates=rates_of(stream.response.headers))
            if event.get("type") == "error":
                raise from_event(event)
        raise OutcomeUnknown("the stream ended before it named its response")

    def watch(self, response_id: str, watched: WatchedStream, until: float) -> bool | None:
        """Watch an open stream to its end; where it was cut, attach to it again as long as that helps.

        Returns whether the endpoint let a cut stream be attached to, None when that was not tried or says
        nothing. No stream is attached to after `until`, by the monotonic clock.
        """
        opened = self._open.pop(response_id, None)
        if opened is None:
            return None
        watched.last = opened.last
        read_events(opened.events, watched)
        verdict: bool | None = None
        while opened.may_reattach and not watched.is_over and time.monotonic() < until:
            seen = watched.last
            if seen is None:
                break  # a stream without numbers cannot be asked for what follows
            refusal = self._attach(response_id, seen, watched)
            if refusal is not None:
                # What did not arrive says nothing of the endpoint.
                return verdict if isinstance(refusal, NotSent) else False
            if watched.last == seen and not watched.is_over:
                break
            verdict = True
        return verdict

    def _attach(self, response_id: str, after: int, watched: WatchedStream) -> ServiceError | None:
        """Read what follows an event; returns why that was refused."""
        try:
            read_events(self._events(response_id, after), watched)
        except ServiceError as refusal:
            return refusal
        return None

    def replay(self, response_id: str) -> WatchedStream:
        """Read a response's stream once more from its beginning.

        Raises:
            ServiceError: the service does not replay it.
        """
        watched = WatchedStream()
        read_events(self._events(response_id, 0), watched)
        return watched

    def _events(self, response_id: str, after: int) -> Iterator[Json]:
        with translated():
            stream = self._reading.responses.retrieve(response_id, stream=True, starting_after=after)
        return (body_of(event) for event in stream)


def sequence_of(event: Json) -> int | None:
    """Return an event's number in its response's stream."""
    number = event.get("sequence_number")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def read_events(events: Iterable[Json], watched: WatchedStream) -> None:
    """Read a stream to its end. Its end proves nothing: the caller asks for the state."""
    try:
        for event in events:
            watched.take(event, sequence_of(event))
    except openai.APIError as error:
        # Cut, or an `error` event, whose words the service may show nowhere else.
        watched.error = as_map(error.body) or watched.error
    except json.JSONDecodeError:
        return  # a line that is no JSON is a stream cut short: only a view is lost
