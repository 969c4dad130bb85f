"""Code interpreter runs for one request: write, run, repair once, report."""

from __future__ import annotations

from dataclasses import dataclass

from foundry_emulator.model.asking import Asking, run
from foundry_emulator.model.coding import charts, fenced, look
from foundry_emulator.model.coding.intents import Writer, writers
from foundry_emulator.model.coding.request import CodeRequest
from foundry_emulator.steps import CodeRan, RunCode, WrittenFile

SIMPLER: dict[Writer, Writer] = {charts.write: charts.write_simple}
"""What to try when the first code failed; a look at the files where nothing simpler gives the same result."""

MOST_LOGS = 1500


@dataclass(frozen=True)
class CodeResults:
    """What the runs of one request printed, made and failed at."""

    logs: str = ""
    files: tuple[WrittenFile, ...] = ()
    errors: tuple[str, ...] = ()

    def words(self) -> str:
        """Say in words what came of the runs."""
        logs = self.logs.strip()
        shown = logs if len(logs) <= MOST_LOGS else logs[:MOST_LOGS].rsplit("\\n", 1)[0] + "\\n\u2026"
        parts = [f"The code failed: {error}" for error in self.errors]
        if shown:
            parts.append(("The code printed:\n" if "\n" in shown else "") + shown)
        if named := {file.path for file in self.files if not file.displayed}:
            parts.append("Here is the file:" if len(named) == 1 else "Here are the files:")
        return "\n\n".join(parts) or "The code ran without printing anything."


def carry_out(request: CodeRequest, limit: int) -> Asking[CodeResults]:
    """Run what the request asks for, at most `limit` runs, each step seeing the files of those before it."""
    work = CodeResults()
    for writer in writers(request) or [look.write]:
        if limit <= 0:
            break
        code = writer(request)
        if code is None:
            continue
        ran = yield from run(RunCode(code))
        limit -= 1
        simpler = _simpler(writer, request) if ran.error else None
        if simpler and limit > 0:
            repaired = yield from run(RunCode(simpler))
            limit -= 1
            kept_error = ran.error if writer not in SIMPLER else None
            ran = CodeRan(repaired.logs, (*ran.files, *repaired.files), repaired.error or kept_error)
        work = _joined(work, ran)
        request = request.with_made([file.path for file in ran.files])
    return work


def _simpler(writer: Writer, request: CodeRequest) -> str | None:
    # The request's own code is run as it stands: what it should have been is not ours to guess.
    if writer is fenced.write or writer is look.write:
        return None
    return SIMPLER.get(writer, look.write)(request) if writer in SIMPLER or request.sources else None


def _joined(work: CodeResults, ran: CodeRan) -> CodeResults:
    logs = "\n".join(part for part in (work.logs.rstrip(), ran.logs.rstrip()) if part)
    errors = (*work.errors, ran.error) if ran.error else work.errors
    return CodeResults(logs, (*work.files, *ran.files), errors)
