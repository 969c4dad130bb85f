"""A container that refuses, forgets or answers oddly costs only what it keeps back, and is paid for once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from assetmill.agents.gateway import ContainerFileEntry, ResponseRequest
from assetmill.errors import (
    HandleExpired,
    NotSent,
    OutputUnreachable,
    OutputUnusable,
    Rejected,
    ServiceError,
    StageFailed,
)
from assetmill.plan.calls import BoundInput, ExpectedOutput, StageCall
from assetmill.records import Approval, RunId
from assetmill.stage.engine import run_stage
from assetmill.stage.repeats import again_subject
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.assetmill.stage.processes import RUN, Crash, Start
from tests.doubles import Body, ScriptedGateway, always, citing, code_item, image_item, png, stage_call

SQUARE, SMALL = png(32, 32), png(16, 16)
CALL = stage_call(
    tools=({"type": "code_interpreter"},),
    outputs=(
        ExpectedOutput("picture", "small.png", pattern="small.png"),
        ExpectedOutput("picture", "square.png", pattern="square.png"),
    ),
)
BROKEN = NotSent("An internal error occurred.", "server_error", 500)
GONE = HandleExpired("no such file", "not_found", 404)
DENIED = Rejected("not supported for CheckAccess", "PermissionDenied", 403)


@pytest.fixture
def container(gateway: ScriptedGateway) -> ScriptedGateway:
    gateway.script = always(code_item(), citing("cntr_1", cfile_1="small.png", cfile_2="square.png"))
    gateway.containers["cntr_1"] = {"cfile_1": ("small.png", SMALL), "cfile_2": ("square.png", SQUARE)}
    return gateway


def run_again(number: int, services: Services, call: StageCall = CALL) -> list[str]:
    record = run_stage(call, services, RunId(f"run-{number}"))
    return [asset.name for asset in record.outputs if asset.role == "output"]


@pytest.mark.parametrize("error", [BROKEN, GONE, DENIED], ids=["500", "404", "403"])
def test_one_file_that_cannot_be_read_costs_only_itself(
    process: Start, container: ScriptedGateway, error: ServiceError
) -> None:
    container.refused_files["cfile_1"] = error
    services = process()
    with pytest.raises(OutputUnreachable, match=r"small\.png \(cfile_1\)"):
        run_stage(CALL, services, RUN)
    verdict = services.ledger.read_verdict(CALL.pipeline, CALL.fingerprint, 1)
    assert verdict is not None
    assert [asset.name for asset in verdict.kept] == ["square.png"]


@pytest.mark.parametrize("error", [BROKEN, GONE, DENIED], ids=["500", "404", "403"])
def test_what_lasts_is_paid_for_once_however_often_it_is_run(
    process: Start, container: ScriptedGateway, error: ServiceError
) -> None:
    container.refused_files["cfile_1"] = error
    for number in range(1, 5):
        with pytest.raises(OutputUnreachable):
            run_again(number, process())
    assert len(container.posts) == 1


def test_a_file_that_comes_after_all_completes_the_stage_for_nothing(
    process: Start, container: ScriptedGateway
) -> None:
    container.refused_files["cfile_1"] = GONE
    with pytest.raises(OutputUnreachable):
        run_again(1, process())
    container.refused_files.clear()
    assert run_again(2, process()) == ["small.png", "square.png"]
    record = process().ledger.read_stage(CALL.pipeline, CALL.fingerprint)
    assert record is not None
    assert record.decision is not None
    assert record.decision.kind == "fetched"
    assert len(container.posts) == 1


def test_what_was_fetched_is_recorded_before_the_next_file_is_asked_for(
    process: Start, container: ScriptedGateway
) -> None:
    read = container.read_container_file

    def die(container_id: str, file_id: str) -> bytes:
        if file_id == "cfile_2":
            raise Crash
        return read(container_id, file_id)

    container.read_container_file = die
    with pytest.raises(Crash):
        run_again(1, process(lease_s=1e-9))
    asked: list[str] = []

    def note(container_id: str, file_id: str) -> bytes:
        asked.append(file_id)
        return read(container_id, file_id)

    container.read_container_file = note
    assert run_again(2, process()) == ["small.png", "square.png"]
    assert asked == ["cfile_2"]


@pytest.mark.parametrize("error", [BROKEN, DENIED], ids=["500", "403"])
def test_where_a_listing_is_refused_citations_are_tried(
    process: Start, container: ScriptedGateway, error: ServiceError
) -> None:
    container.refused_listing = error
    assert run_again(1, process()) == ["small.png", "square.png"]


def test_a_figure_that_nobody_asked_for_may_be_out_of_reach(
    process: Start, container: ScriptedGateway
) -> None:
    container.containers["cntr_1"]["cfile_9"] = ("cfile_9.png", png(8, 8))
    container.refused_files["cfile_9"] = BROKEN
    assert run_again(1, process()) == ["small.png", "square.png"]


@pytest.mark.parametrize("listed", ["cfile_9.png", "figure.png"])
def test_a_shown_figure_is_no_output_of_a_stage_that_names_none(
    process: Start, container: ScriptedGateway, listed: str
) -> None:
    """Whatever its container calls it: it is cited by its own ID."""
    container.containers["cntr_1"] = {
        "cfile_9": (listed, png(8, 8)),
        "cfile_2": ("square.png", SQUARE),
    }
    container.script = always(code_item(), citing("cntr_1", cfile_9="cfile_9.png", cfile_2="square.png"))
    assert run_again(1, process(), stage_call(tools=CALL.tools, outputs=())) == ["square.png"]


def test_a_listing_without_paths_is_named_by_citation_or_id(
    process: Start, container: ScriptedGateway
) -> None:
    container.containers["cntr_1"] = {"cfile_1": ("", SMALL), "cfile_2": ("square.png", SQUARE)}
    assert run_again(1, process()) == ["small.png", "square.png"]


def test_an_input_is_never_a_result_where_the_listing_names_no_source(
    process: Start, container: ScriptedGateway
) -> None:
    services = process()
    photo = services.blobs.put(png(40, 40), "image/png")
    container.source = None
    container.containers["cntr_1"] = {"cfile_1": ("a-photo.png", png(40, 40)), "cfile_2": ("z.png", SQUARE)}
    container.script = always(code_item())
    call = stage_call(
        tools=CALL.tools,
        inputs=(BoundInput("a-photo.png", "container_file", photo),),
        outputs=(ExpectedOutput("picture", "z.png"),),
    )
    record = run_stage(call, services, RUN)
    assert [(asset.name, asset.width) for asset in record.outputs] == [("z.png", 32)]


def test_a_citation_without_a_container_means_the_only_one(
    process: Start, container: ScriptedGateway
) -> None:
    container.refused_listing = DENIED
    container.script = always(code_item(), citing(None, cfile_1="small.png", cfile_2="square.png"))
    assert run_again(1, process()) == ["small.png", "square.png"]


def test_words_do_not_stand_for_a_table_that_cannot_be_fetched(
    process: Start, container: ScriptedGateway
) -> None:
    container.containers["cntr_1"] = {"cfile_3": ("totals.csv", b"a,b\n1,2\n")}
    container.refused_files["cfile_3"] = BROKEN
    container.script = always(code_item(), citing("cntr_1", cfile_3="totals.csv"))
    call = stage_call(tools=CALL.tools, outputs=(ExpectedOutput("data", "totals.csv", pattern="totals.csv"),))
    with pytest.raises(OutputUnreachable, match=r"totals\.csv"):
        run_stage(call, process(), RUN)


@pytest.mark.parametrize("ids", [(None, None), ("ig_1", "ig_1"), ("", "ig_1")])
def test_pictures_without_an_id_of_their_own_are_all_kept(
    process: Start, gateway: ScriptedGateway, backend: MemoryStore, ids: tuple[str | None, str | None]
) -> None:
    red, blue = image_item(png(colour="red")), image_item(png(colour="blue"))
    gateway.script = always({**red, "id": ids[0]}, {**blue, "id": ids[1]})
    services = process()
    call = stage_call(outputs=(ExpectedOutput("picture", "two.png", count=2),))
    record = run_stage(call, services, RUN)
    kept = [services.blobs.get(asset.blob) for asset in record.outputs]
    assert kept == [png(colour="red"), png(colour="blue")]
    raw = services.ledger.read_raw(call.pipeline, call.fingerprint, 1, 1).decode()
    assert all(asset.blob.digest in raw for asset in record.outputs)


def test_a_person_may_pay_again_for_what_is_held_back(process: Start, container: ScriptedGateway) -> None:
    container.refused_files["cfile_1"] = GONE
    with pytest.raises(OutputUnreachable):
        run_again(1, process())
    word = Approval(subject=again_subject(1), is_granted=True, decided_by="me", created_at=1.0)
    process().ledger.write_approval(CALL.pipeline, CALL.fingerprint, word)
    with pytest.raises(OutputUnreachable):
        run_again(2, process())
    assert len(container.posts) == 2
    with pytest.raises(OutputUnreachable):
        run_again(3, process())
    assert len(container.posts) == 2


@pytest.fixture
def wrong(gateway: ScriptedGateway) -> StageCall:
    """A stage whose picture never has the size that it must have."""
    return stage_call(outputs=(ExpectedOutput("picture", "hero.png", width=999),))


def test_the_same_failure_is_not_paid_for_a_third_time(
    process: Start, gateway: ScriptedGateway, wrong: StageCall
) -> None:
    for number in (1, 2):
        with pytest.raises(OutputUnusable):
            run_again(number, process(), wrong)
    with pytest.raises(StageFailed, match=r"2 times the same way.*64 px wide.*--pay-again"):
        run_again(3, process(), wrong)
    assert len(gateway.posts) == 2


def test_a_run_that_is_told_to_pays_for_the_same_failure_again(
    process: Start, gateway: ScriptedGateway, wrong: StageCall
) -> None:
    for number in (1, 2):
        with pytest.raises(OutputUnusable):
            run_again(number, process(), wrong)
    services = process()
    services.allow_repeats("run-3")
    with pytest.raises(OutputUnusable):
        run_again(3, services, wrong)
    assert len(gateway.posts) == 3


def test_another_failure_is_no_repetition(process: Start, gateway: ScriptedGateway, wrong: StageCall) -> None:
    items = [(image_item(png()),), (), (image_item(png()),)]

    def script(_: ResponseRequest) -> Sequence[Body]:
        return items[len(gateway.posts) - 1]

    gateway.script = script
    for number in (1, 2, 3):
        with pytest.raises((OutputUnusable, StageFailed), match=r"px wide|0 of 1"):
            run_again(number, process(), wrong)
    assert len(gateway.posts) == 3


def test_a_stage_that_was_given_up_stays_so(
    process: Start, gateway: ScriptedGateway, wrong: StageCall
) -> None:
    with pytest.raises(OutputUnusable):
        run_again(1, process(), wrong)
    word = Approval(subject=again_subject(1), is_granted=False, decided_by="me", created_at=1.0)
    process().ledger.write_approval(wrong.pipeline, wrong.fingerprint, word)
    with pytest.raises(StageFailed, match="given up, says me"):
        run_again(2, process(), wrong)
    assert len(gateway.posts) == 1


def test_where_lists_are_known_to_be_refused_cited_files_are_fetched_first(
    process: Start, container: ScriptedGateway
) -> None:
    services, asked = process(), list[str]()
    listing, reading = container.list_container_files, container.read_container_file

    def listed(container_id: str) -> tuple[ContainerFileEntry, ...]:
        asked.append("list")
        return listing(container_id)

    def read(container_id: str, file_id: str) -> bytes:
        asked.append(file_id)
        return reading(container_id, file_id)

    container.list_container_files, container.read_container_file = listed, read
    assert run_again(1, services) == ["small.png", "square.png"]
    services.abilities.learn("container_listing", holds=False, evidence="a file was written by code")
    assert run_again(2, services, replace(CALL, prompt="another")) == ["small.png", "square.png"]
    assert asked == ["list", "cfile_1", "cfile_2", "cfile_1", "cfile_2", "list"]
    services.abilities.learn("container_citation", holds=False, evidence="a file was written by code")
    asked.clear()
    run_again(3, services, replace(CALL, prompt="a third"))
    assert asked == ["list", "cfile_1", "cfile_2"]
