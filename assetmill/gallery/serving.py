"""A site for one person's browser, from this machine alone: a link that works once, then a cookie.

Nobody else gets in: not another user's process, which does not know the link, nor a page of another place,
for which the cookie is not sent and whose `Origin` and `Host` the guard refuses.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from assetmill.errors import InvalidInput, NotFound, StoreError
from assetmill.gallery.changing import (
    MOST_MASK_CHARS,
    ChangeOrder,
    Changing,
    Confirmation,
    OfferChanged,
    TooMuchAtOnce,
)
from assetmill.gallery.closeups import Closeups
from assetmill.gallery.events import Events
from assetmill.gallery.reviewing import ReviewOrder
from assetmill.gallery.site import Resource, Site, script
from assetmill.records import AssetId
from assetmill.redaction import redact_known
from assetmill.reviews.desk import BytesChanged

Said = TypeVar("Said", bound=BaseModel)
_COOKIE = "assetmill-gallery"
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SENT_BY_PAGE = "X-Gallery-Token"
_MOST_BODY_BYTES = 32 * 1024
_FOR_EVER = "private, max-age=31536000, immutable"
_ENTER = (
    "open the link that `assetmill open` has printed; it works once, and a new one comes with a new start"
)


class Gallery:
    """The web application of one site. Each start has a secret of its own, and one link that uses it up."""

    def __init__(
        self, site: Site, changing: Changing | None = None, closeups: Closeups | None = None
    ) -> None:
        self._site, self._changing, self._closeups = site, changing, closeups
        self._link, self._session = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        # Sent by the page's own script alone: a form of another page could send the cookie at most.
        self._token = secrets.token_urlsafe(32)
        self._is_entered = False
        self._events = Events(site)
        self.app = Starlette(
            routes=[
                Route("/enter/{key}", self._enter),
                Route("/", self._guarded(self._start)),
                Route("/session.js", self._guarded(self._session_of)),
                Route("/reviews", self._guarded(self._review), methods=["POST"]),
                Route("/prices", self._guarded(self._price), methods=["POST"]),
                Route("/changes", self._guarded(self._change), methods=["POST"]),
                Route("/about/{asset}", self._guarded(self._about)),
                Route("/compared/{asset}/{other}", self._guarded(self._compared)),
                Route("/heats/{asset}/{other}", self._guarded(self._heat)),
                Route("/events", self._guarded(self._tell), methods=["GET"]),
                Route("/{path:path}", self._guarded(self._read)),
            ]
        )

    @property
    def entrance(self) -> str:
        """The path of the link that lets one browser in."""
        return f"/enter/{self._link}"

    async def _enter(self, request: Request) -> Response:
        if self._is_entered or not _is_same(request.path_params["key"], self._link):
            return _refused()
        self._is_entered = True
        reply = RedirectResponse("/", HTTPStatus.SEE_OTHER, _HEADERS)
        reply.set_cookie(_COOKIE, self._session, httponly=True, samesite="strict", path="/")
        return reply

    def _guarded(
        self, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if not _is_same(request.cookies.get(_COOKIE, ""), self._session):
                return _refused()
            return await answer(request)

        return guarded

    async def _start(self, _request: Request) -> Response:
        return await self._of("index.html")

    async def _read(self, request: Request) -> Response:
        return await self._of(request.path_params["path"])

    async def _session_of(self, _request: Request) -> Response:
        reviewer = self._site.reviewing.reviewer if self._site.reviewing else None
        said = {
            "reviewer": reviewer,
            "can_change": self._changing is not None,
            "can_look_closer": self._closeups is not None,
            "token": self._token,
        }
        found = script("session", said)
        return Response(found.data, headers=_headers("", found), media_type=found.media_type)

    async def _tell(self, request: Request) -> Response:
        return await self._events.answer(request, _HEADERS)

    async def _review(self, request: Request) -> Response:
        reviewing = self._site.reviewing

        def say(order: ReviewOrder) -> dict[str, Any]:
            self._check_hangs(order.asset_id)
            return reviewing.say(order) if reviewing else {}

        return await self._posted(request, ReviewOrder, say) if reviewing else _refused()

    async def _price(self, request: Request) -> Response:
        changing = self._changing

        def offer(order: ChangeOrder) -> dict[str, Any]:
            self._check_hangs(order.asset_id)
            return changing.offer(order) if changing else {}

        most = MOST_MASK_CHARS + _MOST_BODY_BYTES
        return await self._posted(request, ChangeOrder, offer, most) if changing else _refused()

    async def _change(self, request: Request) -> Response:
        changing = self._changing

        def confirm(said: Confirmation) -> dict[str, Any]:
            return {"at": self._site.hanging.join(changing.confirm(said))} if changing else {}

        reply = await self._posted(request, Confirmation, confirm) if changing else _refused()
        self._events.wake()
        return reply

    async def _about(self, request: Request) -> Response:
        asset = AssetId(request.path_params["asset"])
        return await _told(lambda: self._closeups.about(asset) if self._closeups else None)

    async def _compared(self, request: Request) -> Response:
        pair = _pair(request)
        return await _told(lambda: self._closeups.compared(*pair) if self._closeups else None)

    async def _heat(self, request: Request) -> Response:
        data = self._closeups.heat(*_pair(request)) if self._closeups else None
        if data is None:
            return PlainTextResponse("these were not compared", HTTPStatus.NOT_FOUND, _HEADERS)
        found = Resource(data, "image/webp")
        return Response(data, headers=_headers("", found), media_type=found.media_type)

    def _check_hangs(self, asset_id: AssetId) -> None:
        if not self._site.hangs(asset_id):
            raise NotFound("picture on this wall", asset_id)

    async def _posted(
        self,
        request: Request,
        model: type[Said],
        act: Callable[[Said], dict[str, Any]],
        most_bytes: int = _MOST_BODY_BYTES,
    ) -> Response:
        """Answer what the page's own script sent: nobody else knows the token."""
        if not _is_same(request.headers.get(_SENT_BY_PAGE, ""), self._token):
            return _refused()
        try:
            said = model.model_validate_json(await _body(request, most_bytes))
            return JSONResponse(await run_in_threadpool(act, said), headers=_HEADERS)
        except ValidationError:
            told = f"this is no {model.__name__}"
            return PlainTextResponse(told, HTTPStatus.UNPROCESSABLE_ENTITY, _HEADERS)
        except (InvalidInput, StoreError) as error:
            return PlainTextResponse(redact_known(str(error)), _status_of(error), _HEADERS)

    async def _of(self, path: str) -> Response:
        try:
            found = await run_in_threadpool(self._site.read, path)
        except StoreError as error:
            return PlainTextResponse(str(error), HTTPStatus.SERVICE_UNAVAILABLE, _HEADERS)
        if found is None:
            return PlainTextResponse("there is no such page or picture", HTTPStatus.NOT_FOUND, _HEADERS)
        return Response(found.data, headers=_headers(path, found), media_type=found.media_type)


