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
from assetmill.gallery.closeups import Closeups, TakingOrder
from assetmill.gallery.events import Events
from assetmill.gallery.reviewing import ReviewOrder
from assetmill.gallery.sheets import SheetOrder
from assetmill.gallery.site import Resource, Site, script
from assetmill.gallery.stars import Liking, LikingOrder, facts_of
from assetmill.records import AssetId
from assetmill.redaction import redact_known
from assetmill.reviews.desk import BytesChanged

Said = TypeVar("Said", bound=BaseModel)
_COOKIE = "assetmill-gallery"
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
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


class Entrance:
    """Who gets in: a link that works once, then a cookie. Each start has secrets of its own."""

    def __init__(self, start: str = "/") -> None:
        self._start = start
        self._link, self._session = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        # Sent by the page's own script alone: a form of another page could send the cookie at most.
        self.token = secrets.token_urlsafe(32)
        self._is_entered = False

    @property
    def entrance(self) -> str:
        """The path of the link that lets one browser in."""
        return f"/enter/{self._link}"

    @property
    def cookie(self) -> str:
        """The cookie of who was let in, for a door that has asked who it is already."""
        return f"{_COOKIE}={self._session}"

    async def enter(self, request: Request) -> Response:
        """Let in who has the link, once."""
        if self._is_entered or not _is_same(request.path_params["key"], self._link):
            return refused()
        self._is_entered = True
        reply = RedirectResponse(self._start, HTTPStatus.SEE_OTHER, HEADERS)
        reply.set_cookie(_COOKIE, self._session, httponly=True, samesite="strict", path="/")
        return reply

    def lets_in(self, request: Request) -> bool:
        """Whether a request is of the browser that came in by the link."""
        return _is_same(request.cookies.get(_COOKIE, ""), self._session)

    def is_of_page(self, request: Request) -> bool:
        """Whether a request is of the page's own script: nobody else knows the token."""
        return _is_same(request.headers.get(_SENT_BY_PAGE, ""), self.token)

    def guarded(
        self, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return what answers those alone who came in."""

        async def guarded(request: Request) -> Response:
            return await answer(request) if self.lets_in(request) else refused()

        return guarded


class Gallery:
    """The web application of one site, behind a door of its own or that of a house."""

    def __init__(
        self,
        site: Site,
        changing: Changing | None = None,
        closeups: Closeups | None = None,
        door: Entrance | None = None,
        *,
        has_home: bool = False,
        asks_for_next: bool = False,
        then_run: bool = False,
    ) -> None:
        """Make the application. `asks_for_next`: a page beside it says what is drawn next, at what price.

        `then_run`: that page comes by itself once everything on the wall is decided.
        """
        self._site, self._changing, self._closeups = site, changing, closeups
        self._has_home = has_home or door is not None
        self._asks_for_next, self._then_run = asks_for_next, then_run
        self._door = door or Entrance()
        guarded = self._door.guarded
        self._events = Events(site)
        self.app = Starlette(
            routes=[
                Route("/enter/{key}", self._door.enter),
                Route("/", guarded(self._start)),
                Route("/session.js", guarded(self._session_of)),
                Route("/reviews", guarded(self._review), methods=["POST"]),
                Route("/prices", guarded(self._price), methods=["POST"]),
                Route("/changes", guarded(self._change), methods=["POST"]),
                Route("/likings", guarded(self._like), methods=["POST"]),
                Route("/takings", guarded(self._take), methods=["POST"]),
                Route("/sheets", guarded(self._sheet), methods=["POST"]),
                Route("/about/{asset}", guarded(self._about)),
                Route("/compared/{asset}/{other}", guarded(self._compared)),
                Route("/heats/{asset}/{other}", guarded(self._heat)),
                Route("/events", guarded(self._tell), methods=["GET"]),
                Route("/{path:path}", guarded(self._read)),
            ]
        )

    @property
    def entrance(self) -> str:
        """The path of the link that lets one browser in."""
        return self._door.entrance

    @property
    def cookie(self) -> str:
        """The cookie of who was let in, for a door that has asked who it is already."""
        return self._door.cookie

    @property
    def is_settled(self) -> bool:
        """Whether nothing has hung here since it was made, and nothing will."""
        return not self._site.hanging.is_live and not self._site.hanging.newest

    def resume(self) -> None:
        """Look at what hangs here: a page that is loaded sees the store as it is now."""
        self._site.hanging.resume()

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
            "can_like": self._site.stars is not None,
            "has_home": self._has_home,
            "next": self._site.goes_on_as if self._asks_for_next else "",
            "then_run": self._then_run,
            "series": self._site.hanging.series,
            "token": self._door.token,
        }
        found = script("session", said)
        return Response(found.data, headers=headers_of("", found), media_type=found.media_type)

    async def _tell(self, request: Request) -> Response:
        return await self._events.answer(request, HEADERS)

    async def _review(self, request: Request) -> Response:
        reviewing = self._site.reviewing

        def say(order: ReviewOrder) -> dict[str, Any]:
            self._check_hangs(order.asset_id)
            return reviewing.say(order) if reviewing else {}

        return await posted(request, ReviewOrder, say, self._door) if reviewing else refused()

    async def _price(self, request: Request) -> Response:
        changing = self._changing

        def offer(order: ChangeOrder) -> dict[str, Any]:
            self._check_hangs(order.asset_id)
            return changing.offer(order) if changing else {}

        most = MOST_MASK_CHARS + _MOST_BODY_BYTES
        return await posted(request, ChangeOrder, offer, self._door, most) if changing else refused()

    async def _change(self, request: Request) -> Response:
        changing = self._changing

        def confirm(said: Confirmation) -> dict[str, Any]:
            return {"at": self._site.hanging.join(changing.confirm(said))} if changing else {}

        reply = await posted(request, Confirmation, confirm, self._door) if changing else refused()
        self._events.wake()
        return reply

    async def _like(self, request: Request) -> Response:
        stars = self._site.stars

        def like(said: LikingOrder) -> dict[str, Any]:
            self._check_hangs(said.asset_id)
            liking = Liking(stars=said.stars, is_favourite=said.is_favourite)
            return facts_of(stars.put(said.sha256, liking)) if stars else {}

        return await posted(request, LikingOrder, like, self._door) if stars else refused()

    async def _take(self, request: Request) -> Response:
        closeups = self._closeups
        return await posted(request, TakingOrder, closeups.take, self._door) if closeups else refused()

    async def _sheet(self, request: Request) -> Response:
        def made(order: SheetOrder) -> Resource:
            kind = "text/html" if order.format == "html" else "application/pdf"
            return Resource(self._site.sheet(order), kind, is_shown=False)

        return await posted(request, SheetOrder, made, self._door)

    async def _about(self, request: Request) -> Response:
        asset = AssetId(request.path_params["asset"])
        return await answered(lambda: self._closeups.about(asset) if self._closeups else None)

    async def _compared(self, request: Request) -> Response:
        pair = _pair(request)
        return await answered(lambda: self._closeups.compared(*pair) if self._closeups else None)

    async def _heat(self, request: Request) -> Response:
        data = self._closeups.heat(*_pair(request)) if self._closeups else None
        if data is None:
            return PlainTextResponse("these were not compared", HTTPStatus.NOT_FOUND, HEADERS)
        found = Resource(data, "image/webp")
        return Response(data, headers=headers_of("", found), media_type=found.media_type)

    def _check_hangs(self, asset_id: AssetId) -> None:
        if not self._site.hangs(asset_id):
            raise NotFound("picture on this wall", asset_id)

    async def _of(self, path: str) -> Response:
        try:
            found = await run_in_threadpool(self._site.read, path)
        except StoreError as error:
            return PlainTextResponse(str(error), HTTPStatus.SERVICE_UNAVAILABLE, HEADERS)
        if found is None:
            return PlainTextResponse("there is no such page or picture", HTTPStatus.NOT_FOUND, HEADERS)
        return Response(found.data, headers=headers_of(path, found), media_type=found.media_type)


async def posted(
    request: Request,
    model: type[Said],
    act: Callable[[Said], dict[str, Any] | Resource],
    door: Entrance,
    most_bytes: int = _MOST_BODY_BYTES,
) -> Response:
    """Answer what the page's own script sent."""
    if not door.is_of_page(request):
        return refused()
    try:
        said = model.model_validate_json(await _body(request, most_bytes))
        found = await run_in_threadpool(act, said)
    except ValidationError:
        told = f"this is no {model.__name__}"
        return PlainTextResponse(told, HTTPStatus.UNPROCESSABLE_ENTITY, HEADERS)
    except (InvalidInput, StoreError) as error:
        return PlainTextResponse(redact_known(str(error)), _status_of(error), HEADERS)
    if isinstance(found, Resource):
        return Response(found.data, headers=headers_of("", found), media_type=found.media_type)
    return JSONResponse(found, headers=HEADERS)


async def answered(read: Callable[[], dict[str, Any] | None]) -> Response:
    """Answer with what is read for a page, or with why it cannot be."""
    try:
        found = await run_in_threadpool(read)
    except (InvalidInput, StoreError) as error:
        return PlainTextResponse(redact_known(str(error)), _status_of(error), HEADERS)
    if found is None:
        return refused()
    return JSONResponse(found, headers=HEADERS | {"Cache-Control": "no-store"})


def _pair(request: Request) -> tuple[AssetId, AssetId]:
    return AssetId(request.path_params["asset"]), AssetId(request.path_params["other"])


def headers_of(path: str, found: Resource) -> dict[str, str]:
    """Return the headers of what a path holds."""
    is_content = path.startswith(("files/", "thumbnails/"))
    headers = HEADERS | {"Cache-Control": _FOR_EVER if is_content else "no-store"}
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


def refused() -> Response:
    """Return the answer to who may not have what they ask for."""
    return PlainTextResponse(_ENTER, HTTPStatus.FORBIDDEN, HEADERS)


def _is_same(said: str, secret: str) -> bool:
    return hmac.compare_digest(said.encode(), secret.encode())
