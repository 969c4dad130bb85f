"""The home page, and behind it a wall for every run, batch, pipeline and asset that somebody opens."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from threading import Lock

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from assetmill.errors import InvalidInput, StoreError
from assetmill.gallery.asking import Asking
from assetmill.gallery.changing import Confirmation
from assetmill.gallery.links import LinkScope
from assetmill.gallery.overview import Overview
from assetmill.gallery.serving import HEADERS, Entrance, Gallery, answered, headers_of, posted, refused
from assetmill.gallery.site import Resource, page_file, script
from assetmill.gallery.starting import RunOffers, RunOrder

ALL = "-"
"""The name, in an address, of the wall of everything."""

_WALLS_KEPT = 6
_FILES = {
    "home.html": "text/html",
    "home.js": "text/javascript",
    "run.js": "text/javascript",
    "data.js": "text/javascript",
    "gallery.css": "text/css",
    "icon.svg": "image/svg+xml",
}

Build = Callable[[str | None, Entrance], Gallery]
"""Makes the gallery of what somebody names, behind a door."""


class House:
    """The web application of a project: its home page, and its walls below `/walls/`."""

    def __init__(
        self,
        overview: Overview,
        build: Build,
        starting: RunOffers | None = None,
        asking: Asking | None = None,
        *,
        start: str | None = None,
        reviewer: str | None = None,
    ) -> None:
        self._overview, self._build, self._starting = overview, build, starting
        self._asking, self._owner = asking, _Owner()
        self.reviewer = reviewer
        self.door = Entrance("/" if start is None else f"/walls/{start}/")
        self._walls: OrderedDict[str, Gallery] = OrderedDict()
        self._lock = Lock()
        guarded = self.door.guarded
        self.app = Starlette(
            routes=[
                Route("/enter/{key}", self.door.enter),
                Route("/", guarded(self._page)),
                Route("/session.js", guarded(self._session)),
                Route("/overview", guarded(self._read)),
                Route("/forms/{pipeline}", guarded(self._form)),
                Route("/plans", guarded(self._plan), methods=["POST"]),
                Route("/again/{what}", guarded(self._again), methods=["GET", "POST"]),
                Route("/runs", guarded(self._run), methods=["POST"]),
                Route("/thumbnails/{name}", guarded(self._thumbnail)),
                Mount("/walls/{what}", self._wall),
                Route("/{name}", guarded(self._file)),
            ]
        )

    @property
    def entrance(self) -> str:
        """The path of the link that lets one browser in."""
        return self.door.entrance

    async def _page(self, _request: Request) -> Response:
        return _given("home.html")

    async def _file(self, request: Request) -> Response:
        return _given(request.path_params["name"])

    async def _session(self, _request: Request) -> Response:
        can_run = self._starting is not None
        said = {"reviewer": self.reviewer, "can_run": can_run, "token": self.door.token}
        found = script("session", said)
        return Response(found.data, headers=headers_of("", found), media_type=found.media_type)

    async def _read(self, _request: Request) -> Response:
        return await answered(self._overview.read)

    async def _form(self, request: Request) -> Response:
        starting = self._starting
        return await answered(lambda: starting.form(request.path_params["pipeline"]) if starting else None)

    async def _plan(self, request: Request) -> Response:
        if self._starting is None:
            return refused()
        return await posted(request, RunOrder, self._starting.offer, self.door)

    async def _run(self, request: Request) -> Response:
        if self._starting is None:
            return refused()
        return await posted(request, Confirmation, self._starting.confirm, self.door)

    async def _again(self, request: Request) -> Response:
        if self._asking is None:
            return refused()
        return await self._asking.answer(self._owner, request.path_params["what"], request)

    async def _thumbnail(self, request: Request) -> Response:
        sha256 = str(request.path_params["name"]).removesuffix(".webp")
        data = await run_in_threadpool(self._overview.thumbnail, sha256)
        if data is None:
            return _nothing()
        found = Resource(data, "image/webp")
        return Response(data, headers=headers_of("thumbnails/", found), media_type=found.media_type)

    async def _wall(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if not self.door.lets_in(request):
            return await refused()(scope, receive, send)
        what = str(scope["path_params"]["what"])
        is_start = scope["path"].removeprefix(scope["root_path"]) in {"", "/"}
        try:
            gallery = await run_in_threadpool(self._gallery, what, is_start=is_start)
        except (InvalidInput, StoreError):
            return await _nothing()(scope, receive, send)
        return await gallery.app(scope, receive, send)

    def _gallery(self, what: str, *, is_start: bool) -> Gallery:
        """Return the gallery of a wall; a page that is loaded sees the store as it is now."""
        with self._lock:
            known = self._walls.get(what)
            is_anew = known is None or (is_start and (known.is_settled or what == "latest"))
            if known is None or is_anew:
                known = self._build(None if what == ALL else what, self.door)
            self._walls[what] = known
            self._walls.move_to_end(what)
            while len(self._walls) > _WALLS_KEPT:
                self._walls.popitem(last=False)
        if is_start and not is_anew:
            known.resume()
        return known


class _Owner:
    """The one person of this page, who may do what it offers."""

    link_id = "owner"

    def allows(self, _scope: LinkScope) -> bool:
        """Whether they may do that."""
        return True


def _given(name: str) -> Response:
    if name not in _FILES:
        return _nothing()
    found = Resource(page_file(name), _FILES[name])
    return Response(found.data, headers=headers_of("", found), media_type=found.media_type)


def _nothing() -> Response:
    return PlainTextResponse("there is no such page or picture", HTTPStatus.NOT_FOUND, HEADERS)
