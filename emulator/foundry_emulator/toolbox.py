"""The tools as the runner calls them; imported late, so that reading a bill does not load a painter."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundry_emulator.steps import Decide, Hit

if TYPE_CHECKING:
    from foundry_emulator.interpreter.code import CodeOutcome, Sandbox
    from foundry_emulator.painter.image import ImageRequest, Painted
    from foundry_emulator.search.ranking import Chunk


@dataclass(frozen=True)
class Toolbox:
    """What a turn can be carried out with; tests put in their own parts."""

    decide: Decide
    paint: Callable[[ImageRequest], Painted]
    run_code: Callable[[str, Path], CodeOutcome]
    extract_text: Callable[[str, bytes], str]
    chunk: Callable[[str, int, int], list[str]]
    search: Callable[[Sequence[str], Sequence[Chunk], int, Mapping[str, Any] | None, float], list[Hit]]
    sandbox_tier: Callable[[], str]
    refuses: Callable[[str], Sequence[str]]
    """Content filter: the categories for which it refuses a prompt."""


class _LateSandbox:
    """Opens the sandbox at its first use: probing takes longer than starting the server."""

    def __init__(self, cache: Path | None, *, allow_unsafe: bool) -> None:
        self._cache = cache
        self._allow_unsafe = allow_unsafe
        # Two runs may want the sandbox first at the same time, and each probe starts processes.
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None

    def _open(self) -> Sandbox:
        from foundry_emulator.interpreter.code import Sandbox

        with self._lock:
            if self._sandbox is None:
                self._sandbox = Sandbox.open(allow_unsafe=self._allow_unsafe, cache=self._cache)
            return self._sandbox

    def run(self, code: str, workdir: Path) -> CodeOutcome:
        return self._open().run(code, workdir)

    def tier(self) -> str:
        return self._open().tier


def default_toolbox(sandbox_cache: Path | None = None, *, unsafe_code_interpreter: bool = False) -> Toolbox:
    """Return the real tools with the written rules; the cache keeps the sandbox's verdict between starts."""
    from foundry_emulator.model import decide, refuses
    from foundry_emulator.painter import image
    from foundry_emulator.search import ranking as search

    sandbox = _LateSandbox(sandbox_cache, allow_unsafe=unsafe_code_interpreter)
    return Toolbox(
        decide=decide,
        paint=image.paint,
        run_code=sandbox.run,
        extract_text=search.extract_text,
        chunk=search.chunk,
        search=search.search,
        sandbox_tier=sandbox.tier,
        refuses=refuses,
    )
