"""Whether words can be read in a picture, by Tesseract where it is installed; else nobody has checked."""

from __future__ import annotations

import io
import re
import unicodedata

from assetmill.checks.specimen import Specimen
from assetmill.records import CheckResult
from assetmill.spec.output_checks import TextCheck

_TIMEOUT_S = 60
_READABLE_PX = 2400
"""Longer sides are reduced: reading takes as long as there are pixels."""


def check_text(specimen: Specimen, wanted: TextCheck) -> CheckResult:
    """Say which share of the wanted words was read; without Tesseract, that nobody has checked."""
    import pytesseract

    try:
        read = _read(specimen, wanted.language)
    except pytesseract.TesseractNotFoundError:
        return specimen.result("text", "not_checked", "tesseract is not installed")
    except (pytesseract.TesseractError, RuntimeError, OSError) as error:
        return specimen.result(
            "text", "not_checked", f"tesseract failed: {' '.join(str(error).split())[:200]}"
        )
    words = set(_words(read))
    shares = [(_share(text, words), text) for text in wanted.contains]
    lowest, text = min(shares)
    message = "" if lowest >= wanted.share else f"{text[:80]!r} is not there; read was {_shown(read)!r}"
    mean = sum(share for share, _ in shares) / len(shares)
    return specimen.result("text", lowest >= wanted.share, message, mean)


def _read(specimen: Specimen, language: str) -> str:
    import pytesseract
    from PIL import Image

    with Image.open(io.BytesIO(specimen.data)) as picture:
        picture.draft("RGB", (_READABLE_PX, _READABLE_PX))
        opaque = picture.convert("RGBA") if "A" in picture.mode or "transparency" in picture.info else picture
        if opaque.mode == "RGBA":
            ground = Image.new("RGBA", opaque.size, "white")
            ground.alpha_composite(opaque)
            opaque = ground
        readable = opaque.convert("RGB")
    readable.thumbnail((_READABLE_PX, _READABLE_PX))
    # Sparse text (11): a poster is no page of prose.
    return str(pytesseract.image_to_string(readable, lang=language, config="--psm 11", timeout=_TIMEOUT_S))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def _share(text: str, read: set[str]) -> float:
    words = _words(text)
    return sum(word in read for word in words) / len(words) if words else 1.0


def _shown(read: str) -> str:
    return " ".join(read.split())[:120]
