"""A fence is used only where the endpoint was seen to keep what it rests on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from assetmill.agents.gateway import Response, ResponseRequest, Way
from assetmill.endpoints import EndpointProbe
from assetmill.errors import Rejected
from assetmill.settings import Foundry, Settings
from assetmill.stage.probing import known_abilities, probe_endpoint
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, always, message_item


class Lasting(ScriptedGateway):
    """Lists the responses of a deleted conversation, as the real service must for a fence to be safe."""

    def __init__(self) -> None:
        super().__init__(always(message_item("ok")))
        self.remembered: dict[str, tuple[Response, ...]] = {}

    def delete_conversation(self, conversation_id: str) -> None:
        self.remembered[conversation_id] = super().list_responses(conversation_id)
        super().delete_conversation(conversation_id)

    def list_responses(self, conversation_id: str) -> tuple[Response, ...]:
        return self.remembered.get(conversation_id) or super().list_responses(conversation_id)


def refusing_all_but(way: Way) -> Callable[[ResponseRequest], None]:
    def before(request: ResponseRequest) -> None:
        if request.way != way:
            raise Rejected(f"Not allowed when agent is specified. ({request.way})", "invalid_payload", 400)

    return before


def services_on(gateway: ScriptedGateway, folder: Path, **foundry: object) -> Services:
    chosen = Foundry.model_validate({"endpoint": gateway.endpoint, "settle_s": 0.0, **foundry})
    settings = Settings(profile="test", home=folder, configs=folder, foundry=chosen)
    return Services(settings, MemoryStore(), lambda _settings, _wait: gateway)


def test_an_endpoint_that_keeps_all_four_may_be_fenced(tmp_path: Path) -> None:
    gateway = Lasting()
    services = services_on(gateway, tmp_path, policy="fence")
    assert not services.may_fence_in(services.way())
    findings = list(probe_endpoint(services))
    assert [finding.state for finding in findings] == ["ok"] * 5
    assert services.may_fence_in(services.way())
    assert [post.way for post in gateway.posts] == ["background", "stream"]


def test_a_list_that_shows_another_conversation_s_responses_forbids_the_fence(tmp_path: Path) -> None:
    class Unfiltered(Lasting):
        def list_responses(self, conversation_id: str) -> tuple[Response, ...]:
            return tuple(made for found in self.conversations.values() for made in found)

    services = services_on(Unfiltered(), tmp_path, policy="fence")
    messages = [finding.message for finding in probe_endpoint(services)]
    assert "A2, a running response is listed: does not hold" in messages
    assert not services.may_fence_in(services.way())
    assert services.abilities.has("listing") is False


def test_a_fence_is_for_the_way_that_was_probed(tmp_path: Path) -> None:
    services = services_on(Lasting(), tmp_path, policy="fence")
    list(probe_endpoint(services))
    services.abilities.learn("background", holds=False, evidence="refused")
    assert not services.may_fence_in(services.way())


def test_a_probe_falls_back_like_a_stage_and_remembers_why(tmp_path: Path) -> None:
    gateway = Lasting()

    def before(request: ResponseRequest) -> None:
        if request.way == "background":
            raise Rejected("Background mode is not supported.", "invalid_payload", 400)

    gateway.before = before
    services = services_on(gateway, tmp_path, policy="fence")
    list(probe_endpoint(services))
    told = {finding.message.partition(":")[0]: finding for finding in known_abilities(services)}
    assert told["background"].state == "warning"
    assert "Background mode is not supported" in told["background"].message
    assert told["stream"].state == "ok"
    assert services.may_fence_in(services.way())
    assert services.way() == "stream"


def test_an_endpoint_of_which_nothing_is_known_says_so(tmp_path: Path) -> None:
    (only,) = known_abilities(services_on(Lasting(), tmp_path))
    assert "nothing was seen" in only.message


def test_one_assumption_that_fails_forbids_the_fence(tmp_path: Path) -> None:
    services = services_on(ScriptedGateway(always(message_item("ok"))), tmp_path, policy="fence")
    findings = list(probe_endpoint(services))
    assert "A3, it stays listed when its conversation is deleted: does not hold" in [
        finding.message for finding in findings
    ]
    assert "hold" in findings[-1].advice
    assert not services.may_fence_in(services.way())


def test_the_newest_probe_counts(tmp_path: Path) -> None:
    services = services_on(Lasting(), tmp_path, policy="fence")
    list(probe_endpoint(services))
    worse = Services(
        services.settings,
        services.backend,
        lambda _settings, _wait: ScriptedGateway(always(message_item("ok"))),
    )
    list(probe_endpoint(worse))
    assert not services.may_fence_in(services.way())


@pytest.mark.parametrize(
    ("endpoint", "policy", "may"), [("emulator", "fence", True), ("emulator", "hold", False)]
)
def test_the_emulator_needs_no_probe(tmp_path: Path, endpoint: str, policy: str, *, may: bool) -> None:
    assert (
        services_on(ScriptedGateway(), tmp_path, endpoint=endpoint, policy=policy).may_fence_in("background")
        is may
    )


@pytest.mark.parametrize("way", ["stream", "foreground"])
def test_on_the_line_a_fence_needs_what_its_caller_left_to_be_listed(tmp_path: Path, way: Way) -> None:
    gateway = Lasting()
    gateway.before = refusing_all_but(way)
    services = services_on(gateway, tmp_path, policy="fence")
    list(probe_endpoint(services))
    assert services.way() == way
    assert services.may_fence_in(services.way())
    gateway.keeps_left = False
    told = {finding.message for finding in probe_endpoint(services)}
    assert "A6, what its caller has left is listed: does not hold" in told
    assert not services.may_fence_in(services.way())


def test_a_probe_that_did_not_ask_for_what_was_left_allows_no_fence_on_the_line() -> None:
    kept = {f"A{number}": True for number in range(1, 5)}
    probes = [
        EndpointProbe(endpoint="e", kept=kept, created_at=1.0, way=way) for way in ("background", "stream")
    ]
    assert [probe.allows_fence for probe in probes] == [True, False]


def test_a_way_that_is_dropped_is_not_the_one_that_was_probed(tmp_path: Path) -> None:
    gateway = Lasting()
    gateway.echo = {"background": False}
    services = services_on(gateway, tmp_path, policy="fence")
    list(probe_endpoint(services))
    assert services.way() == "stream"
    assert services.may_fence_in("stream")
    assert not services.may_fence_in("background")


def test_the_emulator_too_is_fenced_on_the_line_only_after_a_probe(tmp_path: Path) -> None:
    services = services_on(Lasting(), tmp_path, endpoint="emulator", policy="fence", way="stream")
    assert services.may_fence_in("background")
    assert not services.may_fence_in(services.way())


@pytest.mark.parametrize("way", ["background", "stream", "foreground"])
def test_the_way_that_the_profile_fixes_is_the_one_that_is_probed(tmp_path: Path, way: Way) -> None:
    services = services_on(Lasting(), tmp_path, policy="fence", way=way)
    list(probe_endpoint(services))
    assert services.may_fence_in(way)
    assert services.way() == way


def test_a_fixed_way_that_is_dropped_is_never_fenced(tmp_path: Path) -> None:
    gateway = Lasting()
    gateway.echo = {"background": False}
    services = services_on(gateway, tmp_path, policy="fence", way="background")
    told = {finding.message for finding in probe_endpoint(services)}
    assert "it runs in the way in which it is posted: does not hold" in told
    assert not services.may_fence_in(services.way())
    clock = services.clock
    later = services_on(gateway, tmp_path, policy="fence", way="background")
    later.backend, later.ledger = services.backend, services.ledger
    later.clock = lambda: clock() + 8 * 24 * 3600.0  # a refusal is believed for a week
    assert later.abilities.has("background") is None
    assert not later.may_fence_in(later.way())


@pytest.mark.parametrize("way", ["stream", "foreground"])
def test_an_answer_that_came_before_its_line_was_cut_shows_nothing(tmp_path: Path, way: Way) -> None:
    gateway = Lasting()
    gateway.left_status = "completed"
    services = services_on(gateway, tmp_path, policy="fence", way=way)
    told = {finding.message for finding in probe_endpoint(services)}
    assert "A6, what its caller has left is listed: does not hold" in told
    assert not services.may_fence_in(services.way())
