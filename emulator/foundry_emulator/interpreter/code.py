"""The code interpreter: programs nobody has read, so never without a sandbox that was seen to hold."""

from __future__ import annotations

import shutil
from pathlib import Path

from foundry_emulator.interpreter.sandbox import canary
from foundry_emulator.interpreter.sandbox.cage import Cage
from foundry_emulator.interpreter.sandbox.fonts import FontLists
from foundry_emulator.interpreter.sandbox.inside.job import Tier
from foundry_emulator.interpreter.sandbox.outcome import CodeOutcome

__all__ = ["CodeOutcome", "Sandbox"]


class Sandbox:
    """Where code interpreter calls run; safe to use from several threads.

    `tier` is "strong" (bubblewrap and the layer below), "landlock" (Landlock, seccomp and limits alone),
    "unsafe" (limits only) or "refused". `reasons` says why it is not a better one.
    """

    def __init__(
        self, tier: Tier, *, bubblewrap: str | None, reasons: tuple[str, ...], fonts: Path | None
    ) -> None:
        self.tier: Tier = tier
        self.reasons = reasons
        self._cage = Cage(tier, bubblewrap)
        self._fonts = FontLists(self._cage, fonts)

    @staticmethod
    def open(*, allow_unsafe: bool = False, cache: Path | None = None) -> Sandbox:
        """Find the best tier that holds on this machine by trying to escape from it.

        `cache` keeps the verdict until the machine is started again, and beside it the list of fonts.
        `allow_unsafe` runs code with limits only where nothing better holds; it never replaces a better tier.
        """
        bubblewrap = shutil.which("bwrap")
        verdict = canary.remembered(cache, bubblewrap) if cache is not None else None
        if verdict is None:
            verdict = canary.probe(bubblewrap)
            if cache is not None:
                canary.remember(cache, bubblewrap, verdict)
        tier = "unsafe" if verdict.tier == "refused" and allow_unsafe else verdict.tier
        fonts = cache.with_name(f"{cache.name}.fonts") if cache is not None else None
        return Sandbox(tier, bubblewrap=verdict.bubblewrap, reasons=verdict.reasons, fonts=fonts)

    def run(self, code: str, workdir: Path, timeout_s: float = 30) -> CodeOutcome:
        """Run Python with `workdir` as its `/mnt/data` and return its output and its new and changed files.

        The value of a last bare expression is shown, as in a notebook. Nothing survives the call but files.
        The caller keeps two runs out of the same `workdir`. Whatever goes wrong is in the outcome's `error`.
        """
        if self.tier == "refused":
            return CodeOutcome(
                logs="", error=f"refused, there is no safe sandbox here: {'; '.join(self.reasons)}"
            )
        return self._cage.run(code, workdir, timeout_s, font_lists=self._fonts.wanted_by(code))
