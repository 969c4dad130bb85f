"""Python functions that an agent may call: imported, described by their annotations, run under a time limit.

Whatever goes wrong inside a call is an answer to the agent, in JSON, and never an error of the stage.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, NotRequired, Required, cast, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError
from typing_extensions import TypedDict

from assetmill.errors import InvalidInput
from assetmill.spec.functions import FunctionSource, find_function

MAX_OUTPUT_CHARS = 200_000
"""A longer output is an error: it would be paid for as input of every turn that follows."""

# sys.path and sys.modules belong to the process: two stages must not import at once.
_importing = threading.Lock()
_loaded: dict[tuple[str, str, str], LoadedFunction] = {}


@dataclass(frozen=True)
class LoadedFunction:
    """A function with the type of its arguments; `run` is what the module defines."""

    run: Callable[..., Any]
    arguments: TypeAdapter[dict[str, Any]]

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of the arguments, an object that takes no others."""
        schema = self.arguments.json_schema()
        schema.pop("title", None)
        return {"type": "object", "properties": {}, **schema, "additionalProperties": False}

    @property
    def is_strict(self) -> bool:
        """Whether the schema is of the kind that the service can hold a model to."""
        return _is_closed(self.schema)

    @property
    def description(self) -> str:
        """The first paragraph of the docstring."""
        return " ".join((inspect.getdoc(self.run) or "").partition("\n\n")[0].split())


def load_function(reference: str, folder: Path | None) -> LoadedFunction:
    """Import `module:function` and read its annotations; a module is imported once in a process.

    Raises:
        InvalidInput: it cannot be found or imported, or its annotations make no JSON schema.
    """
    source = find_function(reference, folder)
    key = (reference, str(source.path), source.digest)
    with _importing:
        if key not in _loaded:
            _loaded[key] = _load(source, reference)
        return _loaded[key]


def call_function(loaded: LoadedFunction, arguments: str) -> str:
    """Run a function with arguments as the agent wrote them, and return what the agent gets to read."""
    try:
        values = loaded.arguments.validate_json(arguments or "{}")
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        words = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in found[:5])
        return error_output("invalid_arguments", words)
    try:
        result = loaded.run(**values)
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
        text = _as_text(result)
    except (Exception, SystemExit) as error:  # a person's code may raise anything
        return error_output(type(error).__name__, str(error))
    if len(text) > MAX_OUTPUT_CHARS:
        return error_output("output_too_long", f"{len(text)} characters; at most {MAX_OUTPUT_CHARS}")
    return text


def start_function(loaded: LoadedFunction, arguments: str) -> RunningCall:
    """Run a function in a thread of its own."""
    return RunningCall(loaded, arguments)


class RunningCall:
    """A call under way. One that is given up goes on in its thread: Python cannot stop it."""

    def __init__(self, loaded: LoadedFunction, arguments: str) -> None:
        self._done, self._output = threading.Event(), ""
        # A daemon, so that a function that hangs does not keep the process alive.
        self._thread = threading.Thread(target=self._run, args=(loaded, arguments), daemon=True)
        self._thread.start()

    def _run(self, loaded: LoadedFunction, arguments: str) -> None:
        try:
            self._output = call_function(loaded, arguments)
        finally:
            self._done.set()

    def output(self, wait_s: float) -> str | None:
        """Return the output, None when it is not there after `wait_s`."""
        return self._output if self._done.wait(max(0.0, wait_s)) else None


def error_output(kind: str, message: str) -> str:
    """Return an error as the agent gets to read it."""
    return json.dumps({"error": {"type": kind, "message": message[:2000]}}, ensure_ascii=False)


def _load(source: FunctionSource, reference: str) -> LoadedFunction:
    try:
        module = _import_file(source) if source.is_local else importlib.import_module(source.module)
        function = getattr(module, source.name)
    except (Exception, SystemExit) as error:  # importing runs a person's code
        raise InvalidInput(f"cannot import {reference!r} from {source.path}: {error!r}") from error
    if not callable(function):
        raise InvalidInput(f"{reference!r} in {source.path} is not a function")
    try:
        return LoadedFunction(function, _arguments_of(function))
    except (PydanticUserError, NameError, TypeError, ValueError) as error:
        raise InvalidInput(f"the types of {reference!r} make no JSON schema: {error}") from error


def _import_file(source: FunctionSource) -> ModuleType:
    """Import a file under a name of its own: two pipelines may both have a `tools.py` beside them."""
    mark = hashlib.sha256(f"{source.path}\n{source.digest}".encode()).hexdigest()[:16]
    name = f"assetmill_function_{mark}"
    spec = importlib.util.spec_from_file_location(name, source.path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{source.path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    folder = str(source.path.parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(folder)
    return module


def _arguments_of(function: Callable[..., Any]) -> TypeAdapter[dict[str, Any]]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{name!r} cannot be given by name")
        if name not in hints:
            raise TypeError(f"parameter {name!r} has no type")
        is_required = parameter.default is parameter.empty
        fields[name] = Required[hints[name]] if is_required else NotRequired[hints[name]]
    typed = cast(Any, TypedDict("Arguments", fields))  # pyright: ignore[reportArgumentType]
    typed.__pydantic_config__ = ConfigDict(extra="forbid")
    adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(typed)
    adapter.json_schema()
    return adapter


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


def _as_text(result: object) -> str:
    if isinstance(result, str):
        return result
    try:
        return TypeAdapter(Any).dump_json(result).decode()
    except (PydanticSerializationError, ValueError) as error:
        raise TypeError(f"the result is not JSON: {error}") from error
