"""A batch that people review, by real command lines on the emulator: only what they reject is redrawn."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Page, expect
from starlette.testclient import TestClient

from assetmill.gallery.asking import Asking
from assetmill.gallery.door import TeamDoor
from assetmill.gallery.links import LinkScope, ReviewLinks
from assetmill.local.gallery_server import listening
from assetmill.local.guard import Guard
from assetmill.local.next_passes import CommandPasses
from assetmill.local.team_server import team_pages
from assetmill.records import AssetRecord
from assetmill.reviews.desk import Desk
from assetmill.reviews.ledger import ReviewLedger
from assetmill.reviews.reviewers import add_reviewer, read_reviewers
from assetmill.settings import load_settings
from assetmill.store.ledger import Ledger
from assetmill.store.opening import open_store
from tests.assetmill.gallery.test_gallery_access import serious
from tests.browsers import CHROMIUM, answering, chromium, page
from tests.millworks import PICTURE, write_configs
from tests.reviewyard import say

__all__ = ["chromium", "page"]

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("reviewed batch")]

TILE = f"""
name: tile
parameters:
  product: {{title: Product}}
stages:
  - name: draw
    prompt: |
      Draw {{{{ product }}}}.{{% if rejection.reason %}} Not so: {{{{ rejection.reason }}}}.{{% endif %}}
    reroll: 2
    approval: required{PICTURE % "tile"}
"""


class Said(NamedTuple):
    """How many of a batch's pictures are approved, rejected and commented on."""

    approved: int
    rejected: int
    commented: int

    @property
    def pictures(self) -> int:
        return sum(self)


class Studio:
    """A project with a batch and its only reviewer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.configs = write_configs(self.folder / "configs", tile=TILE)
        kept = ("PATH", "LANG", "TMPDIR", "DO_NOT_TRACK")
        self.environ = {name: os.environ[name] for name in kept if name in os.environ}
        self.environ |= {"HOME": str(folder), "ASSETMILL_IDLE_TIMEOUT_S": "60"}
        home = self.folder / ".assetmill"
        environ = {"ASSETMILL_HOME": str(home), "ASSETMILL_CONFIGS": str(self.configs)}
        self.settings = load_settings("local", environ)

    def call(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("assetmill")), *arguments],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in {0, 3}, done.stderr
        return done.returncode, done.stdout

    def batch(self, *options: str) -> tuple[int, dict[str, Any]]:
        code, printed = self.call("batch", "tile", "--rows", "rows.csv", "--json", *options)
        return code, json.loads(printed)

    def begin(self, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        """Begin a command as the page does, and wait for its end."""
        with log.open("ab") as output:
            done = subprocess.Popen(command, cwd=self.folder, env=self.environ, stdout=output, stderr=output)
            done.wait()
        return done

    @contextmanager
    def page(self, scope: LinkScope) -> Generator[TestClient]:
        """The team's page, for a reviewer who came by a link."""
        backend = open_store(self.settings.store_url)
        links = ReviewLinks(self.settings.home)
        asking = Asking(CommandPasses(self.settings, backend, self.begin))
        door = TeamDoor(links, team_pages(self.settings, backend, asking).page_of)
        browser = TestClient(door, base_url="http://127.0.0.1", follow_redirects=False)
        browser.get(f"/enter/{links.make('ada', scope, 600)[1]}")
        yield browser
        browser.close()
        backend.close()

    @contextmanager
    def served(self, scope: LinkScope) -> Generator[str]:
        """The team's page on a port of its own, as `serve` shows it; yield ada's link."""
        backend = open_store(self.settings.store_url)
        links = ReviewLinks(self.settings.home)
        asking = Asking(CommandPasses(self.settings, backend, self.begin))
        door = TeamDoor(links, team_pages(self.settings, backend, asking).page_of)
        with listening(0) as listener:
            port = listener.getsockname()[1]
            with answering(Guard(door, port), listener):
                yield f"http://127.0.0.1:{port}/enter/{links.make('ada', scope, 1800)[1]}"
        backend.close()

    def spent(self, first: dict[str, Any], row: dict[str, Any]) -> float:
        """What a row's picture of now has cost, 0 for one that was there at first."""
        known = {asset["asset_id"] for one in first["rows"] for asset in one["assets"]}
        backend = open_store(self.settings.store_url)
        records = [Ledger(backend).read_stage_of(asset["asset_id"]) for asset in row["assets"]]
        backend.close()
        return sum(
            record.cost_usd or 0.0
            for record, asset in zip(records, row["assets"], strict=True)
            if record and asset["asset_id"] not in known
        )

    def decide(self, told: dict[str, Any], said: Said) -> None:
        add_reviewer("ada", (), self.configs, self.settings.home)
        backend = open_store(self.settings.store_url)
        desk = Desk(read_reviewers(self.configs), ReviewLedger(backend), self.settings.home)
        ledger = Ledger(backend)
        for number, row in enumerate(told["rows"]):
            asset = ledger.read_asset(row["assets"][0]["asset_id"])
            assert isinstance(asset, AssetRecord)
            if number < said.rejected:
                say(desk, "rejected", asset, reason=f"reason {number}")
            elif number < said.rejected + said.commented:
                say(desk, "commented", asset, reason="nice")
            else:
                say(desk, "approved", asset)
        backend.close()


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(tmp_path)
    yield made
    made.call("stop")


