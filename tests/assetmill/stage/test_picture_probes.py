"""What an endpoint does with pictures and files: tried under a ceiling, learnt from definite answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from assetmill.agents.gateway import Finding, Frame, OnFrame, Response, ResponseRequest
from assetmill.agents.picture_forms import SMALL_CHARS
from assetmill.endpoints import Ability
from assetmill.errors import HandleExpired, NotSent, OutcomeUnknown, Rejected, ServiceError
from assetmill.settings import Foundry, Settings
from assetmill.stage.picture_probes import PictureProbes, data_url, long_picture, small_picture
from assetmill.stage.probe_money import ProbeBudget
from assetmill.stage.probing import Prober
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import Body, ScriptedGateway, citing, code_item, image_item, message_item, png

FORMS: tuple[Ability, ...] = ("image_file", "image_small", "image_data")


class Painter(ScriptedGateway):
    """Draws, reads pictures and runs code; what it streams it shows whole."""

    def __init__(self) -> None:
        super().__init__(self.answer)
        self.containers["cntr_1"]["cfile_1"] = ("ok.txt", b"ok")
        self.streams_pictures = True

    def answer(self, request: ResponseRequest) -> Sequence[Body]:
        if "draw" in request.agent.name:
            return [image_item(png())]
        if "code" in request.agent.name:
            return [code_item(), citing("cntr_1", cfile_1="ok.txt")]
        return [message_item("ok")]

    def follow_response(self, response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        if on_frame and self.streams_pictures:
            on_frame(Frame(0, png(), "ig_1", is_final=True))
        return self.get_response(response_id)


def probed(
    gateway: ScriptedGateway, folder: Path, *, usd: float = 1.0, **foundry: Any
) -> tuple[Services, ProbeBudget]:
    chosen = {"endpoint": gateway.endpoint, "image_deployment": "gpt-image-2", **foundry}
    settings = Settings(profile="test", home=folder, configs=folder, foundry=Foundry.model_validate(chosen))
    services = Services(settings, MemoryStore(), lambda _settings, _wait: gateway)
    return services, ProbeBudget(services, usd)


def run(services: Services, purse: ProbeBudget) -> list[Finding]:
    return list(PictureProbes(Prober(services, purse)).run())


def refusing(
    part: Callable[[ResponseRequest], bool], error: ServiceError
) -> Callable[[ResponseRequest], None]:
    def before(request: ResponseRequest) -> None:
        if part(request):
            raise error

    return before


def shows(form: str) -> Callable[[ResponseRequest], bool]:
    return lambda request: form in str(request.input)


def test_everything_that_works_is_learnt_with_its_evidence(tmp_path: Path) -> None:
    services, purse = probed(Painter(), tmp_path)
    findings = run(services, purse)
    learnt = {one.ability: one.holds for one in services.ledger.abilities(services.gateway.endpoint)}
    wanted: list[Ability] = [
        *FORMS,
        "image_call",
        "stream_pictures",
        "picture_read",
        "container_listing",
        "container_citation",
    ]
    assert {name: learnt.get(name) for name in wanted} == dict.fromkeys(wanted, True)
    assert all(
        "doctor --live" in one.evidence for one in services.ledger.abilities(services.gateway.endpoint)
    )
    assert [one.message for one in findings if one.state == "warning"] == [
        "the store signs no https:// addresses: an address is not tried"
    ]
    assert 0 < purse.spent_usd < 0.1


def test_each_probe_tells_its_price_before_it_posts(tmp_path: Path) -> None:
    gateway = Painter()
    services, purse = probed(gateway, tmp_path)
    told = 0
    for finding in PictureProbes(Prober(services, purse)).run():
        if "at most $" in finding.message:
            told += 1
            assert len(gateway.posts) < told
    assert told >= len(gateway.posts) == 6


def test_a_ceiling_without_room_posts_nothing(tmp_path: Path) -> None:
    gateway = Painter()
    findings = run(*probed(gateway, tmp_path, usd=0.001))
    assert gateway.posts == []
    assert any("not tried" in one.message and "ceiling" in one.message for one in findings)


def test_a_model_without_a_price_is_not_probed(tmp_path: Path) -> None:
    gateway = Painter()
    findings = run(*probed(gateway, tmp_path, model="our-own-deployment"))
    assert gateway.posts == []
    assert any("no price for our-own-deployment" in one.message for one in findings)


@pytest.mark.parametrize(
    ("shown", "ability"),
    [("'file_id'", "image_file"), ("'image_generation_call'", "image_call"), ("data:image", "image_small")],
)
def test_a_definite_refusal_is_learnt_and_the_rest_goes_on(
    tmp_path: Path, shown: str, ability: Ability
) -> None:
    gateway = Painter()
    refusal = Rejected("The provided data does not match the expected schema", "invalid_payload", 400)
    gateway.before = refusing(shows(shown), refusal)
    services, purse = probed(gateway, tmp_path)
    run(services, purse)
    assert services.abilities.has(ability) is False
    assert services.abilities.has("container_listing") is True


@pytest.mark.parametrize(
    "error",
    [
        NotSent("busy", "server_error", 500),
        OutcomeUnknown("cut"),
        Rejected("the 'ig_1' lacks its required 'reasoning' item", "invalid", 400),
        Rejected("no right to do that", "forbidden", 403),
    ],
)
def test_what_is_no_answer_about_a_form_teaches_nothing(tmp_path: Path, error: ServiceError) -> None:
    gateway = Painter()
    gateway.before = refusing(lambda _: True, error)
    services, purse = probed(gateway, tmp_path)
    run(services, purse)
    assert not services.ledger.abilities(services.gateway.endpoint)
    # Only what may have been accepted counts as spent.
    assert (purse.spent_usd > 0) is isinstance(error, OutcomeUnknown)


def test_a_refused_stream_of_pictures_is_not_a_refused_stream(tmp_path: Path) -> None:
    gateway = Painter()
    refusal = Rejected("ImageGen as a tool is not supported in streaming mode.", "invalid_payload", 400)
    gateway.before = refusing(lambda request: request.way == "stream", refusal)
    services, purse = probed(gateway, tmp_path)
    run(services, purse)
    assert services.abilities.has("stream_pictures") is False
    assert services.abilities.has("stream") is None
    # Drawn in another way, so that going on with it can be tried.
    assert services.abilities.has("image_call") is True


def test_a_later_read_without_the_bytes_is_learnt(tmp_path: Path) -> None:
    class Forgetful(Painter):
        def get_response(self, response_id: str) -> Response:
            found = super().get_response(response_id)
            items = [{**item, "result": None} if "result" in item else item for item in found.body["output"]]
            return Response(found.response_id, found.status, {**found.body, "output": items})

        def follow_response(
            self, response_id: str, *, deadline_s: float, on_frame: OnFrame | None
        ) -> Response:
            if on_frame:
                on_frame(Frame(0, png(), "ig_1", is_final=True))
            return super().get_response(response_id)

    services, purse = probed(Forgetful(), tmp_path)
    run(services, purse)
    assert services.abilities.has("picture_read") is False


@pytest.mark.parametrize(
    ("refusal", "listing"),
    [(HandleExpired("gone", "not_found", 404), False), (NotSent("busy", "server_error", 500), None)],
)
def test_the_files_of_a_container_are_looked_for_in_both_ways(
    tmp_path: Path, refusal: ServiceError, listing: bool | None
) -> None:
    gateway = Painter()
    gateway.refused_listing = refusal
    services, purse = probed(gateway, tmp_path)
    run(services, purse)
    assert services.abilities.has("container_listing") is listing
    assert services.abilities.has("container_citation") is True


def test_the_long_picture_is_longer_than_what_was_refused() -> None:
    assert len(data_url(long_picture())) > SMALL_CHARS + 600
    assert len(data_url(small_picture())) < 1000
