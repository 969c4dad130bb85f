"""Python functions that an agent may call: described by their annotations, run in a process of their own.

Whatever goes wrong inside a call is an answer to the agent, in JSON, and never an error of the stage.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from assetmill.agents.function_pool import START_S, FunctionDied, FunctionProcess, pool
from assetmill.errors import InvalidInput
from assetmill.spec.functions import FunctionSource, find_function

MAX_OUTPUT_CHARS = 200_000
"""A longer output is an error: it would be paid for as input of every turn that follows."""

DEFAULT_MEMORY_MB = 1024
_SPENT = "spent"

# Two stages must not describe one function at once: a module is imported when it is first asked about.
_describing = threading.Lock()
_loaded: dict[tuple[str, str, str, tuple[str, ...]], LoadedFunction] = {}


@dataclass(frozen=True)
class Limits:
    """What a call may take, and the environment variables that it gets beside the usual ones."""

    timeout_s: float = 30.0
    memory_mb: int = DEFAULT_MEMORY_MB
    variables: tuple[str, ...] = ()

    @classmethod
    def of(cls, own: Mapping[str, Any]) -> Limits:
        """Return what a tool says to the engine."""
        memory_mb = int(own.get("memory_mb") or DEFAULT_MEMORY_MB)
        return cls(float(own.get("timeout_s") or 30.0), memory_mb, tuple(own.get("env") or ()))


@dataclass(frozen=True)
class LoadedFunction:
    """A function that can be imported, as the process that imported it describes it."""

    reference: str
    source: FunctionSource
    parameters: Mapping[str, Any]
    description: str

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of the arguments, an object that takes no others."""
        schema = {key: value for key, value in self.parameters.items() if key != "title"}
        return {"type": "object", "properties": {}, **schema, "additionalProperties": False}

    @property
    def is_strict(self) -> bool:
        """Whether the schema is of the kind that the service can hold a model to."""
        return _is_closed(self.schema)


def load_function(reference: str, folder: Path | None, limits: Limits = Limits()) -> LoadedFunction:
    """Import `module:function` in a process of its own and read its annotations.

    Raises:
        InvalidInput: it cannot be found or imported, its annotations make no JSON schema, or a variable that
            it needs is not set.
    """
    source = find_function(reference, folder)
    unset = [name for name in limits.variables if name not in os.environ]
    if unset:
        raise InvalidInput(f"function {reference!r} needs the environment variable {unset[0]}: set it")
    key = (reference, str(source.path), source.digest, limits.variables)
    with _describing:
        if key not in _loaded:
            _loaded[key] = _described(source, reference, limits)
        return _loaded[key]


def start_function(loaded: LoadedFunction, arguments: str, limits: Limits = Limits()) -> RunningCall:
    """Run a function with arguments as the agent wrote them."""
    return RunningCall(loaded, arguments, limits)


class RunningCall:
    """A call under way, in a process that is ended when it hangs or is not wanted any more."""

    def __init__(self, loaded: LoadedFunction, arguments: str, limits: Limits) -> None:
        self._done, self._stopped = threading.Event(), threading.Event()
        # What the agent reads unless there is more to say.
        self._output = error_output("died", "the call ended without a result")
        # A daemon, so that a function that hangs does not keep the process alive.
        self._thread = threading.Thread(target=self._run, args=(loaded, arguments, limits), daemon=True)
        self._thread.start()

    def _run(self, loaded: LoadedFunction, arguments: str, limits: Limits) -> None:
        try:
            with pool.process(limits.variables, self._is_wanted) as process:
                self._output = self._called(process, loaded, arguments, limits)
        except FunctionDied as error:
            if error.kind != _SPENT:
                self._output = error_output(error.kind, error.reason)
        except OSError as error:
            self._output = error_output("died", f"no process for the function: {error}")
        finally:
            self._done.set()

    def _called(
        self, process: FunctionProcess, loaded: LoadedFunction, arguments: str, limits: Limits
    ) -> str:
        request = {
            "do": "call",
            "source": _request(loaded.source),
            "arguments": arguments.encode(errors="replace").decode(),
            "timeout_s": limits.timeout_s,
            "memory_bytes": limits.memory_mb * 1024 * 1024,
            "most_chars": MAX_OUTPUT_CHARS,
        }
        process.ask(request, loaded.reference)
        begun = process.answer(START_S, self._is_wanted)
        if fault := begun.get("fault"):
            return error_output("cannot_import", str(fault))
        answer = process.answer(limits.timeout_s, self._is_wanted)
        error = cast(Mapping[str, str] | None, answer.get("error"))
        self._output = error_output(error["type"], error["message"]) if error else str(answer["text"])
        if answer.get("is_spent"):
            raise FunctionDied(_SPENT, "its process is not used again")
        return self._output

    def _is_wanted(self) -> bool:
        return not self._stopped.is_set()

    def stop(self) -> None:
        """End the call: nobody waits for its output any more."""
        self._stopped.set()

    def output(self, wait_s: float | None = None) -> str | None:
        """Return the output, None when it is not there after `wait_s`."""
        return self._output if self._done.wait(wait_s) else None


def error_output(kind: str, message: str) -> str:
    """Return an error as the agent gets to read it."""
    return json.dumps({"error": {"type": kind, "message": message[:2000]}}, ensure_ascii=False)


def _described(source: FunctionSource, reference: str, limits: Limits) -> LoadedFunction:
    try:
        with pool.process(limits.variables) as process:
            process.ask({"do": "describe", "source": _request(source)}, reference)
            found = process.answer(START_S)
    except FunctionDied as error:
        raise InvalidInput(f"cannot import {reference!r} from {source.path}: {error.reason}") from error
    if fault := found.get("fault"):
        raise InvalidInput(f"cannot import {reference!r} from {source.path}: {fault}")
    return LoadedFunction(reference, source, found["schema"], str(found["description"]))


def _request(source: FunctionSource) -> dict[str, Any]:
    return {**source._asdict(), "path": str(source.path)}


def _is_closed(part: object) -> bool:
    """Whether every object in a schema names all of its properties as required and takes no others."""
    if isinstance(part, Mapping):
        schema = cast(Mapping[str, Any], part)
        if "default" in schema:
            return False
        if schema.get("type") == "object":
            named = sorted(schema.get("properties", {}))
            if schema.get("additionalProperties") is not False or sorted(schema.get("required", ())) != named:
                return False
        return all(_is_closed(inner) for inner in schema.values())
    return all(_is_closed(inner) for inner in cast(list[object], part)) if isinstance(part, list) else True
