"""Service IDs for stored bytes: found again, or rebuilt from the bytes when the service has forgotten them.

A handle belongs to one endpoint, so the same code moves work to another project. Uploads are free; two
processes that race leave one file too many on the service and nothing worse.
"""

from __future__ import annotations

import base64
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from assetmill.agents.abilities import Abilities
from assetmill.agents.gateway import Gateway, ResponseRequest
from assetmill.agents.picture_forms import (
    FORMS,
    SMALL_CHARS,
    form_of,
    may_be_the_form,
    next_forms,
    small_copy,
    teaches,
)
from assetmill.errors import InvalidInput, Rejected
from assetmill.fingerprint import digest
from assetmill.names import is_same_endpoint
from assetmill.pictures import PictureDamaged
from assetmill.plan.calls import BoundInput, BoundKnowledge
from assetmill.records import HandleKind, PictureForm, ServiceHandle, Upload
from assetmill.store.blobs import Blobs
from assetmill.store.ledger import Ledger
from assetmill.taking import fault_for_editing, take

Use = Literal["input_image", "image_call", "container_file", "vector_store_file"]
"""What an asset is to be for the service. `image_call`: the call that drew it, to be gone on with."""

IMAGE_CALL_LIFE_S = 30 * 24 * 3600.0
"""Services keep responses for 30 days; asking for an older one would only cost a refusal."""

_URL_LIFE_S = 6 * 3600
"""How long a signed address of an input lives: a stage in the queue of a quota must still find it there."""


@dataclass(frozen=True)
class Reference:
    """How the service is told of an asset: by the ID of a file or of an image call, an address, its bytes."""

    kind: Literal["file", "image_call", "url", "data_url"]
    value: str


