"""Programs that others wrote read what is packed and animated here: PixiJS, Phaser, libvips and apng-js."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assetmill.making.carrying_out import carry_out
from assetmill.spec.making import MakeSpec
from tests.assetmill.making.test_gathered_sheets import SPRITES

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

PROGRAMS = Path(__file__).parent / "other_readers"

READERS = {
    "texturepacker-hash": (("pixi.cjs",), ("phaser.cjs", "JSONHash")),
    "texturepacker-array": (("phaser.cjs", "JSONArray"),),
    "aseprite": (("pixi.cjs",), ("phaser.cjs", "JSONHash")),
}
"""What reads each form of atlas data. Godot's is read by an add-on in its editor alone."""


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the pinned programs from npm, once."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm: install Node to let other programs read what is made")
    folder = tmp_path_factory.mktemp("readers")
    shutil.copytree(PROGRAMS, folder, dirs_exist_ok=True)
    subprocess.run([npm, "install", "--no-audit", "--no-fund"], cwd=folder, check=True, capture_output=True)
    return folder


def _said(readers: Path, *command: str) -> Any:
    done = subprocess.run(["node", *command], cwd=readers, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def _written(folder: Path, **entry: Any) -> None:
    spec = MakeSpec.model_validate({"from": list(SPRITES), **entry})
    bound = spec.bound({name: [name] for name in SPRITES})
    for made in carry_out([bound], SPRITES.__getitem__):
        (folder / made.name).write_bytes(made.data)


def _pictures(atlas: Path, found: Mapping[str, list[int]]) -> dict[str, bytes]:
    """Cut every sprite out of an atlas where a reader says that it is, and put back what was trimmed."""
    made: dict[str, bytes] = {}
    with Image.open(atlas) as picture:
        for name, (x, y, width, height, right, down, wide, high) in found.items():
            whole = Image.new("RGBA", (wide, high))
            whole.paste(picture.crop((x, y, x + width, y + height)), (right, down))
            made[name] = whole.tobytes()
    return made


@pytest.mark.parametrize("form", READERS)
def test_other_engines_find_every_sprite(readers: Path, form: str) -> None:
    _written(readers, atlas={"form": form, "scales": [1, 2]}, save=f"{form}.png")
    wanted = {name: Image.open(io.BytesIO(data)).convert("RGBA").tobytes() for name, data in SPRITES.items()}
    for program, *parser in READERS[form]:
        found = _said(readers, program, f"{form}-2x.json", *parser)
        assert _pictures(readers / f"{form}-2x.png", found) == wanted
        small = _said(readers, program, f"{form}.json", *parser)
        assert {name: one[6:] for name, one in small.items()} == {key: [20, 20] for key in SPRITES}


@pytest.mark.parametrize("suffix", ["png", "webp", "gif"])
def test_other_programs_read_the_times_of_an_animation(readers: Path, suffix: str) -> None:
    times = [100, 250, 40, 80, 500]
    _written(readers, animation={"milliseconds": times}, save=f"walk.{suffix}")
    assert _said(readers, "times.cjs", f"walk.{suffix}") == times
