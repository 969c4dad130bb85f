"""What to do about a record that cannot be read and that no other record holds.

Most may go: without a receipt, a verdict or a raw response the next run asks the service again, for
nothing. An intent may not: it is the only trace of a request that may have been paid for.
"""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from assetmill.batches.ledger import blocked_by, unread_block, unread_halt
from assetmill.care.collecting import GRACE_S
from assetmill.care.kinds import kind_of
from assetmill.care.purging import Tombstone
from assetmill.care.repairs import Repaired, replace, set_aside
from assetmill.errors import ServiceError
from assetmill.fingerprint import Digest
from assetmill.records import AssetId, Cancellation, Intent, Receipt, RunId, Stored, Verdict
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.kinds import Unreadable, validated
from assetmill.store.pending_deletions import CollectionDone, CollectionPlan

_ROWS = "its rows are looked for among the stages"
_LEARNT = "it is learnt again"
_AFTER = {
    "head": "it is made anew from the runs",
    "index page": "it is made anew from the runs",
    "page of a ceiling": "its lines are read one by one",
    "run start": "its stages are there all the same",
    "replies": "its functions are called again when its stage goes on",
    "approval": "a person is asked again",
    "upload": "its bytes are sent again",
    "refusal": _LEARNT,
    "ability": _LEARNT,
    "probe": f"{_LEARNT} by `assetmill doctor --live`; until then no attempt is fenced",
    "start of a batch": "the next `assetmill batch` with its rows writes it again",
    "page of a batch": _ROWS,
    "manifest of a batch": _ROWS,
    "head of a batch": _ROWS,
    "mark of a batch": "its batch is found by its name, and the next `assetmill batch` with its rows goes on",
    "review": "its reviewer says it again",
    "receipt of a purge": "the same purge again says what is left",
}
"""What becomes of a record that is set aside; of others the next run asks the service, or does without."""


def _unread_cancel(now: float) -> Cancellation:
    return Cancellation(reason="its mark cannot be read", created_at=now)


def _from_key(title: str, key: str, now: float) -> tuple[Stored, str] | None:
    """Return the record that its key alone tells, with what that means; None where that is not enough.

    That these are there is what counts. Set aside, they would allow what they forbid.
    """
    name = key.rpartition("/")[2]
    if title == "blocked prompt":
        return unread_block(blocked_by(key)), "its prompt stays in quarantine"
    stands: Mapping[str, tuple[Stored, str]] = {
        "halt of a batch": (unread_halt(), "its batch stays halted"),
        "cancel of a run": (_unread_cancel(now), "its run stays called off"),
    }
    if title in stands:
        return stands[title]
    if title == "tombstone":
        note = Tombstone(digest=Digest(f"sha256:{name}"), asset_id=AssetId(""), created_at=now)
        return note, "its bytes stay purged"
    number = int(name) if name.isdecimal() else 0
    if title == "plan of a collection":
        empty = CollectionPlan(
            number=number, nonce="", created_at=now, older_than_s=0.0, grace_s=GRACE_S, objects=()
        )
        return empty, "it deletes nothing, and the next `assetmill gc` looks anew"
    if title == "end of a collection":
        done = CollectionDone(number=number, created_at=now, grace_s=GRACE_S, deleted=0, spared=0)
        return done, f"writers keep away from its keys for {GRACE_S / 3600:.0f} h more"
    return None


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
        if told := _from_key(title, key, self.services.clock()):
            record, meaning = told
            replace(self.services.backend, key, _stored(title, record))
            return Repaired("mended", key, title, f"{reason}; made anew from its name: {meaning}")
        set_aside(self.services.backend, key)
        after = _AFTER.get(title, "the next run asks the service, or does without")
        return Repaired("aside", key, title, f"{reason}; set aside, {after}")

    def _intent(self, key: str, reason: str) -> Repaired:
        """Make an intent anew from its receipt; without one only a person can let it be paid again."""
        if self._is_over(key):
            self._write(key, "", self.services.clock())
            return Repaired("mended", key, "intent", "made anew: its attempt is over, as its verdict says")
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

    def _is_over(self, key: str) -> bool:
        attempt = key.removeprefix(layout.INTENTS).rpartition(".")[0]
        return self.services.backend.head(f"{layout.VERDICTS}{attempt}") is not None

    def _receipt(self, key: str) -> Receipt | None:
        data = self.services.backend
        other = f"{layout.RECEIPTS}{key.removeprefix(layout.INTENTS)}"
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


def _stored(title: str, record: Stored) -> bytes:
    """Return a record as its readers expect it: of these some are compressed."""
    text = record.model_dump_json().encode()
    return text if title in {"tombstone", "end of a collection"} else gzip.compress(text, mtime=0)
