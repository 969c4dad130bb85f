"""Pictures that checks should tell apart, made here and deterministic."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont

from assetmill.checks.specimen import Specimen
from assetmill.fingerprint import digest
from assetmill.records import AssetId, AssetRecord, BlobRef


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def scene(seed: int = 0, size: tuple[int, int] = (320, 240), ground: str = "navy") -> Image.Image:
    """A sun over hills whose place depends on the seed."""
    picture = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(picture)
    wide, high = size
    left = (seed * 67) % (wide * 2 // 3)
    draw.ellipse((left, high // 8, left + wide // 4, high // 2), fill="orange")
    for number in range(4):
        peak = (number * 53 + seed * 91) % wide
        draw.polygon(
            [(peak - wide // 4, high), (peak, high // 2 + seed * 5 % 40), (peak + wide // 4, high)],
            fill="green",
        )
    return picture


def lettered(text: str, ground: str = "white", ink: str = "black") -> Image.Image:
    picture = Image.new("RGB", (450, 110), ground)
    ImageDraw.Draw(picture).text((20, 30), text, fill=ink, font=ImageFont.load_default(size=45))
    return picture


def specimen(data: bytes | Image.Image, name: str = "hero.png", asset_id: str = "ast_1") -> Specimen:
    content = data if isinstance(data, bytes) else encoded(data)
    asset = AssetRecord(
        asset_id=AssetId(asset_id),
        name=name,
        kind="picture",
        blob=BlobRef(digest=digest(content), size_bytes=len(content), media_type="image/png"),
        stage="hero",
        width=1,
        height=1,
        created_at=0.0,
    )
    return Specimen(asset, content)
