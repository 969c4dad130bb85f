"""`assetmill doctor --live` as it is typed: what it may spend, what it tells, what it writes down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from foundry_emulator.comparing.exchange import read_exchanges
from foundry_emulator.server import running

from assetmill.cli.main import call

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ASSETMILL_HOME", str(tmp_path / "home"))
    with running(tmp_path / "home" / "emulator"):
        yield tmp_path


def doctor(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[dict[str, Any]]]:
    capsys.readouterr()
    code = call(["doctor", *options, "--json"])
    return code, json.loads(capsys.readouterr().out)["findings"]


def said(findings: list[dict[str, Any]], state: str) -> str:
    return "\n".join(f"{one['message']} {one['advice']}" for one in findings if one["state"] == state)


def test_nothing_is_tried_unless_it_is_asked_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, findings = doctor(capsys)
    assert code == 0
    assert [one for one in findings if one["check"] in {"probe", "recording"}] == []
    assert call(["doctor", "--record", str(home / "told")]) == 2
    assert "--record writes down what --live does" in capsys.readouterr().err
    assert not (home / "told").exists()


def test_probes_tell_what_they_may_spend_and_what_they_did_and_are_written_down(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, findings = doctor(capsys, "--live", "--record", str(home / "told"))
    assert code == 0, findings
    probes = [one["message"] for one in findings if one["check"] == "probe"]
    assert probes[0].startswith("what follows may spend $")
    spent = float(probes[-1].removeprefix("spent $").partition(" of ")[0])
    assert 0 < spent < float(probes[0].partition("$")[2].partition(" ")[0])
    (told,) = [one["message"] for one in findings if one["check"] == "recording"]
    exchanges, _, folder = told.partition(" exchanges in ")
    written = list(read_exchanges(Path(folder)))
    assert Path(folder).parent == home / "told"
    assert (len(written), len(written) > 40) == (int(exchanges), True)


def test_a_small_budget_leaves_out_what_it_does_not_cover_and_says_so(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, findings = doctor(capsys, "--live", "--budget", "0.04")
    assert code == 0, findings
    assert "of the ceiling of $0.04" in said(findings, "warning")
    assert "give it more with --budget" in said(findings, "warning")
    last = [one["message"] for one in findings if one["check"] == "probe"][-1]
    assert float(last.removeprefix("spent $").partition(" of ")[0]) <= 0.04
    assert call(["doctor", "--live", "--budget", "0"]) == 2
