"""`foundry-emulator` as it is typed: against a running emulator, a state at rest, and nothing at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from foundry_emulator.commands import main
from foundry_emulator.testing.calls import Control, Raw


def typed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_bill_is_shown_in_words_and_as_json(
    raw: Raw, state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw.respond("say:hello")
    code, out, _ = typed(capsys, "bill", "--state", str(state_dir))
    assert (code, out.splitlines()[-1].split()[1:]) == (0, ["USD", "in", "all,", "1", "charges"])
    code, out, _ = typed(capsys, "bill", "--json", "--state", str(state_dir))
    assert [charge["kind"] for charge in json.loads(out)["charges"]] == ["tokens"]


def test_things_expire_by_kind(raw: Raw, state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw.upload("a.txt", b"a")
    assert typed(capsys, "expire", "files", "--state", str(state_dir))[1] == "files: 1 expired\n"


def test_a_running_emulator_takes_a_plan_of_faults_and_drops_it(
    raw: Raw, state_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps([{"op": "files.list", "fault": "error_before", "status": 503}]))
    assert typed(capsys, "faults", str(plan), "--state", str(state_dir))[0] == 0
    assert raw.call("GET", "openai/v1/files").status_code == 503
    code, out, _ = typed(capsys, "faults", "--state", str(state_dir))
    assert (code, json.loads(out)["struck"]) == (0, {"error_before": 1})
    assert typed(capsys, "faults", "--clear", "--state", str(state_dir))[0] == 0
    assert raw.call("GET", "openai/v1/files").status_code == 200


def test_the_clock_moves_and_all_is_forgotten(
    raw: Raw, control: Control, state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw.respond("say:hello")
    first = json.loads(typed(capsys, "clock", "10", "--state", str(state_dir))[1])["now"]
    assert json.loads(typed(capsys, "clock", "100", "--state", str(state_dir))[1])["now"] >= first + 100
    assert typed(capsys, "reset", "--state", str(state_dir))[0] == 0
    assert control.bill() == []


@pytest.mark.parametrize("words", [["reset"], ["clock", "1"], ["faults"], ["bill"], ["expire", "all"]])
def test_a_directory_without_an_emulator_is_named(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = typed(capsys, *words, "--state", str(tmp_path))
    assert code == 2
    assert str(tmp_path) in err


def test_what_the_emulator_refuses_is_said(
    control: Control, state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del control
    code, _, err = typed(capsys, "clock", "--state", str(state_dir), "--", "-5")
    assert code == 2
    assert "advance_s" in err


@pytest.mark.parametrize("words", [["serve"], []], ids=["serve", "flags alone"])
def test_a_state_in_use_is_refused_by_both_forms(
    words: list[str], control: Control, state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Flags without a command are `serve`'s: programs that start an emulator have always given them so."""
    del control
    code, _, err = typed(capsys, *words, "--state", str(state_dir), "--port", "0")
    assert code == 2
    assert "already runs" in err
