"""`assetmill verify`: does the store still hold what its records promise?"""

from __future__ import annotations

from dataclasses import asdict

import click

from assetmill.care.verifying import StoreProblem, Verifier
from assetmill.cli.options import json_option, print_json, profile_option
from assetmill.cli.telling import reads_all, told_progress
from assetmill.settings import load_settings
from assetmill.stage.services import open_services

_LISTED = 10_000
"""Faults that are listed one by one; all of them are counted."""


@click.command()
@click.option("--sizes", "only_sizes", is_flag=True, help="Compare sizes alone: much quicker, reads no blob.")
@profile_option
@json_option
def verify(profile: str | None, *, only_sizes: bool, as_json: bool) -> int:
    """Check that every blob is there and whole.

    Those of all records; and that the index names nothing lost.

    Changes nothing. Exit code 0 when all is well, 1 when something is not.
    """
    faults, purged = 0, 0
    listed: list[StoreProblem] = []
    with open_services(load_settings(profile)) as services:
        verifier = Verifier(services.backend, only_sizes=only_sizes)
        with told_progress(services.backend, reads=reads_all, done=lambda: verifier.objects) as clear:
            for problem in verifier.problems():
                faults += problem.is_fault
                purged += not problem.is_fault
                if as_json and len(listed) < _LISTED:
                    listed.append(problem)
                elif not as_json and (problem.is_fault and faults <= _LISTED):
                    clear()
                    click.echo(_line(problem))
    counts = {
        "records": verifier.records,
        "blobs": verifier.blobs,
        "size_bytes": verifier.size_bytes,
        "index_entries": verifier.index_entries,
        "faults": faults,
        "purged": purged,
    }
    if as_json:
        status = "damaged" if faults else "whole"
        print_json({"status": status, **counts, "problems": [asdict(problem) for problem in listed]})
    else:
        click.echo(_summary(counts))
    return 1 if faults else 0


def _line(problem: StoreProblem) -> str:
    return f"{problem.kind:<10} {problem.what}: {problem.message}\n           in {problem.key}"


def _summary(counts: dict[str, int]) -> str:
    size = f"{counts['size_bytes'] / 1e6:.1f} MB"
    text = (
        f"{counts['records']} records, {counts['blobs']} blobs ({size}), {counts['index_entries']} indexed: "
    )
    text += f"{counts['faults']} faults" if counts["faults"] else "all there and whole"
    return text + (f"; {counts['purged']} purged on purpose" if counts["purged"] else "")
