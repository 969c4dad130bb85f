"""Image models that are called themselves, over plain HTTP: no SDK of the vendor's has these routes.

They lie at the root of the resource, not under its project. What is sent and what comes back is by the
published descriptions of Microsoft's MAI models and of Black Forest Labs' models on Foundry; nothing was seen
on a live service.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit, urlunsplit

import httpx2

from assetmill.agents.foundry_errors import from_reply, translate
from assetmill.agents.foundry_wire import rates_of
from assetmill.agents.gateway import DrawRequest, Response
from assetmill.errors import HandleExpired, OutcomeUnknown, Rejected
from assetmill.pictures import PictureDamaged, examine

SCOPE = "https://cognitiveservices.azure.com/.default"
_BFL_VERSION = "preview"
_LONGEST_S = 600.0
"""How long a reply is waited for in all, however slowly it comes: pictures were seen to take up to 40 s."""

_MOST_BYTES = 256 * 1024 * 1024
_CONNECT_S = 5.0

Json = Mapping[str, Any]


class _Sent(NamedTuple):
    """What goes over the wire: to which path, as which body."""

    path: str
    params: Mapping[str, str]
    body: Mapping[str, Any]


class DirectCalls:
    """The routes of one resource. `token` returns a bearer token for a scope."""

    def __init__(self, endpoint: str, http: httpx2.Client, token: Callable[[str], str]) -> None:
        self._resource, self._http, self._token = _resource(endpoint), http, token

    def draw(self, request: DrawRequest) -> Response:
        """Post once; see `Gateway`."""
        try:
            status, headers, text = self._post(_sent(request))
        except Exception as error:
            # Any: whatever goes wrong around a spend must be named; an unknown exception is an open outcome.
            raise translate(error, spending=True) from error
        if status != 200:
            error = from_reply(status, headers, _json(text))
            if isinstance(error, HandleExpired):
                message = f"this resource has no such route, or no such deployment: {error.message}"
                raise Rejected(message, error.code, status)
            raise error
        return _response(request, _json(text), headers)

    def has_route(self, route: str, path: str) -> bool | None:
        """Ask for the route in a way that draws nothing; see `Gateway`."""
        try:
            reply = self._http.get(self._resource + _path(route, path, edits=False), headers=self._headers())
        except httpx2.HTTPError:
            return None
        return {405: True, 404: False}.get(reply.status_code)

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token(SCOPE)}"}

    def _post(self, sent: _Sent) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and body; the body has a deadline as a whole, not for each piece of it."""
        until = time.monotonic() + _LONGEST_S
        timeout = httpx2.Timeout(_LONGEST_S, connect=_CONNECT_S)
        address, headers, found = self._resource + sent.path, self._headers(), bytearray()
        with self._http.stream(
            "POST", address, params=dict(sent.params), headers=headers, timeout=timeout, **sent.body
        ) as reply:
            for piece in reply.iter_bytes():
                found += piece
                if time.monotonic() > until or len(found) > _MOST_BYTES:
                    raise OutcomeUnknown(
                        f"the reply had no end after {len(found)} bytes", "", reply.status_code
                    )
            return reply.status_code, reply.headers, bytes(found)


