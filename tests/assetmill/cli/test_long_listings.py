"""A listing too long for memory: same order, same document, and a line on a terminal meanwhile."""

from __future__ import annotations

import io
import json
import sys

import pytest

from assetmill.cli.options import json_item, print_json_list
from assetmill.cli.spooling import opened_spool
from assetmill.cli.telling import told_progress
from assetmill.store.memory import MemoryStore


def test_lines_come_back_by_time_and_the_last_choice_stands_for_the_others() -> None:
    with opened_spool() as spool:
        assert not spool.is_used
        spool.add(2.0, "b", "late")
        spool.add(1.0, "a", "a draw")
        spool.add(1.0, "a", "a choice", replaces=True)
        spool.add(1.0, "c", "beside it, \N{SNOWMAN}")
        spool.add(1.0, "a", "a later choice", replaces=True)
        spool.add(3.0, "a", "another draw")
        assert spool.is_used
        assert list(spool.lines()) == ["beside it, \N{SNOWMAN}", "a later choice", "late"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_streamed_document_is_the_one_that_is_printed_whole(
    count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    items = [{"name": f"line\n{number}", "handles": [{"id": "1"}], "none": []} for number in range(count)]
    print_json_list("assets", map(json_item, items))
    assert capsys.readouterr().out == json.dumps({"assets": items}, indent=2, ensure_ascii=False) + "\n"


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_told_how_far_it_is_and_the_line_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with told_progress(MemoryStore(), every_s=0.0):
        while "requests" not in screen.getvalue():
            pass
    assert screen.getvalue().endswith("\r\x1b[K")


def test_a_log_is_told_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with told_progress(MemoryStore(), every_s=0.0):
        pass
    assert capsys.readouterr().err == ""
