"""Encoding: pictures to bytes in the format asked for."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageEnhance, ImageFilter, PngImagePlugin

from foundry_emulator.painter import subject_note

SOFTWARE = "assetmill emulator (procedural illustration, no model)"
GIF_FRAMES = 4
GIF_FRAME_MS = 200


def encoded(image: Image.Image, output_format: str, compression: int) -> bytes:
    """Return the picture as PNG, JPEG, WebP or a short looping GIF."""
    buffer = BytesIO()
    if output_format == "jpeg":
        image.convert("RGB").save(buffer, "JPEG", quality=max(1, min(compression, 95)), optimize=False)
    elif output_format == "webp":
        image.save(buffer, "WEBP", quality=max(1, compression), method=2)
    elif output_format == "gif":
        _save_gif(image, buffer)
    else:
        notes = PngImagePlugin.PngInfo()
        notes.add_text("Software", SOFTWARE)
        outline = subject_note.written(image)
        if outline is not None:
            notes.add_text(subject_note.KEY, outline)
        # Level 2: grain hardly compresses, and higher levels cost more time than the drawing.
        image.save(buffer, "PNG", pnginfo=notes, compress_level=2)
    return buffer.getvalue()


def _save_gif(image: Image.Image, buffer: BytesIO) -> None:
    flat = image.convert("RGB")
    palette = flat.quantize(200, Image.Quantize.FASTOCTREE)
    frames = [
        _breathing(flat, step).quantize(palette=palette, dither=Image.Dither.NONE)
        for step in range(GIF_FRAMES)
    ]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=GIF_FRAME_MS, loop=0)


def _breathing(image: Image.Image, step: int) -> Image.Image:
    """Return one frame of a slow zoom with a change of light."""
    inset = (0, 1, 2, 1)[step] * min(image.size) // 90
    width, height = image.size
    part = image.resize(image.size, Image.Resampling.BILINEAR, (inset, inset, width - inset, height - inset))
    return ImageEnhance.Brightness(part).enhance((1.0, 1.03, 1.06, 1.03)[step])


def partials(image: Image.Image, count: int) -> list[Image.Image]:
    """Return `count` views of the picture, each sharper than the one before."""
    views: list[Image.Image] = []
    for step in range(count):
        cells = (20, 48, 110)[step + 3 - count if count < 3 else step]
        share = cells / max(image.size)
        small = image.resize(
            (max(2, round(image.width * share)), max(2, round(image.height * share))), Image.Resampling.BOX
        )
        views.append(small.filter(ImageFilter.SMOOTH).resize(image.size, Image.Resampling.BICUBIC))
    return views
