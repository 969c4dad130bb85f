"""Plain HTTP towards the emulator, for what the SDK hides."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx2

Json = dict[str, Any]
IMAGE_HEADER = {"x-ms-oai-image-generation-deployment": "gpt-image-1.5"}


_OWN_VERSION = ("openai/v1/", "mai/", "providers/")
"""Paths that name their version themselves, or want another one than a project does."""


class Control:
    """The control API."""

    def __init__(self, http: httpx2.Client, url: str, token: str) -> None:
        self._http = http
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> Json:
        """Return what the control API says."""
        return self._http.get(f"{self._url}/{path}", headers=self._headers).json()

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Json:
        """Tell the control API something; it must agree."""
        answer = self._http.post(f"{self._url}/{path}", headers=self._headers, json=dict(body or {}))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def delete(self, path: str) -> Json:
        """Take something back."""
        return self._http.delete(f"{self._url}/{path}", headers=self._headers).json()

    def bill(self) -> list[Json]:
        """Return every charge so far."""
        return self.get("bill")["charges"]

    def faults(self, *faults: Mapping[str, Any]) -> None:
        """Plan faults for the calls to come."""
        self.post("faults", {"faults": [dict(fault) for fault in faults]})


class Raw:
    """The service itself without an SDK; `openai/v1/…` and project paths alike."""

    def __init__(self, http: httpx2.Client, endpoint: str, token: str) -> None:
        self.http = http
        self.endpoint = endpoint
        self.headers = {"Authorization": f"Bearer {token}"}

    def call(self, method: str, path: str, body: object = None, **options: Any) -> httpx2.Response:
        """Send one request with a token and a picture deployment."""
        headers = {**self.headers, **IMAGE_HEADER, **options.pop("headers", {})}
        if body is not None:
            options["json"] = body
        if "api-version" not in path and not path.startswith(_OWN_VERSION):
            if "params" in options:
                options["params"] = {"api-version": "v1", **options["params"]}
            else:
                path += ("&" if "?" in path else "?") + "api-version=v1"
        return self.http.request(method, f"{self.endpoint}/{path}", headers=headers, **options)

    def ok(self, method: str, path: str, body: object = None, **options: Any) -> Json:
        """Send one request that must succeed."""
        answer = self.call(method, path, body, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def respond(self, words: str, **request: Any) -> Json:
        """Create a response in the foreground."""
        body = {"model": "gpt-4.1", "input": words, **request}
        return self.ok("POST", "openai/v1/responses", body)

    def stream(self, words: str, **request: Any) -> list[Json]:
        """Create a response as a stream and return its events."""
        body = {"model": "gpt-4.1", "input": words, "stream": True, **request}
        return events(self.call("POST", "openai/v1/responses", body).text)

    def finished(self, response_id: str) -> Json:
        """Wait up to 10 s for a response to end."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            body = self.ok("GET", f"openai/v1/responses/{response_id}")
            if body["status"] not in ("queued", "in_progress"):
                return body
            time.sleep(0.01)
        raise AssertionError(f"{response_id} does not end")

    def upload(self, name: str, data: bytes, purpose: str = "assistants") -> str:
        """Upload a file and return its ID."""
        answer = self.http.post(
            f"{self.endpoint}/openai/v1/files",
            headers=self.headers,
            data={"purpose": purpose},
            files={"file": (name, data)},
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def store_with(self, name: str, data: bytes) -> str:
        """Return the ID of a vector store in which one file is indexed."""
        file_id = self.upload(name, data)
        store = self.ok("POST", "openai/v1/vector_stores", {"name": "store"})
        self.ok("POST", f"openai/v1/vector_stores/{store['id']}/files", {"file_id": file_id})
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            file = self.ok("GET", f"openai/v1/vector_stores/{store['id']}/files/{file_id}")
            if file["status"] != "in_progress":
                return str(store["id"])
            time.sleep(0.01)
        raise AssertionError("the file is never indexed")


def events(text: str) -> list[Json]:
    """Parse server-sent events, checking that each names its type twice."""
    parsed: list[Json] = []
    for block in text.split("\n\n"):
        if block:
            name, data = block.split("\n")
            event: Json = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            parsed.append(event)
    return parsed
