"""What must hold at the end of a round: the service's bill and pictures against the store's records."""

from __future__ import annotations

import base64
import binascii
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foundry_emulator.state import State

from assetmill.fingerprint import Digest, digest
from assetmill.pictures import PictureDamaged, examine
from assetmill.records import Intent, Receipt, StageRecord, Verdict
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.kinds import is_stray

CENT = 0.005
EXACT = 5e-4
"""What one attempt may differ where its cost is said to be exact: a sum of figures that were rounded."""


@dataclass
class Books:
    """The records that tell of money, by `<pipeline>/<fp>.<n>`, with those that were damaged as they were."""

    stages: dict[str, StageRecord] = field(default_factory=dict[str, StageRecord])
    verdicts: dict[str, Verdict] = field(default_factory=dict[str, Verdict])
    attempts: dict[str, str] = field(default_factory=dict[str, str])
    """Of each response its attempt's turn."""
    conversations: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def read(cls, backend: Backend, kept: Path) -> Books:
        """Read a store; `kept` is what was damaged, as it was before."""
        books = cls()
        for name, data in _all(backend, layout.STAGES, kept):
            books.stages[name] = StageRecord.model_validate_json(data)
        for name, data in _all(backend, layout.VERDICTS, kept):
            books.verdicts[name] = Verdict.model_validate_json(data)
        for name, data in _all(backend, layout.RECEIPTS, kept):
            books.attempts[Receipt.model_validate_json(data).response_id] = name
        for name, data in _all(backend, layout.INTENTS, kept):
            books.conversations[Intent.model_validate_json(data).conversation_id] = name
        return books


def _all(backend: Backend, prefix: str, kept: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(kept.glob(f"{prefix.replace('/', '+')}*")):
        yield path.name.replace("+", "/").removeprefix(prefix), path.read_bytes()
    for entry in list(backend.list(prefix)):
        if not is_stray(entry.key):
            yield entry.key.removeprefix(prefix), backend.get(entry.key)


@dataclass(frozen=True)
class Drawn:
    """A picture as the service would hand it out; None where it is none that can be read."""

    response_id: str
    digest: Digest | None


class Bill:
    """What the service has charged since the storm began, and what it made for it."""

    def __init__(self, state_dir: Path, charges: list[dict[str, Any]]) -> None:
        self.charges = charges
        self.usd = sum(float(charge["usd"]) for charge in charges)
        self.by_response: defaultdict[str, float] = defaultdict(float)
        for charge in charges:
            self.by_response[charge["response_id"]] += float(charge["usd"])
        self.images = Counter(c["response_id"] for c in charges if c["kind"] == "image")
        with closing(State(state_dir)) as state:
            docs = {doc.id: doc.body for doc in state.all("response")}
            self.conversation = {name: _conversation_of(body) for name, body in docs.items()}
            self.drawn = [
                Drawn(doc.parent, _picture(state.insourced(str(doc.body.get("result") or ""))))
                for doc in state.all("output_item", parent=None)
                if doc.body.get("type") == "image_generation_call"
            ]


def _conversation_of(body: dict[str, Any]) -> str:
    return str(body["conversation"]["id"]) if body.get("conversation") else ""


def _picture(text: str) -> Digest | None:
    try:
        data = base64.b64decode(text, validate=True)
        examine(data)
    except (binascii.Error, ValueError, PictureDamaged):
        return None
    return digest(data)


def check_attempts(bill: Bill, books: Books) -> Iterator[str]:
    """Every charge has its attempt, and what an attempt says that it cost is what was charged for it."""
    charged: defaultdict[str, float] = defaultdict(float)
    for response_id, usd in bill.by_response.items():
        turn = books.attempts.get(response_id)
        if turn is None:
            attempt = books.conversations.get(bill.conversation.get(response_id, ""), "").rpartition(".")[0]
            verdict = books.verdicts.get(attempt)
            if verdict is None or verdict.kind not in {"abandoned", "given_up"}:
                yield f"{response_id} was charged ${usd:.4f} and nobody knows of it (attempt {attempt!r})"
            continue
        charged[turn.rpartition(".")[0]] += usd
    committed = {f"{name}.{record.attempt:03d}": record for name, record in books.stages.items()}
    for attempt, usd in charged.items():
        record, verdict = committed.get(attempt), books.verdicts.get(attempt)
        told = record if record and not record.decision else verdict
        if told is None or told.cost_usd is None:
            continue
        low, high = told.cost_range_usd or (told.cost_usd, told.cost_usd)
        if not low - EXACT <= usd <= high + EXACT:
            yield f"{attempt} says ${low:.6f} to ${high:.6f} and was charged ${usd:.6f}"


def check_once(bill: Bill, books: Books) -> Iterator[str]:
    """Nothing is paid twice: one charged response a turn, one charged attempt without a verdict a stage."""
    turns = Counter(books.attempts[name] for name in bill.by_response if name in books.attempts)
    yield from (f"{turn} was charged {number} times" for turn, number in turns.items() if number > 1)
    attempts = {turn.rpartition(".")[0] for turn in turns}
    kinds = {name: books.verdicts[name].kind for name in attempts if name in books.verdicts}
    for name, kind in kinds.items():
        if kind in {"refused", "fenced"}:
            yield f"{name} was charged, and its verdict says {kind}"
    standing = Counter(name.rpartition(".")[0] for name in attempts if name not in kinds)
    yield from (f"{name} was paid {number} times" for name, number in standing.items() if number > 1)


def check_bytes(bill: Bill, backend: Backend) -> Iterator[str]:
    """Every picture that the service made and charged is in the store."""
    for drawn in bill.drawn:
        if drawn.digest is None or not bill.images[drawn.response_id]:
            continue
        if not any(True for _ in backend.list(layout.blob(drawn.digest))):
            yield f"a picture of {drawn.response_id} is not in the store: {drawn.digest}"


def check_reachable(bill: Bill, listed: list[Mapping[str, Any]]) -> Iterator[str]:
    """Every response that was charged for a picture is among all assets, if it brought one."""
    known = {str(one["response_id"]) for one in listed}
    brought = {drawn.response_id for drawn in bill.drawn if drawn.digest}
    for response_id in bill.images:
        if response_id in brought and response_id not in known:
            yield f"`assets --all` does not list what {response_id} made"


def check_spend(bill: Bill, told: Mapping[str, Any]) -> Iterator[str]:
    """The books are the bill, to the cent; where only the service knows, within the range that they give."""
    low = sum(group["low_usd"] for group in told["groups"])
    high = sum(group["high_usd"] for group in told["groups"])
    low += sum(one["usd"] for one in told["open"])
    high += sum(one["high_usd"] or one["usd"] for one in told["open"])
    if not low - CENT <= bill.usd <= high + CENT:
        yield f"`spend` says ${low:.4f} to ${high:.4f}, the bill is ${bill.usd:.4f}"
    if not told["unknown"] and not told["open"] and abs(told["total_usd"] - bill.usd) > CENT:
        yield f"`spend` says ${told['total_usd']:.4f}, the bill is ${bill.usd:.4f}"
    for one in told["open"]:
        yield f"an attempt is left open: {one}"
