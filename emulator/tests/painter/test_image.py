"""The image tool: what a decoded picture must show about the request that made it."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from foundry_emulator.painter import book, brief, colours, tokens
from foundry_emulator.painter.image import ImageRequest, ImageToolError, Painted, paint
from numpy.typing import NDArray
from PIL import Image, ImageDraw

OLD_MODEL = "gpt-image-1.5"
SMALL = "1024x640"


def painted(prompt: str, **changes: object) -> Painted:
    return paint(replace(ImageRequest(prompt=prompt, size=SMALL, quality="low"), **changes))  # type: ignore[arg-type]


def decoded(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data)) as image:
        image.load()
        return image.copy()


def pixels(data: bytes) -> NDArray[np.int16]:
    return np.asarray(decoded(data).convert("RGB"), dtype=np.int16)


def png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def share_near(data: bytes, colour: colours.RGB, limit: int = 70) -> float:
    apart = np.sqrt(((pixels(data) - np.array(colour)) ** 2).sum(axis=-1, dtype=np.float64))
    return float((apart < limit).mean())


def changed(first: bytes, second: bytes, limit: int = 12) -> NDArray[np.bool_]:
    return np.abs(pixels(first) - pixels(second)).max(axis=-1) > limit


@pytest.fixture(scope="module")
def mug() -> bytes:
    return painted("a teal mug on a sand background").data


@pytest.mark.parametrize("size", ["1024x1024", "1536x1024", "1024x1536"])
@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_bytes_have_the_size_and_format_asked_for(size: str, output_format: str) -> None:
    result = painted("a red car", size=size, output_format=output_format, model=OLD_MODEL)
    image = decoded(result.data)
    width, height = map(int, size.split("x"))
    with Image.open(BytesIO(result.data)) as opened:
        assert opened.format == output_format.upper()
    assert image.size == (width, height) == (result.width, result.height)
    assert (result.size, result.output_format, result.background) == (size, output_format, "opaque")


def test_auto_size_follows_the_words_and_auto_quality_is_high() -> None:
    banner = painted("a wide banner with a boat", size="auto", quality="auto")
    assert (banner.size, banner.quality) == ("1536x1024", "high")
    assert painted("a poster of a boat", size="auto").size == "1024x1536"
    assert painted("a boat", size="auto").size == "1024x1024"


def test_gif_is_animated() -> None:
    with Image.open(BytesIO(painted("a star", output_format="gif").data)) as image:
        assert (image.format, getattr(image, "n_frames", 1)) == ("GIF", 4)


def test_lower_compression_makes_a_smaller_jpeg() -> None:
    sizes = [len(painted("a cat", output_format="jpeg", output_compression=at).data) for at in (20, 60, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 2


def test_same_request_gives_the_same_bytes_and_the_seed_varies_them() -> None:
    first = painted("a forest at dusk")
    assert painted("a forest at dusk") == first
    assert painted("a forest at dusk", seed="2").data != first.data


@pytest.mark.parametrize("output_format", ["png", "webp"])
def test_transparent_pictures_have_clear_corners_solid_middle_and_soft_edges(output_format: str) -> None:
    result = painted(
        "a coral backpack", background="transparent", output_format=output_format, quality="medium"
    )
    alpha = np.asarray(decoded(result.data).getchannel("A"))
    assert result.background == "transparent"
    assert alpha[:40, :40].max() == 0
    assert alpha[300:340, 480:540].min() > 250
    assert ((alpha > 20) & (alpha < 235)).sum() > 200


def test_colours_of_the_prompt_dominate(mug: bytes) -> None:
    names = colours.named()
    assert share_near(mug, names["teal"]) > 0.06
    assert share_near(mug, names["sand"]) > 0.5
    purple = painted("a #7b2fa0 mug on a sand background").data
    assert share_near(purple, names["purple"]) > 0.06
    assert share_near(purple, names["teal"]) < 0.01


@pytest.mark.parametrize("other", ["a teal bottle", "a teal laptop", "a teal shoe", "three teal mugs"])
def test_another_subject_or_count_is_another_picture(other: str, mug: bytes) -> None:
    assert changed(mug, painted(f"{other} on a sand background").data).mean() > 0.03


@pytest.mark.parametrize(
    "style", ["line art", "pixel art", "watercolour", "neon", "vintage", "isometric", "photo"]
)
def test_a_style_word_changes_the_manner(style: str, mug: bytes) -> None:
    assert changed(mug, painted(f"a teal mug on a sand background, {style}").data).mean() > 0.05


def test_settings_are_told_apart() -> None:
    seen = {
        painted(f"a mug, {place}").data for place in ("beach", "forest", "city", "desk", "night", "studio")
    }
    assert len(seen) == 6


def test_qualities_differ_in_detail() -> None:
    request = ImageRequest("a plant on a desk", size=SMALL, model="gpt-image-2.5")
    sizes = [
        len(paint(replace(request, quality=name)).data) for name in ("low", "medium", "high", "xhigh", "max")
    ]
    assert sizes == sorted(set(sizes))


def test_quoted_text_is_lettered_large_and_the_words_matter() -> None:
    plain, first, second = (
        painted(f"a bicycle poster{text}").data for text in ("", ' "RIDE MORE"', ' "STAY HOME"')
    )
    assert changed(plain, first).mean() > 0.02
    assert changed(first, second)[:160].mean() > 0.02


def test_partials_grow_sharper_towards_the_picture() -> None:
    result = painted("a house in the snow", partial_images=3, output_format="jpeg", output_compression=90)
    final = pixels(result.data).astype(np.float64)
    apart = [float(np.abs(pixels(view) - final).mean()) for view in result.partials]
    assert len(result.partials) == 3
    assert apart == sorted(apart, reverse=True)
    assert all(decoded(view).size == decoded(result.data).size for view in result.partials)


@pytest.mark.parametrize("name", sorted(book.subjects()))
def test_every_subject_is_found_by_its_name_and_draws_something(name: str) -> None:
    understood = brief.read(f"a {name}")
    assert [want.subject for want in understood.wanted] == [name]
    subject = book.subjects()[name]
    assert subject.box[2] - subject.box[0] > 15
    assert subject.box[3] - subject.box[1] > 15


def test_words_are_understood_with_counts_colours_and_negations() -> None:
    names = colours.named()
    understood = brief.read(
        "Three headphones in red and navy blue on a mint background, no cats, without text"
    )
    assert understood.wanted == (brief.Wanted("headphones", 3, (names["red"], names["navy blue"])),)
    assert understood.backdrop == names["mint"]
    assert understood.texts == ()


EDITS = [
    "Make the sky dusk",
    "make it warmer",
    "Recolour the mug to red",
    "Replace the background with a beach",
    "add a red balloon",
    "remove the mug",
    'Add the text "SALE"',
    "turn it into a watercolour",
    "frobnicate the quux",
]


@pytest.mark.parametrize("prompt", EDITS)
def test_an_edit_is_visible(prompt: str, mug: bytes) -> None:
    result = painted(prompt, action="edit", pictures=(mug,))
    assert changed(mug, result.data).mean() > 0.01
    assert result.input_image_tokens > 0


def test_a_recoloured_subject_leaves_its_surroundings(mug: bytes) -> None:
    result = painted("recolour the mug to red", action="edit", pictures=(mug,)).data
    assert share_near(result, colours.named()["red"]) > 0.05
    assert not changed(mug, result, 2)[:100].any()
    assert not changed(mug, result, 2)[:, :120].any()


def test_a_sky_takes_the_colours_named_for_it() -> None:
    scene = painted("a boat on the sea").data
    order = "Darken the sky to a deep blue with a thin orange horizon, keep the boat as it is"
    sky = pixels(painted(order, action="edit", pictures=(scene,)).data)[5:60]
    assert sky[..., 2].mean() > sky[..., 0].mean() + 30
    assert sky.mean() < pixels(scene)[5:60].mean() - 40


def test_added_text_leaves_the_rest(mug: bytes) -> None:
    moved = changed(mug, painted('add the text "SALE"', action="edit", pictures=(mug,)).data, 2)
    assert moved[:150].any()
    assert not moved[170:].any()


@pytest.mark.parametrize("scale", [1, 2])
def test_only_the_masked_part_changes_beyond_a_drift_of_two(scale: int, mug: bytes) -> None:
    mask = Image.new("RGBA", (1024 // scale, 640 // scale), (0, 0, 0, 255))
    ImageDraw.Draw(mask).rectangle((700 // scale, 40 // scale, 980 // scale, 300 // scale), fill=(0, 0, 0, 0))
    result = painted("put a sun here", action="edit", pictures=(mug,), mask=png(mask)).data
    outside = np.ones((640, 1024), dtype=bool)
    outside[30:312, 690:992] = False
    assert changed(mug, result)[~outside].mean() > 0.2
    assert not changed(mug, result, 2)[outside].any()
    assert (pixels(mug) != pixels(result))[outside].any()


def test_a_second_picture_shows_in_the_edit(mug: bytes) -> None:
    logo = png(Image.new("RGB", (300, 300), (255, 0, 255)))
    result = painted("use the second picture as reference", action="edit", pictures=(mug, logo)).data
    assert share_near(result, (255, 0, 255)) > 0.015


def test_auto_size_of_an_edit_keeps_the_shape() -> None:
    wide = png(Image.new("RGB", (1600, 800), (90, 140, 200)))
    free = painted("make it darker", action="edit", pictures=(wide,), size="auto")
    fixed = painted("make it darker", action="edit", pictures=(wide,), size="auto", model=OLD_MODEL)
    assert free.width / free.height == pytest.approx(2, rel=0.03)
    assert free.width % 16 == free.height % 16 == 0
    assert fixed.size == "1536x1024"


def test_an_edit_keeps_alpha() -> None:
    clear = painted("a coral backpack", background="transparent").data
    result = decoded(painted("make it teal", action="edit", pictures=(clear,)).data)
    assert result.mode == "RGBA"
    assert np.asarray(result.getchannel("A"))[:30, :30].max() == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"size": "1000x1000"},
        {"size": "512x512"},
        {"size": "4096x1024"},
        {"size": "3840x512"},
        {"size": "1024x"},
        {"size": "٣x٣"},
        {"size": "9" * 5000},
        {"size": "1536x864", "model": OLD_MODEL},
        {"quality": "max"},
        {"quality": "superb"},
        {"output_format": "svg"},
        {"output_format": "bmp"},
        {"background": "transparent", "output_format": "jpeg"},
        {"background": "transparent", "output_format": "gif"},
        {"output_format": "gif", "mask": b"x"},
        {"output_format": "gif", "partial_images": 1},
        {"partial_images": 4},
        {"output_compression": 101, "output_format": "jpeg"},
        {"output_compression": 50},
        {"action": "edit"},
        {"action": "burn"},
        {"input_fidelity": "high", "model": "gpt-image-1-mini"},
        {"prompt": " "},
        {"prompt": "x" * 40_000},
    ],
    ids=str,
)
def test_impossible_requests_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ImageToolError) as caught:
        paint(replace(ImageRequest("a cat", size=SMALL, quality="low"), **changes))  # type: ignore[arg-type]
    assert caught.value.code
    assert len(caught.value.message) < 400


def bomb() -> bytes:
    """A PNG of a few bytes that claims 60,000 by 60,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        bomb(),
    ],
    ids=["empty", "text", "svg", "postscript", "bomb"],
)
def test_hostile_pictures_are_refused(data: bytes) -> None:
    with pytest.raises(ImageToolError) as caught:
        painted("make it warmer", action="edit", pictures=(data,))
    assert caught.value.code == "invalid_image"


