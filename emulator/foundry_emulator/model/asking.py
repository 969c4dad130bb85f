"""Typed ways to take a step and get its own kind of result back."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from foundry_emulator.steps import (
    CallMcp,
    CodeRan,
    Draw,
    Drawn,
    FoundPassages,
    ListMcpTools,
    McpAnswer,
    McpTools,
    RunCode,
    SearchFiles,
    Step,
    StepResult,
)

Result = TypeVar("Result")
Asking = Generator[Step, StepResult, Result]


def _expect(kind: type[Result], result: StepResult) -> Result:
    if not isinstance(result, kind):
        raise TypeError(f"the runner answered {type(result).__name__} where {kind.__name__} was due")
    return result


def draw(step: Draw) -> Asking[Drawn]:
    """Draw a picture and wait for it."""
    return _expect(Drawn, (yield step))


def run(step: RunCode) -> Asking[CodeRan]:
    """Run code and wait for its end."""
    return _expect(CodeRan, (yield step))


def look_up(step: SearchFiles) -> Asking[FoundPassages]:
    """Search the vector stores and wait for the hits."""
    return _expect(FoundPassages, (yield step))


def list_tools(step: ListMcpTools) -> Asking[McpTools]:
    """List a server's tools and wait for them."""
    return _expect(McpTools, (yield step))


def call_server(step: CallMcp) -> Asking[McpAnswer]:
    """Call a server's tool and wait for its answer."""
    return _expect(McpAnswer, (yield step))
