"""Files on this machine as blobs that are not stored yet: digest, size and type, in constant memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

from assetmill.fingerprint import Digest
from assetmill.records import BlobRef

MAX_BYTES = 512 * 1024 * 1024
"""The service takes no larger file."""

_CHUNK = 1024 * 1024

_TYPES = {
    "csv": "text/csv", "gif": "image/gif", "htm": "text/html", "html": "text/html", "jpeg": "image/jpeg",
    "jpg": "image/jpeg", "json": "application/json", "jsonl": "application/jsonl", "md": "text/markdown",
    "parquet": "application/vnd.apache.parquet", "pdf": "application/pdf", "png": "image/png",
    "py": "text/x-python", "svg": "image/svg+xml", "tsv": "text/tab-separated-values", "txt": "text/plain",
    "webp": "image/webp", "xml": "application/xml", "yaml": "application/yaml", "yml": "application/yaml",
    "zip": "application/zip",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip


def blob_of_file(path: Path) -> BlobRef:
    """Return what the file's blob will be.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no regular file, or too large for the service.
    """
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")
    sha = hashlib.sha256()
    size = 0
    head = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            head = head or chunk[:16]
            size += len(chunk)
            if size > MAX_BYTES:
                raise ValueError(f"larger than {MAX_BYTES // 1024**2} MB")
            sha.update(chunk)
    return BlobRef(
        digest=Digest(f"sha256:{sha.hexdigest()}"), size_bytes=size, media_type=media_type(path.name, head)
    )


def media_type(name: str, head: bytes = b"") -> str:
    """Return a file's type, from its first bytes where they tell, else from its name."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    return _TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")