def test_truncated_and_corrupted_pictures_never_crash(mug: bytes) -> None:
    rng = np.random.default_rng(7)
    for _ in range(12):
        broken = bytearray(mug)
        for at in rng.integers(8, len(broken), 40):
            broken[int(at)] ^= 0x5A
        for data in (bytes(broken), mug[: int(rng.integers(9, len(mug) // 2))]):
            try:
                painted("flip", action="edit", pictures=(data,))
            except ImageToolError as error:
                assert error.code == "invalid_image"  # noqa: PT017


def test_a_mask_without_alpha_is_refused(mug: bytes) -> None:
    with pytest.raises(ImageToolError, match="alpha"):
        painted("add a star", action="edit", pictures=(mug,), mask=png(Image.new("RGB", (64, 64))))


@pytest.mark.parametrize(
    "prompt",
    [
        '"',
        "'''",
        "\x00\x01",
        "#ggg #12",
        "🙂" * 50,
        "no",
        "no no without",
        "0 cats",
        "9999 mugs",
        '"' + "W" * 118 + '"',
        "a\n" * 900,
    ],
)
def test_odd_prompts_are_painted_all_the_same(prompt: str) -> None:
    assert decoded(painted(prompt).data).size == (1024, 640)
    assert decoded(painted(prompt, action="edit", pictures=(png(Image.new("L", (3, 900))),)).data).size == (
        1024,
        640,
    )


def test_output_tokens_come_from_the_table() -> None:
    count = tokens.output_tokens
    assert count("gpt-image-2", (1024, 1024), "high") == 7024
    assert count("gpt-image-2-2026-04-21", (1536, 1024), "high") == 5488
    assert count("gpt-image-2.5-flare", (1024, 1024), "xhigh") == 3122
    assert count("gpt-image-2", (3840, 2160), "high") == 13342
    assert count("gpt-image-1.5", (1024, 1024), "low", 2) == count("gpt-image-1.5", (1024, 1024), "low") + 200
    assert count("my-deployment", (1024, 1024), "medium") == count("gpt-image-2", (1024, 1024), "medium")
