"""Code that the request brings along: a fenced block is run exactly as it stands."""

from __future__ import annotations

import re

from assetmill.emulator.rules.coding.job import Job


def write(job: Job) -> str | None:
    """Return the request's fenced Python, several blocks joined, or None without any."""
    blocks = re.findall(r"```(?:python3?|py)[ \t]*\r?\n(.*?)```", job.text, re.DOTALL | re.IGNORECASE)
    return "\n".join(block.rstrip() + "\n" for block in blocks) or None
