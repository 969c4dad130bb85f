"""Says what differs: by operation and field, new ones first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from foundry_emulator.comparing.run import Comparison, Finding
from foundry_emulator.jsons import Json


def lines(comparison: Comparison, *, everything: bool) -> Iterator[str]:
    """Word a comparison, one line for each difference of an operation; accepted ones if asked for."""
    shown = comparison.findings if everything else comparison.new
    operation = ""
    for (name, _, _), found in sorted(_grouped(shown).items()):
        difference = found[0].difference
        if name != operation:
            operation = name
            yield operation
        reason = next((one.reason for one in found if one.reason), None)
        recorded, here = difference.recorded or "nothing", difference.here or "nothing"
        yield f"  {difference.field}: {difference.kind}, recorded {recorded}, here {here}"
        yield f"      in {_named(found)}" + (f"; accepted: {reason}" if reason else "")
    accepted = len(comparison.findings) - len(comparison.new)
    yield f"{comparison.exchanges} exchanges: {len(comparison.new)} new differences, {accepted} accepted"


def as_json(comparison: Comparison) -> Json:
    """Return a comparison for programs."""
    return {
        "exchanges": comparison.exchanges,
        "new": len(comparison.new),
        "differences": [
            {
                "exchange": finding.exchange,
                "operation": finding.operation,
                "field": finding.difference.field,
                "kind": finding.difference.kind,
                "recorded": finding.difference.recorded,
                "here": finding.difference.here,
                "accepted": finding.reason,
            }
            for finding in comparison.findings
        ],
    }


def _grouped(findings: list[Finding]) -> dict[tuple[str, str, str], list[Finding]]:
    found: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        found[(finding.operation, finding.difference.field, finding.difference.kind)].append(finding)
    return found


def _named(findings: list[Finding]) -> str:
    names = [finding.exchange for finding in findings]
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest
