"""Prompt templates: Jinja, fenced in.

A template sees plain text, numbers, lists and dictionaries only. It has no loader, no methods, no macros;
loops nest twice at most; what it writes is bounded. Most prompts only insert values (`{{ product }}`,
`{{ page.title }}`): these are rendered here with the same result and without importing Jinja, which would
cost a plan of many stages a second.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

MAX_OUTPUT = 64 * 1024
MAX_LOOPS = 2
MAX_RANGE = 1000

_INSERT = re.compile(r"\{\{\s*([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)*)\s*(?:\|\s*(lower|upper|tojson)\s*)?\}\}")
_WORDS = frozenset(
    {"true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else", "self"}
    | {"loop", "range"}
)  # fmt: skip
_FILTERS = frozenset(
    {"abs", "batch", "capitalize", "count", "d", "default", "first", "float", "int", "items", "join", "last"}
    | {"length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "round", "select"}
    | {"selectattr", "slice", "sort", "string", "sum", "title", "tojson", "trim", "truncate", "unique"}
    | {"upper", "urlencode"}
)  # fmt: skip

Variables = Mapping[str, Any]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


_PLAIN: Mapping[str | None, Callable[[Any], str]] = {
    None: str,
    "tojson": _json,
    "lower": lambda value: str(value).lower(),
    "upper": lambda value: str(value).upper(),
}


class TemplateProblem(Exception):
    """What is wrong with a template, and on which of its lines (from 1)."""

    def __init__(self, message: str, line: int = 1, name: str = "") -> None:
        super().__init__(message, line, name)
        self.message, self.line, self.name = message, line, name


@dataclass(frozen=True)
class Template:
    """A checked template. `paths` holds every variable it names, with the attributes taken of it."""

    source: str
    paths: frozenset[tuple[str, ...]]
    _render: Callable[[Variables], str]

    @property
    def names(self) -> frozenset[str]:
        """The variables it names, without attributes."""
        return frozenset(path[0] for path in self.paths)

    def attributes(self, name: str) -> frozenset[str]:
        """The first attributes it takes of a variable."""
        return frozenset(path[1] for path in self.paths if path[0] == name and len(path) > 1)

    def render(self, variables: Variables) -> str:
        """Return the text.

        Raises:
            TemplateProblem: a name that is not there, or too much output.
        """
        text = self._render(variables)
        if len(text) > MAX_OUTPUT:
            raise TemplateProblem(f"renders to more than {MAX_OUTPUT // 1024} KB")
        return text


@functools.lru_cache(maxsize=16384)
def compile_template(source: str) -> Template:
    """Check a template and make it ready to render.

    Raises:
        TemplateProblem: not valid, or it uses what is not allowed here.
    """
    if "{" not in source or not any(mark in source for mark in ("{{", "{%", "{#")):
        return Template(source, frozenset(), lambda _: source)
    if (simple := _simple(source)) is not None:
        return simple
    return _jinja_template(source)


def _simple(source: str) -> Template | None:
    if any(mark in source for mark in ("{%", "{#", "{{{", "\r")):
        return None
    parts: list[str | _Insert] = []
    end = 0
    for match in _INSERT.finditer(source):
        path = (match[1], *match[2].split(".")[1:])
        if path[0] in _WORDS:
            return None
        parts += [source[end : match.start()], _Insert(path, _PLAIN[match[3]])]
        end = match.end()
    parts.append(source[end:])
    if any("{{" in part for part in parts if isinstance(part, str)):
        return None
    paths = frozenset(part.path for part in parts if isinstance(part, _Insert))

    def render(variables: Variables) -> str:
        return "".join(p if isinstance(p, str) else p.text(_follow(variables, p.path)) for p in parts)

    return Template(source, paths, render)


class _Insert(NamedTuple):
    path: tuple[str, ...]
    text: Callable[[Any], str]


def _follow(variables: Variables, path: tuple[str, ...]) -> Any:
    value: Any = variables
    for depth, part in enumerate(path):
        if not isinstance(value, Mapping) or part not in value:
            name = ".".join(path[: depth + 1])
            raise TemplateProblem(f"template names an unknown variable {name!r}", name=part)
        value = value[part]  # pyright: ignore[reportUnknownVariableType]
    return value  # pyright: ignore[reportUnknownVariableType]


def _jinja_template(source: str) -> Template:
    from jinja2 import TemplateError, TemplateSyntaxError, meta

    environment = _environment()
    try:
        tree = environment.parse(source)
        _refuse_what_is_dangerous(tree)
        names = meta.find_undeclared_variables(tree) - {"range"}
        compiled = environment.from_string(tree)
    except TemplateSyntaxError as error:
        raise TemplateProblem(f"template: {error.message}", error.lineno) from error
    except (TemplateError, ArithmeticError, MemoryError, RecursionError, SyntaxError, ValueError) as error:
        # Constants are folded and Python is compiled here: both have limits of their own.
        raise TemplateProblem(f"template: {error}") from error
    paths = frozenset({(name,) for name in names} | {path for path in _paths(tree) if path[0] in names})

    def render(variables: Variables) -> str:
        try:
            return _bounded(compiled.generate(**variables))
        except TemplateError as error:
            raise TemplateProblem(f"template: {error}", _line_of(error)) from error
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise TemplateProblem(f"template: {error}") from error

    return Template(source, paths, render)


def _bounded(chunks: Iterable[str]) -> str:
    made: list[str] = []
    size = 0
    for chunk in chunks:
        made.append(chunk)
        size += len(chunk)
        if size > MAX_OUTPUT:
            break
    return "".join(made)


def _line_of(error: BaseException) -> int:
    trace, line = error.__traceback__, 1
    while trace:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _refuse_what_is_dangerous(tree: Any) -> None:
    from jinja2 import nodes

    for call in tree.find_all(nodes.Call):
        if not (isinstance(call.node, nodes.Name) and call.node.name == "range"):
            raise TemplateProblem("template: only range() can be called", call.lineno)
    for node in tree.find_all(nodes.Filter):
        if node.name not in _FILTERS:
            raise TemplateProblem(f"template: no filter {node.name!r}", node.lineno, node.name)
    # `set` and `**` let a short template grow without bound; the others need a loader or make functions.
    growth = (nodes.Assign, nodes.AssignBlock, nodes.Pow, nodes.FilterBlock)
    banned = (nodes.Macro, nodes.CallBlock, nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
    for node in tree.find_all((*growth, *banned)):
        raise TemplateProblem(f"template: {type(node).__name__.lower()} is not available here", node.lineno)
    if _loop_depth(tree) > MAX_LOOPS:
        raise TemplateProblem(f"template: loops nest more than {MAX_LOOPS} deep")


def _loop_depth(node: Any) -> int:
    from jinja2 import nodes

    inner = max((_loop_depth(child) for child in node.iter_child_nodes()), default=0)
    return inner + isinstance(node, nodes.For)


def _paths(tree: Any) -> Iterator[tuple[str, ...]]:
    from jinja2 import nodes

    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if path := _path(node):
            yield path


def _path(node: Any) -> tuple[str, ...]:
    """Return `a.b["c"]` as parts; a part that is not known before rendering ends the path there."""
    from jinja2 import nodes

    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        before = _path(node.node)
        return (*before, node.attr) if before else ()
    if (
        isinstance(node, nodes.Getitem)
        and isinstance(node.arg, nodes.Const)
        and isinstance(node.arg.value, str)
    ):
        before = _path(node.node)
        return (*before, node.arg.value) if before else ()
    return ()


@functools.cache
def _environment() -> Any:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        """A sandbox in which dictionaries have items and nothing has attributes."""

        intercepted_binops = frozenset({"*", "%"})

        def getattr(self, obj: Any, attribute: str) -> Any:
            return self.getitem(obj, attribute)

        def getitem(self, obj: Any, argument: Any) -> Any:
            if type(obj) in (dict, list, str):
                try:
                    return obj[argument]
                except (LookupError, TypeError):
                    return self.undefined(obj=obj, name=argument)
            if type(obj).__name__ == "LoopContext" and not str(argument).startswith("_"):
                return super().getattr(obj, argument)
            return self.undefined(obj=obj, name=argument)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if not (isinstance(left, int | float) and isinstance(right, int | float)):
                raise jinja2.TemplateRuntimeError(f"{operator} works on numbers only")
            return super().call_binop(context, operator, left, right)

    environment: Any = Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.globals.clear()
    environment.globals["range"] = _short_range
    # `map` and its like take filters by name: what is not allowed must not be there at all.
    allowed = {name: made for name, made in environment.filters.items() if name in _FILTERS}
    environment.filters = {**allowed, "tojson": _json, "replace": _replace}
    return environment


def _short_range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > MAX_RANGE:
        raise OverflowError(f"range() gives at most {MAX_RANGE} numbers here")
    return numbers


def _replace(text: object, old: str, new: str) -> str:
    value = str(text)
    if len(value) + value.count(old) * len(new) > MAX_OUTPUT:
        raise OverflowError(f"replace makes more than {MAX_OUTPUT // 1024} KB")
    return value.replace(old, new)
