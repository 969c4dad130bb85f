"""Why a stage ran, or did not: which deciding field differs from the nearest record that was there before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, cast

from assetmill.errors import NotFound
from assetmill.fingerprint import canonical
from assetmill.records import RunManifest, StageEntry, StageRecord
from assetmill.store.ledger import Ledger

LOOK_BACK = 50
"""Earlier runs that are compared; what is older explains nothing any more."""

Verdict = Literal["reused", "changed", "first", "again", "unknown"]
_MISSING = object()


@dataclass(frozen=True)
class Difference:
    """One deciding field that is not as it was; None for what was not there."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Reason:
    """What became of a stage in a run, and why. `compared_with` is the run whose record is nearest."""

    verdict: Verdict
    status: str
    sentence: str
    compared_with: str | None = None
    differences: tuple[Difference, ...] = ()


def explain(ledger: Ledger, run: str, stage: str) -> Reason:
    """Say why a stage of a run ran or was reused.

    `stage` is a label, or a stage's name when it has one variant only.

    Raises:
        NotFound: no such run or stage, or the run is not sealed.
    """
    run_id = ledger.find_run_of(run, stage)
    manifest = ledger.read_manifest(run_id)
    if manifest is None:
        raise NotFound("run", run, "it is not sealed: it still runs, or was killed; run it again")
    entry = _entry(manifest, stage)
    record = entry.record
    if record is None:
        why = entry.error or "nobody noted why"
        return Reason("unknown", entry.status, f"{entry.label} {entry.status}: {why}")
    if record.run_id != manifest.run_id:
        sentence = f"{entry.label} was reused from {record.run_id}: nothing that decides it has changed"
        return Reason("reused", entry.status, sentence, record.run_id)
    return _compare(ledger, manifest, entry, record)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return where two stages' deciding fields differ, named down to the value that does."""
    return tuple(_walk("", before, after))


def _compare(ledger: Ledger, manifest: RunManifest, entry: StageEntry, record: StageRecord) -> Reason:
    earlier = list(_earlier(ledger, manifest, entry))
    label = entry.label
    if not earlier:
        return Reason("first", entry.status, f"{label} ran for the first time in this store")
    found = [(differences(old.deciding, record.deciding), old) for old in earlier]
    # The nearest has the fewest differences; the first of equals is the newest.
    different, nearest = min(found, key=lambda pair: len(pair[0]))
    if not different:
        sentence = f"{label} ran although nothing differs from {nearest.run_id}: its record was not there"
        return Reason("again", entry.status, sentence, nearest.run_id)
    names = ", ".join(difference.field for difference in different[:4])
    more = f" and {len(different) - 4} more" if len(different) > 4 else ""
    sentence = f"{label} ran because {names}{more} changed since {nearest.run_id}"
    return Reason("changed", entry.status, sentence, nearest.run_id, different)


def _earlier(ledger: Ledger, manifest: RunManifest, entry: StageEntry) -> Iterator[StageRecord]:
    """Yield the records of the same stage in earlier runs, newest first; the same variant before others."""
    label = entry.label
    others: list[StageRecord] = []
    runs = (run for run in ledger.manifests(manifest.pipeline) if run.started_at < manifest.started_at)
    for run in islice(runs, LOOK_BACK):
        for old in run.stages:
            if old.record is None or old.stage != entry.stage:
                continue
            if old.label == label:
                yield old.record
            else:
                others.append(old.record)
    yield from others[:LOOK_BACK]


def _entry(manifest: RunManifest, stage: str) -> StageEntry:
    exact = [entry for entry in manifest.stages if entry.label == stage]
    found = exact or [entry for entry in manifest.stages if entry.stage == stage]
    if len(found) == 1:
        return found[0]
    known = ", ".join(entry.label for entry in (found or manifest.stages)[:12])
    raise NotFound("stage", stage[:200], f"run {manifest.run_id} has {known}")


def _walk(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if _same(before, after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        first, second = cast(Mapping[str, Any], before), cast(Mapping[str, Any], after)
        for key in dict.fromkeys([*first, *second]):
            inner = f"{path}.{key}" if path else str(key)
            yield from _walk(inner, first.get(key, _MISSING), second.get(key, _MISSING))
        return
    if path == "inputs":
        # [role, name, digest]: compared by name, so that one more input does not shift all others.
        yield from _walk(path, _by_name(before), _by_name(after))
        return
    old, new = _listed(before), _listed(after)
    if old is not None and new is not None and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _walk(f"{path}[{number}]", one, other)
        return
    yield Difference(path, _shown(before), _shown(after))


def _same(before: Any, after: Any) -> bool:
    if before is _MISSING or after is _MISSING:
        return before is after
    return canonical(before) == canonical(after)


def _by_name(inputs: Any) -> dict[str, Any]:
    rows = [_listed(row) or () for row in _listed(inputs) or ()]
    return {f"{row[0]} {row[1]}": row[2] for row in rows if len(row) == 3}


def _listed(value: Any) -> Sequence[Any] | None:
    return cast(Sequence[Any], value) if isinstance(value, list | tuple) else None


def _shown(value: Any) -> Any:
    return None if value is _MISSING else value