async def _told(read: Callable[[], dict[str, Any] | None]) -> Response:
    """Answer with what is read for a page, or with why it cannot be."""
    try:
        found = await run_in_threadpool(read)
    except (InvalidInput, StoreError) as error:
        return PlainTextResponse(redact_known(str(error)), _status_of(error), _HEADERS)
    if found is None:
        return _refused()
    return JSONResponse(found, headers=_HEADERS | {"Cache-Control": "no-store"})


def _pair(request: Request) -> tuple[AssetId, AssetId]:
    return AssetId(request.path_params["asset"]), AssetId(request.path_params["other"])


def _headers(path: str, found: Resource) -> dict[str, str]:
    is_content = path.startswith(("files/", "thumbnails/"))
    headers = _HEADERS | {"Cache-Control": _FOR_EVER if is_content else "no-store"}
    if found.is_shown:
        return headers | {"Content-Security-Policy": _CONTENT_POLICY}
    # What an agent wrote may be a page with scripts: it is kept as a file, and never opened here.
    return headers | {"Content-Disposition": "attachment", "Content-Security-Policy": "sandbox"}


async def _body(request: Request, most_bytes: int) -> bytes:
    """Return a request's body; nothing of one that is too long."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            return b""
    return bytes(body)


def _status_of(error: Exception) -> HTTPStatus:
    if isinstance(error, BytesChanged | OfferChanged):
        return HTTPStatus.CONFLICT
    if isinstance(error, TooMuchAtOnce):
        return HTTPStatus.TOO_MANY_REQUESTS
    if isinstance(error, NotFound):
        return HTTPStatus.NOT_FOUND
    is_input = isinstance(error, InvalidInput)
    return HTTPStatus.UNPROCESSABLE_ENTITY if is_input else HTTPStatus.SERVICE_UNAVAILABLE


def _refused() -> Response:
    return PlainTextResponse(_ENTER, HTTPStatus.FORBIDDEN, _HEADERS)


def _is_same(said: str, secret: str) -> bool:
    return hmac.compare_digest(said.encode(), secret.encode())
