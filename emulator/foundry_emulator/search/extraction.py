"""Text out of uploaded files, and its division into passages, for file search.

Files come from outside: a broken one gives `UnreadableFile`, and what is unpacked is bounded.
"""

from __future__ import annotations

import html
import io
import json
import re
import zipfile
import zlib
from pathlib import PurePosixPath

from pypdf import PdfReader
from pypdf.errors import PyPdfError

MAX_TEXT = 20_000_000
"""Characters taken from one file; more is cut off, so that a compressed bomb stays small."""

_PIECES = re.compile(r"\n{2,}|(?<=\n)(?=#)|(?<=[.!?])\s+|\n")


class UnreadableFile(ValueError):
    """The file is not what its name says, or is damaged."""


def extract_text(filename: str, data: bytes) -> str:
    """Return the readable text of a file, chosen by the extension of its name.

    Raises:
        UnreadableFile: the bytes are no file of that kind.
    """
    extension = PurePosixPath(filename).suffix.lower()
    if extension in {".docx", ".pptx"}:
        return _office_text(filename, data)
    if extension == ".pdf":
        return _pdf_text(filename, data)
    text = _decode(filename, data)[:MAX_TEXT]
    if extension in {".html", ".htm"}:
        return _html_text(text)
    if extension == ".json":
        return _json_text(text)
    return text.replace("\r\n", "\n")


def chunk(text: str, max_tokens: int = 800, overlap: int = 400) -> list[str]:
    """Divide `text` into passages of at most `max_tokens` tokens, each repeating up to `overlap` of the last.

    A token is taken to be four characters. Passages end at the end of a paragraph, sentence or line.
    """
    limit, shared = max(1, max_tokens) * 4, max(0, min(overlap, max_tokens // 2)) * 4
    pieces = [part for piece in _split(text) for part in _cut(piece, limit)]
    chunks: list[str] = []
    start = end = length = 0
    while end < len(pieces):
        while end < len(pieces) and (end == start or length + len(pieces[end]) <= limit):
            length += len(pieces[end])
            end += 1
        chunks.append("".join(pieces[start:end]).strip())
        if end == len(pieces):
            break
        while start < end and (length > shared or length + len(pieces[end]) > limit):
            length -= len(pieces[start])
            start += 1
    return [passage for passage in chunks if passage]


def _split(text: str) -> list[str]:
    ends = [match.end() for match in _PIECES.finditer(text)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True) if end > start]


def _cut(piece: str, limit: int) -> list[str]:
    parts: list[str] = []
    start = 0
    while len(piece) - start > limit:
        space = piece.rfind(" ", start + 1, start + limit)
        end = space + 1 if space > 0 else start + limit
        parts.append(piece[start:end])
        start = end
    return [*parts, piece[start:]]


def _decode(filename: str, data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:4096]:
        raise UnreadableFile(f"{filename!r} holds no text")
    return data.decode("utf-8-sig", errors="replace")


def _html_text(text: str) -> str:
    text = re.sub(r"(?is)<(script|style|template)\b.*?</\1\s*>|<!--.*?-->", " ", text)
    text = re.sub(r"(?i)<(?:br|/p|/div|/li|/tr|/h[1-6]|/title|/section)\b[^>]*>", "\n", text)
    return _tidy(html.unescape(re.sub(r"<[^>]*>", " ", text)))


def _json_text(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _office_text(filename: str, data: bytes) -> str:
    part = (
        r"word/(?:document|header\d*|footer\d*)\.xml"
        if filename.lower().endswith(".docx")
        else r"ppt/slides/slide\d+\.xml"
    )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in archive.namelist() if re.fullmatch(part, name)]
            names.sort(key=lambda name: (len(name), name))
            pages = [_member(archive, name) for name in names]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        # All that zipfile raises for a damaged archive, an encrypted one, or an unknown compression.
        raise UnreadableFile(f"{filename!r} is no Office file: {error}") from error
    if not pages:
        raise UnreadableFile(f"{filename!r} holds no document")
    return _tidy("\n\n".join(_markup_text(page) for page in pages))


def _member(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as member:
        return member.read(MAX_TEXT).decode("utf-8", errors="replace")


def _markup_text(page: str) -> str:
    # Text runs are <w:t> in Word and <a:t> in PowerPoint; paragraphs end with </w:p> and </a:p>.
    page = re.sub(r"</[wa]:p>|<w:br\b[^>]*/>", "\n", page)
    page = re.sub(r"<w:tab\b[^>]*/>|</w:tc>", "\t", page)
    return html.unescape(re.sub(r"<[^>]*>", "", page))


def _pdf_text(filename: str, data: bytes) -> str:
    try:
        reader = PdfReader(io.BytesIO(data))
        return _tidy("\n\n".join(page.extract_text() for page in reader.pages))[:MAX_TEXT]
    except (PyPdfError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise UnreadableFile(f"{filename!r} is no readable PDF: {error}") from error


def _tidy(text: str) -> str:
    return re.sub(
        r"\n{3,}", "\n\n", re.sub(r"[ \xa0]*\n[ \xa0]*", "\n", re.sub(r"[ \xa0]+", " ", text))
    ).strip()
