"""Image models that are called themselves: what is asked of one, and its reply as the store keeps it.

Such a call has no ID and no conversation. Its reply comes once, so it is stored whole before its receipt;
from then on everything is read from the store. Whatever is lost before that is in doubt, and only a person
can decide: nothing can be listed, asked for again or fenced. Nothing here posts.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, cast

from assetmill.agents.gateway import DrawRequest, GivenPicture, Response
from assetmill.agents.outputs import read_response
from assetmill.agents.streaming import as_map
from assetmill.errors import InvalidInput, KeyMissing
from assetmill.fingerprint import Digest, canonical, digest
from assetmill.plan.calls import StageCall
from assetmill.records import Intent, Receipt
from assetmill.spec.image_models import load_image_models, parse_size
from assetmill.stage.closing import Closing
from assetmill.stage.finished import Finished
from assetmill.stage.services import Services


@dataclass(frozen=True)
class DirectReplies:
    """One stage's calls of an image model itself."""

    call: StageCall
    services: Services
    closing: Closing

    def request(self) -> DrawRequest:
        """Return what to ask, with the pictures it starts from examined and kept; it has no name yet.

        Raises:
            InvalidInput: the model has no route any more, or a picture is not whole.
        """
        tool = self.call.tools[0]
        model = load_image_models(self.services.settings.tables).find(str(tool["model"]))
        if model is None or not model.route:
            raise InvalidInput(f"image_models.toml has no route to {tool['model']!r}")
        given = (bound for bound in self.call.inputs if bound.role == "picture")
        return DrawRequest(
            name="",
            route=model.route,
            path=model.path,
            deployment=self.call.model,
            prompt=self.call.prompt,
            size=parse_size(str(tool.get("size", ""))),
            output_format=str(tool["output_format"]),
            pictures=tuple(
                GivenPicture(bound.name, self.services.handles.picture_bytes(bound), bound.blob.media_type)
                for bound in given
            ),
        )

    def keep(self, intent: Intent, response: Response) -> Receipt:
        """Store a reply that has just come: its pictures, the rest of it as received, then the receipt."""
        self.closing.keep_turn(Finished(intent, response, read_response(response.body)))
        return self._receipt(intent, response)

    def find(self, intent: Intent) -> Receipt | None:
        """Return the receipt of an intent whose reply an earlier worker had stored before it died."""
        response = self._stored(intent)
        return self._receipt(intent, response) if response else None

    def read(self, intent: Intent) -> Response:
        """Return a reply from the store, with the bytes of its pictures.

        Raises:
            KeyMissing: there is none, though there is a receipt.
        """
        response = self._stored(intent)
        if response is None:
            raise KeyMissing(f"the reply of {intent.stage} attempt {intent.attempt}")
        return response

    def _stored(self, intent: Intent) -> Response | None:
        place = self.call.pipeline, self.call.fingerprint, intent.attempt, intent.turn
        try:
            body = cast("dict[str, Any]", json.loads(self.services.ledger.read_raw(*place)))
        except KeyMissing:
            return None
        items = [self._with_bytes(as_map(item)) for item in cast("list[object]", body["output"])]
        return Response(str(body["id"]), str(body["status"]), {**body, "output": items})

    def _with_bytes(self, item: Any) -> Any:
        named = as_map(item.get("result")).get("blob")
        if named is None:
            return item
        blob = self.services.blobs.named(Digest(named)) if isinstance(named, str) else None
        data = self.services.blobs.find(blob) if blob else None
        return {**item, "result": base64.b64encode(data).decode() if data else None}

    def _receipt(self, intent: Intent, response: Response) -> Receipt:
        receipt = Receipt(
            response_id=response.response_id,
            how="reply",
            created_at=self.services.clock(),
            told=dict(as_map(response.body.get("told"))),
        )
        place = self.call.pipeline, self.call.fingerprint, intent.attempt, intent.turn
        return self.services.ledger.write_receipt(*place, receipt)


def request_digest(request: DrawRequest) -> Digest:
    """Return what the intent keeps of a request."""
    pictures = [[one.name, digest(one.data)] for one in request.pictures]
    size = list(request.size) if request.size else None
    asked = [request.route, request.deployment, request.prompt, size, request.output_format]
    return digest(canonical([*asked, pictures]))
