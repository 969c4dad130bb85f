"""What a file says of itself in its metadata, whoever wrote it: nothing here is signed, or believed."""

from __future__ import annotations

import io
import re
import warnings
import zlib
from dataclasses import dataclass

from PIL import Image

from assetmill.provenance.detecting import has_manifest

KINDS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_BRANDS = {b"avif": "image/avif", b"avis": "image/avif", b"heic": "image/heic", b"mif1": "image/heif"}

_C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""The type of the box that holds a manifest in AVIF and HEIF."""

_PACKET = re.compile(rb"<x:xmpmeta\b.*?</x:xmpmeta\s*>", re.DOTALL)
_SOURCE = re.compile(
    r"""Iptc4xmpExt:DigitalSourceType(?:\s+rdf:resource)?\s*(?:=\s*["']|>)\s*(?P<said>[^"'<\s]+)"""
)
_REMOTE = re.compile(r"""dcterms:provenance\s*(?:=\s*["']|>)\s*(?P<said>https?://[^"'<\s]+)""")
_TOOLKIT = re.compile(r"""x:xmptk\s*=\s*["'](?P<said>[^"'<]+)""")
_CREATOR = re.compile(r"""xmp:CreatorTool\s*(?:=\s*["']|>)\s*(?P<said>[^"'<]+)""")
_LAVC = re.compile(rb"Lav[cf]\d+\.\d+\.\d+")
_SOFTWARE = 0x0131
_LONGEST = 200


@dataclass(frozen=True)
class FileMarks:
    """`source_type` as written; `remote`: where its manifest is said to be; `tools`: who left a trace."""

    media_type: str | None
    has_manifest: bool
    source_type: str = ""
    remote: str = ""
    tools: tuple[str, ...] = ()


def media_type_of(data: bytes) -> str | None:
    """Return what a file is by its first bytes; None for what carries no manifest that we read."""
    for start, media_type in KINDS:
        if data.startswith(start):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return _BRANDS.get(data[8:12]) if data[4:8] == b"ftyp" else None


def read_marks(data: bytes, beside: bytes = b"") -> FileMarks:
    """Return what a file and the XMP file `beside` it say; a file's own word goes before the other's."""
    media_type = media_type_of(data)
    own, other = _xmp(data, media_type), beside.decode("utf-8", errors="replace")
    return FileMarks(
        media_type,
        carries_manifest(data, media_type),
        source_type=_said(_SOURCE, own) or _said(_SOURCE, other),
        remote=_said(_REMOTE, own),
        tools=_tools(data, own, media_type),
    )


def carries_manifest(data: bytes, media_type: str | None) -> bool:
    """Say whether a C2PA manifest is embedded, from the container alone."""
    if media_type == "image/gif":
        return b"!\xff\x0bC2PA_GIF" in data
    if media_type in {"image/avif", "image/heic", "image/heif"}:
        return b"uuid" + _C2PA_BOX in data
    if media_type == "image/tiff":
        return b"jumb" in data and b"c2pa" in data
    return has_manifest(data)


def _xmp(data: bytes, media_type: str | None) -> str:
    """Return every XMP packet; PNG may hold it compressed, which Pillow undoes."""
    packets = [*_PACKET.findall(data)]
    if media_type == "image/png" and not packets:
        packets = _PACKET.findall(_png_xmp(data))
    return b"\n".join(packets).decode("utf-8", errors="replace")


def _png_xmp(data: bytes) -> bytes:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as picture:
                found = picture.info.get("XML:com.adobe.xmp", "")
    except (OSError, ValueError, SyntaxError, zlib.error, Image.DecompressionBombError):
        return b""
    return found.encode() if isinstance(found, str) else bytes(found)


def _tools(data: bytes, xmp: str, media_type: str | None) -> tuple[str, ...]:
    """Return who left a trace: most tools leave none, so that an empty answer says nothing."""
    found = [_said(_TOOLKIT, xmp), _said(_CREATOR, xmp)]
    if media_type == "image/jpeg" and (trace := _LAVC.search(data[:4096])):
        found.append(f"FFmpeg ({trace[0].decode()})")
    if media_type == "image/png" and re.search(rb"tEXtdate:(create|modify)\x00", data):
        found.append("ImageMagick")
    found.append(_software(data))
    return tuple(dict.fromkeys(filter(None, found)))


def _software(data: bytes) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as picture:
                said = picture.info.get("Software") or picture.getexif().get(_SOFTWARE)
    except (OSError, ValueError, SyntaxError, zlib.error, Image.DecompressionBombError):
        return ""
    return str(said)[:_LONGEST] if said else ""


def _said(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found["said"].strip()[:_LONGEST] if found else ""
