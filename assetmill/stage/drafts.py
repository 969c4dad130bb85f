"""What the engine is about to do, in the words of a record and of a request: an intent, and what it posts."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import cast

from assetmill.agents.abilities import reattaching
from assetmill.agents.gateway import AgentVersion, ResponseRequest
from assetmill.agents.requests import Prepared
from assetmill.fingerprint import Digest
from assetmill.plan.calls import StageCall
from assetmill.records import Intent, IntentWay, Lane, RunId, Way
from assetmill.stage.lanes import LaneChoice
from assetmill.stage.patience import on_the_line_s
from assetmill.stage.services import Services

STALE = "the store was away for longer than the stage was held for this process"
"""Why an intent that was stored too late is not posted: somebody may have decided about it meanwhile."""

_FRESH_S = 60.0
"""For so long nobody decides about a stage of which nothing is known, however short its lease."""


@dataclass(frozen=True)
class Drafts:
    """Writes the intents and requests of one stage. Asks nobody and stores nothing."""

    call: StageCall
    services: Services
    run_id: RunId
    lanes: LaneChoice

    def is_stale(self, intent: Intent) -> bool:
        """Whether it took so long to store an intent that others may take its owner for dead."""
        return self.services.clock() > max(intent.lease_until, intent.created_at + _FRESH_S)

    def intent(
        self,
        request: str,
        attempt: int,
        turn: int,
        conversation_id: str,
        *,
        lane: Lane = "now",
        way: IntentWay | None = None,
    ) -> Intent:
        """Return the intent of a turn; `request` is the digest of what is to be posted, `way` a fixed way."""
        now, way = self.services.clock(), way or self.services.way()
        return Intent(
            nonce=uuid.uuid4().hex,
            owner=self.services.owner,
            run_id=self.run_id,
            stage=self.call.label,
            attempt=attempt,
            turn=turn,
            endpoint=self.services.gateway.endpoint,
            conversation_id=conversation_id,
            request_digest=Digest(request),
            reserved_usd=self.lanes.most_usd(lane),
            created_at=now,
            lease_until=now
            + self.services.settings.foundry.lease_s
            + (0.0 if way == "background" else on_the_line_s(lane)),
            way=way,
            is_streamed=way == "stream" or self._shows_frames(),
            lane=lane,
        )

    def _shows_frames(self) -> bool:
        """Whether pictures are to come in a stream, and the endpoint was not seen to refuse streams of them.

        Partial ones were asked for; or the whole one must come so, since a later read was seen to lack it.
        """
        has = self.services.abilities.has
        is_lost_later = self.call.drawing is not None and has("picture_read") is False
        is_asked = is_lost_later or any(tool.get("partial_images") for tool in self.call.tools)
        can_show = all(has(name) is not False for name in ("stream", "stream_pictures"))
        return is_asked and self.services.settings.foundry.streaming and can_show

    def request(self, intent: Intent, prepared: Prepared, agent: AgentVersion) -> ResponseRequest:
        """Return what to post. It names the conversation of this very intent, held in memory.

        A worker that slept and read another's conversation from the store would post outside the fence.
        """
        abilities = self.services.abilities
        marks = {
            "assetmill_fingerprint": self.call.fingerprint,
            "assetmill_attempt": str(intent.attempt),
            "assetmill_turn": str(intent.turn),
        }
        return ResponseRequest(
            agent=agent,
            conversation_id=intent.conversation_id,
            input=prepared.input,
            metadata=marks if abilities.has("metadata") is not False else {},
            image_deployment=self.call.image_deployment,
            structured_inputs={**prepared.structured_inputs, **prepared.secrets},
            max_tool_calls=self.call.max_tool_calls,
            way=cast(Way, intent.way),
            may_reattach=abilities.has(reattaching(cast(Way, intent.way))) is not False,
            lane=intent.lane,
            is_streamed=intent.way != "stream" and bool(intent.is_streamed),
            is_truncatable=any(t["type"] == "computer_use_preview" for t in self.call.tools),
        )
