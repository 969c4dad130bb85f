"""A process that runs the functions of a person: started by `function_pool`, one call at a time.

It reads requests as lines of JSON and writes answers the same way, on pipes of their own, so that whatever a
function prints is out of the way. It imports nothing of ours: its start is what a first call waits for.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.util
import inspect
import json
import math
import os
import queue
import resource
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple, NotRequired, Required, cast, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError
from typing_extensions import TypedDict

Json = dict[str, Any]

_SPARE_CPU_S = 5
_loaded: dict[tuple[str, str, str], _Loaded] = {}


class _Loaded(NamedTuple):
    run: Callable[..., Any]
    arguments: TypeAdapter[Json]


def main() -> None:
    """Answer requests until there are no more: the engine's end closes the pipe."""
    requests_fd, answers_fd = int(sys.argv[1]), int(sys.argv[2])
    for fd in (requests_fd, answers_fd):
        os.set_inheritable(fd, False)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    answers = os.fdopen(answers_fd, "wb")
    threading.Thread(target=_read, args=(os.fdopen(requests_fd, "rb"), waiting), daemon=True).start()
    while True:
        request: Json = json.loads(waiting.get())
        _answer(request, answers)


def _read(requests: BinaryIO, waiting: queue.SimpleQueue[bytes]) -> None:
    for line in requests:
        waiting.put(line)
    # The engine is gone. The main thread may be in a function that sleeps for ever: nothing waits for it.
    os._exit(0)


def _answer(request: Json, answers: BinaryIO) -> None:
    sys.path[:] = request["paths"]
    try:
        loaded = _load(request["source"])
    except BaseException as error:  # importing runs a person's code, which may raise anything
        return _send(answers, {"fault": _words(error)})
    if request["do"] == "describe":
        description = " ".join((inspect.getdoc(loaded.run) or "").partition("\n\n")[0].split())
        return _send(answers, {"schema": loaded.arguments.json_schema(), "description": description})
    _limit(request["memory_bytes"], request["timeout_s"])
    _send(answers, {"begun": True})
    answer = _call(loaded, request["arguments"], request["most_chars"])
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return _send(answers, answer)


def _send(answers: BinaryIO, answer: Json) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


def _limit(memory_bytes: int, timeout_s: float) -> None:
    """Bound the memory of a call, and its time for the case that nobody is left who could end it."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, hard))
    used = resource.getrusage(resource.RUSAGE_SELF)
    room_s = timeout_s * (os.cpu_count() or 1) + _SPARE_CPU_S
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime + room_s), hard))


def _call(loaded: _Loaded, arguments: str, most_chars: int) -> Json:
    """Run a function: its text, or what went wrong. After some errors the process is not to be used again."""
    try:
        values = loaded.arguments.validate_json(arguments or "{}")
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        words = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in found[:5])
        return _error("invalid_arguments", words)
    try:
        result = loaded.run(**values)
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
        text = _as_text(result)
        text.encode()
    except MemoryError:
        return _error("MemoryError", "it needs more memory than a function may take") | {"is_spent": True}
    except BaseException as error:  # a person's code may raise anything
        return _error(type(error).__name__, _words(error)) | {"is_spent": not isinstance(error, Exception)}
    if len(text) > most_chars:
        return _error("output_too_long", f"{len(text)} characters; at most {most_chars}")
    return {"text": text}


def _error(kind: str, message: str) -> Json:
    return {"error": {"type": kind, "message": message[:2000]}}


def _words(error: BaseException) -> str:
    """Return what an error says, as text that can be stored, whatever its own methods do."""
    try:
        said = str(error) or repr(error)
    except BaseException as other:  # also a person's code
        said = f"{type(error).__name__}, whose text cannot be had: {type(other).__name__}"
    return said.encode(errors="backslashreplace").decode()


def _as_text(result: object) -> str:
    if isinstance(result, str):
        return str(result)
    try:
        return TypeAdapter(Any).dump_json(result).decode()
    except (PydanticSerializationError, ValueError) as error:
        raise TypeError(f"the result is not JSON: {error}") from error


def _load(source: Json) -> _Loaded:
    """Import a module, once in a process, and read its annotations."""
    key = (source["path"], source["digest"], source["name"])
    if key not in _loaded:
        is_local = source["is_local"]
        module = _import_file(source) if is_local else importlib.import_module(source["module"])
        function = getattr(module, source["name"])
        if not callable(function):
            raise TypeError(f"{source['name']!r} in {source['path']} is not a function")
        _loaded[key] = _Loaded(function, _arguments_of(function))
    return _loaded[key]


def _import_file(source: Json) -> ModuleType:
    """Import a file under a name of its own: two pipelines may both have a `tools.py` beside them."""
    path = Path(source["path"])
    mark = hashlib.sha256(f"{path}\n{source['digest']}".encode()).hexdigest()[:16]
    name = f"assetmill_function_{mark}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    paths = list(sys.path)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path[:] = paths
    return module


def _arguments_of(function: Callable[..., Any]) -> TypeAdapter[Json]:
    hints: Mapping[str, Any] = get_type_hints(function, include_extras=True)
    fields: Json = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{name!r} cannot be given by name")
        if name not in hints:
            raise TypeError(f"parameter {name!r} has no type")
        is_required = parameter.default is parameter.empty
        fields[name] = Required[hints[name]] if is_required else NotRequired[hints[name]]
    typed = cast(Any, TypedDict("Arguments", fields))  # pyright: ignore[reportArgumentType]
    typed.__pydantic_config__ = ConfigDict(extra="forbid")
    adapter: TypeAdapter[Json] = TypeAdapter(typed)
    adapter.json_schema()
    return adapter


if __name__ == "__main__":
    main()
