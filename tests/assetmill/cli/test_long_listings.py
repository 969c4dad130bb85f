"""A listing too long for memory: same order, same document."""

from __future__ import annotations

import json

import pytest

from assetmill.cli.options import json_item, print_json_list
from assetmill.cli.spooling import opened_spool


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
