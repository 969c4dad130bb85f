"""Pictures of which a recording tells only the measures: others of the same size take their place."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any, cast

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from foundry_emulator.jsons import Json, as_object


def pictured(value: Any) -> Any:
    """Return a request in which every measured picture is one again."""
    if isinstance(value, list):
        return [pictured(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast(Json, value)
    if set(fields) == {"data_url_of"}:
        measures = as_object(fields["data_url_of"])
        data = picture_of(measures, int(measures.get("bytes") or 0))
        return f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return {key: pictured(inner) for key, inner in fields.items()}


def picture_of(measures: Mapping[str, Any], size_bytes: int = 0) -> bytes:
    """Return a picture of the measured width and height, and of at least so many bytes."""
    buffer, info = io.BytesIO(), PngInfo()
    if size_bytes:
        info.add_text("Comment", "x" * size_bytes)
    size = int(measures.get("width") or 8), int(measures.get("height") or 8)
    Image.new("RGB", size, "white").save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def file_content(file: Mapping[str, Any]) -> bytes:
    """Return what to upload for a file of which a recording tells the text, the measures or nothing."""
    measures = as_object(file.get("bytes_of"))
    if "width" in measures:
        return picture_of(measures)
    return str(file.get("text") or "content").encode()
