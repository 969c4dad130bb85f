"""Whether a file carries a C2PA manifest, from its container alone: no library, no signature checked."""

from __future__ import annotations

from collections.abc import Iterator

from assetmill.pictures import sniff

_JUMBF = b"JP"
_LABEL = b"c2pa"
_MARKERS_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_START_OF_SCAN = 0xDA


def has_manifest(data: bytes) -> bool:
    """Say whether a PNG, JPEG or WebP holds a C2PA manifest store; False for everything else."""
    kind = sniff(data)
    if kind == "PNG":
        return any(name == b"caBX" for name, _ in _png_chunks(data))
    if kind == "JPEG":
        return any(_is_manifest(body) for marker, body in _jpeg_segments(data) if marker == 0xEB)
    return kind == "WEBP" and any(name == b"C2PA" for name in _riff_chunks(data))


def _is_manifest(body: bytes) -> bool:
    """APP11 is JPEG XT's box segment; the superbox of a manifest store is labelled `c2pa`."""
    return body.startswith(_JUMBF) and b"jumb" in body[:32] and _LABEL in body[:128]


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 8 <= len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        yield name, b""
        if name == b"IEND":
            return
        at += 12 + length


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _MARKERS_WITHOUT_LENGTH:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, data[at + 4 : at + 2 + length]
        if marker == _START_OF_SCAN or length < 2:
            return
        at += 2 + length


def _riff_chunks(data: bytes) -> Iterator[bytes]:
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4]
        at += 8 + length + length % 2
