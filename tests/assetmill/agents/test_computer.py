"""A real browser under an agent's hands: on its hosts alone, for so many steps, with every screen kept."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from assetmill.agents import computer
from assetmill.agents.computer import Display
from assetmill.errors import InvalidSettings, StageFailed, StageWaiting
from assetmill.records import Approval, RunId, StageRecord
from assetmill.spec.tools import ComputerUse
from assetmill.stage.engine import run_stage
from tests.assetmill.agents.pages import Site, missing_browser, site
from tests.assetmill.agents.workshop import Shop, by_turn
from tests.doubles import Body, message_item, stage_call

needs_browser = pytest.mark.skipif(
    bool(missing_browser()), reason=missing_browser() or "there is a browser to try it with"
)
pytestmark = pytest.mark.server
RUN = RunId("run-1")
SHOT: Body = {"type": "screenshot"}
LEFT: Body = {"type": "click", "button": "left", "x": 100}
CHECK: Body = {"id": "cu_sc_1", "code": "malicious_instructions", "message": "The page gives orders."}


@pytest.fixture
def pages() -> Iterator[Site]:
    with site() as made:
        yield made


def tool(pages: Site, host: str = "127.0.0.1", **changes: Any) -> Body:
    fields = {"start_url": pages.url(host) + "/start", "allowed_hosts": host, "display_width": 400}
    return ComputerUse.model_validate({**fields, "display_height": 320, **changes}).wire()


def call_item(*actions: Body, checks: tuple[Body, ...] = ()) -> Body:
    what: Body = {"action": actions[0]} if len(actions) == 1 else {"actions": list(actions)}
    return {"type": "computer_call", "call_id": "call_c", "pending_safety_checks": list(checks), **what}


def work(shop: Shop, wire: Body, *calls: Body, run_id: RunId = RUN) -> StageRecord:
    shop.gateway.script = by_turn(*([call] for call in calls), [message_item("done")])
    return run_stage(stage_call(tools=(wire,), outputs=()), shop.process(), run_id)


def keys(*names: str) -> Body:
    return {"type": "keypress", "keys": list(names)}


@needs_browser
def test_actions_are_done_and_each_screen_is_sent_and_kept(shop: Shop, pages: Site) -> None:
    steps = [
        call_item(SHOT),
        call_item({**LEFT, "y": 40}, {"type": "type", "text": "lamp"}, keys("ENTER")),
        call_item({**LEFT, "y": 200}),
        call_item({"type": "scroll", "x": 1, "y": 1, "scroll_x": 0, "scroll_y": 50}, {"type": "wait"}),
    ]
    record = work(shop, tool(pages), *steps)
    assert {"/start", "/typed?lamp", "/next"} <= pages.seen_by("127.0.0.1")
    assert [asset.name for asset in record.outputs] == [f"screenshot-{n:02d}-1.png" for n in range(1, 5)]
    assert {(asset.role, asset.width, asset.height) for asset in record.outputs} == {("screenshot", 400, 320)}
    (sent,) = shop.gateway.posts[1].input
    assert (sent["call_id"], sent["acknowledged_safety_checks"]) == ("call_c", [])
    data = base64.b64decode(sent["output"]["image_url"].removeprefix("data:image/png;base64,"))
    assert Image.open(io.BytesIO(data)).getpixel((390, 310))[:3] == (0x14, 0x21, 0x3D)  # type: ignore[index]
    assert all(request.is_truncatable for request in shop.gateway.posts)


@needs_browser
@pytest.mark.parametrize(("host", "other"), [("127.0.0.1", "localhost"), ("localhost", "127.0.0.1")])
def test_nothing_reaches_a_host_that_is_not_allowed(shop: Shop, pages: Site, host: str, other: str) -> None:
    """Pictures, scripts, frames, fetches, sockets, beacons, links, redirects, and the address bar."""
    away = [keys("CTRL", "L"), {"type": "type", "text": pages.url(other) + "/address"}, keys("ENTER")]
    work(
        shop,
        tool(pages, host),
        call_item({"type": "wait"}),
        call_item({**LEFT, "y": 120}),
        call_item(keys("CTRL", "L"), {"type": "type", "text": pages.url(host)}, keys("ENTER")),
        call_item({**LEFT, "y": 280}),
        call_item(*away),
        call_item(keys("CTRL", "L"), {"type": "type", "text": "file:///etc/passwd"}, keys("ENTER")),
    )
    assert {"/start", "/redirect"} <= pages.seen_by(host)
    assert pages.seen_by(other) == set()


@needs_browser
def test_the_steps_are_bounded(shop: Shop, pages: Site) -> None:
    with pytest.raises(StageFailed, match="not done after 2 steps"):
        work(shop, tool(pages, max_steps=2), *[call_item(SHOT)] * 5)
    assert len(shop.gateway.posts) == 3


@needs_browser
def test_actions_that_do_nothing_are_answered_by_screenshots(shop: Shop, pages: Site) -> None:
    odd: list[Body] = [
        {"type": "click", "button": "left", "x": -9e99, "y": "no"},
        {"type": "keypress", "keys": ["NO_SUCH_KEY", "A"]},
        {"type": "keypress"},
        {"type": "keypress", "keys": "CTRL"},
        {"type": "drag", "path": [{"x": 1, "y": 1}, {"x": 9, "y": 9}, "x"]},
        {"type": "double_click", "x": 5, "y": 5},
        {"type": "click", "button": "back"},
        {"type": "move"},
    ]
    assert len(work(shop, tool(pages), *map(call_item, odd)).outputs) == len(odd)


def refuse_pictures(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Let the browser refuse its next pictures, as a busy Chromium does; return those asked for."""
    from playwright.sync_api import Error, Page

    asked: list[int] = []
    take = Page.screenshot

    def screenshot(page: Page, **options: Any) -> bytes:
        asked.append(len(asked))
        if len(asked) <= times:
            raise Error(
                "Page.screenshot: Protocol error (Page.captureScreenshot): Unable to capture screenshot"
            )
        return take(page, **options)

    monkeypatch.setattr(Page, "screenshot", screenshot)
    monkeypatch.setattr(computer, "_SETTLE_MS", (0, 0, 0))
    return asked


