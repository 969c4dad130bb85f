"""What an endpoint can be asked for, and whether it keeps what a fence rests on: asked of the service itself.

The one place beside the engine that posts, and only when a person asks for it with `doctor --live`: the
smallest of prompts, into two conversations side by side, so that a list which is not filtered cannot pass for
one that is; and once to a conversation that was deleted, where it must be refused.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from assetmill.agents.gateway import (
    WAYS,
    AgentDefinition,
    AgentVersion,
    Finding,
    Response,
    ResponseRequest,
    Way,
)
from assetmill.endpoints import Ability, EndpointProbe
from assetmill.errors import ConversationGone, Rejected, ServiceError
from assetmill.stage.services import Services

_NAME = "assetmill-probe"
_MARK = {"assetmill_probe": "1"}
_LOOKS = 6


def probe_endpoint(services: Services) -> Iterator[Finding]:
    """Try the assumptions of docs/decisions/0004 and the ways of posting, and store what was seen.

    Costs five tiny answers at most.

    Raises:
        ServiceError: the service did not answer as far as the probe needs it.
    """
    probing = _Probing(services, _agent(services))
    kept = dict(probing.assumptions())
    way = probing.way
    probe = EndpointProbe(endpoint=services.gateway.endpoint, kept=kept, created_at=services.clock(), way=way)
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


def known_abilities(services: Services) -> Iterator[Finding]:
    """Tell what the endpoint was seen to do or to refuse, when, and by what. Asks nobody."""
    seen = services.ledger.abilities(services.gateway.endpoint)
    for one in seen:
        day = datetime.datetime.fromtimestamp(one.created_at, datetime.UTC).date().isoformat()
        said = f"{one.ability}: {'works' if one.holds else 'does not work'}, {day}: {one.evidence}"
        advice = "" if one.holds else "asked again a week after that day; until then the next form is used"
        yield Finding("ability", "ok" if one.holds else "warning", said, advice)
    if not seen:
        message = "nothing was seen of this endpoint yet: posts go in the background"
        yield Finding("ability", "ok", message, "`assetmill doctor --live` tries it for a few tiny answers")


def _agent(services: Services) -> AgentVersion:
    definition = AgentDefinition(_NAME, services.settings.foundry.model, "Answer with one word.", ())
    return services.gateway.ensure_agent(definition)


@dataclass
class _Probing:
    """One probe; `way` is how its first response was posted in the end."""

    services: Services
    agent: AgentVersion
    way: Way = "background"

    def assumptions(self) -> Iterator[tuple[str, bool]]:
        """Yield each assumption and whether it was seen to hold."""
        gateway = self.services.gateway
        ours, beside = gateway.create_conversation({}), gateway.create_conversation({})
        first = self._post_somehow(ours)
        other = self._post_in(beside, "stream" if self.way == "background" else "background")
        listed = self._listed(ours, first.response_id)
        strangers = {other.response_id} if other else set[str]()
        is_filtered = not strangers & {one.response_id for one in listed}
        yield "A2, a running response is listed", bool(listed) and is_filtered
        self._learn("listing", holds=bool(listed) and is_filtered, evidence="two conversations side by side")
        mine = next((one for one in listed if one.response_id == first.response_id), None)
        is_marked = mine is not None and mine.body.get("metadata") == _MARK
        yield "A4, its metadata is listed", is_marked
        self._learn("metadata", holds=is_marked, evidence="the metadata that a listed response shows")
        gateway.delete_conversation(beside)
        gateway.delete_conversation(ours)
        yield (
            "A3, it stays listed when its conversation is deleted",
            bool(self._listed(ours, first.response_id)),
        )
        yield "A1, a deleted conversation refuses responses", _is_refused(lambda: self._post(ours, self.way))
        if self.services.abilities.has(self.way) is False:
            # In the way that the profile fixes and the service drops: it runs on the line, unasked.
            yield "it runs in the way in which it is posted", False
        elif self.way != "background":
            yield "A6, what its caller has left is listed", self._outlives_its_line()

    def _outlives_its_line(self) -> bool:
        """Post, hang up, and look for the response as after a cut line; nothing listed proves too little."""
        conversation_id = self.services.gateway.create_conversation({})
        self.services.gateway.post_and_leave(self._request(conversation_id, self.way))
        is_listed = bool(self._listed(conversation_id, None))
        self.services.gateway.delete_conversation(conversation_id)
        return is_listed

    def _request(self, conversation_id: str, way: Way) -> ResponseRequest:
        message = {"type": "message", "role": "user", "content": "Say ok."}
        return ResponseRequest(self.agent, conversation_id, (message,), _MARK, way=way)

    def _post(self, conversation_id: str, way: Way) -> Response:
        request = self._request(conversation_id, way)
        try:
            response = self.services.gateway.create_response(request, lambda _: None)
        except Rejected as error:
            self.services.abilities.refuses_form(request, error)
            raise
        self.services.abilities.hear(way, response.body)
        if way != "background" or response.body.get("background") is True:
            self._learn(way, holds=True, evidence="a tiny answer was posted so")
        return response

    def _post_somehow(self, conversation_id: str) -> Response:
        """Post in the first way that is neither refused nor dropped: it is the one that stages use."""
        found: Response | None = None
        for way in WAYS:
            is_asked_anew = way == "background" and not self.services.abilities.fixed
            if is_asked_anew or self.services.way() == way:
                try:
                    found = self._post(conversation_id, way)
                except Rejected:
                    if self.services.abilities.has(way) is not False:
                        raise
                else:
                    self.way = way
                    if self.services.abilities.has(way) is not False:
                        break
        if found is None:
            raise Rejected("the endpoint refuses every way of posting", "no_way")
        return found

    def _post_in(self, conversation_id: str, way: Way) -> Response | None:
        try:
            return self._post(conversation_id, way)
        except Rejected:
            return None

    def _listed(self, conversation_id: str, response_id: str | None) -> tuple[Response, ...]:
        """Look for a response, or for any, until the profile's time to settle has passed."""
        for _ in range(_LOOKS):
            try:
                found = self.services.gateway.list_responses(conversation_id)
            except ServiceError:
                found = ()
            if any(response_id in (None, one.response_id) for one in found):
                return found
            self.services.wait(self.services.settings.foundry.settle_s / _LOOKS)
        return ()

    def _learn(self, ability: Ability, *, holds: bool, evidence: str) -> None:
        self.services.abilities.learn(ability, holds=holds, evidence=f"{evidence}, `doctor --live`")


def _is_refused(post: Callable[[], object]) -> bool:
    try:
        post()
    except ConversationGone:
        return True
    except ServiceError:
        return False
    return False
