"""Reads multipart uploads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from foundry_emulator.boundary.errors import WireError, invalid
from foundry_emulator.interpreter.containers import safe_name
from foundry_emulator.routes.endpoint import Call

_LARGEST_FILE = 512 * 1024 * 1024


@dataclass(frozen=True)
class UploadForm:
    """A form: its text fields, and its file if there is one."""

    texts: Mapping[str, str]
    filename: str
    data: bytes | None


def is_form(call: Call) -> bool:
    """Say whether a request carries a multipart form."""
    return call.request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def uploaded(call: Call) -> UploadForm:
    """Read a multipart form.

    Raises:
        WireError: 400 for a broken form, 415 for another content type, 413 for a file above 512 MB.
    """
    if not is_form(call):
        raise WireError(415, "unsupported_content_type", "Send the file as multipart/form-data.")
    declared = call.request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:18]) > _LARGEST_FILE + 1_000_000:
        raise WireError(413, "file_size_exceeded", "The file is larger than 512 MB.")
    texts: dict[str, str] = {}
    filename, data = "", None
    try:
        async with call.request.form(max_files=4, max_fields=20) as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    if name == "file":
                        filename, data = safe_name(value.filename or "file"), await value.read()
                else:
                    texts[name] = value
    except (HTTPException, ValueError, KeyError) as problem:
        raise invalid("The multipart form could not be read.", None, "invalid_form") from problem
    if data is not None and len(data) > _LARGEST_FILE:
        raise WireError(413, "file_size_exceeded", "The file is larger than 512 MB.")
    return UploadForm(texts, filename, data)
