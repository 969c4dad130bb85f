"""What must hold in every world of a simulation, whatever its workers, the service and the store go through.

never        a second accepted generation, unless the first is known to have failed
never        a second POST of an attempt's turn, unless the first was definitely refused
never        a second POST under `hold` because of silence
never        a record that names a blob which is not there
never        a fence through the conversation of a worker that lives and whose lease is fresh
never        a lane other than the one that served it in a commit's usage, whatever lane was posted
always       an end: commit, typed failure or doubt
in the end   what was accepted and is usable is committed: nothing that was paid for is lost
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from assetmill.agents.gateway import Way
from assetmill.money.history import MoneyEntry
from assetmill.records import Harvest, Intent, StageRecord, Verdict
from assetmill.store import layout
from tests.assetmill.simulation.direct import Calls
from tests.assetmill.simulation.gateway import FILE_DIGEST
from tests.assetmill.simulation.objects import Objects
from tests.assetmill.simulation.service import Accepted, Service
from tests.assetmill.simulation.world import Violation, Worker, World

Policy = Literal["hold", "fence"]


@dataclass
class Rules:
    """Sees every write and every accepted request, and raises `Violation` at the first that must not be.

    `way` is the one that a probe has tried; a probe that `is_fooled` has seen every assumption hold.
    """

    world: World
    service: Service
    objects: Objects
    policy: Policy
    way: Way
    is_fooled: bool
    is_direct: bool
    ceiling_usd: float = 0.0
    calls: Calls = field(default_factory=Calls)
    money: dict[str, float] = field(default_factory=dict[str, float])
    owners: dict[str, Worker] = field(default_factory=dict[str, Worker])
    intents: dict[str, Intent] = field(default_factory=dict[str, Intent])
    verdicts: dict[int, Verdict] = field(default_factory=dict[int, Verdict])

    def __post_init__(self) -> None:
        self.objects.watchers.append(self.check_write)
        self.service.on_accept, self.service.on_delete = self.check_accepted, self.check_fence

    def check_end(self, outcome: str) -> None:
        """Look at what is left after the calm, when the last worker has ended with `outcome`."""
        usable = [made for made in self.service.bill if self._is_usable(made)]
        if usable and outcome != "commit":
            raise Violation(f"{usable[0].response_id} was paid for and is lost: {outcome}")
        if outcome == "doubt" and self._is_fenced():
            raise Violation("a fence leaves no doubt")
        is_paid = any(verdict.cost_usd != 0.0 for verdict in self.verdicts.values())
        if outcome == "typed BudgetExceeded" and not is_paid:
            raise Violation("attempts that cost nothing have used the ceiling up")
        for attempt, verdict in self.verdicts.items():
            if verdict.kind in ("refused", "fenced") and any(m.attempt == attempt for m in self.service.bill):
                raise Violation(f"attempt {attempt} counts as {verdict.kind} and was accepted")

    def is_alive(self, owner: str) -> bool:
        """Say what a worker can know of another: whether its process is gone."""
        worker = self.owners[owner]
        return not worker.is_over

    def check_accepted(self, made: Accepted) -> None:
        if verdict := self.verdicts.get(made.attempt):
            raise Violation(f"attempt {made.attempt} counts as {verdict.kind} and goes on")
        for earlier in self.service.bill:
            if (earlier.attempt, earlier.turn) == (made.attempt, made.turn):
                raise Violation(f"attempt {made.attempt} turn {made.turn} was accepted twice")
            if earlier.attempt != made.attempt and not self._is_over(earlier):
                raise Violation(f"attempt {made.attempt} was accepted though {earlier.response_id} was paid")

    def _is_over(self, made: Accepted) -> bool:
        """Whether it is certain that nothing will come of an accepted response's attempt."""
        verdict = self.verdicts.get(made.attempt)
        is_closed = made.conversation_id in self.service.deleted
        return self._has_failed(made.attempt) or (
            verdict is not None and verdict.kind == "abandoned" and is_closed
        )

    def _has_failed(self, attempt: int) -> bool:
        verdict = self.verdicts.get(attempt)
        if verdict is None or verdict.kind != "failed":
            return False
        made = [m for m in self.service.bill if m.attempt == attempt]
        is_cut = len(made) < self.service.turns  # a later turn was rejected for good
        return is_cut or any(m.status != "completed" for m in made)

    def check_write(self, key: str, data: bytes) -> None:
        kind = key.split("/")[1]
        if kind == "i":
            intent = Intent.model_validate_json(data)
            self.intents[intent.conversation_id or intent.nonce] = intent
            self.calls.intents[intent.nonce] = intent
            self._check_licence(intent)
        elif kind == "c" and self.is_direct:
            self.calls.check_receipt(int(key.split(".")[1]))
        elif kind == "x":
            self._check_verdict(int(key.rsplit(".", 1)[1]), Verdict.model_validate_json(data))
        elif kind == "m":
            self._check_ceiling(MoneyEntry.model_validate_json(data))
        elif kind == "w":
            self._check_raw(cast(dict[str, Any], json.loads(gzip.decompress(data))))
            self.calls.replies.add(int(key.split(".")[1]))
        elif kind == "s":
            self._check_commit(StageRecord.model_validate_json(data))

    def _check_ceiling(self, entry: MoneyEntry) -> None:
        self.money[entry.reservation] = entry.usd
        if sum(self.money.values()) > self.ceiling_usd + 1e-9:
            raise Violation(f"a ceiling of {self.ceiling_usd} does not hold: {self.money}")

    def _check_commit(self, record: StageRecord) -> None:
        served = {made.tier for made in self.service.bill if made.attempt == record.attempt}
        is_flex = record.usage.service_tier == "flex"
        if is_flex != (served == {"flex"}):
            raise Violation(f"served as {served}, and counted as {record.usage.service_tier}")
        made = {asset.blob.digest for asset in record.outputs}
        for digest in made:
            self._check_blob(digest)
        mine = f".{record.attempt:03d}."
        fetched = [data for key, data in self.objects.kept.items() if key.startswith("v1/f/") and mine in key]
        if any(Harvest.model_validate_json(data).files for data in fetched) and FILE_DIGEST not in made:
            raise Violation("a file that was fetched from a container is not in the commit")

    def _check_verdict(self, attempt: int, verdict: Verdict) -> None:
        self.verdicts[attempt] = verdict
        if verdict.kind == "failed" and self.service.bill and not self._has_failed(attempt):
            made = [m.response_id for m in self.service.bill if m.attempt == attempt]
            if made:
                raise Violation(f"{', '.join(made)} is good and counts as failed: {verdict.reason}")

    def _check_licence(self, intent: Intent) -> None:
        if intent.attempt == 1 or intent.turn > 1:
            return
        verdict = self.verdicts.get(intent.attempt - 1)
        if verdict is None:
            raise Violation(f"attempt {intent.attempt} has no licence")
        earlier = next(one for one in self.intents.values() if one.attempt == intent.attempt - 1)
        may_fence = self.policy == "fence" and (self.is_fooled or self._may_fence(earlier))
        if verdict.kind == "fenced" and not may_fence:
            raise Violation(f"attempt {intent.attempt} rests on a fence that nothing allows")

    def _check_raw(self, raw: dict[str, Any]) -> None:
        for item in raw["output"]:
            result = item.get("result")
            if isinstance(result, dict):
                self._check_blob(str(cast(dict[str, Any], result)["blob"]))

    def _check_blob(self, digest: str) -> None:
        if layout.blob(cast(Any, digest)) not in self.objects.kept:
            raise Violation(f"a record names {digest}, which is not stored")

    def check_fence(self, worker: Worker, conversation_id: str) -> None:
        intent = self.intents.get(conversation_id)
        if intent is None or intent.turn > 1 or intent.owner.endswith(f":{worker.name}"):
            return
        if self.is_alive(intent.owner) and self.world.now <= intent.lease_until:
            raise Violation(f"{worker.name} fenced {intent.owner}, which lives and holds a fresh lease")

    def _is_fenced(self) -> bool:
        """Whether the newest attempt was posted so that a fence may decide it."""
        newest = max(self.intents.values(), key=lambda intent: intent.attempt)
        is_first = self.service.turns == 1 and self.service.answers.is_filtered
        return self.policy == "fence" and is_first and self._may_fence(newest)

    def _may_fence(self, intent: Intent) -> bool:
        """Whether a probe has seen all that a fence of this intent rests on."""
        return intent.way == self.way and not self.service.answers.broken(self.way)

    def _is_usable(self, made: Accepted) -> bool:
        """Whether the stage could be committed from this response: no turn of its attempt went wrong."""
        return (
            made.status == "completed"
            and (not self.is_direct or made.attempt in self.calls.replies)
            and made.turn == self.service.turns
            and all(m.status == "completed" for m in self.service.bill if m.attempt == made.attempt)
            and self.verdicts.get(made.attempt) is None
        )
