"""Plays turns for the written rules: carries their steps out by hand, code with this Python in a folder."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foundry_emulator.model import decide
from foundry_emulator.search.ranking import Chunk, chunk, search
from foundry_emulator.steps import (
    CallFunction,
    CallMcp,
    CodeRan,
    ContainerFile,
    Draw,
    Drawn,
    FoundPassages,
    ListMcpTools,
    McpAnswer,
    McpTools,
    RunCode,
    Say,
    SearchFiles,
    Step,
    StepResult,
    Turn,
    WrittenFile,
)
from PIL import Image

FILE_ID = "assistant-ABCDEFGHIJKLMNOPQRSTUV"
DEADLINE_S = 25

Tool = Mapping[str, Any]


def user(text: str, *pictures: str) -> dict[str, Any]:
    """Make a user message."""
    parts: list[dict[str, Any]] = [{"type": "input_text", "text": text}]
    parts += [{"type": "input_image", "image_url": url, "detail": "auto"} for url in pictures]
    return {"type": "message", "role": "user", "content": parts}


def assistant(text: str) -> dict[str, Any]:
    """Make an assistant message."""
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def tool(kind: str, **settings: Any) -> Tool:
    """Make a tool."""
    return {"type": kind, **settings}


def function(name: str, description: str, **properties: Any) -> Tool:
    """Make a strict function tool whose properties are all required."""
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return tool("function", name=name, description=description, parameters=parameters, strict=True)


def turn(text: str, *tools: Tool, **rest: Any) -> Turn:
    """Make a turn whose newest message is `text`."""
    history = rest.pop("history", [user(text)])
    return Turn(
        text=text,
        instructions=rest.pop("instructions", ""),
        history=history,
        tools=tools,
        model="gpt-5",
        **rest,
    )


def png(width: int = 300, height: int = 200, colour: str = "navy") -> bytes:
    """Make a plain PNG."""
    stream = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(stream, "PNG")
    return stream.getvalue()


def upload(name: str, data: bytes) -> ContainerFile:
    """Mount an upload as the service does."""
    return ContainerFile(f"/mnt/data/{FILE_ID}-{name}", data, FILE_ID)


@dataclass
class Played:
    """What a turn came to."""

    steps: list[Step] = field(default_factory=list[Step])
    errors: list[str] = field(default_factory=list[str])

    def of(self, kind: type[Any]) -> list[Any]:
        """List the steps of one kind."""
        return [step for step in self.steps if isinstance(step, kind)]

    @property
    def said(self) -> Say:
        """Return the one message."""
        (say,) = self.of(Say)
        return say


@dataclass
class Stage:
    """Carries steps out: documents to search, a folder for code, answers of an MCP server."""

    folder: Path | None = None
    documents: Mapping[str, str] = field(default_factory=dict[str, str])
    mcp_tools: McpTools = field(default_factory=lambda: McpTools([]))
    mcp_answer: McpAnswer = field(default_factory=lambda: McpAnswer("done"))
    drawn_error: Mapping[str, Any] | None = None

    def play(self, turn: Turn) -> Played:
        """Carry out every step of a turn."""
        if self.folder is not None:
            for file in turn.container_files:
                (self.folder / Path(file.path).name).write_bytes(file.data)
        played, steps = Played(), decide(turn)
        try:
            step = next(steps)
            while True:
                played.steps.append(step)
                result = self._carry_out(step)
                if isinstance(result, CodeRan) and result.error:
                    played.errors.append(result.error)
                step = steps.send(result)
        except StopIteration:
            return played

    def _carry_out(self, step: Step) -> StepResult:
        match step:
            case Draw():
                picture = None if self.drawn_error else png()
                return Drawn("ig_1", picture, step.prompt, self.drawn_error, "/mnt/data/ig_1-picture.png")
            case RunCode():
                return self._run(step.code)
            case SearchFiles():
                chunks = [
                    Chunk(f"file-{name}", name, part)
                    for name, text in self.documents.items()
                    for part in chunk(text)
                ]
                return FoundPassages(search(step.queries, chunks, 20))
            case ListMcpTools():
                return self.mcp_tools
            case CallMcp():
                return self.mcp_answer
            case _:
                return None

    def _run(self, code: str) -> CodeRan:
        folder = self.folder
        if folder is None:
            return CodeRan("42\n", [WrittenFile("/mnt/data/made.png", "cfile_1", "cntr_1", 10)])
        before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
        ran = subprocess.run(
            [sys.executable, "-c", code.replace("/mnt/data", str(folder))],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
            env={**os.environ, "MPLBACKEND": "agg", "PYTHONWARNINGS": "ignore"},
        )
        changed = [path for path in sorted(folder.iterdir()) if before.get(path) != path.stat().st_mtime_ns]
        made = [
            WrittenFile(f"/mnt/data/{path.name}", f"cfile_{path.stem}", "cntr_1", path.stat().st_size)
            for path in changed
        ]
        error = ran.stderr.strip().splitlines()[-1] if ran.returncode else None
        return CodeRan(ran.stdout, made, error)


class Talk:
    """A conversation: remembers what was said and called, and sends it along."""

    def __init__(self, stage: Stage, *tools: Tool, instructions: str = "", **rest: Any) -> None:
        self._stage, self._tools, self._instructions, self._rest = stage, tools, instructions, rest
        self.history: list[dict[str, Any]] = []
        self._open: list[str] = []

    def say(self, text: str) -> Played:
        """Say something."""
        self.history.append(user(text))
        return self._play()

    def answer(self, *outputs: object) -> Played:
        """Answer the open function calls."""
        for call_id, output in zip(self._open, outputs, strict=True):
            text = output if isinstance(output, str) else json.dumps(output)
            self.history.append({"type": "function_call_output", "call_id": call_id, "output": text})
        return self._play()

    def send(self, *items: dict[str, Any]) -> Played:
        """Send items as they are."""
        self.history.extend(items)
        return self._play()

    def _play(self) -> Played:
        newest = next(item for item in reversed(self.history) if item.get("role") == "user")
        asked = turn(
            newest["content"][0]["text"],
            *self._tools,
            instructions=self._instructions,
            history=list(self.history),
            **self._rest,
        )
        played = self._stage.play(asked)
        self._open = []
        for step in played.steps:
            self._remember(step)
        return played

    def _remember(self, step: Step) -> None:
        if isinstance(step, Say):
            self.history.append(assistant(step.text))
        if isinstance(step, CallFunction):
            self._open.append(f"call_{len(self.history)}")
            self.history.append(
                {
                    "type": "function_call",
                    "call_id": self._open[-1],
                    "name": step.name,
                    "arguments": json.dumps(dict(step.arguments)),
                }
            )


def links(say: Say) -> Sequence[str]:
    """Return the text that each container file citation covers."""
    return [
        say.text[note["start_index"] : note["end_index"]]
        for note in say.annotations
        if note["type"] == "container_file_citation"
    ]
