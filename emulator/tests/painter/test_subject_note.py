import base64
from io import BytesIO

import numpy as np
import pytest
from foundry_emulator.painter import intake, subject_note
from foundry_emulator.painter.image import ImageRequest, paint
from PIL import Image, ImageDraw, ImageFilter, PngImagePlugin

SIZE = (240, 160)


def request(prompt: str, *pictures: bytes) -> ImageRequest:
    return ImageRequest(
        prompt=prompt,
        action="edit" if pictures else "generate",
        size="1024x1024",
        quality="low",
        output_format="png",
        output_compression=100,
        background="auto",
        input_fidelity=None,
        pictures=pictures,
        mask=None,
        partial_images=0,
        seed="",
        model="gpt-image-1.5",
    )


@pytest.fixture(scope="module")
def lamp() -> bytes:
    return paint(request("A desk lamp on a birch desk by a window over a fjord")).data


def noted(note: str) -> bytes:
    buffer, notes = BytesIO(), PngImagePlugin.PngInfo()
    notes.add_text(subject_note.KEY, note)
    Image.new("RGB", SIZE).save(buffer, "PNG", pnginfo=notes)
    return buffer.getvalue()


def as_png(image: Image.Image) -> str:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_a_drawn_picture_knows_its_subject(lamp: bytes) -> None:
    mask = subject_note.attached(intake.opened(lamp))
    assert mask is not None
    assert mask.size == (1024, 1024)
    assert 0.05 < np.asarray(mask).mean() / 255 < 0.4


@pytest.mark.parametrize("prompt", ["Blur the background", "Replace the background with a forest"])
def test_what_changes_behind_the_subject_leaves_it_alone(lamp: bytes, prompt: str) -> None:
    before = intake.opened(lamp)
    mask = subject_note.attached(before)
    assert mask is not None
    edited = intake.opened(paint(request(prompt, lamp)).data)
    # Well inside: an outline may soften.
    inside = np.asarray(mask.filter(ImageFilter.MinFilter(25))) == 255
    drift = np.abs(np.asarray(edited, dtype=int) - np.asarray(before, dtype=int)).max(axis=-1)
    assert np.mean(drift[inside] <= 2) > 0.97
    assert drift[np.asarray(mask) == 0].mean() > 4
    assert subject_note.attached(edited) is not None


def test_a_removed_subject_is_no_longer_noted(lamp: bytes) -> None:
    gone = intake.opened(paint(request("Remove the lamp", lamp)).data)
    assert subject_note.attached(gone) is None


@pytest.mark.parametrize(
    "note",
    [
        "",
        "not base64!",
        base64.b64encode(b"no picture").decode(),
        "A" * (subject_note.MOST_CHARACTERS + 1),
        as_png(Image.new("1", (9, 9), 1)),
        as_png(Image.new("RGB", SIZE)),
        as_png(Image.new("1", SIZE, 1))[:60],
    ],
    ids=["empty", "letters", "bytes", "long", "small", "coloured", "cut"],
)
def test_a_note_that_is_none_is_passed_over(note: str) -> None:
    assert subject_note.attached(intake.opened(noted(note))) is None


def test_a_note_comes_back_as_it_was_written() -> None:
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).ellipse((60, 40, 180, 120), fill=255)
    text = subject_note.written(subject_note.attach(Image.new("RGB", SIZE), mask))
    back = subject_note.read(text, SIZE)
    assert back is not None
    assert np.abs(np.asarray(back, dtype=int) - np.asarray(mask, dtype=int)).mean() < 3


def test_what_is_added_beside_the_subject_is_drawn_once_on_that_side(lamp: bytes) -> None:
    before = np.asarray(intake.opened(lamp), dtype=int)
    for side, columns in (("left", slice(0, 512)), ("right", slice(512, 1024))):
        after = intake.opened(paint(request(f"Add a coffee mug to the {side} of the lamp", lamp)).data)
        changed = np.abs(np.asarray(after, dtype=int) - before).max(axis=-1) > 12
        assert changed[:, columns].sum() > 0.98 * changed.sum() > 10_000
