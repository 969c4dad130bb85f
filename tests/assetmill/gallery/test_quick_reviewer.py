"""A reviewer who types faster than the server answers: no key is lost, and nobody is called back."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, Route, expect

from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import IN_CHROMIUM, desk_of

pytestmark = IN_CHROMIUM

PRESS_AND_LOOK = """keys => {
  const event = new KeyboardEvent("keydown", { ...keys, bubbles: true, cancelable: true });
  document.activeElement.dispatchEvent(event);
  return document.activeElement.id || document.activeElement.parentElement.parentElement.id;
}"""


def enter(page: Page, link: str) -> None:
    page.goto(link)
    page.locator("#wall img").first.wait_for()
    for key in ("j", "k", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#place")).to_have_text("1 of 6")


def stands(services: Services) -> list[str]:
    desk = desk_of(services)
    pictures = [asset.blob.digest for record in services.ledger.stages() for asset in record.outputs]
    return sorted(desk.standing(one.removeprefix("sha256:")).stand() for one in pictures)


def test_keys_count_before_the_server_has_answered(services: Services, page: Page, served: str) -> None:
    held: list[Route] = []
    is_held = True

    def hold(route: Route) -> None:
        held.append(route)
        if not is_held:
            route.continue_()

    page.route("**/reviews", hold)
    enter(page, served)
    page.keyboard.press("r")
    page.keyboard.type("too dark")
    # Asked at once: a hidden field keeps the focus, and the keys, until the page is drawn again.
    assert page.evaluate(PRESS_AND_LOOK, {"key": "Enter", "ctrlKey": True}) == "stage"
    expect(page.locator("#why")).to_be_hidden()
    for key, place in (("j", "2 of 6"), ("a", "3 of 6"), ("j", "4 of 6"), ("m", "4 of 6")):
        page.keyboard.press(key)
        expect(page.locator("#place")).to_have_text(place)
    page.keyboard.type("nice")
    expect(page.locator("#decided b")).to_have_text("0 decided, 6 to go. 2 being sent.")
    assert len(held) == 1, "words are sent one after another"
    is_held = False
    held[0].continue_()
    expect(page.locator("#decided b")).to_have_text("2 decided, 4 to go.")
    # Both answers came while the next word was typed: it is still there.
    expect(page.locator("#place")).to_have_text("4 of 6")
    expect(page.locator("textarea[name=reason]")).to_have_value("nice")
    expect(page.locator("textarea[name=reason]")).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".reviews")).to_contain_text("nice")
    assert stands(services) == ["approved", "open", "open", "open", "open", "rejected"]


def test_the_focus_is_back_before_the_next_key(page: Page, served: str) -> None:
    enter(page, served)
    page.keyboard.press("r")
    page.keyboard.type("too")
    assert page.evaluate(PRESS_AND_LOOK, {"key": "Escape"}) == "stage"
    page.keyboard.press("e")
    assert page.evaluate(PRESS_AND_LOOK, {"key": "Escape"}) == "wall"
    expect(page.locator("#viewer")).to_be_hidden()


def test_what_was_not_taken_is_told_at_its_picture(
    services: Services, chromium: Browser, served: str
) -> None:
    page = chromium.new_page()
    page.route("**/reviews", lambda route: route.fulfill(status=503, body="the store is away"))
    enter(page, served)
    page.keyboard.press("r")
    page.keyboard.type("too dark")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("j")
    expect(page.locator("#told")).to_contain_text("was not taken: the store is away")
    expect(page.locator("#place")).to_have_text("2 of 6")
    expect(page.locator("#why")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("#wall li:first-child em")).to_have_text("not taken")
    page.unroute("**/reviews")
    page.locator("#lost").click()
    expect(page.locator("#told")).to_have_text("Not taken: the store is away")
    expect(page.locator("textarea[name=reason]")).to_have_value("too dark")
    page.locator("#why [type=submit]").click()
    expect(page.locator(".reviews")).to_contain_text("too dark")
    expect(page.locator("#lost")).to_be_hidden()
    page.close()
    assert stands(services).count("rejected") == 1


def test_a_key_that_is_held_decides_once(services: Services, page: Page, served: str) -> None:
    enter(page, served)
    for _ in range(4):
        page.keyboard.down("a")
    page.keyboard.up("a")
    expect(page.locator("#decided b")).to_have_text("1 decided, 5 to go.")
    expect(page.locator("#place")).to_have_text("2 of 6")
    assert stands(services).count("approved") == 1
