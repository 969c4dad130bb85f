"""Decides whether a response may run, and with what: agent, tools, history, input. Nothing is spent here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foundry_emulator import agents, ids
from foundry_emulator.boundary.errors import (
    WireError,
    invalid,
    no_conversation,
    not_with_agent,
    picture_refused,
)
from foundry_emulator.boundary.fields import Fields
from foundry_emulator.boundary.quota import plainer, standard_rates
from foundry_emulator.jsons import Json
from foundry_emulator.project import Project
from foundry_emulator.responses import grounds, toolspecs, wire
from foundry_emulator.responses.including import included
from foundry_emulator.responses.items import ItemReader, text_of
from foundry_emulator.responses.retention import retained
from foundry_emulator.responses.tiers import check_capacity, wanted_tier
from foundry_emulator.responses.wire import RUNNING
from foundry_emulator.settings import Switches

IMAGE_DEPLOYMENT_HEADER = "x-ms-oai-image-generation-deployment"
_FIELDS = (
    *("input", "instructions", "model", "tools", "tool_choice", "text", "conversation", "metadata"),
    *("previous_response_id", "store", "background", "background_options", "stream", "stream_options"),
    *("max_tool_calls", "max_output_tokens", "truncation", "include", "parallel_tool_calls", "reasoning"),
    *("safety_identifier", "service_tier", "moderation", "temperature", "top_p", "top_logprobs", "user"),
    *("agent_reference", "agent", "structured_inputs", "prompt_cache_key", "prompt_cache_retention"),
)
_SETTLED_BY_AGENT = ("tools", "instructions", "text", "reasoning", "temperature", "top_p")


@dataclass(frozen=True)
class Admitted:
    """A response that may run; `response` is its wire object, which the run completes."""

    response: Json
    partition: str
    tools: tuple[Json, ...]
    """Full definitions, secrets of MCP servers included."""
    history: tuple[Json, ...]
    inputs: tuple[Json, ...]
    image_model: str | None
    conversation_id: str | None
    stream: bool
    store: bool
    include: frozenset[str]
    item_extras: Json
    headers: Mapping[str, str]
    """Rate limit headers to answer with."""


def admit(project: Project, request: Fields, headers: Mapping[str, str], agent_name: str | None) -> Admitted:
    """Check a request for a response against everything it names.

    Raises:
        WireError: what the service would answer; nothing was stored or charged.
    """
    request.only(*_FIELDS)
    return _RequestCheck(project, request, headers, agent_name).admitted()


def _with_answers(settings: Switches, request: Fields, agent_name: str | None) -> Fields:
    """Return the request without the fields that the settings drop, or refuse it for them."""
    raw = request.raw
    has_agent = agent_name is not None or request.has("agent_reference") or request.has("agent")
    answers = {settings.background_with_agent} if has_agent else set[str]()
    if request.has("conversation"):
        answers.add(settings.background_with_conversation)
    if raw.get("background") and "refused" in answers:
        raise not_with_agent("background")
    if raw.get("background") and "dropped" in answers:
        raw = {name: value for name, value in raw.items() if name != "background"}
    if settings.drop_metadata:
        raw = {name: value for name, value in raw.items() if name != "metadata"}
    return request if raw is request.raw else Fields(raw)


class _RequestCheck:
    def __init__(
        self, project: Project, request: Fields, headers: Mapping[str, str], agent_name: str | None
    ) -> None:
        self._project = project
        self._state = project.state
        self._headers = headers
        self._dialect = project.settings.dialect
        self._request = _with_answers(project.settings, request, agent_name)
        self._version = self._agent_version(agent_name)
        self._definition: Json = self._filled_definition()
        self._check_settled()

    def admitted(self) -> Admitted:
        request = self._request
        self._check_switches()
        conversation_id = self._conversation()
        previous = self._previous()
        anchor = conversation_id or request.text("previous_response_id") or ""
        partition = ids.partition_of(anchor) or ids.new_partition()
        model = self._model()
        tier = wanted_tier(self._project, request, model, has_agent=self._version is not None)
        tools = self._tools()
        image_model = self._image_model(tools)
        limit = self._project.settings.longest_data_url
        reader = ItemReader(self._state, partition, self._state.find_item, longest_data_url=limit)
        history = self._history(conversation_id, previous)
        inputs = self._own_items(reader.read(request.raw.get("input")))
        grounds.check_calls_answered([*history, *inputs])
        grounds.check_files(self._project, tools, inputs)
        grounds.check_container(self._project, tools, history)
        grounds.check_format(self._project, tools)
        grounds.check_pictures(self._project, request, image_model, history, inputs)
        grounds.check_window(model, [*history, *inputs])
        extras = self._item_extras()
        response = wire.new_response(
            ids.stamped("resp_", partition),
            created_at=self._project.clock.stamp(),
            request=request,
            model=model,
            instructions=self._instructions(),
            tools=tools,
            tool_choice=self._tool_choice(tools),
            text=wire.text_config(request, self._definition),
            conversation_id=conversation_id,
            agent_reference=extras.get("agent_reference"),
            is_azure=self._dialect.is_azure,
            defaults=self._definition,
            tier=tier,
        )
        headers = self._rates(model, image_model, inputs)
        check_capacity(self._project, tier)
        return Admitted(
            response=response,
            partition=partition,
            tools=tuple(tools),
            history=tuple(history),
            inputs=tuple(inputs),
            image_model=image_model,
            conversation_id=conversation_id,
            stream=bool(request.boolean("stream")),
            store=request.boolean("store") is not False,
            include=included(request.texts("include")),
            item_extras=self._made_by(extras, response["id"]),
            headers=headers,
        )

    def _agent_version(self, path_name: str | None) -> Json | None:
        field = "agent_reference" if self._request.has("agent_reference") else "agent"
        if field == "agent" and self._request.has("agent") and not self._dialect.takes_agent:
            message = "The 'agent' property is deprecated. Use 'agent_reference' instead."
            raise WireError(400, "invalid_payload", message, param="agent", layer="foundry")
        reference = self._request.fields(field)
        if reference is None:
            return agents.selected_version(self._state, path_name, None) if path_name else None
        reference.choice("type", ("agent_reference",))
        name = reference.need_text("name")
        if path_name is not None and name != path_name:
            raise invalid("The agent reference names another agent than the address.", f"{field}.name")
        raw_version = reference.raw.get("version")
        wanted = str(raw_version) if isinstance(raw_version, int) else reference.text("version")
        return agents.selected_version(self._state, name, wanted)

    def _check_settled(self) -> None:
        """Refuse what an agent has settled already; the first preview is not known to have minded."""
        if self._version is None or not self._dialect.is_azure or self._dialect.is_first:
            return
        settled = [name for name in _SETTLED_BY_AGENT if self._request.has(name)]
        # Microsoft's agent framework sends an empty model in a conversation, and told of refusals for
        # another model than the agent's alone: github.com/microsoft/agent-framework/issues/7272.
        if self._request.raw.get("model") not in (None, "", self._definition.get("model")):
            settled.append("model")
        if settled:
            raise not_with_agent(*settled)

    def _filled_definition(self) -> Json:
        if self._version is None:
            return {}
        definition: Json = self._version["definition"]
        if definition.get("kind") != "prompt":
            raise WireError(
                400,
                "operation_not_emulated",
                f"The assetmill emulator does not run agents of kind '{definition.get('kind')}'.",
                param="agent_reference",
            )
        values = agents.input_values(definition, self._request.fields("structured_inputs"))
        filled: Json = agents.filled_in(
            {k: v for k, v in definition.items() if k != "structured_inputs"}, values
        )
        return filled

    def _check_switches(self) -> None:
        request = self._request
        for name in ("background", "stream", "store", "parallel_tool_calls"):
            request.boolean(name)
        if request.raw.get("background") and request.raw.get("store") is False:
            raise invalid("Background responses have to be stored.", "background")
        options = request.fields("stream_options")
        if options is not None:
            options.boolean("include_obfuscation")
        windows = request.fields("background_options")
        if windows is not None:
            windows.choice("completion_window", ("soonest", "2h", "8h"))
            windows.text("continuation_id")
        for name in ("prompt_cache_key", "service_tier", "prompt_cache_retention"):
            request.text(name)

    def _conversation(self) -> str | None:
        raw = self._request.raw.get("conversation")
        if isinstance(raw, dict):
            inner = self._request.fields("conversation")
            conversation_id = inner.need_text("id") if inner else None
        else:
            conversation_id = self._request.text("conversation")
        if conversation_id is None:
            return None
        if self._request.has("previous_response_id"):
            message = "Mutually exclusive parameters: 'previous_response_id' and 'conversation'."
            raise invalid(message, None, "mutually_exclusive_parameters")
        if self._state.get("conversation", conversation_id) is None:
            raise no_conversation(conversation_id)
        if self._project.settings.conversation_lock:
            running = [d for d in self._state.responses_of(conversation_id) if d.body["status"] in RUNNING]
            if running:
                message = "Another process is currently operating on this conversation."
                raise invalid(message, "conversation", "conversation_locked")
        return conversation_id

    def _previous(self) -> Json | None:
        previous_id = self._request.text("previous_response_id")
        if previous_id is None:
            return None
        body = retained(self._project, previous_id)
        if body is None:
            message = f"Previous response with id '{previous_id[:80]}' not found."
            raise invalid(message, "previous_response_id", "previous_response_not_found")
        if body["status"] in RUNNING:
            message = f"Previous response '{previous_id}' is still running."
            raise invalid(message, "previous_response_id", "previous_response_not_completed")
        return body

    def _history(self, conversation_id: str | None, previous: Json | None) -> list[Json]:
        if conversation_id is not None:
            return [doc.body for doc in self._state.all("item", conversation_id)]
        chain: list[list[Json]] = []
        while previous is not None:
            stored = self._state.get("input_items", previous["id"])
            inputs: list[Json] = stored.body["items"] if stored else []
            chain.append([*inputs, *previous["output"]])
            if previous["conversation"]:
                before: list[Json] = stored.extra["history"] if stored else []
                chain.append(before)
                break
            next_id = previous["previous_response_id"]
            previous = retained(self._project, next_id) if next_id else None
        return [item for items in reversed(chain) for item in items]

    def _own_items(self, items: list[Json]) -> list[Json]:
        if (
            not items
            and not self._request.has("conversation")
            and not self._request.has("previous_response_id")
        ):
            message = "Missing required parameter: 'input'."
            raise invalid(message, "input", "missing_required_parameter")
        return items

    def _model(self) -> str:
        name = self._request.text("model") or self._definition.get("model")
        if not name:
            raise invalid("Missing required parameter: 'model'.", "model", "missing_required_parameter")
        if self._project.deployment(str(name)) is None:
            raise WireError(
                404,
                "DeploymentNotFound",
                f"The API deployment '{str(name)[:80]}' does not exist.",
                param="model",
            )
        self._refuse_retired(str(name))
        return str(name)

    def _refuse_retired(self, model: str) -> None:
        """Refuse a model that is served no more: 410 on Azure by its policy page, 404 at OpenAI as seen."""
        if not self._project.is_retired(model):
            return
        if self._project.settings.flavour == "openai":
            message = f"The model `{model[:80]}` has been deprecated, learn more here: the deprecations page."
            raise WireError(404, "model_not_found", message)
        raise WireError(410, "410", f"The model of the deployment '{model[:80]}' has been retired.")

    def _instructions(self) -> str | None:
        given = self._request.text("instructions")
        return given if given is not None else self._definition.get("instructions")

    def _tools(self) -> list[Json]:
        raw = self._request.objects("tools")
        if raw is None:
            raw = Fields({"tools": self._definition.get("tools") or []}).objects("tools") or []
        return toolspecs.filled_tools(raw, self._dialect)

    def _tool_choice(self, tools: list[Json]) -> Any:
        request = self._request
        if not request.has("tool_choice"):
            request = Fields({"tool_choice": self._definition.get("tool_choice") or "auto"})
        if isinstance(request.raw["tool_choice"], str):
            return request.choice("tool_choice", ("none", "auto", "required"))
        choice = request.fields("tool_choice") or Fields({})
        kind = choice.need_text("type")
        if kind == "function":
            choice.need_text("name")
        elif kind not in {tool["type"] for tool in tools}:
            raise invalid(f"Tool choice '{kind[:80]}' not found in 'tools' parameter.", "tool_choice")
        return choice.raw

    def _image_model(self, tools: list[Json]) -> str | None:
        tool = next((tool for tool in tools if tool["type"] == "image_generation"), None)
        if tool is None:
            return None
        deployment = self._headers.get(IMAGE_DEPLOYMENT_HEADER)
        if self._dialect.is_azure and not deployment:
            message = f"imagegen deployment must be provided through header: {IMAGE_DEPLOYMENT_HEADER}"
            raise picture_refused(message, code="invalid_request_error")
        if deployment:
            known = self._project.deployment(deployment)
            if known is None or "image" not in known["modelName"]:
                raise picture_refused(f"The model '{deployment[:80]}' does not exist.", "model")
            self._refuse_retired(str(known["modelName"]))
            return str(known["modelName"])
        self._refuse_retired(str(tool["model"] or "gpt-image-2"))
        return tool["model"] or "gpt-image-2"

    def _made_by(self, extras: Json, response_id: str) -> Json:
        if not self._dialect.is_azure:
            return {}
        made_by: Json = {**extras, "response_id": response_id}
        if "created_by" in extras:
            made_by["created_by"] = {**extras["created_by"], "response_id": response_id}
        return made_by

    def _item_extras(self) -> Json:
        if not self._dialect.is_azure or self._version is None:
            return {}
        reference = {
            "type": "agent_reference",
            "name": self._version["name"],
            "version": self._version["version"],
        }
        extras: Json = {"agent_reference": reference}
        if self._request.has("agent") and not self._dialect.is_first:
            extras["created_by"] = {"agent": {**reference, "type": "agent_id"}, "response_id": ""}
        return extras

    def _granted(
        self, rates: Mapping[str, Mapping[str, float]], wanted: Mapping[str, Mapping[str, float]]
    ) -> dict[str, str]:
        settings = self._project.settings
        try:
            return self._project.quota.admit(rates, wanted)
        except WireError as refusal:
            if settings.silent_rate_limits or settings.gateway_rate_limits:
                raise plainer(refusal, from_gateway=settings.gateway_rate_limits) from refusal
            raise

    def _rates(self, model: str, image_model: str | None, inputs: list[Json]) -> dict[str, str]:
        rates = self._project.settings.quota
        # A picture is no text, however long its data URL.
        tokens = sum(wire.tokens_in(text_of(item)) for item in inputs)
        wanted: dict[str, dict[str, float]] = {model: {"requests": 1, "tokens": tokens}}
        if image_model is not None:
            wanted.setdefault(image_model, {})["images"] = 1
        taken = self._granted(rates, wanted)
        if not self._dialect.is_azure:
            return taken
        # Background and streamed answers carry none: what they were granted has to be learnt elsewhere.
        is_silent = self._request.raw.get("background") or self._request.raw.get("stream")
        return {} if is_silent else {**standard_rates(self._dialect, model), **taken}
