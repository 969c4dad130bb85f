"""What is stored of a call that spends: what was asked for, that an attempt began, and what became of it."""

from __future__ import annotations

from typing import Any, Literal

from assetmill.records import RunId, Stored

ONE_RUN = frozenset({"run", "edit"})
"""Tools of which each call is carried out by one run."""


class AgentCall(Stored):
    """What a coding agent asked for under its own key; stored once, before anything is begun."""

    schema_version: Literal[1] = 1
    call_id: str
    key: str
    tool: str
    arguments: dict[str, Any]
    ceiling_usd: float
    profile: str
    created_at: float
    run_id: str | None = None
    """The run, or the batch, that carries it out: told at once. None where there is not one alone."""

    @property
    def told_run(self) -> RunId | None:
        """The run that was told; None for a batch, and where there is not one run alone."""
        return RunId(self.run_id) if self.run_id and self.tool in ONE_RUN else None

    def asks_the_same(self, other: AgentCall) -> bool:
        """Say whether two calls of one key ask for the same."""
        return (self.tool, self.arguments, self.ceiling_usd, self.profile) == (
            other.tool,
            other.arguments,
            other.ceiling_usd,
            other.profile,
        )


class CallBegun(Stored):
    """An attempt at a call, and on which machine it is."""

    schema_version: Literal[1] = 1
    call_id: str
    attempt: int
    host: str
    pid: int
    began_at: float
    run_id: str | None = None
    """Another than the call's only where that was over, and the call was not."""


class CallEnded(Stored):
    """What became of an attempt: the command's exit code, its document, and what it said."""

    schema_version: Literal[1] = 1
    call_id: str
    attempt: int
    exit_code: int
    document: dict[str, Any] | None
    said: tuple[str, ...]
    ended_at: float

    @property
    def is_final(self) -> bool:
        """Whether the call is over: one that was stopped, or ended before it answered, may go on."""
        return self.document is not None and self.exit_code in (0, 1, 2)