class Handles:
    """Resolves stored bytes to IDs that this endpoint knows now. Safe for threads."""

    def __init__(
        self, gateway: Gateway, blobs: Blobs, ledger: Ledger, abilities: Abilities | None = None
    ) -> None:
        self._gateway, self._blobs, self._ledger = gateway, blobs, ledger
        self._abilities = abilities or Abilities(gateway.endpoint, ledger, time.time)
        self._known: dict[str, str] = {}
        self._gone: set[str] = set()
        # Twenty variants of a stage share an input: without a lock per input each would upload it.
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def resolve(self, bound: BoundInput, as_: Use, avoiding: Collection[PictureForm] = ()) -> Reference:
        """Return how this endpoint is told of an input; its bytes are uploaded only when nothing else does.

        A picture goes in the first form that the endpoint was not seen to refuse and that is not `avoiding`.
        """
        if as_ in ("container_file", "vector_store_file"):
            return Reference("file", self._file_id(bound, f"file:{bound.blob.digest}:{bound.name}"))
        forms: list[PictureForm] = [form for form in next_forms(avoiding) if not self._refuses(form)]
        if as_ != "image_call" and "image_call" in forms:
            forms.remove("image_call")
        found = (self._in_form(bound, form) for form in (*forms, FORMS[-1]))
        return next(reference for reference in found if reference)

    def _in_form(self, bound: BoundInput, form: PictureForm) -> Reference | None:
        """Return a picture in one form, None where there is no such form of it."""
        if form == "image_call":
            call_id = self._image_call(bound)
            return Reference("image_call", call_id) if call_id else None
        if form == "image_file":
            # A picture's name is nothing to the service, so that one upload serves under every name.
            return Reference("file", self._picture_id(bound))
        data, media_type = self.picture_bytes(bound), bound.blob.media_type
        if form == "image_url":
            # An address shows the bytes as they are stored: no way for a picture that is taken otherwise.
            is_as_stored = digest(data) == bound.blob.digest
            url = self._blobs.shared(bound.blob, _URL_LIFE_S) if is_as_stored else None
            return Reference("url", url) if url else None
        if form == "image_small" and len(data) * 4 / 3 > SMALL_CHARS:
            data = small_copy(data)
            media_type = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
        return Reference("data_url", f"data:{media_type};base64,{base64.b64encode(data).decode()}")

    def vector_store_id(self, knowledge: BoundKnowledge) -> str:
        """Return a vector store that holds exactly these files, building it only when there is none."""
        what = f"vector_store:{knowledge.digest}"
        return self._resolve(
            what, "vector_store", self._gateway.has_vector_store, lambda: self._build_store(knowledge)
        )

    def forget(self, used: Iterable[Mapping[str, Any]] = ()) -> None:
        """Ask the service again about every handle: one of them turned out to have expired.

        `used` are the input items of the refused request: image calls among them are not tried again.
        """
        with self._guard:
            self._known.clear()
            self._gone.update(str(item["id"]) for item in used if item["type"] == "image_generation_call")

    def next_form(
        self, request: ResponseRequest, error: Rejected, avoided: Collection[PictureForm]
    ) -> PictureForm | None:
        """Return the form of a refused request, when its pictures may be sent in another; None when not."""
        form = form_of(request.input)
        if form is None or not may_be_the_form(error) or not self._others(form, avoided):
            return None
        return form

    def accepted(self, request: ResponseRequest, refused: Mapping[PictureForm, str]) -> None:
        """Remember which forms the endpoint refused before it took the same pictures in another."""
        form = form_of(request.input)
        for other, reason in refused.items():
            if form is not None and other != form and teaches(reason):
                self._abilities.learn(other, holds=False, evidence=f"refused: {reason}")
        if form is not None and refused:
            self._abilities.learn(form, holds=True, evidence="taken where others were refused")

    def _others(self, form: PictureForm, avoided: Collection[PictureForm]) -> bool:
        later = FORMS[FORMS.index(form) + 1 :]
        return any(other not in avoided and not self._refuses(other) for other in later)

    def _image_call(self, bound: BoundInput) -> str | None:
        """Return the call that drew the picture, while this endpoint may still have it."""
        if bound.asset_id is None:
            return None
        asset = self._ledger.read_asset(bound.asset_id)
        handles = [h for h in asset.handles if h.kind == "image_call" and h.id] if asset else []
        newest_first = sorted(handles, key=lambda handle: -handle.created_at)
        for handle in newest_first:
            is_old = time.time() - handle.created_at > IMAGE_CALL_LIFE_S
            is_here = is_same_endpoint(handle.endpoint, self._gateway.endpoint)
            if is_here and handle.id not in self._gone and not is_old:
                _, upload = self._ledger.newest_upload(handle.endpoint, _picture(bound))
                # Whoever uploaded it after it was drawn found the call gone: the newest handle counts.
                return None if upload and upload.handle.created_at >= handle.created_at else handle.id
        return None

    def _refuses(self, form: PictureForm) -> bool:
        return self._abilities.has(form) is False

    def _file_id(self, bound: BoundInput, what: str) -> str:
        return self._resolve(
            what, "file", self._gateway.has_file, lambda: self._upload(bound, self._bytes(bound))
        )

    def _picture_id(self, bound: BoundInput) -> str:
        return self._resolve(
            _picture(bound),
            "file",
            self._gateway.has_file,
            lambda: self._upload(bound, self.picture_bytes(bound)),
        )

    def _resolve(
        self, what: str, kind: HandleKind, is_known: Callable[[str], bool], make: Callable[[], ServiceHandle]
    ) -> str:
        with self._guard:
            lock = self._locks[what]
        with lock:
            if what not in self._known:
                self._known[what] = self._find_or_make(what, kind, is_known, make)
            return self._known[what]

    def _find_or_make(
        self, what: str, kind: HandleKind, is_known: Callable[[str], bool], make: Callable[[], ServiceHandle]
    ) -> str:
        endpoint = self._gateway.endpoint
        number, newest = self._ledger.newest_upload(endpoint, what)
        if newest is not None and newest.handle.kind == kind and is_known(newest.handle.id):
            return newest.handle.id
        upload = Upload(nonce=uuid.uuid4().hex, handle=make())
        return self._ledger.write_upload(endpoint, what, number + 1, upload).handle.id

    def _upload(self, bound: BoundInput, data: bytes) -> ServiceHandle:
        made = self._gateway.upload_file(bound.name, data, bound.blob.media_type)
        return ServiceHandle(
            kind="file",
            id=made.file_id,
            endpoint=self._gateway.endpoint,
            created_at=made.created_at,
            expires_at=made.expires_at,
        )

    def _build_store(self, knowledge: BoundKnowledge) -> ServiceHandle:
        file_ids = [self.resolve(file, "vector_store_file").value for file in knowledge.files]
        name = f"assetmill-{knowledge.name}-{knowledge.digest[7:15]}"
        made = self._gateway.create_vector_store(name, file_ids)
        return ServiceHandle(
            kind="vector_store", id=made, endpoint=self._gateway.endpoint, created_at=time.time()
        )

    def picture_bytes(self, bound: BoundInput) -> bytes:
        """Return a picture's own bytes, examined before anything is paid for what is made of it."""
        try:
            taken = take(self._bytes(bound))
        except PictureDamaged as error:
            raise InvalidInput(f"input {bound.name!r} is not a whole picture: {error}") from error
        if fault := fault_for_editing((taken.facts.width, taken.facts.height)):
            raise InvalidInput(f"input {bound.name!r}: {fault}")
        return taken.data

    def _bytes(self, bound: BoundInput) -> bytes:
        """Return an input's bytes, and keep those of a local file before anything else sees them."""
        if bound.path is None:
            return self._blobs.get(bound.blob)
        data = Path(bound.path).read_bytes()
        if digest(data) != bound.blob.digest:
            raise InvalidInput(f"{bound.path} has changed since the run was planned: run again")
        self._blobs.put(data, bound.blob.media_type)
        return data


def _picture(bound: BoundInput) -> str:
    return f"picture:{bound.blob.digest}"
