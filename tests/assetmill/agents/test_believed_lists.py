"""A list of a conversation's responses is believed entry by entry."""

from __future__ import annotations

import pytest

from assetmill.errors import HandleExpired
from tests.assetmill.agents.served import Change, Served, patch
from tests.assetmill.agents.wire import Body

pytestmark = pytest.mark.xdist_group("served")
LIST = "responses.list"
OURS = "conv_1"
"""Stands for the conversation that is asked for: its own ID is made by the service."""


def entry(name: str, at: int | None = 1, conversation: str | None = OURS) -> Body:
    named = {"conversation": {"id": conversation}} if conversation else {}
    return {"id": name, "status": "completed", "created_at": at, **named}


def page(*entries: object, more: bool = False) -> Body:
    return {"data": list(entries), "has_more": more}


def listed(served: Served, *pages: Body) -> list[str]:
    """List a conversation as the service would show it in these pages; the last one stays."""
    ours = served.gateway.create_conversation({})
    for shown in pages:
        for one in shown["data"]:
            if isinstance(one, dict) and "conversation" in one and one["conversation"]["id"] == OURS:
                one["conversation"] = {"id": ours}
    last = len(pages)
    plan: list[Change] = [patch(LIST, nth=number, merge=shown) for number, shown in enumerate(pages[:-1], 1)]
    served.plan(*plan, patch(LIST, nth=list(range(last, last + 3)), merge=pages[-1]))
    return [one.response_id for one in served.gateway.list_responses(ours)]


def test_strangers_in_a_list_are_none_of_ours(served: Served) -> None:
    assert listed(served, page(entry("a", conversation="conv_2"), entry("b"))) == ["b"]
    assert listed(served, page(entry("b", conversation=None))) == ["b"]
    with pytest.raises(HandleExpired, match="none of conv_"):
        listed(served, page(entry("a", conversation="conv_2")))


def test_a_list_is_put_in_the_order_of_its_times(served: Served) -> None:
    assert listed(served, page(entry("new", 9), entry("mid", 5), entry("old", 1))) == ["old", "mid", "new"]
    assert listed(served, page(entry("z", 5), entry("b", 1), entry("a", 1))) == ["a", "b", "z"]
    assert listed(served, page(entry("a", 1), entry("b", 1))) == ["a", "b"]
    assert listed(served, page(entry("a", None), entry("b", 1))) == ["a", "b"]


def test_a_list_that_brings_nothing_new_is_over(served: Served) -> None:
    assert listed(served, page(entry("a"), more=True)) == ["a"]
    assert served.project.calls[LIST] == 2
    pages = page(entry("a"), more=True), page(entry("b"), more=True), page(more=True)
    assert listed(served, *pages) == ["a", "b"]


@pytest.mark.parametrize("text", ["[]", '{"data": null}', "{}"])
def test_what_is_no_list_holds_nothing(served: Served, text: str) -> None:
    served.plan(patch(LIST, text=text))
    assert served.gateway.list_responses("conv_1") == ()


def test_an_entry_that_is_none_costs_no_other(served: Served) -> None:
    assert listed(served, page(None, 1, {}, {"id": 7}, {"id": "a"})) == ["a"]
