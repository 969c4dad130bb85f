"""What an endpoint can be asked for, and whether it keeps what a fence rests on: asked of the service itself.

The one place beside the engine that posts, and only when a person asks for it with `doctor --live`: the
smallest of prompts, into two conversations side by side, so that a list which is not filtered cannot pass for
one that is; and once to a conversation that was deleted, where it must be refused.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from assetmill.agents.gateway import (
    WAYS,
    AgentDefinition,
    AgentVersion,
    Finding,
    Json,
    OnFrame,
    Response,
    ResponseRequest,
    Way,
)
from assetmill.endpoints import Ability, EndpointProbe
from assetmill.errors import ConversationGone, OutcomeUnknown, Rejected, ServiceError
from assetmill.plan.calls import StageCall
from assetmill.stage.probe_money import ProbeBudget, probe_call
from assetmill.stage.services import Services

_NAME = "assetmill-probe"
_MARK = {"assetmill_probe": "1"}
_LOOKS = 6


def probe_endpoint(services: Services, prober: Prober | None = None) -> Iterator[Finding]:
    """Try the assumptions of docs/decisions/0004 and the ways of posting, and store what was seen.

    Costs five tiny answers at most.

    Raises:
        ServiceError: the service did not answer as far as the probe needs it.
        BudgetExceeded: a ceiling has no room for them.
    """
    prober = prober or Prober(services, ProbeBudget(services))
    probing = _Probing(prober, prober.agent("Answer with one word."))
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


@dataclass(frozen=True)
class Posted:
    """A probe that the service has accepted, and what was reserved for it."""

    call: StageCall
    response: Response
    reservation: str


@dataclass(frozen=True)
class Prober:
    """Posts what probes ask for, once each, under a ceiling, and learns from what comes."""

    services: Services
    purse: ProbeBudget
    rates: dict[str, str] = field(default_factory=dict[str, str])
    """The `x-ratelimit-*` headers that came with any answer."""

    def agent(self, instructions: str, *tools: Json, name: str = _NAME) -> AgentVersion:
        """Return the agent of a probe."""
        definition = AgentDefinition(name, self.services.settings.foundry.model, instructions, tools)
        return self.services.gateway.ensure_agent(definition)

    def post(self, call: StageCall, request: ResponseRequest, *, is_general: bool = True) -> Posted:
        """Spend: post one probe, in the way its request says; `is_general` if a refusal of that is learnt.

        Raises:
            BudgetExceeded: a ceiling has no room for it.
            ServiceError: as `Gateway.create_response`; one that leaves the outcome open counts as paid.
        """
        reservation = self.purse.reserve(call)
        try:
            response = self.services.gateway.create_response(request, lambda _: None)
        except OutcomeUnknown:
            raise  # it may have been accepted: the reservation stays
        except ServiceError as error:
            self.purse.settle(reservation, call, None)
            if isinstance(error, Rejected) and is_general:
                self.services.abilities.refuses_form(request, error)
            raise
        self.rates.update(response.rates)
        self.services.abilities.hear(request.way, response.body)
        if request.way != "background" or response.body.get("background") is True:
            self.learn(request.way, holds=True, evidence="a tiny answer was posted so")
        return Posted(call, response, reservation)

    def leave(self, call: StageCall, request: ResponseRequest) -> None:
        """Spend: post one probe and hang up. Nobody hears what it cost: the whole reservation counts.

        Raises:
            BudgetExceeded: a ceiling has no room for it.
            ServiceError: as `Gateway.post_and_leave`.
        """
        self.purse.reserve(call)
        self.services.gateway.post_and_leave(request)

    def finish(self, posted: Posted, on_frame: OnFrame | None = None) -> Response:
        """Follow a probe to its end and settle what it has cost.

        Raises:
            ServiceError: the service did not tell its end; then the whole reservation counts as spent.
        """
        deadline_s = self.services.settings.foundry.stage_deadline_s
        response = self.services.gateway.follow_response(
            posted.response.response_id, deadline_s=deadline_s, on_frame=on_frame
        )
        self.rates.update(response.rates)
        self.purse.settle(posted.reservation, posted.call, response)
        return response

    def learn(self, ability: Ability, *, holds: bool, evidence: str) -> None:
        """Remember what a probe has shown."""
        self.services.abilities.learn(ability, holds=holds, evidence=f"{evidence}, `doctor --live`")


@dataclass
class _Probing:
    """One probe; `way` is how its first response was posted in the end."""

    prober: Prober
    agent: AgentVersion
    way: Way = "background"

    @property
    def services(self) -> Services:
        """Where it is probed."""
        return self.prober.services

    def assumptions(self) -> Iterator[tuple[str, bool]]:
        """Yield each assumption and whether it was seen to hold."""
        gateway = self.services.gateway
        ours, beside = gateway.create_conversation({}), gateway.create_conversation({})
        posted = self._post_somehow(ours)
        first = posted.response
        other = self._post_in(beside, "stream" if self.way == "background" else "background")
        listed = self._listed(ours, first.response_id)
        strangers = {other.response.response_id} if other else set[str]()
        is_filtered = not strangers & {one.response_id for one in listed}
        yield "A2, a running response is listed", bool(listed) and is_filtered
        self.prober.learn(
            "listing", holds=bool(listed) and is_filtered, evidence="two conversations side by side"
        )
        mine = next((one for one in listed if one.response_id == first.response_id), None)
        is_marked = mine is not None and mine.body.get("metadata") == _MARK
        yield "A4, its metadata is listed", is_marked
        self.prober.learn("metadata", holds=is_marked, evidence="the metadata that a listed response shows")
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
        self._settle(posted, other)

    def _outlives_its_line(self) -> bool:
        """Post, hang up, and look for the response as after a cut line; nothing listed proves too little."""
        conversation_id = self.services.gateway.create_conversation({})
        self.prober.leave(self._call(), self._request(conversation_id, self.way))
        # One that is over by now had its answer before its line was cut: that shows nothing of A6.
        is_over = any(one.is_final for one in self._shown(conversation_id))
        is_listed = not is_over and bool(self._listed(conversation_id, None))
        self.services.gateway.delete_conversation(conversation_id)
        return is_listed

    def _settle(self, *probes: Posted | None) -> None:
        """Find out what the answers have cost; of one that went with its conversation nobody can say."""
        for posted in probes:
            if posted is not None:
                with suppress(ServiceError):
                    self.prober.finish(posted)

    def _call(self) -> StageCall:
        return probe_call(self.services, "answer", "Say ok.")

    def _request(self, conversation_id: str, way: Way) -> ResponseRequest:
        message = {"type": "message", "role": "user", "content": "Say ok."}
        return ResponseRequest(self.agent, conversation_id, (message,), _MARK, way=way)

    def _post(self, conversation_id: str, way: Way) -> Posted:
        return self.prober.post(self._call(), self._request(conversation_id, way))

    def _post_somehow(self, conversation_id: str) -> Posted:
        """Post in the first way that is neither refused nor dropped: it is the one that stages use."""
        found: Posted | None = None
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

    def _post_in(self, conversation_id: str, way: Way) -> Posted | None:
        try:
            return self._post(conversation_id, way)
        except Rejected:
            return None

    def _shown(self, conversation_id: str) -> tuple[Response, ...]:
        """Return what the list shows now; one that cannot be believed shows nothing."""
        try:
            return self.services.gateway.list_responses(conversation_id)
        except ServiceError:
            return ()

    def _listed(self, conversation_id: str, response_id: str | None) -> tuple[Response, ...]:
        """Look for a response, or for any, until the profile's time to settle has passed."""
        for _ in range(_LOOKS):
            found = self._shown(conversation_id)
            if any(response_id in (None, one.response_id) for one in found):
                return found
            self.services.wait(self.services.settings.foundry.settle_s / _LOOKS)
        return ()


def _is_refused(post: Callable[[], object]) -> bool:
    try:
        post()
    except ConversationGone:
        return True
    except ServiceError:
        return False
    return False
