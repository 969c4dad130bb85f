"""A page that is open while a run goes on, is killed, and is killed itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO

import pytest
from playwright.sync_api import Page, expect

from assetmill.stage.services import Services
from tests.assetmill.gallery.conftest import IN_CHROMIUM
from tests.assetmill.gallery.live_driver import COLOURS

pytestmark = IN_CHROMIUM


@contextmanager
def process(services: Services, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """A process on the project of `services` that is killed at the end."""
    where = {"ASSETMILL_HOME": services.settings.home, "ASSETMILL_CONFIGS": services.settings.configs}
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {name: str(path) for name, path in where.items()},
    ) as started:
        try:
            yield started
        finally:
            kill(started)


def kill(started: subprocess.Popen[str]) -> None:
    started.send_signal(signal.SIGKILL)
    # Waited for: a process that is dead and not buried counts as alive.
    started.wait()


def pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def opened(started: subprocess.Popen[str]) -> str:
    """The link that `assetmill open --json` prints."""
    told = ""
    for line in pipe(started.stdout):
        told += line
        if line.startswith("}"):
            return json.loads(told)["url"]
    pytest.fail(f"no link came: {told}")


def test_tiles_fill_in_order_and_a_killed_run_is_told_as_it_is(services: Services, page: Page) -> None:
    home, configs = str(services.settings.home), str(services.settings.configs)
    with process(services, "tests.assetmill.gallery.live_driver", home, configs) as run:
        run_id = pipe(run.stdout).readline().strip()

        def step() -> None:
            pipe(run.stdin).write("\n")
            pipe(run.stdin).flush()

        with process(services, "assetmill.cli.main", "open", run_id, "--no-browser", "--json") as server:
            page.goto(opened(server))
            tiles = page.locator("#wall .picture")
            expect(tiles).to_have_count(12)
            for number in range(5):
                expect(tiles.nth(number)).to_have_attribute("data-state", "drawing")
                expect(tiles.nth(number + 1)).to_have_attribute("data-state", "queued")
                for frames in ("1", "2"):
                    step()
                    expect(tiles.nth(number)).to_have_attribute("data-frames", frames)
                    side = 64 * int(frames)
                    expect(tiles.nth(number).locator("img")).to_have_js_property("naturalWidth", side)
                step()
                expect(tiles.nth(number)).to_have_attribute("data-state", "output")
            step()
            expect(tiles.nth(5)).to_have_attribute("data-frames", "1")
            expect(page.locator("#live")).to_have_text("Live: 5 of 12 shown")
            kill(run)
            expect(tiles.nth(5)).to_have_attribute("data-state", "interrupted")
            expect(tiles.nth(11)).to_have_attribute("data-state", "interrupted")
            page.goto("about:blank")
            kill(server)
        with process(services, "assetmill.cli.main", "open", run_id, "--no-browser", "--json") as server:
            page.goto(opened(server))
            expect(tiles).to_have_count(12)
            states = [tiles.nth(number).get_attribute("data-state") for number in range(12)]
            assert states == ["output"] * 5 + ["interrupted"] * 7
            names = page.locator("#wall .caption b").all_inner_texts()
            assert names[:5] == [f"{colour}.png" for colour in COLOURS[:5]]
            # What came of the picture that was cut off is shown, and that it is not all of it.
            expect(tiles.nth(5)).to_have_attribute("data-frames", "1")
            page.goto("about:blank")
