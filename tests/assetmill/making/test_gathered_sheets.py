"""What is made of several pictures, and several files of one."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from pypdf import PdfReader

from assetmill.errors import CannotMake
from assetmill.looking import Look
from assetmill.making.carrying_out import FreshFile, carry_out
from assetmill.spec.making import MakeSpec
from tests.lettering import SAMPLES, needs_fonts


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _sprite(number: int, side: int = 40) -> Image.Image:
    """A transparent square with a disc of its own colour and size in it."""
    picture = Image.new("RGBA", (side, side))
    inset = 4 + number
    ImageDraw.Draw(picture).ellipse(
        (inset, inset + 1, side - inset, side - inset), fill=(40 * number, 90, 200, 255)
    )
    return picture


SPRITES = {f"pose-{number}.png": _png(_sprite(number)) for number in range(5)}


def _made(files: Mapping[str, bytes], folder: Path = Path(), **entry: Any) -> dict[str, FreshFile]:
    spec = MakeSpec.model_validate({"from": list(files), **entry})
    bound = spec.bound({name: [name] for name in files})
    return {one.name: one for one in carry_out([bound], lambda name: files[name], folder)}


def _opened(made: FreshFile) -> Image.Image:
    picture = Image.open(io.BytesIO(made.data))
    picture.load()
    return picture


@pytest.mark.parametrize("suffix", ["png", "webp", "gif"])
def test_an_animation_shows_each_frame_exactly_as_long_as_asked(suffix: str) -> None:
    times = [100, 250, 40, 80, 500]
    made = _made(SPRITES, animation={"milliseconds": times}, save=f"walk.{suffix}")[f"walk.{suffix}"]
    assert [frame.duration_ms for frame in Look(made.data).frames()] == times
    assert made.of == tuple(SPRITES)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"animation": {"milliseconds": 25}, "save": "walk.gif"}, "hundredths of a second"),
        ({"animation": {"milliseconds": [10, 20]}, "save": "walk.png"}, "2 times for 5 frames"),
        ({"atlas": {"longest": 16}, "save": "atlas.png"}, "do not go into 16x16"),
        ({"icons": "web"}, "one picture is worked on, not 5"),
    ],
)
def test_what_cannot_be_made_of_them_says_why(entry: Mapping[str, Any], told: str) -> None:
    with pytest.raises(CannotMake, match=told):
        _made(SPRITES, **entry)


def test_frames_of_several_sizes_are_refused() -> None:
    files = {"a.png": _png(_sprite(1)), "b.png": _png(_sprite(1, 50))}
    with pytest.raises(CannotMake, match="40x40, 50x50"):
        _made(files, animation=True, save="walk.webp")


@pytest.mark.parametrize("form", ["texturepacker-hash", "texturepacker-array", "aseprite", "godot"])
def test_every_sprite_is_where_the_atlas_says(form: str) -> None:
    made = _made(SPRITES, atlas={"form": form}, save="atlas.png")
    atlas = _opened(made["atlas.png"])
    data = json.loads(made["atlas.tpsheet" if form == "godot" else "atlas.json"].data)
    for name, (box, offset, whole) in _read_back(form, data).items():
        restored = Image.new("RGBA", whole)
        restored.paste(atlas.crop((box[0], box[1], box[0] + box[2], box[1] + box[3])), offset)
        assert restored.tobytes() == _opened(FreshFile(name, SPRITES[name], "")).convert("RGBA").tobytes()


Placed = tuple[tuple[int, int, int, int], tuple[int, int], tuple[int, int]]


def _read_back(form: str, data: Mapping[str, Any]) -> dict[str, Placed]:
    """Read atlas data as engines do: where each sprite is, how far it is moved, how large it was."""
    found: dict[str, Placed] = {}
    if form == "godot":
        for one in data["textures"][0]["sprites"]:
            box, margin = one["region"], one["margin"]
            whole = (box["w"] + margin["w"], box["h"] + margin["h"])
            found[one["filename"]] = (
                (box["x"], box["y"], box["w"], box["h"]),
                (margin["x"], margin["y"]),
                whole,
            )
        return found
    frames: Any = data["frames"]
    listed: list[Any] = (
        frames
        if form == "texturepacker-array"
        else [{"filename": name, **one} for name, one in frames.items()]
    )
    for one in listed:
        box, source, whole = one["frame"], one["spriteSourceSize"], one["sourceSize"]
        found[one["filename"]] = (
            (box["x"], box["y"], box["w"], box["h"]), (source["x"], source["y"]), (whole["w"], whole["h"]),
        )  # fmt: skip
    return found


def test_an_atlas_at_two_scales_has_a_picture_and_data_for_each() -> None:
    made = _made(SPRITES, atlas={"scales": [1, 2]}, save="atlas.png")
    assert set(made) == {"atlas.png", "atlas.json", "atlas-2x.png", "atlas-2x.json"}
    small, large = (json.loads(made[name].data) for name in ("atlas.json", "atlas-2x.json"))
    assert (small["meta"]["scale"], large["meta"]["scale"]) == ("1", "2")
    assert large["meta"]["image"] == "atlas-2x.png"
    assert large["frames"]["pose-1.png"]["sourceSize"] == {"w": 40, "h": 40}
    assert small["frames"]["pose-1.png"]["sourceSize"] == {"w": 20, "h": 20}


@needs_fonts
def test_a_contact_sheet_has_every_picture_with_its_caption() -> None:
    font = SAMPLES[0].font.read_bytes()
    sheet = {
        "columns": 2,
        "cell": "100x80",
        "gap": 10,
        "title": "All poses",
        "captions": True,
        "font": ["Sans#0"],
    }
    spec = MakeSpec.model_validate({"from": list(SPRITES), "sheet": sheet, "save": "sheet.png"})
    files = {**SPRITES, "Sans#0": font}
    made = next(iter(carry_out([spec.bound({name: [name] for name in SPRITES})], lambda name: files[name])))
    assert made.size == (2 * 100 + 30, 64 + 10 + 3 * (80 + 28 + 10) + 10)
    assert made.of == tuple(SPRITES)
    picture = _opened(made).convert("RGB")
    assert picture.crop((10, 10, 220, 74)).getextrema()[0][0] < 100  # the title's ink  # pyright: ignore[reportIndexIssue]


def test_icons_for_the_web_are_whole_sets() -> None:
    made = _made({"logo.png": _png(_sprite(1, 600))}, icons="web")
    assert {name: one.size for name, one in made.items() if one.size} == {
        "favicon-16.png": (16, 16), "favicon-32.png": (32, 32), "apple-touch-icon.png": (180, 180),
        "icon-192.png": (192, 192), "icon-512.png": (512, 512), "icon-512-maskable.png": (512, 512),
        "favicon.ico": (48, 48),
    }  # fmt: skip
    assert _opened(made["favicon.ico"]).info["sizes"] == {(16, 16), (32, 32), (48, 48)}
    assert _opened(made["apple-touch-icon.png"]).mode == "RGB"
    assert json.loads(made["site.webmanifest"].data)["icons"][0]["src"] == "icon-192.png"


def test_srcset_has_every_width_and_the_html_names_them() -> None:
    photo = {"hero.png": _png(Image.new("RGB", (1000, 500), "teal"))}
    wanted = {"widths": [200, 400], "formats": ["webp", "jpg"], "alt": 'A "lamp"'}
    made = _made(photo, srcset=wanted, save="hero.html")
    assert set(made) == {"hero-200.webp", "hero-400.webp", "hero-200.jpg", "hero-400.jpg", "hero.html"}
    page = made["hero.html"].data.decode()
    assert 'srcset="hero-200.webp 200w, hero-400.webp 400w"' in page
    assert 'alt="A &quot;lamp&quot;"' in page
    with pytest.raises(CannotMake, match="wider than the picture, of 1000 pixels: leave out 2000"):
        _made(photo, srcset={"widths": [2000]}, save="hero.html")


def test_pages_have_their_paper_and_are_the_same_bytes_every_time() -> None:
    first, again = (
        _made(SPRITES, pdf={"paper": "A5", "dpi": 72}, save="poses.pdf")["poses.pdf"] for _ in "ab"
    )
    assert first.data == again.data
    pages = PdfReader(io.BytesIO(first.data)).pages
    assert len(pages) == len(SPRITES)
    assert (round(pages[0].mediabox.width), round(pages[0].mediabox.height)) == (420, 595)


def test_tiles_with_a_seam_and_frames_that_cannot_be_stretched_are_refused() -> None:
    slope = Image.linear_gradient("L").convert("RGB")
    with pytest.raises(CannotMake, match="it shows a seam"):
        _made({"slope.png": _png(slope)}, tile=True, save="tile.png")
    with pytest.raises(CannotMake, match="left edge changes"):
        _made({"slope.png": _png(slope)}, nine_slice=20, save="frame.png")
    even = {"even.png": _png(Image.new("RGB", (64, 64), "teal"))}
    assert set(_made(even, tile=True, nine_slice=20, save="tile.png")) == {"tile.png"}


def test_a_function_of_ones_own_makes_bytes_of_bytes(tmp_path: Path) -> None:
    (tmp_path / "own_filter.py").write_text(
        "def shout(text: bytes) -> bytes:\n    return text.upper()\n\n\n"
        "def fail(text: bytes) -> bytes:\n    raise ValueError('no such thing')\n"
    )
    files = {"words.txt": b"hello"}
    made = _made(files, tmp_path, python="own_filter:shout", save="loud.txt")["loud.txt"]
    assert (made.data, made.media_type, made.of) == (b"HELLO", "text/plain", ("words.txt",))
    with pytest.raises(CannotMake, match="no such thing"):
        _made(files, tmp_path, python="own_filter:fail", save="loud.txt")
