"""What to do about a record that cannot be read and that no other record holds.

Most may go: without a receipt, a verdict or a raw response the next run asks the service again, for
nothing. An intent may not: it is the only trace of a request that may have been paid for.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from assetmill.care.repairs import Repaired, replace, set_aside
from assetmill.errors import ServiceError
from assetmill.fingerprint import Digest
from assetmill.records import Intent, Receipt, RunId, Verdict
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.kinds import Unreadable, kind_of, validated

_ANEW = {
    "head": "it is made anew from the runs",
    "index page": "it is made anew from the runs",
    "run start": "its stages are there all the same",
}


@dataclass(frozen=True)
class UnreadRecords:
    """Mends or sets aside what cannot be read; `run_id` is the repair's own."""

    services: Services
    run_id: RunId
    asks_service: bool
    may_make_again: bool

    def settle(self, key: str, reason: str, *, is_finished: bool) -> Repaired:
        """Do with an unreadable record what is safe; `is_finished` says that its stage has a commit."""
        kind = kind_of(key)
        title = kind.title if kind else "object"
        if title == "intent" and not is_finished:
            return self._intent(key, reason)
        set_aside(self.services.backend, key)
        after = _ANEW.get(title, "the next run asks the service, or does without")
        return Repaired("aside", key, title, f"{reason}; set aside, {after}")

    def _intent(self, key: str, reason: str) -> Repaired:
        """Make an intent anew from its receipt; without one only a person can let it be paid again."""
        receipt = self._receipt(key)
        if receipt is not None and self.asks_service:
            gateway = self.services.gateway
            try:
                body = gateway.get_response(receipt.response_id).body
            except ServiceError:
                body = None
            if body is not None:
                told = cast(Mapping[str, object], body.get("conversation") or {})
                self._write(key, str(told.get("id", "")), receipt.created_at)
                return Repaired("mended", key, "intent", f"from its response {receipt.response_id}")
        if not self.may_make_again:
            hint = "`repair --make-again` lets it be paid for, perhaps a second time"
            return Repaired("lost", key, "intent", f"{reason}: only it says where its request went; {hint}")
        self._write(key, "", self.services.clock())
        self._abandon(key)
        return Repaired("made_again", key, "intent", "the next run pays for its stage, perhaps a second time")

    def _receipt(self, key: str) -> Receipt | None:
        data = self.services.backend
        other = f"v1/c/{key.removeprefix(layout.INTENTS)}"
        if data.head(other) is None:
            return None
        try:
            return validated(Receipt, data.get(other))
        except Unreadable:
            return None

    def _write(self, key: str, conversation_id: str, created_at: float) -> None:
        _, attempt, turn = key.rsplit(".", 2)
        intent = Intent(
            nonce=uuid.uuid4().hex,
            owner="repair",
            run_id=self.run_id,
            stage="",
            attempt=int(attempt),
            turn=int(turn),
            endpoint=self.services.gateway.endpoint if self.asks_service else "",
            conversation_id=conversation_id,
            request_digest=Digest(""),
            reserved_usd=None,
            created_at=created_at,
            lease_until=created_at,
        )
        replace(self.services.backend, key, intent.model_dump_json().encode())

    def _abandon(self, key: str) -> None:
        verdict = Verdict(
            kind="abandoned",
            error="Lost",
            reason="its intent was lost, and a person lets it be paid for again",
            run_id=self.run_id,
            created_at=self.services.clock(),
        )
        attempt = key.removeprefix(layout.INTENTS).rpartition(".")[0]
        replace(self.services.backend, f"{layout.VERDICTS}{attempt}", verdict.model_dump_json().encode())
