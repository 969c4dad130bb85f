"""Service IDs for stored bytes: found again, or rebuilt from the bytes when the service has forgotten them.

A handle belongs to one endpoint, so the same code moves work to another project. Uploads are free; two
processes that race leave one file too many on the service and nothing worse.
"""

from __future__ import annotations

import base64
import re
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from assetmill.agents.gateway import Gateway
from assetmill.errors import AccountBlocked, InvalidInput, PromptBlocked, Rejected
from assetmill.fingerprint import digest
from assetmill.pictures import PictureDamaged
from assetmill.plan.calls import BoundInput, BoundKnowledge
from assetmill.records import EndpointFeature, EndpointRefusal, HandleKind, ServiceHandle, Upload
from assetmill.store.blobs import Blobs
from assetmill.store.ledger import Ledger
from assetmill.taking import fault_for_editing, take

Use = Literal["input_image", "image_call", "container_file", "vector_store_file"]
"""What an asset is to be for the service. `image_call`: the call that drew it, to be gone on with."""

IMAGE_CALL_LIFE_S = 30 * 24 * 3600.0
"""Services keep responses for 30 days; asking for an older one would only cost a refusal."""

# The documentation of the refusal exists, its wording does not; these are the words around which it turns.
_SAYS_NO: tuple[tuple[EndpointFeature, re.Pattern[str]], ...] = (
    ("image_call", re.compile(r"multi.?turn|image_generation_call|image call|earlier image", re.IGNORECASE)),
    ("image_file", re.compile(r"file.?ids?\b|uploaded|data url|image_url|as a file", re.IGNORECASE)),
)


@dataclass(frozen=True)
class Reference:
    """How the service is told of an asset: by the ID of a file or of an image call, or by its very bytes."""

    kind: Literal["file", "image_call", "data_url"]
    value: str


class Handles:
    """Resolves stored bytes to IDs that this endpoint knows now. Safe for threads."""

    def __init__(self, gateway: Gateway, blobs: Blobs, ledger: Ledger) -> None:
        self._gateway, self._blobs, self._ledger = gateway, blobs, ledger
        self._known: dict[str, str] = {}
        self._gone: set[str] = set()
        self._refusals: dict[EndpointFeature, bool] = {}
        # Twenty variants of a stage share an input: without a lock per input each would upload it.
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def resolve(self, bound: BoundInput, as_: Use) -> Reference:
        """Return how this endpoint is told of an input; its bytes are uploaded only when nothing else does.

        An `image_call` that the endpoint does not have becomes an `input_image`, and that a data URL where
        the endpoint was seen to refuse file IDs.
        """
        if as_ == "image_call" and (call_id := self._image_call(bound)):
            return Reference("image_call", call_id)
        if as_ in ("container_file", "vector_store_file"):
            return Reference("file", self._file_id(bound, f"file:{bound.blob.digest}:{bound.name}"))
        if self._refuses("image_file"):
            encoded = base64.b64encode(self._picture_bytes(bound)).decode()
            return Reference("data_url", f"data:{bound.blob.media_type};base64,{encoded}")
        # A picture's name is nothing to the service, so that one upload serves under every name.
        return Reference("file", self._picture_id(bound))

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

    def learn(self, used: Iterable[Mapping[str, Any]], error: Rejected) -> bool:
        """Remember for good that the endpoint refuses a form of input; True when another form may be tried.

        `used` are the input items of the refused request. Only a definite refusal of the form counts, and it
        counts only when the request had it.
        """
        if error.status != 400 or isinstance(error, PromptBlocked | AccountBlocked):
            return False
        features = _features(used)
        said: list[EndpointFeature] = [
            name for name, words in _SAYS_NO if name in features and words.search(error.message)
        ]
        if not said:
            return False
        feature: EndpointFeature = said[0]
        endpoint, reason = self._gateway.endpoint, error.message[:500]
        self._ledger.write_refusal(
            EndpointRefusal(endpoint=endpoint, feature=feature, reason=reason, created_at=time.time())
        )
        self._refusals[feature] = True
        return True

    def _image_call(self, bound: BoundInput) -> str | None:
        """Return the call that drew the picture, while this endpoint may still have it."""
        if bound.asset_id is None or self._refuses("image_call"):
            return None
        asset = self._ledger.read_asset(bound.asset_id)
        handles = [h for h in asset.handles if h.kind == "image_call"] if asset else []
        newest_first = sorted(handles, key=lambda handle: -handle.created_at)
        for handle in newest_first:
            is_old = time.time() - handle.created_at > IMAGE_CALL_LIFE_S
            if handle.endpoint == self._gateway.endpoint and handle.id not in self._gone and not is_old:
                _, upload = self._ledger.newest_upload(handle.endpoint, _picture(bound))
                # Whoever uploaded it after it was drawn found the call gone: the newest handle counts.
                return None if upload and upload.handle.created_at >= handle.created_at else handle.id
        return None

    def _refuses(self, feature: EndpointFeature) -> bool:
        if feature not in self._refusals:
            found = self._ledger.read_refusal(self._gateway.endpoint, feature)
            self._refusals[feature] = found is not None
        return self._refusals[feature]

    def _file_id(self, bound: BoundInput, what: str) -> str:
        return self._resolve(
            what, "file", self._gateway.has_file, lambda: self._upload(bound, self._bytes(bound))
        )

    def _picture_id(self, bound: BoundInput) -> str:
        return self._resolve(
            _picture(bound),
            "file",
            self._gateway.has_file,
            lambda: self._upload(bound, self._picture_bytes(bound)),
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

    def _picture_bytes(self, bound: BoundInput) -> bytes:
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


def _features(used: Iterable[Mapping[str, Any]]) -> set[EndpointFeature]:
    found: set[EndpointFeature] = set()
    for item in used:
        if item["type"] == "image_generation_call":
            found.add("image_call")
        for part in item.get("content", ()):
            if part["type"] == "input_image" and part.get("file_id"):
                found.add("image_file")
    return found
