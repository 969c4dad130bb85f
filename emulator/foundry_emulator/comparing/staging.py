"""Makes what a recorded request takes for granted: agent, conversation, files, stores, an earlier response.

The emulator gives out IDs of its own: they take the place of the recorded ones before the request is sent.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any, cast

from foundry_emulator import data
from foundry_emulator.comparing.circumstances import bring_about, error_of, long_enough
from foundry_emulator.comparing.earlier_calls import earlier_calls
from foundry_emulator.comparing.exchange import Exchange
from foundry_emulator.comparing.listing import (
    Listing,
    attached,
    entries_of,
    is_cursor_older,
    uploaded,
    worked_in,
)
from foundry_emulator.comparing.needed_tools import needed_tools, searched_text
from foundry_emulator.comparing.pictures import picture_of, pictured
from foundry_emulator.comparing.playing import Player, answer_of, recorded_items
from foundry_emulator.jsons import Json, as_list, as_object
from foundry_emulator.testing.calls import Control, Raw, events

_WAIT_S = 10.0
_MOST_VERSIONS = 8
_AGENT_PATH = re.compile(r"/agents/([^/?]+)(?:/versions/(\w+))?")
_IN_PATH = re.compile(
    r"\b(conv|resp|msg|vs|cntr|cfile|assistant|fine-tune|batch|eval|fc|ig|mcpr)[_-][A-Za-z0-9]{16,}"
)
_CURSOR = re.compile(r"\b(?:after|before)=([\w-]+)")
_RUNNING = ("queued", "in_progress")
_CALLED = ("function_call", "computer_call", "mcp_approval_request")
_MODELS = ("gpt-5-mini", "gpt-4o", "gpt-4.1", "gpt-5")


def _is_made(version: object) -> bool:
    text = str(version or "")
    return text.isdigit() and int(text) <= _MOST_VERSIONS


class Stage:
    """What was made for one exchange, and under which of our IDs."""

    def __init__(
        self,
        raw: Raw,
        control: Control,
        player: Player,
        exchange: Exchange,
        ids: dict[str, str] | None = None,
    ) -> None:
        self._raw, self._control, self._player, self._exchange = raw, control, player, exchange
        self._answer = answer_of(exchange)
        self._ids = {} if ids is None else ids
        self._has_agents = False
        self._cursors: set[str] = set()
        self._unanswered: dict[str, list[str]] = {}
        """By conversation the function calls that the next response there has to answer."""
        self._is_gone = exchange.status == 404

    def prepared(self) -> tuple[str, Any]:
        """Make what the request names, and return its path and body with our IDs."""
        exchange = self._exchange
        place, _, query = exchange.path.partition("?")
        listing = Listing(self._raw, self._player, self._respond_like, self._agent, self._named)
        self._ask_before()
        self._need_all([place, exchange.body])
        self._agents()
        # Above or below the page that was asked for: age decides on which side of it the cursor is.
        if is_cursor_older(exchange):
            self._need_cursor(query)
        listing.make(exchange)
        self._need_cursor(query)
        bring_about(self._control, self._raw, exchange, self._ids)
        path, body = self._own_words(json.dumps([exchange.path, exchange.body]))
        return path, long_enough(exchange, body)

    def _need_cursor(self, query: str) -> None:
        self._need_all(query)
        named = _CURSOR.search(query)
        if named and self._exchange.path.startswith("/agents?") and named[1] not in self._cursors:
            self._cursors.add(named[1])
            self._agent(named[1], "1")

    def _need_all(self, said: object) -> None:
        for match in _IN_PATH.finditer(json.dumps(said)):
            self._need(match[0], match[1])

    def _named(self, theirs: str) -> str:
        return self._ids.get(theirs, theirs)

    def continued(self) -> tuple[str, Any]:
        """Return a request that goes on from earlier ones, in whose answers its IDs were given."""
        said = [self._exchange.path, self._exchange.body]
        self._need_all(said)
        return self._own_words(json.dumps(said))

    def _own_words(self, said: str) -> tuple[str, Any]:
        path, body = json.loads(self._translated(said))
        if isinstance(body, dict):
            body = pictured(self._known_models(as_object(cast(object, body))))
        return self._deployment_path(path), body

    def _translated(self, text: str) -> str:
        for theirs, ours in self._ids.items():
            text = text.replace(theirs, ours)
        return text

    def _need(self, theirs: str, prefix: str) -> None:
        if theirs in self._ids:
            return
        made = {
            "conv": self._conversation,
            "resp": self._response,
            "assistant": self._file,
            "fine-tune": self._file,
            "batch": self._file,
            "eval": self._file,
            "vs": self._store,
            "cntr": self._container,
            "cfile": self._container_file,
            "msg": self._message,
        }.get(prefix)
        if made is not None:
            self._ids[theirs] = made(theirs)

    def _conversation(self, theirs: str) -> str:
        del theirs
        return str(self._raw.ok("POST", "openai/v1/conversations", {})["id"])

    def _message(self, theirs: str) -> str:
        del theirs
        conversation = next((ours for ours in self._ids.values() if ours.startswith("conv_")), None)
        if conversation is None:
            return "msg_unknown"
        item = {"type": "message", "role": "user", "content": "an item"}
        made = self._raw.ok("POST", f"openai/v1/conversations/{conversation}/items", {"items": [item]})
        return str(made["data"][0]["id"])

    def _response(self, theirs: str) -> str:
        del theirs
        is_background = bool(self._answer.get("background"))
        status = str(self._answer.get("status") or "completed")
        cancels = "/cancel" in self._exchange.path
        waits = status in (*_RUNNING, "cancelled") or cancels
        made = self._made_like({**self._answer, "background": is_background or waits}, waits=waits)
        if waits:
            self._wait_until(made, "queued" if status == "queued" else "in_progress")
        if status == "cancelled" and not cancels:
            self._raw.ok("POST", f"openai/v1/responses/{made}/cancel")
        return made

    def _respond_like(self, response: Json) -> str:
        """Make a response for an entry of a listing, as far as the entry was."""
        waits = response.get("status") in _RUNNING
        made = self._made_like(response, waits=waits)
        if waits:
            self._wait_until(made, str(response["status"]))
        return made

    def _made_like(self, response: Json, *, waits: bool) -> str:
        """Make a response as a recorded one was made, and let it come to its end unless it `waits`."""
        self._control.post("settings", {"latency_s": 60.0 if waits else 0.0})
        request: Json = {"input": response.get("input") or "Hello"}
        if reference := as_object(response.get("agent_reference")):
            self._agent(str(reference["name"]), reference.get("version"))
            # Not all versions are made of an agent that has had many.
            known = {key: value for key, value in reference.items() if key != "version"}
            request["agent_reference"] = reference if _is_made(reference.get("version")) else known
        else:
            request["model"] = self._model(response.get("model"))
            request["tools"] = [self._tool(as_object(tool)) for tool in as_list(response.get("tools"))]
            if response.get("instructions"):
                request["instructions"] = response["instructions"]
        if response.get("background"):
            request["background"] = True
        if response.get("metadata"):
            request["metadata"] = response["metadata"]
        if conversation := str(as_object(response.get("conversation")).get("id") or ""):
            self._need_all(conversation)
            request["conversation"] = self._named(conversation)
            calls = self._unanswered.pop(conversation, [])
            if calls:
                request["input"] = [
                    {"type": "function_call_output", "call_id": one, "output": ""} for one in calls
                ]
        answer = self._begun(request)
        made = str(answer["id"])
        ended = answer if waits else self._raw.finished(made)
        calls = [str(item["call_id"]) for item in ended["output"] if item["type"] == "function_call"]
        if conversation and calls:
            self._unanswered[conversation] = calls
        return made

    def _begun(self, request: Json) -> Json:
        """Post a request; what a recording streams again had been begun as a stream."""
        if "stream=true" not in self._exchange.path:
            return self._raw.ok("POST", "openai/v1/responses", request)
        streamed = {**request, "stream": True, "background": True}
        told = events(self._raw.call("POST", "openai/v1/responses", streamed).text)
        return as_object(told[0]["response"])

    def _ask_before(self) -> None:
        """Let an earlier turn ask for what the request answers."""
        asked = earlier_calls(self._exchange)
        if not asked or set(asked) <= set(self._ids):
            return
        body = as_object(self._exchange.body)
        request = {key: value for key, value in body.items() if key not in ("stream", "previous_response_id")}
        request["input"] = "Hello"
        self._need_all(request)
        self._agents()
        request = self._known_models(json.loads(self._translated(json.dumps(request))))
        with self._player.playing(asked.values()):
            answer = self._raw.ok("POST", self._exchange.path.lstrip("/"), request)
        ours = [item.get("call_id") or item["id"] for item in answer["output"] if item["type"] in _CALLED]
        self._ids.update(zip(asked, ours, strict=False))
        if previous := body.get("previous_response_id"):
            self._ids[str(previous)] = str(answer["id"])

    def _wait_until(self, response_id: str, status: str) -> None:
        deadline = time.monotonic() + _WAIT_S
        while self._raw.ok("GET", f"openai/v1/responses/{response_id}")["status"] != status:
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)

    def _file(self, theirs: str) -> str:
        purpose = theirs.rpartition("-")[0]
        if purpose != "assistant":
            return uploaded(self._raw, f"{purpose}s" if purpose == "eval" else purpose)
        name = "data.csv" if error_of(self._exchange).get("code") == "unsupported_file" else "notes.md"
        content = b"Widgets and gadgets, by quarter.\n"
        if "input_image" in json.dumps(self._exchange.body):
            name, content = "picture.png", picture_of({})
        made = self._raw.upload(name, content)
        if "/vector_stores/" in self._exchange.path and theirs in self._exchange.path:
            store = next(ours for ours in self._ids.values() if ours.startswith("vs_"))
            attached(self._raw, store, made)
        return made

    def _store(self, theirs: str) -> str:
        del theirs
        store = str(self._raw.ok("POST", "openai/v1/vector_stores", {"name": "store"})["id"])
        items = self._items()
        if any(item.get("type") == "file_search_call" for item in items):
            attached(self._raw, store, self._raw.upload("notes.md", searched_text(items)))
        return store

    def _container(self, theirs: str) -> str:
        del theirs
        if "/files" in self._exchange.path:
            return worked_in(self._raw, self._player)
        return str(self._raw.ok("POST", "openai/v1/containers", {"name": "container"})["id"])

    def _container_file(self, theirs: str) -> str:
        del theirs
        container = next(ours for ours in self._ids.values() if ours.startswith("cntr_"))
        return str(self._raw.ok("GET", f"openai/v1/containers/{container}/files")["data"][0]["id"])

    def _agents(self) -> None:
        if self._has_agents:
            return
        self._has_agents = True
        body = as_object(self._exchange.body)
        reference = as_object(body.get("agent_reference")) or as_object(body.get("agent"))
        if reference.get("name") and not str(error_of(self._exchange).get("message")).startswith("Agent "):
            self._agent(str(reference["name"]), reference.get("version"))
        match = _AGENT_PATH.search(self._exchange.path)
        makes = self._exchange.method == "POST" and re.search(r"/versions(\?|$)", self._exchange.path)
        if match and not makes and not self._is_gone:
            self._agent(match[1], match[2] or "2")

    def _agent(self, name: str, version: object) -> None:
        text = str(version or "1")
        count = min(int(text), _MOST_VERSIONS) if text.isdigit() else 1
        for number in range(count):
            definition = {**self._definition(), "instructions": f"{self._instructions()} {number}"}
            definition = {key: value for key, value in definition.items() if value != []}
            self._raw.ok("POST", f"agents/{name}/versions?api-version=v1", {"definition": definition})

    def _instructions(self) -> str:
        return str(self._answer.get("instructions") or "Answer what is asked.")

    def _definition(self) -> Json:
        """Define an agent as the recorded answer shows it, with the tools that its items needed."""
        settled: Json = {}
        form = as_object(as_object(self._answer.get("text")).get("format"))
        if form.get("type", "text") != "text":
            settled["text"] = {"format": {key: value for key, value in form.items() if value is not None}}
        if self._answer.get("tool_choice") not in (None, "auto"):
            settled["tool_choice"] = self._answer["tool_choice"]
        return {
            "kind": "prompt",
            "model": self._model(self._answer.get("model")),
            "tools": self._tools(),
            **settled,
        }

    def _tools(self) -> list[Json]:
        tools = [self._tool(as_object(one)) for one in as_list(self._answer.get("tools"))]
        have = {tool["type"] for tool in tools}
        needed = needed_tools(self._items())
        return [*tools, *(self._tool(tool) for tool in needed if tool["type"] not in have)]

    def _items(self) -> list[Json]:
        """Return the output items that are recorded, or the entries of a listed conversation."""
        listed = entries_of(self._exchange) if "/items" in self._exchange.path else []
        return [*recorded_items(self._exchange), *listed]

    def _tool(self, recorded: Json) -> Json:
        text = json.dumps(recorded)
        for match in _IN_PATH.finditer(text):
            self._need(match[0], match[1])
        tool: Json = json.loads(self._translated(text))
        kind = tool.get("type")
        if kind == "mcp":
            routes = {str(tool.get("server_url")): self._player.tools.address}
            self._control.post("settings", {"mcp_routes": routes})
        if kind == "image_generation":
            kept = {k: v for k, v in tool.items() if k in ("quality", "size", "output_format", "background")}
            return {"type": kind, "model": "gpt-image-1.5", **kept}
        if kind == "code_interpreter" and isinstance(tool.get("container"), Mapping):
            file_ids = tool["container"].get("file_ids")
            return {
                "type": kind,
                "container": {"type": "auto", **({"file_ids": file_ids} if file_ids else {})},
            }
        return {key: value for key, value in tool.items() if value is not None and key != "is_async"}

    def _known_models(self, body: Json) -> Json:
        if "model" in body:
            return {**body, "model": self._model(body["model"])}
        definition = as_object(body.get("definition"))
        if "model" in definition:
            return {**body, "definition": {**definition, "model": self._model(definition["model"])}}
        return body

    def _model(self, recorded: object) -> str:
        name = str(recorded or "")
        if name in {one["name"] for one in data.deployments()}:
            return name
        if name.startswith("gpt-5."):
            return "gpt-5.1"
        known = next((one for one in _MODELS if name.startswith(one)), None)
        effort = as_object(self._answer.get("reasoning")).get("effort")
        return known or ("gpt-5.1" if effort == "none" else "gpt-5-mini" if effort else "gpt-4.1")

    def _deployment_path(self, path: str) -> str:
        answer = as_object(self._exchange.answer)
        if not path.startswith("/deployments/") or self._is_gone:
            return path
        name = "gpt-image-1.5" if "image" in str(answer.get("modelName")) else "gpt-4.1"
        return re.sub(r"^/deployments/[^/?]+", f"/deployments/{name}", path)
