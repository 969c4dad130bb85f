"""The bill beside the ledger: every charge has its receipt, and no stage has two that are worth something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from assetmill.records import Receipt, Verdict
from assetmill.store import layout
from assetmill.store.local import LocalStore


def read_all(store: LocalStore, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in list(store.list(prefix)):
        yield entry.key.rpartition("/")[2], store.get(entry.key)


@dataclass(frozen=True)
class Books:
    """What a store says of attempts: which response is whose, and which verdict stands on which."""

    attempts: dict[str, str]
    verdicts: dict[str, Verdict]

    def check(self, billed: Collection[str], gone: Collection[str] = (), open_outcomes: int = 0) -> int:
        """Hold a bill against them; return how many stages have their one good charge.

        `gone` are responses that the service itself has lost. At most `open_outcomes` of those may have no
        receipt: their stages are in doubt.
        """
        unknown = set(billed) - set(self.attempts)
        assert unknown <= set(gone), f"billed and unknown: {unknown - set(gone)}"
        assert len(unknown) <= open_outcomes, f"billed, unknown and not in doubt: {unknown}"
        charges = Counter(self.attempts[one] for one in billed if one not in unknown)
        assert set(charges.values()) <= {1}, f"two charges for one attempt: {charges}"
        kinds = {name: self.verdicts[name].kind if name in self.verdicts else "" for name in charges}
        assert set(kinds.values()) <= {"", "failed"}, f"charged, and said not to be: {kinds}"
        lost = {self.attempts[one] for one in billed if one in gone and one in self.attempts}
        standing = Counter(
            name.partition(".")[0] for name, kind in kinds.items() if not kind and name not in lost
        )
        assert set(standing.values()) <= {1}, f"two good charges for one stage: {standing}"
        return len(standing)


def read_books(root: Path) -> Books:
    """Read what a store says of attempts."""
    with closing(LocalStore(root)) as store:
        verdicts = {n: Verdict.model_validate_json(data) for n, data in read_all(store, layout.VERDICTS)}
        attempts: dict[str, str] = {}
        for name, data in read_all(store, "v1/c/"):
            attempts[Receipt.model_validate_json(data).response_id] = name.rpartition(".")[0]
    return Books(attempts, verdicts)