def _resource(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return urlunsplit((parts.scheme, parts.netloc, "", "", ""))


def _path(route: str, path: str, *, edits: bool) -> str:
    if route == "mai":
        return "/mai/v1/images/edits" if edits else "/mai/v1/images/generations"
    return f"/providers/blackforestlabs/v1/{path}"


def _sent(request: DrawRequest) -> _Sent:
    """Return a request as its route wants it: the service refuses a field that a route does not know."""
    path = _path(request.route, request.path, edits=bool(request.pictures))
    wide, high = request.size or (0, 0)
    size = {"width": wide, "height": high} if request.size else {}
    words = {"model": request.deployment, "prompt": request.prompt}
    if request.route == "bfl":
        numbers = ("", *(f"_{number}" for number in range(2, len(request.pictures) + 1)))
        pictures = {
            f"input_image{number}": base64.b64encode(picture.data).decode()
            for number, picture in zip(numbers, request.pictures, strict=False)
        }
        body = {**words, **_flux_shape(request), "output_format": request.output_format, **pictures}
        return _Sent(path, {"api-version": _BFL_VERSION}, {"json": body})
    if request.pictures:
        return _Sent(path, {}, {"data": words, "files": [("image", one) for one in request.pictures]})
    return _Sent(path, {}, {"json": {**words, **size}})


def _flux_shape(request: DrawRequest) -> Json:
    """Return the size as a model of the FLUX family has it: Kontext is told the ratio of its sides."""
    wide, high = request.size or (0, 0)
    if request.path.startswith("flux-kontext"):
        parts = math.gcd(wide, high) or 1
        return {"aspect_ratio": f"{wide // parts}:{high // parts}"} if request.size else {}
    size = {"width": wide, "height": high} if request.size else {}
    # Its page lists no count for those before FLUX.2: they draw one.
    return {**size, "num_images": 1} if request.path.startswith("flux-2") else size


def _json(text: bytes) -> Json:
    try:
        found: object = json.loads(text)
    except ValueError:
        return {}
    return cast("Json", found) if isinstance(found, dict) else {}


def _response(request: DrawRequest, reply: Json, headers: Mapping[str, str]) -> Response:
    """Return a reply in the form of a response whose items are image calls.

    Raises:
        OutcomeUnknown: it names no pictures at all, so that nobody knows what was drawn.
    """
    data: object = reply.get("data")
    if not isinstance(data, list):
        raise OutcomeUnknown("the reply is none of an image model: it has no list of pictures")
    items = [_item(entry, request) for entry in cast("list[object]", data)]
    told = {key: value for key, value in reply.items() if key != "data"}
    told["request_id"] = headers.get("apim-request-id") or headers.get("x-request-id")
    told["pictures"] = [_told(entry) for entry in cast("list[object]", data)]
    body = {
        "id": request.name,
        "object": "image_model_reply",
        "status": "completed",
        "model": request.deployment,
        "output": items,
        "usage": {"input_tokens": 0, "output_tokens": 0},
        "tool_usage": {"image_gen": _usage(_map(reply.get("usage")))},
        "told": told,
    }
    return Response(request.name, "completed", body, rates_of(headers))


def _item(entry: object, request: DrawRequest) -> Json:
    """Return one picture as an image call; what moderation held back has no bytes and says why."""
    picture = _map(entry)
    data = picture.get("b64_json")
    item: dict[str, Any] = {"type": "image_generation_call", "id": None, "result": data or None}
    if revised := picture.get("revised_prompt"):
        item["revised_prompt"] = revised
    if data:
        return {**item, "status": "completed", "size": _size(data) or _asked(request)}
    marks = _map(picture.get("content_filter_results"))
    found = [name for name, mark in marks.items() if _map(mark).get("filtered")]
    details = {"moderation_details": {"categories": found, "moderation_stage": "output"}} if found else {}
    error = {"code": "content_filter" if found else "no_picture", "message": "no picture was handed over"}
    return {**item, "status": "failed", "size": _asked(request), "error": {**error, **details}}


def _size(data: object) -> str:
    """Return the size of a picture in base64, "" when it is none: whoever keeps it says what is wrong."""
    try:
        facts = examine(base64.b64decode(str(data), validate=True))
    except (binascii.Error, ValueError, PictureDamaged):
        return ""
    return f"{facts.width}x{facts.height}"


def _asked(request: DrawRequest) -> str:
    return f"{request.size[0]}x{request.size[1]}" if request.size else ""


def _told(entry: object) -> Json:
    """Return what the reply says of one picture beside its bytes."""
    return {key: value for key, value in _map(entry).items() if key != "b64_json"}


def _usage(usage: Json) -> Json:
    """Return the tokens that MAI models report, under the names that the image tool has for them."""
    texts, pictures = usage.get("num_input_text_tokens"), usage.get("num_input_image_tokens")
    if not all(isinstance(count, int) for count in (texts, pictures, usage.get("num_output_tokens"))):
        return {}
    given = {"text_tokens": texts, "image_tokens": pictures}
    total = cast("int", texts) + cast("int", pictures)
    return {
        "input_tokens": total,
        "input_tokens_details": given,
        "output_tokens": usage["num_output_tokens"],
    }


def _map(value: object) -> Json:
    return cast("Json", value) if isinstance(value, Mapping) else {}
