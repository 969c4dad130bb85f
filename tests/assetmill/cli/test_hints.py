"""What a command says to do next works as it stands: with the options that were typed."""

from __future__ import annotations

import shlex

import click
import pytest

from assetmill.cli.again import asked_again
from assetmill.cli.edit import edit
from assetmill.cli.options import Span, given, parameter_options, profile_option
from assetmill.cli.run import summary
from assetmill.editing.orders import EditOrder
from assetmill.records import RunManifest, RunStart
from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal
from tests.lockyard import FOLDER, Yard
from tests.millworks import run_here


@click.command()
@parameter_options
@profile_option
@click.option("--budget", "budget_usd", type=float)
def typed(**_: object) -> str:
    """Return what was typed."""
    return given("pairs", "file", "budget_usd", "profile")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], ""),
        (["-p", "a=b c", "--param", "d=e"], " -p 'a=b c' -p d=e"),
        (["--params", "x y.yaml", "--budget", "0.50"], " --params 'x y.yaml' --budget 0.5"),
        (["--profile", "azure"], " --profile azure"),
    ],
)
def test_options_are_repeated_so_that_a_shell_reads_them_back(arguments: list[str], told: str) -> None:
    assert typed.main(arguments, standalone_mode=False) == told
    assert typed.main(shlex.split(told), standalone_mode=False) == told


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({}, "assetmill run chain"),
        (
            {"subject": "a red cup", "count": 3, "dark": True},
            "assetmill run chain -p 'subject=a red cup' -p count=3 -p dark=true",
        ),
    ],
)
def test_what_a_run_was_given_is_given_again(
    done: RunManifest, parameters: dict[str, object], told: str
) -> None:
    assert asked_again("chain", begun(done, "chain", parameters)) == told


@pytest.mark.parametrize(
    "order",
    [
        EditOrder("latest/hero/hero.png", "make it red, now"),
        EditOrder("a", "b", box="1,2,3,4", replicas=2, feather_px=0, references=("c", "d e")),
        EditOrder("a", "b", is_masked_by_alpha=True, model="m", size="16x16", quality="high"),
        EditOrder("a", "b", mask="my mask.png"),
    ],
)
def test_an_edit_is_asked_for_again_by_its_own_command(done: RunManifest, order: EditOrder) -> None:
    told = shlex.split(asked_again("edit", begun(done, "edit", order.facts())))
    assert told[:2] == ["assetmill", "edit"]
    typed = edit.make_context("edit", told[2:], help_option_names=["-h", "--help"]).params
    wanted = {"is_masked_by_alpha": "mask_from_alpha", "feather_px": "feather"}
    fields = {name: typed[wanted.get(name, name)] for name in vars(order) if name != "frames"}
    assert EditOrder(**fields) == order


def begun(done: RunManifest, pipeline: str, parameters: dict[str, object]) -> RunStart:
    return RunStart(
        run_id=done.run_id,
        pipeline=pipeline,
        parameters=parameters,
        profile="local",
        spec_digest=done.spec_digest,
        spec_path="",
        stages=(),
        started_at=1.0,
    )


@pytest.fixture
def done(services: Services) -> RunManifest:
    return run_here(services, "chain")


def test_a_run_repeats_its_options(done: RunManifest) -> None:
    failed = done.model_copy(update={"status": "failed"})
    short = failed.model_copy(
        update={"stages": tuple(one.model_copy(update={"status": "over_budget"}) for one in done.stages)}
    )

    @click.command()
    @parameter_options
    @profile_option
    @click.option("--budget", "budget_usd", type=float)
    @click.argument("pipeline")
    def run(pipeline: str, **_: object) -> tuple[str, ...]:
        return tuple(summary(one, pipeline, []) for one in (done, failed, short))

    arguments = ["chain", "-p", "subject=a red cup", "--budget", "2", "--profile", "local"]
    told, told_of_failed, told_of_short = run.main(arguments, standalone_mode=False)
    assert "run chain -p 'subject=a red cup' --budget 2 --profile local    makes" in told
    assert f"show {done.run_id} --profile local " in told
    assert "plan chain -p 'subject=a red cup' --profile local " in told
    assert "--budget 2 --profile local    goes on" in told_of_failed
    assert ("higher --budget" in told_of_failed, "higher --budget" in told_of_short) == (False, True)


def test_a_lock_elsewhere_is_named_again(yard: Yard, assetmill: Terminal) -> None:
    path = str(yard.lock_path)
    assert assetmill("lock", "posters", "--out", FOLDER, "--lock", path) == 0, assetmill.err
    assert f"next: assetmill sync --lock {path} " in assetmill.out
    assert assetmill("check", "--lock", path) == 1
    assert f"next: assetmill sync --lock {path} " in assetmill.out


def test_lock_and_update_tell_programs_what_changed(yard: Yard, assetmill: Terminal) -> None:
    told = assetmill.document("lock", "posters", "--out", FOLDER)
    assert (told["folder"], len(told["files"]), told["added"]) == (FOLDER, 4, told["files"])
    updated = assetmill.document("update")
    assert [folder["status"] for folder in updated["folders"]] == ["unchanged"]
    assert len(updated["written"]) == 4
    assert assetmill.document("lock", "--drop", FOLDER)["removed"] == told["files"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("7d", 604800), ("12h", 43200), ("2w", 1209600), ("3", 259200)]
)
def test_spans_are_read_alike(text: str, seconds: float) -> None:
    assert Span().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "d", "-1d", "7 months", "nan", "1e9"])
@pytest.mark.parametrize("command", ["gc", "reap"])
def test_what_is_no_span_is_refused_before_anything_is_opened(
    command: str, text: str, assetmill: Terminal
) -> None:
    assert assetmill(command, f"--older-than={text}") == 2
    assert "write 90d, 12h or 2w" in assetmill.err


@pytest.mark.parametrize(
    ("words", "listed_by"),
    [
        (["run"], "pipelines"),
        (["edit"], "assets"),
        (["why"], "show"),
        (["export"], "show"),
        (["verify", "x"], ""),
    ],
)
def test_who_leaves_a_name_out_is_told_what_lists_them(
    assetmill: Terminal, words: list[str], listed_by: str
) -> None:
    assert assetmill(*words) == 2
    assert (f"`assetmill {listed_by}` lists what there is." in assetmill.err) == bool(listed_by)
