"""What a team's reviewers find behind the door: what waits for each of them, and the walls it hangs on."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from assetmill.errors import AssetmillError, StoreError
from assetmill.fingerprint import Digest
from assetmill.gallery.asking import Asking
from assetmill.gallery.changing import Changing
from assetmill.gallery.closeups import Closeups
from assetmill.gallery.door import HttpScope, PageApp, Receive, Send
from assetmill.gallery.links import ReviewLink
from assetmill.gallery.serving import Gallery, headers_of
from assetmill.gallery.site import Resource, Site, page_file
from assetmill.gallery.thumbnails import ThumbnailStore
from assetmill.gallery.waiting import Waiting, waiting_page
from assetmill.records import BlobRef
from assetmill.redaction import redact_known

SiteFor = Callable[[str, str | None], Site]
"""Opens the wall of a run or a batch for a reviewer, None for one who may only look."""

_THUMBNAIL = re.compile(r"/thumbnails/([0-9a-f]{64})\.webp")
_WALL = re.compile(r"/on/([A-Za-z0-9][A-Za-z0-9_.-]{0,80})(/.*)?")
_AGAIN = re.compile(r"/again/([A-Za-z0-9][A-Za-z0-9_.-]{0,80})")
_SHARED = {"/gallery.css": "text/css", "/icon.svg": "image/svg+xml"}
_OLD_S, _MOST_WALLS = 30.0, 32
_PAGE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
}


class TeamPages:
    """The pages of one store for all reviewers. Safe for threads."""

    def __init__(
        self,
        site_for: SiteFor,
        waiting: Callable[[], tuple[Waiting, ...]],
        asking: Asking | None = None,
        changing: Changing | None = None,
        closeups_for: Callable[[Site], Closeups] | None = None,
        *,
        thumbnails: ThumbnailStore | None = None,
    ) -> None:
        self._site_for, self._waiting, self._asking = site_for, waiting, asking
        self._changing, self._closeups_for, self._thumbnails = changing, closeups_for, thumbnails
        self._walls: OrderedDict[tuple[str, str, str], tuple[float, Gallery]] = OrderedDict()
        self._shown: dict[Digest, BlobRef] = {}
        self._lock = threading.Lock()

    def page_of(self, link: ReviewLink) -> PageApp:
        """Return the pages that somebody who came by a link may see."""

        async def answer(scope: HttpScope, receive: Receive, send: Send) -> None:
            match = _WALL.fullmatch(str(scope["path"]))
            again = _AGAIN.fullmatch(str(scope["path"]))
            if self._asking and again:
                page = await self._asking.answer(link, again[1], Request(scope, receive))
                return await page(scope, receive, send)
            if match is None or not match[2]:
                page = await self._home(link, Request(scope, receive))
                return await page(scope, receive, send)
            return await self._on_wall(link, (match[1], match[2]), scope, receive, send)

        return answer

    async def _home(self, link: ReviewLink, request: Request) -> Response:
        if named := _THUMBNAIL.fullmatch(request.url.path):
            return await run_in_threadpool(self._thumbnail, named[1])
        shared = _SHARED.get(request.url.path)
        if shared and request.method in {"GET", "HEAD"}:
            return Response(page_file(request.url.path[1:]), headers=_PAGE, media_type=shared)
        if request.url.path != "/" or request.method not in {"GET", "HEAD"}:
            return PlainTextResponse("there is no such page", HTTPStatus.NOT_FOUND, _PAGE)
        try:
            found = await run_in_threadpool(self._look)
        except StoreError as error:
            return PlainTextResponse(redact_known(str(error)), HTTPStatus.SERVICE_UNAVAILABLE, _PAGE)
        return HTMLResponse(waiting_page(link.reviewer, link.scope, found), headers=_PAGE)

    def _look(self) -> tuple[Waiting, ...]:
        """Return what waits now, and remember which pictures are shown of it."""
        found = self._waiting()
        self._shown = {blob.digest: blob for one in found for blob in one.shows}
        return found

    def _thumbnail(self, sha256: str) -> Response:
        """Return a picture of the home: by what waits now, which a wall opened before may not have yet."""
        name = Digest(f"sha256:{sha256}")
        if name not in self._shown:
            self._look()
        blob = self._shown.get(name)
        data = self._thumbnails.read(blob) if self._thumbnails and blob else None
        if data is None:
            return PlainTextResponse("there is no such picture", HTTPStatus.NOT_FOUND, _PAGE)
        found = Resource(data, "image/webp")
        return Response(data, headers=headers_of("thumbnails/", found), media_type=found.media_type)

    async def _on_wall(
        self, link: ReviewLink, place: tuple[str, str], scope: HttpScope, receive: Receive, send: Send
    ) -> None:
        what, path = place
        try:
            gallery = await run_in_threadpool(self._gallery, link, what, path)
            if path == "/":
                await run_in_threadpool(gallery.resume)
        except AssetmillError as error:
            told = PlainTextResponse(redact_known(str(error)), HTTPStatus.NOT_FOUND, _PAGE)
            return await told(scope, receive, send)
        # The door has asked who it is: the wall is given the cookie of its own session.
        headers = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
        inner = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        inner["headers"] = [*headers, (b"cookie", gallery.cookie.encode())]
        return await gallery.app(inner, receive, send)

    def _gallery(self, link: ReviewLink, what: str, path: str) -> Gallery:
        """Return a wall as it is; one that somebody opens anew is looked at again once it is old."""
        key, now = (link.reviewer, link.scope, what), time.monotonic()
        with self._lock:
            made_at, known = self._walls.get(key, (0.0, None))
            if known and (path != "/" or now - made_at < _OLD_S or not known.is_settled):
                return known
            site = self._site_for(what, link.reviewer if link.allows("decide") else None)
            made = Gallery(
                site,
                self._changing if link.allows("spend") else None,
                self._closeups_for(site) if self._closeups_for else None,
                has_home=True,
                asks_for_next=self._asking is not None,
            )
            self._walls[key] = now, made
            self._walls.move_to_end(key)
            if len(self._walls) > _MOST_WALLS:
                self._walls.popitem(last=False)
            return made