@pytest.mark.timeout(240)
def test_a_price_that_was_confirmed_on_the_page_is_what_is_drawn(studio: Studio) -> None:
    (studio.folder / "rows.csv").write_text("product\na mug\na lamp\na chair\n")
    _, first = studio.batch()
    studio.decide(first, Said(1, 2, 0))
    _, plan = studio.batch("--plan")
    path, most = f"/again/{first['batch_id']}", f"at most ${plan['cost_usd']['ceiling']:.4f}"
    with studio.page("decide") as browser:
        shown = browser.get(path).text
        assert "2 to draw" in shown
        assert most in shown
        assert "<form" not in shown
        assert browser.post(path, content="offer=x").status_code == 403
    with studio.page("spend") as browser:
        shown = browser.get(path).text
        assert "row 2: reason 0" in shown
        assert browser.post(path, content="offer=x").status_code == 409
        form = re.search(r'name="offer" value="([0-9a-f]+)"', shown)
        assert form
        assert browser.post(path, content=f"offer={form[1]}").status_code == 303
        # What was confirmed once is something else now: nothing is to be drawn any more.
        assert browser.post(path, content=f"offer={form[1]}").status_code == 409
        assert "Nothing is to be drawn" in browser.get(path).text
        assert "2 to look at" in browser.get("/").text
    _, last = studio.batch()
    assert (last["states"], last["spent_usd"]) == ({"waiting": 2, "reused": 1}, 0)


def by_keyboard(page: Page, said: Said) -> None:
    """Go through a wall with keys alone: reject the first ones, comment on the next, approve the rest."""
    page.locator("#wall img").first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    for number in range(said.pictures):
        expect(page.locator("#place")).to_have_text(f"{number + 1} of {said.pictures}")
        expect(page.locator("#picture")).to_have_js_property("complete", value=True)
        if number >= said.rejected + said.commented:
            page.keyboard.press("a")
            continue
        page.keyboard.press("r" if number < said.rejected else "m")
        page.keyboard.type(f"reason {number}")
        page.keyboard.press("Control+Enter")
        # A word may have to wait for the link's rate.
        expect(page.locator(".reviews")).to_contain_text(f"reason {number}", timeout=15_000)
        page.keyboard.press("j")
    told = f"{said.approved + said.rejected} decided, {said.commented} to go."
    expect(page.locator("#decided b")).to_have_text(told, timeout=15_000)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(
    "said",
    [
        pytest.param(Said(9, 2, 1), marks=pytest.mark.timeout(400)),
        pytest.param(Said(180, 15, 5), marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
    ids=["few", "many"],
)
def test_a_reviewer_with_a_link_and_a_keyboard_has_drawn_again_what_they_rejected(
    studio: Studio, said: Said, page: Page
) -> None:
    names = "\n".join(f"product {number}" for number in range(said.pictures))
    (studio.folder / "rows.csv").write_text(f"product\n{names}\n")
    code, first = studio.batch()
    assert (code, first["status"], first["states"]) == (3, "waiting", {"waiting": said.pictures})
    add_reviewer("ada", (), studio.configs, studio.settings.home)
    with studio.served("spend") as link:
        page.goto(link)
        assert serious(page) == []
        page.locator(f"a[href='/on/{first['batch_id']}/']").press("Enter")
        by_keyboard(page, said)
        page.keyboard.press("Escape")
        page.locator("#decided a").press("Enter")
        # The whole batch is planned anew for this page.
        expect(page.locator(".figure")).to_contain_text(f"{said.rejected} to draw", timeout=60_000)
        expect(page.locator(".lines li")).to_have_count(said.rejected)
        button = page.locator(".main")
        # It is sought on purpose: a key that was held on the page before confirms nothing.
        expect(button).not_to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(button).to_be_focused()
        assert serious(page) == []
        most = float(button.inner_text().partition("$")[2])
        page.keyboard.press("Enter")
        # The page answers when the pass has ended: here it is waited for.
        page.wait_for_url("**/", timeout=60_000 + 2_000 * said.rejected)
        page.goto("about:blank")
    told = (studio.settings.home / "passes" / f"{first['batch_id']}.log").read_text()
    code, last = studio.batch()
    assert (code, last["status"], last["spent_usd"]) == (3, "waiting", 0), told
    assert last["states"] == {"waiting": said.rejected + said.commented, "reused": said.approved}
    changed = [
        now["assets"] != before["assets"] for before, now in zip(first["rows"], last["rows"], strict=True)
    ]
    assert changed == [True] * said.rejected + [False] * (said.pictures - said.rejected)
    spent = [studio.spent(first, row) for row in last["rows"]]
    assert [usd > 0 for usd in spent] == changed
    assert 0 < sum(spent) <= most
