"""Replays exchanges one by one on an emulator of their own, and gathers what differs."""

from __future__ import annotations

import json
import ssl
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx2

from foundry_emulator.comparing.exchange import Exchange
from foundry_emulator.comparing.foreign_tools import without_foreign_tools
from foundry_emulator.comparing.pictures import file_content
from foundry_emulator.comparing.playing import Player, recorded_items, shows_picture
from foundry_emulator.comparing.sessions import Session, sessions, stands_alone
from foundry_emulator.comparing.shapes import LEFT_OUT, Difference, alike, by_type, differences, is_measured
from foundry_emulator.comparing.staging import Stage
from foundry_emulator.comparing.tool_server import tool_server
from foundry_emulator.comparing.verdicts import Accepted
from foundry_emulator.jsons import Json, as_object
from foundry_emulator.server import running
from foundry_emulator.testing.calls import IMAGE_HEADER, Control, Raw

_TIMEOUT_S = 30.0
_TRANSPORT_HEADERS = frozenset(
    {"date", "content-length", "connection", "transfer-encoding", "x-ms-client-request-id"}
)
_FREE_HEADERS = frozenset(
    {"x-ms-region", "x-ms-served-model", "x-ratelimit-key", "location", "content-disposition", "server"}
)
"""Headers that hold a name of the project's, of its place or of what is in it."""
_COUNTED_EVENTS = (".delta", "keepalive")


@dataclass(frozen=True)
class Finding:
    """A difference, in one exchange, with the reason for which it is accepted if it is."""

    exchange: str
    operation: str
    difference: Difference
    reason: str | None


@dataclass
class Comparison:
    """What came of replaying a folder."""

    exchanges: int = 0
    findings: list[Finding] = field(default_factory=list["Finding"])

    @property
    def new(self) -> list[Finding]:
        """Return what nobody has accepted."""
        return [finding for finding in self.findings if finding.reason is None]


def compare(exchanges: Sequence[Exchange], accepted: Sequence[Accepted]) -> Comparison:
    """Send every exchange again and compare the answers."""
    comparison = Comparison()
    parted = [without_foreign_tools(exchange) for exchange in exchanges]
    foreign = {exchange.name: kinds for exchange, kinds in parted}
    with _replayer() as replayer:
        for group in sessions([exchange for exchange, _ in parted]):
            going_on = [one for one in group if not stands_alone(one)]
            session = Session(group)
            if going_on:
                replayer.reset(going_on[0].flavour)
            answers = [(one, replayer.go_on(one, session)) for one in going_on]
            answers += [(one, replayer.replay(one)) for one in group if stands_alone(one)]
            for exchange, (operation, found) in answers:
                comparison.exchanges += 1
                lacking = [Difference(f"tools[{kind}]", "missing", kind) for kind in foreign[exchange.name]]
                for difference in sorted({*found, *lacking}):
                    reason = _reason(accepted, exchange, operation, difference)
                    comparison.findings.append(Finding(exchange.name, operation, difference, reason))
    return comparison


def _reason(
    accepted: Sequence[Accepted], exchange: Exchange, operation: str, found: Difference
) -> str | None:
    return next((one.reason for one in accepted if one.covers(exchange, operation, found)), None)


class Replayer:
    """An emulator whose rules play recordings, and plain HTTP towards it."""

    def __init__(self, http: httpx2.Client, raw: Raw, control: Control, player: Player) -> None:
        self._http, self._raw, self._control, self._player = http, raw, control, player

    def replay(self, exchange: Exchange) -> tuple[str, list[Difference]]:
        """Send one exchange again; returns the name of its operation and what differs."""
        self.reset(exchange.flavour)
        self._player.follow(recorded_items(exchange), sees=shows_picture(exchange))
        stage = Stage(self._raw, self._control, self._player, exchange)
        return self._answered(exchange, stage.prepared)[:2]

    def reset(self, flavour: str) -> None:
        """Begin with an empty project that speaks as the service did at a time."""
        self._control.post("reset")
        self._control.post("settings", {"flavour": flavour})

    def go_on(self, exchange: Exchange, session: Session) -> tuple[str, list[Difference]]:
        """Send the next exchange of a session; its answer teaches the IDs for those that follow."""
        self._player.follow(session.items(exchange), sees=shows_picture(exchange))
        self._settle(exchange, session)
        stage = Stage(self._raw, self._control, self._player, exchange, session.ids)
        operation, found, answer = self._answered(exchange, stage.continued)
        if answer is not None:
            told = _told(exchange, answer)
            session.learn([exchange.answer, list(exchange.events)], told)
            begun = as_object(told[0])
            if exchange.method == "POST" and begun.get("status") == "queued":
                # The rules are played by one player: what comes next must not be played to this response.
                self._raw.finished(str(begun["id"]))
        return operation, found

    def _settle(self, exchange: Exchange, session: Session) -> None:
        """Let what was begun come to its end before it is looked at, as it had when it was recorded."""
        if exchange.method != "GET":
            return
        for ours in session.ids.values():
            if ours.startswith("resp_") and self._raw.call("GET", f"openai/v1/responses/{ours}").is_success:
                self._raw.finished(ours)

    def _answered(
        self, exchange: Exchange, prepared: Callable[[], tuple[str, Any]]
    ) -> tuple[str, list[Difference], httpx2.Response | None]:
        try:
            path, body = prepared()
        except AssertionError as problem:
            return exchange.method, [Difference("staging", "missing", "", str(problem)[:200])], None
        answer = self._send(exchange, path, body)
        logged: list[Json] = self._control.get("requests")["requests"]
        operation = str(logged[-1]["operation"]) if logged else exchange.method
        return operation, list(_compared(exchange, answer)), answer

    def _send(self, exchange: Exchange, path: str, body: Any) -> httpx2.Response:
        url = self._raw.endpoint + path
        headers = {**self._raw.headers, **(IMAGE_HEADER if _draws(exchange) else {})}
        headers |= {
            name: value
            for name, value in exchange.request_headers.items()
            if name.lower().startswith("x-") and LEFT_OUT not in value
        }
        if isinstance(body, Mapping) and "multipart" in body:
            form = dict(cast("Mapping[str, Any]", body["multipart"]))
            file = form.pop("file", {})
            name = str(file.get("filename") or "file.txt").replace(LEFT_OUT, "name")
            files = {"file": (name, file_content(file))}
            return self._http.post(url, headers=headers, data=form, files=files)
        options: dict[str, Any] = {} if body is None else {"json": body}
        return self._http.request(exchange.method, url, headers=headers, **options)


