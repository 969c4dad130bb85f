"""The door of a page that a team shares: who comes by which link, and what that link is for.

Behind it stands the page of one reviewer's own; the door asks everybody anew at each request, so that a link
which expires or is revoked ends at once. What changes something and is no review may cost money, and asks
for the scope `spend`, whatever it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.responses import PlainTextResponse, RedirectResponse, Response

from assetmill.gallery.links import LinkScope, ReviewLink, ReviewLinks
from assetmill.gallery.rates import RateLimit

HttpScope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
PageApp = Callable[[HttpScope, Receive, Send], Awaitable[None]]

_COOKIE = "assetmill-link"
_ENTER = "/enter/"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_READS = frozenset({"GET", "HEAD"})


class TeamDoor:
    """Lets reviewers through to the pages that `page_of` gives, as far as their links allow."""

    def __init__(
        self,
        links: ReviewLinks,
        page_of: Callable[[ReviewLink], PageApp],
        changes: RateLimit | None = None,
    ) -> None:
        self._links, self._page_of = links, page_of
        # A wall of ten thousand asks for what is seen of it, quickly; nobody decides five times in a second.
        self._looks, self._changes = RateLimit(600, 100), changes or RateLimit(40, 4)
        self._knocks = RateLimit(10, 0.2)

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with what is wrong."""
        if scope["type"] != "http":
            return
        path = str(scope["path"])
        if path.startswith(_ENTER):
            answer = self._enter(path.removeprefix(_ENTER), _client(scope))
            return await answer(scope, receive, send)
        link = self._links.find(_cookie(scope))
        if link is None:
            return await _said(HTTPStatus.FORBIDDEN, _NOT_IN)(scope, receive, send)
        if refusal := self._refusal(link, scope["method"], path):
            return await refusal(scope, receive, send)
        return await self._page_of(link)(scope, receive, send)

    def _enter(self, token: str, client: str) -> Response:
        if wait_s := self._knocks.wait_s(client):
            return _too_many(wait_s)
        link = self._links.find(token)
        if link is None:
            return _said(HTTPStatus.FORBIDDEN, _NOT_IN)
        reply = RedirectResponse("/", HTTPStatus.SEE_OTHER, _HEADERS)
        reply.set_cookie(_COOKIE, token, httponly=True, samesite="strict", path="/")
        return reply

    def _refusal(self, link: ReviewLink, method: str, path: str) -> Response | None:
        needed = scope_of(method, path)
        if not link.allows(needed):
            told = f"this link may {link.scope}, and that asks for one that may {needed}"
            return _said(HTTPStatus.FORBIDDEN, told)
        limit = self._looks if needed == "look" else self._changes
        wait_s = limit.wait_s(link.link_id)
        return _too_many(wait_s) if wait_s else None


def scope_of(method: str, path: str) -> LinkScope:
    """Return what a request asks for."""
    if method in _READS:
        return "look"
    return _SCOPE_OF.get(path.rpartition("/")[2], "spend")


_SCOPE_OF: Mapping[str, LinkScope] = {
    "sheets": "look",
    "reviews": "decide",
    "takings": "decide",
    "likings": "decide",
}
"""What is sent and costs nothing; a sheet is only written for who asks for it."""


_NOT_IN = "open the link that you were given; if it lets you in no more, ask for a new one"


def _said(status: HTTPStatus, text: str, **headers: str) -> Response:
    return PlainTextResponse(text, status, _HEADERS | headers)


def _too_many(wait_s: float) -> Response:
    later = str(max(1, round(wait_s)))
    return _said(HTTPStatus.TOO_MANY_REQUESTS, f"too many requests: wait {later} s", **{"Retry-After": later})


def _client(scope: HttpScope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _cookie(scope: HttpScope) -> str:
    for name, value in scope["headers"]:
        if name == b"cookie":
            try:
                found = SimpleCookie(value.decode("latin-1")).get(_COOKIE)
            except CookieError:
                return ""
            if found:
                return found.value
    return ""
