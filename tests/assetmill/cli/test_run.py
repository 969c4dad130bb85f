"""`assetmill run` as a newcomer meets it: real processes, the embedded services, real files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from assetmill.project import find_configs
from tests.millworks import PICTURE

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(240)]

SLOW = f"""
name: slow
stages:
  - name: first
    prompt: Draw a red lighthouse on a rock.{PICTURE % "first"}
  - name: second
    prompt: Make it night.{PICTURE % "second"}
    inputs: [{{from: first}}]
  - name: third
    prompt: Make it winter.{PICTURE % "third"}
    inputs: [{{from: second}}]
"""


class Mill:
    """The command line in a directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        self.environment = {
            **clean,
            "ASSETMILL_CONFIGS": str(find_configs({})),
            "ASSETMILL_IDLE_TIMEOUT_S": "120",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "assetmill.cli.main", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, code: int = 0) -> str:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == code, err
        return out

    def document(self, *arguments: str) -> dict[str, Any]:
        return json.loads(self(*arguments, "--json"))

    def charges(self) -> int:
        # These tests may run in any order: before the first run nothing was ever charged.
        if not (self.folder / ".assetmill" / "emulator" / "emulator.sqlite3").exists():
            return 0
        return len(self.document("emulator", "bill")["charges"])


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    mill = Mill(tmp_path_factory.mktemp("mill"))
    (mill.folder / "slow.yaml").write_text(SLOW)
    yield mill
    mill("stop")


def test_a_first_run_needs_nothing_and_leaves_files_that_open(mill: Mill) -> None:
    told = mill.document("run", "product-launch")
    assert (told["status"], {stage["status"] for stage in told["stages"]}) == ("completed", {"done"})
    assert told["spent_usd"] > 0
    sizes: dict[str, tuple[int, int]] = {}
    for path in map(Path, told["files"]):
        assert path.is_relative_to(mill.folder / ".assetmill" / "out")
        with Image.open(path) as picture:
            picture.load()
            sizes[path.name] = picture.size
    assert sizes["hero.png"] == (1536, 1024)
    assert sizes["feed.png"] == (1080, 1080)
    listed = mill.document("assets", "--run", told["run_id"])["assets"]
    assert [asset["asset_id"] for asset in listed] == [asset["asset_id"] for asset in told["assets"]]


def test_localised_stages_make_the_same_pictures_and_every_comment_stays(mill: Mill) -> None:
    written = find_configs({}) / "pipelines" / "product-launch.yaml"
    own = shutil.copytree(find_configs({}), mill.folder / "own") / "pipelines" / "product-launch.yaml"
    rented = pictures(mill.document("run", str(own)))
    mill("localise", str(own), "--yes")
    assert comments(own) == comments(written)
    told = mill.document("run", str(own))
    assert told["spent_usd"] == 0
    for name, picture in pictures(told).items():
        assert picture.size == rented[name].size
        assert max(ImageStat.Stat(ImageChops.difference(picture, rented[name])).mean) < 1, name


def comments(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if "#" in line]


def pictures(told: dict[str, Any]) -> dict[str, Image.Image]:
    """Return what the run's files show, by their names, as they are now."""
    found: dict[str, Image.Image] = {}
    for path in map(Path, told["files"]):
        with Image.open(path) as picture:
            found[path.name] = picture.convert("RGB")
    return found


def test_what_the_emulator_cannot_draw_is_told_at_the_end_of_the_run_that_drew_it(mill: Mill) -> None:
    stage = f"  - name: thing\n    prompt: Draw a zorblax and a red mug.{PICTURE % 'thing'}\n"
    (mill.folder / "odd.yaml").write_text(f"name: odd\nstages:\n{stage}")
    assert "the emulator does not know 'zorblax'" in mill("run", "odd.yaml")
    assert "does not know" not in mill("run", "product-launch")


def test_a_second_run_is_charged_nothing_and_says_what_it_reused(mill: Mill) -> None:
    mill("run", "product-launch")
    charged = mill.charges()
    out = mill("run", "product-launch")
    assert mill.charges() == charged
    assert "4 reused; spent $0.0000" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_after_an_end_in_the_middle_the_next_run_goes_on(mill: Mill, number: signal.Signals) -> None:
    pipeline = mill.folder / f"slow-{number.name.lower()}.yaml"
    pipeline.write_text(SLOW.replace("name: slow", f"name: slow-{number.name.lower()}"))
    before = mill.charges()
    with mill.start("run", str(pipeline)) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "second" in line and "started" in line:
                break
        asked = time.monotonic()
        process.send_signal(number)
        process.communicate(timeout=20)
    assert time.monotonic() - asked < 5 or number is signal.SIGKILL
    assert process.returncode == (130 if number is signal.SIGINT else -signal.SIGKILL)
    told = mill.document("run", str(pipeline))
    assert told["stages"][0]["status"] == "reused"
    assert told["status"] == "completed"
    charges = mill.document("emulator", "bill")["charges"][before:]
    pictures = [charge for charge in charges if charge["kind"] == "image"]
    assert len(pictures) == 3