@needs_browser
def test_a_picture_that_the_browser_refuses_is_asked_for_again(
    shop: Shop, pages: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = refuse_pictures(monkeypatch, times=2)
    assert len(work(shop, tool(pages), call_item(SHOT)).outputs) == 1
    assert len(asked) == 3


@needs_browser
def test_a_browser_that_never_gives_a_picture_is_told(
    shop: Shop, pages: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = refuse_pictures(monkeypatch, times=99)
    with pytest.raises(StageFailed, match=r"no screenshot after 3 times: .*Unable to capture"):
        work(shop, tool(pages), call_item(SHOT))
    assert len(asked) == 3
    assert len(shop.gateway.posts) == 1


@needs_browser
def test_what_no_computer_does_fails_the_stage(shop: Shop, pages: Site) -> None:
    with pytest.raises(StageFailed, match="no computer does 'teleport'"):
        work(shop, tool(pages), call_item({"type": "teleport"}))


@needs_browser
def test_a_safety_check_waits_for_a_person_and_the_attempt_starts_anew(shop: Shop, pages: Site) -> None:
    steps = call_item(SHOT), call_item({**LEFT, "y": 200}, checks=(CHECK,))
    with pytest.raises(StageWaiting, match="malicious_instructions: The page gives orders"):
        work(shop, tool(pages), *steps)
    assert "/next" not in pages.seen_by("127.0.0.1")
    call = stage_call(tools=(tool(pages),), outputs=())
    approve(shop, call, is_granted=True)
    record = work(shop, tool(pages), *steps, run_id=RunId("run-2"))
    assert record.attempt == 2
    assert "/next" in pages.seen_by("127.0.0.1")
    (sent,) = shop.gateway.posts[-1].input
    assert sent["acknowledged_safety_checks"] == [CHECK]
    first = shop.process().ledger
    assert len(shop.gateway.posts) == 5
    assert first.read_stage(call.pipeline, call.fingerprint) == record


@needs_browser
def test_a_safety_check_that_a_person_refused_is_never_acknowledged(shop: Shop, pages: Site) -> None:
    step = call_item({**LEFT, "y": 200}, checks=(CHECK,))
    approve(shop, stage_call(tools=(tool(pages),), outputs=()), is_granted=False)
    with pytest.raises(StageFailed, match="a person refused safety check malicious"):
        work(shop, tool(pages), step)
    assert len(shop.gateway.posts) == 1
    assert pages.seen == []


def test_a_missing_browser_is_named_before_any_spend(shop: Shop, pages: Site) -> None:
    shop.gateway.script = by_turn([message_item("done")])
    services = shop.process(computer={"executable": "no-such-browser"})
    with pytest.raises(InvalidSettings, match="computer"):
        run_stage(stage_call(tools=(tool(pages),), outputs=()), services, RUN)
    assert shop.gateway.conversations == {}


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://shop.example.com/a", True),
        ("https://SHOP.example.com.:8443/", True),
        ("https://example.com/", False),
        ("https://shop.example.com.evil.net/", False),
        ("https://evil.net/shop.example.com", False),
        ("https://shop.example.com@evil.net/", False),
        ("ftp://shop.example.com/", False),
        ("file:///etc/passwd", False),
        ("chrome://settings", False),
        ("http://[::1", False),
        ("data:text/html,x", True),
    ],
)
def test_hosts_are_compared_as_hosts(url: str, *, is_allowed: bool) -> None:
    display = Display("https://shop.example.com", ("*.example.com",), 400, 300)
    assert display.allows(url) == is_allowed


@pytest.mark.parametrize(
    "fields",
    [
        {"allowed_hosts": []},
        {"allowed_hosts": ["a.example , EXCLUDE *"]},
        {"allowed_hosts": ["*"]},
        {"allowed_hosts": ["other.example"]},
        {"max_steps": 0},
    ],
)
def test_a_display_that_could_not_be_held_is_refused(fields: Body) -> None:
    good = {"start_url": "https://a.example/", "allowed_hosts": ["a.example"]}
    ComputerUse.model_validate(good)
    with pytest.raises(ValueError, match="validation error"):
        ComputerUse.model_validate({**good, **fields})


def approve(shop: Shop, call: Any, *, is_granted: bool) -> None:
    subject = 'safety:["malicious_instructions", "The page gives orders."]'
    approval = Approval(subject=subject, is_granted=is_granted, decided_by="ann", created_at=1.0)
    shop.process().ledger.write_approval(call.pipeline, call.fingerprint, approval)
