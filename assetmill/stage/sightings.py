"""Pictures that passed by: stored as they come, and used where a later read of the response lacks them.

A picture may come once, in a stream, and be missing from every read of the finished response. Whoever waited
for that read alone would have paid for nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from assetmill.agents.gateway import Frame, Json
from assetmill.agents.harvest import handle_of
from assetmill.agents.outputs import read_response
from assetmill.agents.streaming import as_map, decoded, with_pictures
from assetmill.errors import KeyMissing
from assetmill.fingerprint import Digest, Fingerprint, digest
from assetmill.pictures import EXTENSIONS, sniff
from assetmill.plan.calls import StageCall
from assetmill.records import BlobRef, HandleKind, Harvest, Intent, KeptFile
from assetmill.stage.finished import Finished
from assetmill.stage.services import Services

_PARTIAL: HandleKind = "response"
"""A partial picture has no ID of its own: it is of its response."""


@dataclass(frozen=True)
class Sightings:
    """One stage's pictures as they were seen."""

    call: StageCall
    services: Services

    def keep(self, intent: Intent, frame: Frame) -> None:
        """Store a picture that a stream brought, before anything else becomes of it."""
        kind = sniff(frame.data)
        media_type = f"image/{kind.lower()}" if kind else "application/octet-stream"
        blob = self.services.blobs.put(frame.data, media_type)
        stem = "streamed" if frame.is_final else f"partial-{frame.index}"
        shown = f"{frame.call_id}/{stem}-{frame.index}"
        if frame.is_final:
            handle = handle_of("image_call", frame.call_id or shown, intent.endpoint)
        else:
            handle = handle_of(_PARTIAL, shown, intent.endpoint)
        file = KeptFile(name=f"{stem}.{EXTENSIONS.get(media_type, 'bin')}", blob=blob, handle=handle)
        kept = Harvest(files=(file,), created_at=self.services.clock())
        self.services.ledger.write_kept_file(*self._place(intent), kept)

    def last_frame(self, intent: Intent) -> bytes | None:
        """Return the last partial picture that is stored of a turn, None when none is."""
        found = (self.services.blobs.find(file.blob) for file in reversed(self._seen(intent, _PARTIAL)))
        return next((data for data in found if data is not None), None)

    def complete(self, turn: Finished) -> Finished:
        """Return a turn with the pictures that its response was read without.

        They are looked for in the store, and then in every way that the service has. A response that is
        whole, or did not end well, is left as it is.
        """
        if turn.response.status != "completed" or not turn.produced.lacks_pictures:
            return turn
        found = self._with(turn, [*self._from_stream(turn.intent), *self._from_raw(turn)])
        # The reply to a direct call came once: there is no response that could be asked.
        if found.produced.lacks_pictures and turn.intent.way != "direct":
            gateway = self.services.gateway
            calls = {image.call_id for image in turn.produced.images if image.call_id}
            response_id = turn.response.response_id
            asked = gateway.find_pictures(response_id, turn.intent.conversation_id, calls)
            found = self._with(found, [one for one in asked if not self._was_given(one)])
        return found

    def _was_given(self, picture: Json) -> bool:
        """Whether a picture is one of those that the stage was given: the conversation holds these, too."""
        given = {bound.blob.digest for bound in self.call.inputs}
        return digest(decoded(picture.get("result")) or b"") in given

    def _with(self, turn: Finished, pictures: list[Json] | tuple[Json, ...]) -> Finished:
        body = with_pictures(turn.response.body, pictures)
        return replace(turn, response=replace(turn.response, body=body), produced=read_response(body))

    def _from_stream(self, intent: Intent) -> Iterator[Json]:
        for file in self._seen(intent, "image_call"):
            yield from self._item(file.handle.id, file.blob)

    def _from_raw(self, turn: Finished) -> Iterator[Json]:
        """Yield what an earlier pass has stored: its raw response names pictures by their digests."""
        intent = turn.intent
        try:
            raw = self.services.ledger.read_raw(*self._place(intent))
        except KeyMissing:
            return
        output = as_map(json.loads(raw)).get("output")
        for item in cast(list[Any], output) if isinstance(output, list) else ():
            digest = as_map(as_map(item).get("result")).get("blob")
            blob = self.services.blobs.named(Digest(digest)) if isinstance(digest, str) else None
            if blob is not None:
                yield from self._item(str(as_map(item).get("id") or ""), blob)

    def _item(self, call_id: str, blob: BlobRef) -> Iterator[Json]:
        """Yield a picture as an item; nothing where the store has lost it, so that the service is asked."""
        data = self.services.blobs.find(blob)
        if data is not None:
            result = base64.b64encode(data).decode()
            yield {"type": "image_generation_call", "id": call_id, "status": "completed", "result": result}

    def _seen(self, intent: Intent, kind: HandleKind) -> list[KeptFile]:
        kept = self.services.ledger.kept_files(*self._place(intent))
        return [file for record in kept for file in record.files if file.handle.kind == kind]

    def _place(self, intent: Intent) -> tuple[str, Fingerprint, int, int]:
        return self.call.pipeline, self.call.fingerprint, intent.attempt, intent.turn
