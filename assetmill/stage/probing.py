"""Whether an endpoint keeps the four assumptions that a fence rests on: asked of the service itself.

The one place beside the engine that posts, and only when a person asks for it with `doctor --live`: once
for real, with the smallest of prompts, and once to a conversation that was deleted, where it must be refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from assetmill.agents.gateway import AgentDefinition, Finding, ResponseRequest
from assetmill.errors import ConversationGone, ServiceError
from assetmill.records import EndpointProbe
from assetmill.stage.services import Services

_NAME = "assetmill-probe"
_MARK = {"assetmill_probe": "1"}
_LOOKS = 6


def probe_endpoint(services: Services) -> Iterator[Finding]:
    """Try the assumptions A1-A4 of docs/decisions/0004 and store the verdict. Costs two tiny answers at most.

    Raises:
        ServiceError: the service did not answer as far as the probe needs it.
    """
    kept = dict(_try(services))
    probe = EndpointProbe(endpoint=services.gateway.endpoint, kept=kept, created_at=services.clock())
    services.ledger.write_probe(probe)
    for name, holds in kept.items():
        yield Finding(
            "fence", "ok" if holds else "warning", f"{name}: {'holds' if holds else 'does not hold'}"
        )
    if probe.allows_fence:
        yield Finding("fence", "ok", 'policy = "fence" may be used with this endpoint')
    else:
        advice = 'keep policy = "hold": a stage in doubt then waits for `assetmill resolve`'
        yield Finding("fence", "warning", 'policy = "fence" would not be safe here and is not used', advice)


def _try(services: Services) -> Iterator[tuple[str, bool]]:
    gateway = services.gateway
    definition = AgentDefinition(_NAME, services.settings.foundry.model, "Answer with one word.", ())
    agent = gateway.ensure_agent(definition)

    def post(conversation_id: str) -> None:
        message = {"type": "message", "role": "user", "content": "Say ok."}
        request = ResponseRequest(agent, conversation_id, (message,), _MARK)
        gateway.create_response(request, lambda _: None)

    conversation_id = gateway.create_conversation({})
    post(conversation_id)
    is_listed = _is_listed(services, conversation_id)
    yield "A2, a running response is listed", is_listed
    listed = gateway.list_responses(conversation_id)
    yield "A4, its metadata is listed", bool(listed) and listed[0].body.get("metadata") == _MARK
    gateway.delete_conversation(conversation_id)
    yield "A3, it stays listed when its conversation is deleted", _is_listed(services, conversation_id)
    yield "A1, a deleted conversation refuses responses", _is_refused(lambda: post(conversation_id))


def _is_listed(services: Services, conversation_id: str) -> bool:
    """Look for a response until the profile's time to settle has passed."""
    for _ in range(_LOOKS):
        if services.gateway.list_responses(conversation_id):
            return True
        services.wait(services.settings.foundry.settle_s / _LOOKS)
    return False


def _is_refused(post: Callable[[], None]) -> bool:
    try:
        post()
    except ConversationGone:
        return True
    except ServiceError:
        return False
    return False