def _draws(exchange: Exchange) -> bool:
    return "image_generation" in json.dumps([exchange.body, list(recorded_items(exchange))])


@contextmanager
def _replayer() -> Generator[Replayer]:
    with (
        tool_server() as tools,
        tempfile.TemporaryDirectory(prefix="compare-") as place,
        running(Path(place), toolbox=(player := Player(tools)).toolbox()) as ready,
    ):
        context = ssl.create_default_context(cafile=ready.ca)
        with httpx2.Client(verify=context, trust_env=False, timeout=_TIMEOUT_S) as http:
            params, wanted = (
                {"resource": "https://ai.azure.com"},
                {"X-IDENTITY-HEADER": ready.identity_header},
            )
            token = http.get(ready.identity_endpoint, params=params, headers=wanted).json()["access_token"]
            control = Control(http, ready.control, ready.token)
            yield Replayer(http, Raw(http, ready.endpoint, str(token)), control, player)


def _compared(exchange: Exchange, answer: httpx2.Response) -> Iterator[Difference]:
    if exchange.status and exchange.status != answer.status_code:
        yield Difference("status", "value", str(exchange.status), f"{answer.status_code} {answer.text[:90]}")
        return
    for name, value in exchange.headers.items():
        yield from _header(name, str(value), answer.headers)
    if exchange.events:
        yield from _streams(exchange, _events(answer.text))
    elif isinstance(exchange.answer, (dict, list)) and not is_measured(exchange.answer):
        try:
            here = answer.json()
        except ValueError:
            yield Difference("body", "kind", "JSON", answer.headers.get("content-type", "nothing"))
            return
        yield from differences(exchange.answer, here)


def _told(exchange: Exchange, answer: httpx2.Response) -> list[Any]:
    """Return our answer in the shape of a recorded one: its body and its events."""
    if exchange.events:
        return [None, _events(answer.text)]
    try:
        return [answer.json(), []]
    except ValueError:
        return [None, []]


def _header(name: str, value: str, ours: Mapping[str, str]) -> Iterator[Difference]:
    low = name.lower()
    if low in _TRANSPORT_HEADERS:
        return
    found = ours.get(low)
    if found is None:
        yield Difference(f"headers.{low}", "missing", value)
    elif low not in _FREE_HEADERS and not alike(value.lower(), found.lower()):
        yield Difference(f"headers.{low}", "value", value, found)


def _events(text: str) -> list[Json]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def _streams(exchange: Exchange, here: Sequence[Json]) -> Iterator[Difference]:
    recorded = exchange.events
    theirs, ours = _order(recorded), _order(here)
    if theirs != ours:
        yield Difference("events", "value", " ".join(theirs), " ".join(ours))
    mine = by_type(here)
    for kind, events in by_type(recorded).items():
        own = mine.get(kind, [])
        # In how many pieces a text comes nobody promises, nor how many of them a recording has kept.
        if len(events) != len(own) and kind in mine and not (_is_counted(kind) or exchange.is_shortened):
            yield Difference(f"events[{kind}]", "value", f"{len(events)} times", f"{len(own)} times")
        for event, answer in zip(events, own, strict=False):
            # A recording that was shortened leaves an event's own fields out; what it still has has to agree.
            for found in differences(event, answer, f"events[{kind}]"):
                if not (found.kind == "extra" and _is_cut(event)):
                    yield found


def _is_cut(event: Json) -> bool:
    return set(event) <= {"type", "sequence_number"}


def _is_counted(kind: str) -> bool:
    return kind.endswith(_COUNTED_EVENTS)


def _order(events: Sequence[Json]) -> list[str]:
    """Return the kinds of events in order, repeats once: nobody promises how many pieces a text is in.

    Nor when a stream is kept alive.
    """
    order: list[str] = []
    for event in events:
        kind = str(event.get("type"))
        if kind != "keepalive" and (not order or order[-1] != kind):
            order.append(kind)
    return order
