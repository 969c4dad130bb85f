"""Links for reviewers: one person each, for what they may do, until a day, and until somebody revokes it.

A link's secret is only in the link: what is kept here is its digest, so that who reads the home cannot go as
somebody else.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assetmill.errors import NotFound
from assetmill.private import make_folder, write_private

LinkScope = Literal["look", "decide", "spend"]
"""What a link is for; each allows what stands before it too."""

_SCOPES: tuple[LinkScope, ...] = get_args(LinkScope)
_TOKEN = re.compile(r"([0-9a-f]{12})\.([A-Za-z0-9_-]{43})")


class ReviewLink(BaseModel):
    """A link as it is kept; times are in Unix seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    link_id: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    reviewer: Annotated[str, Field(min_length=1, max_length=120)]
    scope: LinkScope
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created_at: float
    expires_at: float

    def allows(self, scope: LinkScope) -> bool:
        """Whether it is for that."""
        return _SCOPES.index(scope) <= _SCOPES.index(self.scope)


class ReviewLinks:
    """The links of a project, in its home. Asked anew each time: what was revoked a moment ago is gone."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "links"

    def make(self, reviewer: str, scope: LinkScope, lasts_s: float) -> tuple[ReviewLink, str]:
        """Keep a new link; return it, and the token that stands in it, which nobody can read again."""
        link_id, secret, now = secrets.token_hex(6), secrets.token_urlsafe(32), time.time()
        link = ReviewLink(
            link_id=link_id,
            reviewer=reviewer,
            scope=scope,
            digest=_digest(secret),
            created_at=now,
            expires_at=now + lasts_s,
        )
        write_private(make_folder(self._folder) / f"{link_id}.json", link.model_dump_json().encode())
        return link, f"{link_id}.{secret}"

    def find(self, token: str) -> ReviewLink | None:
        """Return the link that a token is of; None when there is none, or it has expired."""
        match = _TOKEN.fullmatch(token)
        link = self._read(self._folder / f"{match[1]}.json") if match else None
        if match is None or link is None or not hmac.compare_digest(_digest(match[2]), link.digest):
            return None
        return link if time.time() < link.expires_at else None

    def all(self) -> Iterator[ReviewLink]:
        """Yield every link that is kept, the expired ones too."""
        for path in sorted(self._folder.glob("*.json")):
            if link := self._read(path):
                yield link

    def revoke(self, link_id: str) -> None:
        """Forget a link: who came by it is let in no more, from the next request on.

        Raises:
            NotFound: there is no such link.
        """
        known = [link.link_id for link in self.all()]
        if link_id not in known:
            raise NotFound("link", link_id, f"there are {', '.join(known) or 'none'}")
        (self._folder / f"{link_id}.json").unlink(missing_ok=True)

    def _read(self, path: Path) -> ReviewLink | None:
        """Return a link; a file that is none lets nobody in."""
        try:
            return ReviewLink.model_validate(json.loads(path.read_bytes()))
        except (OSError, ValueError, ValidationError):
            return None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
