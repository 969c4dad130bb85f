"""Records what passes between this process and a service: a folder of exchanges, each in a file of its own.

Listens in the vendor's own clients, where a request has its final form and an answer its first: with the
hooks that both offer, so that nothing stands between them and the service. Files are redacted before they
are written, and each appears whole: whatever cuts a recording short leaves a folder that can be read.
"""

from __future__ import annotations

import datetime
import email
import email.policy
import json
import os
import re
import secrets
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import httpx2

from assetmill.agents.evidence import Redactor, measured

_SENT = ("x-ms-oai-image-generation-deployment",)
"""The headers of requests that say something of the exchange."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
_STREAM = "text/event-stream"
_SLUG_CHARS = 60


class Recorder:
    """Writes the exchanges of one session into a folder of its own below `folder`. Safe for threads.

    A fault of its own never reaches a call: `faults` say in words what could not be recorded.
    """

    def __init__(self, folder: Path) -> None:
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        self._session, self._day, self._endpoint = secrets.token_hex(4), day, ""
        self.folder = folder / f"{day}-{self._session}"
        self._redactor = Redactor(secrets.token_bytes(32))
        self._number = 0
        self._open: dict[int, Callable[[], None]] = {}
        # Numbers are given in the order of answers, whichever threads read them.
        self._lock = threading.Lock()
        self.written = 0
        self.faults: list[str] = []

    def begin(self, endpoint: str) -> None:
        """Say whose exchanges come: the names in its address are told to nobody."""
        host = urllib.parse.urlsplit(endpoint).hostname or ""
        project = endpoint.rstrip("/").rpartition("/")[2]
        self._endpoint = endpoint
        self._redactor = Redactor(secrets.token_bytes(32), (host.partition(".")[0], project))

    def hear_openai(self, response: httpx2.Response) -> None:
        """Listen to an answer of the OpenAI client; a hook of its transport."""
        with self._lock:
            self._number += 1
            number = self._number
        stream = response.stream
        if not isinstance(stream, httpx2.SyncByteStream):
            return
        heard = _HeardStream(stream, lambda data, is_cut: self._end(number, response, data, is_cut=is_cut))
        self._open[number] = heard.finish
        response.stream = heard

    def hear_azure(self, response: Any) -> None:
        """Note an answer of the project client; a hook of its pipeline."""
        with self._lock:
            self._number += 1
            number = self._number
        sent, got = response.http_request, response.http_response
        body = sent.content if hasattr(sent, "content") else sent.body
        self._guarded(
            number,
            lambda: self._exchange(
                (sent.method, sent.url, dict(sent.headers), _as_bytes(body)),
                (got.status_code, dict(got.headers), got.body()),
            ),
        )

    def close(self) -> None:
        """Write what is still open, as far as it came."""
        for finish in list(self._open.values()):
            finish()

    def _end(self, number: int, response: httpx2.Response, data: bytes, *, is_cut: bool) -> None:
        self._open.pop(number, None)
        sent = response.request

        def exchange() -> dict[str, Any]:
            # What the transport brought may be compressed: the client's own class takes it apart.
            whole = httpx2.Response(response.status_code, headers=response.headers, content=data)
            told = self._exchange(
                (sent.method, str(sent.url), sent.headers, sent.read()),
                (response.status_code, whole.headers, whole.content),
            )
            return {**told, "cut": True} if is_cut else told

        self._guarded(number, exchange)

    def _guarded(self, number: int, exchange: Callable[[], dict[str, Any]]) -> None:
        try:
            self._write(number, exchange())
        except Exception as error:
            # Any: the call that is listened to may be a paid one. It goes on, and `doctor` tells of this.
            self.faults.append(f"exchange {number}: {type(error).__name__}")

    def _exchange(
        self, sent: tuple[str, str, Mapping[str, str], bytes], got: tuple[int, Mapping[str, str], bytes]
    ) -> dict[str, Any]:
        method, url, sent_headers, sent_body = sent
        status, headers, body = got
        redactor = self._redactor
        told_headers = {name: value for name, value in sent_headers.items() if name.lower() in _SENT}
        request: dict[str, Any] = {"method": method, "path": redactor.path(url, self._endpoint)}
        if told_headers:
            request["headers"] = {name: redactor.header(name, v) for name, v in told_headers.items()}
        sent_type = next((v for name, v in sent_headers.items() if name.lower() == "content-type"), "")
        request["body"] = self._sent_body(sent_body, sent_type)
        told = {"status": status, "headers": self._headers(headers)}
        kind = next((v for name, v in headers.items() if name.lower() == "content-type"), "")
        return {"request": request, **told, **self._answer(body, kind)}

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        named = {name.lower(): value for name, value in headers.items() if _NAME.fullmatch(name.lower())}
        return {name: self._redactor.header(name, value) for name, value in named.items()}

    def _sent_body(self, data: bytes, content_type: str) -> Any:
        if content_type.startswith("multipart/"):
            return {"multipart": self._form(data, content_type)}
        return self._body(data)

    def _answer(self, data: bytes, content_type: str) -> dict[str, Any]:
        if content_type.startswith(_STREAM):
            return {"events": [self._redactor.json(event) for event in _events(data)]}
        return {"body": self._body(data)}

    def _body(self, data: bytes) -> Any:
        if not data:
            return None
        try:
            return self._redactor.json(json.loads(data))
        except ValueError:
            return {"bytes_of": measured(data)}

    def _form(self, data: bytes, content_type: str) -> dict[str, Any]:
        """Return the parts of a form: a file by its measures."""
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        message = email.message_from_bytes(head + data, policy=email.policy.HTTP)
        parts: dict[str, Any] = {}
        for part in message.iter_parts():
            name = str(part.get_param("name", "part", header="content-disposition"))
            content = cast(bytes, part.get_payload(decode=True) or b"")
            shown = self._redactor.text(name)
            if filename := part.get_filename():
                parts[shown] = {
                    "filename": self._redactor.text(filename),
                    "content_type": self._redactor.text(part.get_content_type()),
                    "bytes_of": measured(content),
                }
            else:
                parts[shown] = self._redactor.text(content.decode("utf-8", "replace"))
        return parts

    def _write(self, number: int, exchange: dict[str, Any]) -> None:
        source = {
            "recorded_by": "assetmill",
            "date": self._day,
            "session": self._session,
            "number": number,
        }
        request = exchange["request"]
        slug = re.sub(r"[^a-z0-9]+", "-", str(request["path"]).partition("?")[0].lower()).strip("-")
        slug = re.sub(r"-[0-9a-z]{16,}", "", slug)[:_SLUG_CHARS]
        name = f"{number:04d}-{request['method'].lower()}-{slug}-{exchange['status']}.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        # Under another ending until it is whole: readers take files that end in `.json`.
        part = self.folder / f".{name}.part"
        part.write_text(json.dumps({"source": source, **exchange}, indent=1), encoding="utf-8")
        os.replace(part, self.folder / name)
        with self._lock:
            self.written += 1


class _HeardStream(httpx2.SyncByteStream):
    """A body that is passed on as it comes, and told at its end."""

    def __init__(self, inner: httpx2.SyncByteStream, tell: Callable[[bytes, bool], None]) -> None:
        self._inner, self._tell = inner, tell
        self._parts: list[bytes] = []
        self._is_told = False
        self._is_whole = False

    def __iter__(self) -> Iterator[bytes]:
        for part in self._inner:
            self._parts.append(part)
            yield part
        self._is_whole = True

    def close(self) -> None:
        self._inner.close()
        self.finish()

    def finish(self) -> None:
        """Tell what came, once."""
        if not self._is_told:
            self._is_told = True
            self._tell(b"".join(self._parts), not self._is_whole)


def _events(data: bytes) -> Iterator[Any]:
    """Yield the data of a stream's events; the last one may have been cut."""
    for line in data.decode("utf-8", "replace").splitlines():
        if line.startswith("data:"):
            try:
                yield json.loads(line.removeprefix("data:"))
            except ValueError:
                continue


def _as_bytes(content: object) -> bytes:
    if isinstance(content, str):
        return content.encode()
    return content if isinstance(content, bytes) else b""
