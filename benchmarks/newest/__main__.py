"""Try newer versions of the packages that we depend on most, and print what changes: `make newest`.

    python -m benchmarks.newest

The newest versions that our ranges allow, and the first that they do not, each in an environment of its
own: contract tests, tests of what Prefect carries out, the vendor's samples and tests, the demo. It ends with
1 when a world that the ranges allow has a failure; beyond the ranges a failure is news, not an error. It
takes the better part of an hour on two cores.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.newest.checks import CHECKS, ROOT, Verdict, checked
from benchmarks.newest.versions import (
    PACKAGES,
    Candidates,
    World,
    candidates,
    pins,
    published,
    ranges,
    worlds,
)

_LAST_LINES = 30
Outcome = Mapping[str, Verdict]


def main() -> int:
    pinned, allowed = pins(ROOT / "constraints.txt"), ranges(ROOT / "pyproject.toml")
    found = {name: candidates(pinned[name], allowed[name], published(name)) for name in PACKAGES}
    print("\n".join(about(found)), flush=True)
    outcomes = [(world, _tried(world)) for world in worlds(found)]
    print("\n".join(["", *table(outcomes)]))
    is_good = all(
        verdict.is_good
        for world, outcome in outcomes
        if "not allowed" not in world.name
        for verdict in outcome.values()
    )
    return 0 if is_good else 1


def about(found: Mapping[str, Candidates]) -> list[str]:
    """Say which versions there are."""
    return [
        f"{name}: pinned {one.pinned}, newest allowed {one.newest_allowed}, "
        f"first not allowed {one.first_beyond or 'none published'}"
        for name, one in found.items()
    ]


def _tried(world: World) -> Outcome:
    outcome: dict[str, Verdict] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, verdict in checked(world, Path(scratch)):
            outcome[name] = verdict
            print(f"{world.name}  {name}  {verdict.said}", flush=True)
            if not verdict.is_good:
                print("\n".join(verdict.output.splitlines()[-_LAST_LINES:]), flush=True)
    return outcome


def table(outcomes: list[tuple[World, Outcome]]) -> list[str]:
    """Return the lines of the table: a row per world, with what differs from the pinned one marked."""
    lines = ["| versions | " + " | ".join(CHECKS) + " |", "|---" * (len(CHECKS) + 1) + "|"]
    base = outcomes[0][1]
    for world, outcome in outcomes:
        others = outcomes[0][0].versions
        changed = [f"{name} {version}" for name, version in world.versions.items() if version != others[name]]
        title = f"{world.name}: {', '.join(changed)}" if changed else world.name
        cells = [_cell(name, outcome, base) for name in CHECKS]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return lines


def _cell(name: str, outcome: Outcome, base: Outcome) -> str:
    verdict = outcome.get(name) or outcome["installation"]
    before = base.get(name) or base["installation"]
    if verdict.said == before.said and verdict.is_good == before.is_good:
        return verdict.said
    return f"**{verdict.said}** (pinned: {before.said})"


if __name__ == "__main__":
    sys.exit(main())
