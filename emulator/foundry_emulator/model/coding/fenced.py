"""Code that the request brings along is run exactly as it stands."""

from __future__ import annotations

from foundry_emulator.model.coding.job import Job


def write(job: Job) -> str | None:
    """Return the request's own Python, or None without any."""
    return job.code
