"""Files of a project that are read, changed and written back: of changes at once none is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tomli

from assetmill.errors import InvalidInput
from assetmill.gallery.stars import Liking, Stars
from assetmill.migrating.proposal import FileChange
from assetmill.migrating.writing import write_files
from assetmill.money.price_file import add_alias, add_chat_model, add_image_model
from assetmill.project import find_configs
from assetmill.reviews.reviewers import add_reviewer, read_reviewers

AT_ONCE = 6
CHAT = {"input": 1.0, "output": 2.0}
IMAGE = {"input": 1.0, "image_input": 2.0, "output": 3.0}


def together(changes: Sequence[Callable[[], object]]) -> list[BaseException | None]:
    """Make changes in the same moment; a lock of a folder keeps threads apart as it does processes."""
    gate = threading.Barrier(len(changes))

    def change(make: Callable[[], object]) -> None:
        gate.wait()
        make()

    with ThreadPoolExecutor(len(changes)) as pool:
        return [future.exception() for future in [pool.submit(change, one) for one in changes]]


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    for name in ("prices.toml", "chat_models.toml"):
        shutil.copyfile(find_configs({}) / name, tmp_path / name)
    return tmp_path


def test_no_price_is_lost(configs: Path) -> None:
    prices = configs / "prices.toml"
    first = tomli.loads(prices.read_text())["chat"][0]["model"]
    names = [f"of-ones-own-{n}" for n in range(AT_ONCE)]
    changes = [
        *(lambda name=name: add_chat_model(configs, name, CHAT, "a contract") for name in names[:2]),
        *(lambda name=name: add_image_model(prices, name, IMAGE, "a contract") for name in names[2:4]),
        *(lambda name=name: add_alias(prices, name, first) for name in names[4:]),
    ]
    assert together(changes) == [None] * AT_ONCE
    table = tomli.loads(prices.read_text())
    assert {row["model"] for row in (*table["chat"], *table["image"])} >= set(names[:4])
    assert set(table["chat"][0]["aliases"]) >= set(names[4:])
    known = tomli.loads((configs / "chat_models.toml").read_text())
    assert {row["name"] for row in known["model"]} >= set(names[:2])


def test_no_reviewer_is_lost(configs: Path, tmp_path: Path) -> None:
    names = {f"reviewer-{n}" for n in range(AT_ONCE)}
    changes = [lambda name=name: add_reviewer(name, ("brand",), configs, tmp_path / "home") for name in names]
    assert together(changes) == [None] * AT_ONCE
    assert set(read_reviewers(configs)) == names


def test_no_star_is_lost(tmp_path: Path) -> None:
    liked = [f"{n:064x}" for n in range(AT_ONCE)]
    changes = [lambda sha=sha: Stars(tmp_path).put(sha, Liking(stars=3)) for sha in liked]
    assert together(changes) == [None] * AT_ONCE
    assert sorted(Stars(tmp_path).all()) == liked


def test_of_two_who_write_other_pins_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_bytes(b"before")
    changes = [
        lambda n=n: write_files([FileChange(path, b"before", b"after %d" % n)]) for n in range(AT_ONCE)
    ]
    told = [error for error in together(changes) if error is not None]
    assert len(told) == AT_ONCE - 1
    assert all(isinstance(error, InvalidInput) and "changed meanwhile" in str(error) for error in told)


def test_two_who_begin_a_project_ignore_its_home_once(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.pyc\n")
    program = [sys.executable, "-m", "assetmill.cli.main", "init"]
    begun = [
        subprocess.Popen([*program, name], cwd=tmp_path, env=dict(os.environ)) for name in ("one", "two")
    ]
    assert [process.wait(60) for process in begun] == [0, 0]
    assert (tmp_path / ".gitignore").read_text().count(".assetmill") == 1
    assert {path.stem for path in (tmp_path / "configs" / "pipelines").iterdir()} == {"one", "two"}
