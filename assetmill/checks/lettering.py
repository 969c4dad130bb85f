"""Whether words can be read in a picture, by Tesseract where it is installed; else nobody has checked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assetmill.checks.specimen import Specimen
from assetmill.looking import grounds
from assetmill.records import CheckResult
from assetmill.spec.output_checks import TextCheck

if TYPE_CHECKING:
    from PIL import Image

_TIMEOUT_S = 60
_READABLE_PX = 1600
"""Longer sides are reduced: reading takes as long as there are pixels."""

_FRAMES = 8
"""So many frames of an animation are read, evenly over it."""


def check_text(specimen: Specimen, wanted: TextCheck) -> CheckResult:
    """Say which share of the wanted words was read; without Tesseract, that nobody has checked."""
    import pytesseract

    words: set[str] = set()
    shares: list[tuple[float, str]] = []
    try:
        for picture in _readings(specimen):
            words.update(_words(_read(picture, wanted.language)))
            shares = [(_share(text, words), text) for text in wanted.contains]
            if min(shares)[0] >= wanted.share:
                break
    except pytesseract.TesseractNotFoundError:
        return specimen.result("text", "not_checked", "tesseract is not installed")
    except (pytesseract.TesseractError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        return specimen.result("text", "not_checked", f"tesseract failed: {reason}")
    lowest, text = min(shares)
    shown = " ".join(sorted(words))[:120]
    message = "" if lowest >= wanted.share else f"{text[:80]!r} is not there; read was {shown!r}"
    mean = sum(share for share, _ in shares) / len(shares)
    return specimen.result("text", lowest >= wanted.share, message, mean)


def _readings(specimen: Specimen) -> Iterator[Image.Image]:
    """Yield the picture in ways to read it: light letters are missed as they are, and so are large ones."""
    from PIL import ImageOps

    for plain in _greys(specimen):
        for share in (1.0, 0.5):
            size = (max(1, round(plain.width * share)), max(1, round(plain.height * share)))
            scaled = plain if share == 1.0 else plain.resize(size)
            yield scaled
            yield ImageOps.invert(scaled)


def _greys(specimen: Specimen) -> Iterator[Image.Image]:
    """Yield frames in grey, over each ground, no larger than is worth reading; of many frames some."""
    count = specimen.look.form.frames
    read = {round(number * (count - 1) / max(1, _FRAMES - 1)) for number in range(_FRAMES)}
    for number, frame in enumerate(specimen.look.frames(_READABLE_PX)):
        if number in read:
            yield from (seen.convert("L") for seen in grounds(frame.picture))


def _read(picture: Image.Image, language: str) -> str:
    import pytesseract

    # Sparse text (11): a poster is no page of prose. Sauvola's threshold (2) finds letters on any ground.
    config = "--psm 11 -c thresholding_method=2"
    return str(pytesseract.image_to_string(picture, lang=language, config=config, timeout=_TIMEOUT_S))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def _share(text: str, read: set[str]) -> float:
    words = _words(text)
    return sum(word in read for word in words) / len(words) if words else 1.0
