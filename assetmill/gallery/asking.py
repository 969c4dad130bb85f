"""What is drawn next and what it costs, as a page shows it, and the confirmation that starts it.

What is confirmed is what was shown: were something else to be drawn by then, or at another price, nothing is.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assetmill.errors import AssetmillError, InvalidInput, NotFound
from assetmill.fingerprint import canonical
from assetmill.gallery.links import LinkScope
from assetmill.gallery.site import page_file
from assetmill.plan.plan import Cost
from assetmill.redaction import redact_known

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Without a referrer a browser sends the form with `Origin: null`, which the guard refuses.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
}
_MOST_BODY_BYTES = 1024
_REASONS = 50


@dataclass(frozen=True)
class PassOffer:
    """What the next pass of a run or a batch draws. `reasons` are those of what was rejected."""

    what: str
    draws: tuple[str, ...]
    cost: Cost
    reasons: tuple[str, ...] = ()

    @property
    def seal(self) -> str:
        """What stands for all of it: another price, or another draw, has another one."""
        told = [self.what, list(self.draws), repr(self.cost)]
        return hashlib.sha256(canonical(told)).hexdigest()


class NextPasses(Protocol):
    """Who knows what comes next, and starts it."""

    def offer(self, what: str) -> PassOffer:
        """Return what the next pass would draw. Nothing is spent."""
        ...

    def start(self, offer: PassOffer) -> None:
        """Start it, under the ceiling that was shown."""
        ...


class Asker(Protocol):
    """Who asks for a price: a reviewer who came by a link, or the one person of a page of this machine."""

    @property
    def link_id(self) -> str:
        """What stands for this person in the form."""
        ...

    def allows(self, scope: LinkScope, /) -> bool:
        """Whether they may do that."""
        ...


class AlreadyRunning(InvalidInput):
    """The next pass was started and has not ended: its outcome decides what comes then."""


class Asking:
    """The page on which somebody confirms a price, each time with a form that only they were given."""

    def __init__(self, passes: NextPasses) -> None:
        self._passes, self._secret = passes, secrets.token_bytes(32)

    async def answer(self, link: Asker, what: str, request: Request) -> Response:
        """Show the price, or start what was confirmed."""
        try:
            offer = await run_in_threadpool(self._passes.offer, what)
            if request.method in {"GET", "HEAD"}:
                return self._shown(link, offer, HTTPStatus.OK)
            if not link.allows("spend") or not hmac.compare_digest(
                await _said(request), self._form_of(link, offer)
            ):
                return self._shown(link, offer, HTTPStatus.CONFLICT)
            await run_in_threadpool(self._passes.start, offer)
        except AssetmillError as error:
            page = str(_page().render(problem=redact_known(str(error)), offer=None))
            return HTMLResponse(page, _status_of(error), _HEADERS)
        return RedirectResponse("/", HTTPStatus.SEE_OTHER, _HEADERS)

    def _shown(self, link: Asker, offer: PassOffer, status: HTTPStatus) -> Response:
        page = _page().render(
            offer=offer,
            reasons=offer.reasons[:_REASONS],
            may_spend=link.allows("spend"),
            has_changed=status is HTTPStatus.CONFLICT,
            form=self._form_of(link, offer),
            expected=f"${offer.cost.expected:.4f}",
            most=f"${offer.cost.ceiling:.4f}",
            unknown=", ".join(offer.cost.unknown),
        )
        return HTMLResponse(str(page), status, _HEADERS)

    def _form_of(self, link: Asker, offer: PassOffer) -> str:
        """Return what the form sends: of this person, of this offer, and of this process alone."""
        told = f"{link.link_id}\n{offer.seal}"
        return hmac.new(self._secret, told.encode(), hashlib.sha256).hexdigest()


async def _said(request: Request) -> str:
    """Return what a form sent as `offer`, "" where it is none of ours."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BODY_BYTES:
            return ""
    name, _, value = body.decode("latin-1").partition("=")
    return value if name == "offer" else ""


def _status_of(error: AssetmillError) -> HTTPStatus:
    if isinstance(error, AlreadyRunning):
        return HTTPStatus.CONFLICT
    if isinstance(error, NotFound):
        return HTTPStatus.NOT_FOUND
    is_input = isinstance(error, InvalidInput)
    return HTTPStatus.UNPROCESSABLE_ENTITY if is_input else HTTPStatus.SERVICE_UNAVAILABLE


@cache
def _page() -> Any:
    from jinja2 import Environment

    return Environment(autoescape=True).from_string(page_file("next.html").decode())
