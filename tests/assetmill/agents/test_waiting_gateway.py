"""A service that is away is waited for in what costs nothing; a post is made once, whatever comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from assetmill.agents.credentials import ProvenCredential
from assetmill.agents.gateway import Finding
from assetmill.agents.waiting import waiting_gateway
from assetmill.errors import ServiceAway, ServiceError
from assetmill.outages import OutageNotice, Outages
from tests.doubles import ScriptedGateway, always


class Instant(Outages):
    """Outages whose pauses take no time, on a clock of their own."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(60.0, clock=lambda: self.now)
        self.told: list[OutageNotice] = []
        self.listen(self.told.append)

    def pause(self, seconds: float) -> None:
        self.now += seconds


def failing(times: int, then: Any, error: Exception | None = None) -> Callable[..., Any]:
    left = [error or ServiceAway("nothing answers")] * times

    def call(*_: object, **__: object) -> Any:
        if left:
            raise left.pop()
        return then

    return call


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway(always())


@pytest.fixture
def outages() -> Instant:
    return Instant()


def test_a_free_call_waits_until_the_service_is_back(gateway: ScriptedGateway, outages: Instant) -> None:
    service = waiting_gateway(gateway, outages)
    service.has_file("file_1")
    gateway.create_conversation = failing(4, "conv_1")
    assert service.create_conversation({}) == "conv_1"
    assert [notice.kind for notice in outages.told] == ["away", "back"]
    assert str(outages.told[0]).startswith(f"the service {gateway.endpoint} is away since ")


def test_a_post_is_made_once(gateway: ScriptedGateway, outages: Instant) -> None:
    service = waiting_gateway(gateway, outages)
    service.has_file("file_1")
    gateway.create_response = gateway.draw = gateway.post_and_leave = failing(3, None)
    for post in (service.create_response, service.draw, service.post_and_leave):
        with pytest.raises(ServiceAway):
            post(None, None)  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert outages.told == []


def test_what_was_waited_for_in_vain_is_not_tried_again(gateway: ScriptedGateway, outages: Instant) -> None:
    service = waiting_gateway(gateway, outages)
    service.has_file("file_1")
    gateway.get_response = failing(10_000, None)
    with pytest.raises(ServiceError, match="waited for since") as error:
        service.get_response("resp_1")
    assert type(error.value) is ServiceError
    assert 60.0 <= outages.now < 70.0


def test_one_container_that_refuses_is_no_outage(gateway: ScriptedGateway, outages: Instant) -> None:
    service = waiting_gateway(gateway, outages)
    service.has_file("file_1")
    gateway.read_container_file = failing(1, b"", ServiceAway("not now", status=503))
    with pytest.raises(ServiceAway, match="not now"):
        service.read_container_file("cntr_1", "cfile_1")
    gateway.read_container_file = failing(1, b"x")
    assert service.read_container_file("cntr_1", "cfile_1") == b"x"


@pytest.mark.parametrize("is_unattended", [True, False])
def test_an_endpoint_that_was_never_reached_is_waited_for_where_nobody_could_correct_it(
    gateway: ScriptedGateway, outages: Instant, is_unattended: bool
) -> None:
    outages.is_unattended = is_unattended
    away = (Finding("endpoint", "problem", "nothing answers", is_away=True),)
    there = (Finding("endpoint", "ok", "answers"),)
    seen = [away, away, there]
    gateway.examine = lambda models: seen.pop(0)
    assert waiting_gateway(gateway, outages).examine([]) == (there if is_unattended else away)


class Credential:
    def __init__(self) -> None:
        self.works = True

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        if not self.works:
            raise ClientAuthenticationError("no credential in this chain")
        return AccessToken("t", 0)


def test_an_identity_that_has_worked_is_away_when_it_does_not() -> None:
    inner = Credential()
    credential = ProvenCredential(inner)
    inner.works = False
    with pytest.raises(ClientAuthenticationError):
        credential.get_token("s")
    inner.works = True
    assert credential.get_token("s").token == "t"
    inner.works = False
    with pytest.raises(ServiceRequestError, match="no token at present"):
        credential.get_token("s")
