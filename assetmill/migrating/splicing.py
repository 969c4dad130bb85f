"""Changes of a YAML file that leave every other byte as it is: comments, order, quotes and line ends stay.

Libraries that write YAML anew keep comments and reflow the rest. A person reads the difference, so the few
places are cut out of the text and replaced; the result is parsed again and must say what was meant.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from assetmill.errors import InvalidSpec
from assetmill.spec.reading import Document, Where, parse_yaml

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*|[0-9]+x[0-9]+")
_MEANS_MORE = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


class Splice(NamedTuple):
    """A value to be written at a place; None takes the key out."""

    where: Where
    value: str | int | None


def spliced(document: Document, changes: Sequence[Splice]) -> bytes:
    """Return a file's bytes with the changes made.

    Raises:
        InvalidSpec: a place that cannot be changed without a person, with its line.
    """
    text = document.source.decode("utf-8")
    marks = _Marks.of(text)
    cuts = list(_cuts(document, marks, _gathered(document, changes)))
    # From the end on, so that places before stay; of two at one place the first one is to stand first.
    for _, (start, end, new) in sorted(enumerate(cuts), key=lambda one: (*one[1][:2], one[0]), reverse=True):
        text = text[:start] + new + text[end:]
    written = text.encode()
    made, meant = parse_yaml(document.path, written).value, _changed(document.value, changes)
    if made != meant:
        where = changes[0].where
        raise _by_hand(document, where, "this place is written in a way that is not changed here")
    return written


@dataclass
class _Node:
    """Where a value stands in the text; `end` is behind its last character."""

    start: int
    end: int
    kind: str
    key_start: int | None = None
    style: str | None = None
    is_flow: bool = False


@dataclass
class _Open:
    """A mapping or list that is being read; `key` waits for its value."""

    node: _Node
    where: Where
    key: tuple[str, int] | None = None
    count: int = 0

    @property
    def wants_key(self) -> bool:
        return self.node.kind == "mapping" and self.key is None

    def next_place(self) -> tuple[Where, int | None]:
        """Return the place of the value that comes now, and where its key begins."""
        if self.key:
            (name, start), self.key = self.key, None
            return (*self.where, name), start
        self.count += 1
        return (*self.where, self.count - 1), None


_KINDS = {"ScalarEvent": "scalar", "MappingStartEvent": "mapping", "SequenceStartEvent": "list"}


@dataclass
class _Marks:
    """Every value's place in a text."""

    text: str
    nodes: dict[Where, _Node] = field(default_factory=dict[Where, _Node])
    _open: list[_Open] = field(default_factory=list[_Open])

    @classmethod
    def of(cls, text: str) -> _Marks:
        import yaml

        marks = cls(text)
        # The parser in Python: the marks of the one in C count bytes of what it was given.
        for event in cast("Iterable[Any]", yaml.parse(text, Loader=yaml.SafeLoader)):
            kind = type(event).__name__
            if kind in {"MappingEndEvent", "SequenceEndEvent"}:
                closed = marks._open.pop().node
                marks._grow(event.end_mark.index if closed.is_flow else closed.end, closed)
            elif kind in _KINDS:
                marks._take(event, _KINDS[kind])
        return marks

    def _take(self, event: Any, kind: str) -> None:
        inside = self._open[-1] if self._open else None
        start, end = event.start_mark.index, event.end_mark.index
        if inside and inside.wants_key:
            inside.key = str(event.value), start
            return
        where, key_start = inside.next_place() if inside else ((), None)
        node = _Node(start, end, kind, key_start, event.style if kind == "scalar" else None)
        self.nodes[where] = node
        if kind == "scalar":
            self._grow(end)
        else:
            node.is_flow = bool(event.flow_style)
            self._open.append(_Open(node, where))

    def _grow(self, end: int, *closed: _Node) -> None:
        for node in (*closed, *(one.node for one in self._open)):
            node.end = max(node.end, end)

    def line_start(self, index: int) -> int:
        """Return where the line of a character begins."""
        return self.text.rfind("\n", 0, index) + 1

    def line_end(self, index: int) -> int:
        """Return where the next line begins."""
        found = self.text.find("\n", index)
        return len(self.text) if found < 0 else found + 1

    @property
    def newline(self) -> str:
        """The file's own end of a line."""
        return "\r\n" if "\r\n" in self.text else "\n"

    def begins_line(self, index: int) -> bool:
        """Whether nothing but spaces stands before a character in its line."""
        return not self.text[self.line_start(index) : index].strip()

    def is_long(self, node: _Node) -> bool:
        """Whether a value runs over lines."""
        return "\n" in self.text[node.start : node.end].rstrip()

    def children(self, where: Where) -> list[_Node]:
        """Return the values of a mapping, in the order of the text."""
        return [
            node for place, node in self.nodes.items() if len(place) == len(where) + 1 and place[:-1] == where
        ]


Cut = tuple[int, int, str]


def _cuts(document: Document, marks: _Marks, changes: Iterable[Splice]) -> Iterator[Cut]:
    fresh: dict[Where, list[str]] = {}
    for where, value in changes:
        node = marks.nodes.get(where)
        if node is None and value is not None:
            fresh.setdefault(where[:-1], []).append(f"{where[-1]}: {_written(value, None)}")
        elif node is not None and value is not None:
            if node.kind != "scalar":
                raise _by_hand(document, where, "a single value is expected here")
            yield node.start, node.end, _written(value, node.style)
        elif node is not None:
            yield _removal(document, marks, where, node)
    for where, pairs in fresh.items():
        yield _insertion(document, marks, where, pairs)


def _insertion(document: Document, marks: _Marks, where: Where, pairs: Sequence[str]) -> Cut:
    """Put new keys into the mapping at a place; a tool that is a name alone becomes one."""
    parent = marks.nodes.get(where)
    listed = ", ".join(pairs)
    if parent is None:
        return _new_section(document, marks, where, pairs)
    if parent.kind == "scalar":
        named = marks.text[parent.start : parent.end]
        if named in {"", "~", "null"}:
            raise _by_hand(document, where, "this section is empty")
        return parent.start, parent.end, f"{{type: {named}, {listed}}}"
    known = next((marks.nodes[w] for k in ("type", "name") if (w := (*where, k)) in marks.nodes), None)
    children = marks.children(where)
    if not parent.is_flow:
        return _new_lines(marks, children, known, pairs)
    if known:
        return known.end, known.end, f", {listed}"
    at = parent.start + 1
    return at, at, listed + (", " if children else "")


def _new_lines(marks: _Marks, children: Sequence[_Node], known: _Node | None, pairs: Sequence[str]) -> Cut:
    """Put lines below what a mapping is called or is, else below its last value that has one line."""
    first = cast(int, children[0].key_start)
    indent = " " * (first - marks.line_start(first))
    lines = "".join(f"{indent}{pair}{marks.newline}" for pair in pairs)
    one_line = [c for c in children if c.kind == "scalar" and not marks.is_long(c)]
    beside = known if known in one_line else one_line[-1] if one_line else None
    if beside is None:
        at = marks.line_start(first)
        return at, at, lines
    at = marks.line_end(beside.end)
    is_open = not marks.text[:at].endswith("\n")
    return at, at, f"{marks.newline}{lines.rstrip()}" if is_open else lines


def _new_section(document: Document, marks: _Marks, where: Where, pairs: Sequence[str]) -> Cut:
    """Put a section that is not there before the stages, above the comment that belongs to them."""
    root, stages = marks.nodes[()], marks.nodes.get(("stages",))
    if len(where) != 1 or stages is None or stages.key_start is None:
        raise _by_hand(document, where, "there is no place for this yet")
    if root.is_flow:
        return stages.key_start, stages.key_start, f"{where[0]}: {{{', '.join(pairs)}}}, "
    at = marks.line_start(stages.key_start)
    while at and marks.text[marks.line_start(at - 1) : at].lstrip().startswith("#"):
        at = marks.line_start(at - 1)
    lines = (f"{where[0]}:", *(f"  {pair}" for pair in pairs), "", "")
    return at, at, marks.newline.join(lines)


def _removal(document: Document, marks: _Marks, where: Where, node: _Node) -> Cut:
    start = cast(int, node.key_start)
    if not marks.nodes[where[:-1]].is_flow:
        if not marks.begins_line(start) or marks.is_long(node):
            raise _by_hand(document, where, "it opens an entry of a list, or runs over lines")
        return marks.line_start(start), marks.line_end(node.end - 1), ""
    rest = marks.text[node.end :]
    if comma := re.match(r"\s*,\s*", rest):
        return start, node.end + comma.end(), ""
    before = re.search(r",\s*$", marks.text[:start])
    return before.start() if before else start, node.end, ""


def _written(value: str | int, style: str | None) -> str:
    """Return a value as YAML, in the quotes that were there where they can hold it."""
    if isinstance(value, int):
        return str(value)
    if (style == "'" or '"' in value) and "'" not in value and "\n" not in value:
        return f"'{value}'"
    if style != '"' and _PLAIN.fullmatch(value) and value.lower() not in _MEANS_MORE:
        return value
    return json.dumps(value, ensure_ascii=False)


def _gathered(document: Document, changes: Sequence[Splice]) -> list[Splice]:
    """Return the changes one for each place; two for one place must not disagree."""
    found: dict[Where, Splice] = {}
    for change in changes:
        if found.setdefault(change.where, change) != change:
            raise _by_hand(document, change.where, "two stages need different values here")
    return list(found.values())


def _changed(value: Any, changes: Iterable[Splice]) -> Any:
    """Return what the file is to say: its value with the changes made."""
    root = copy.deepcopy(value)
    for change in changes:
        *path, last = change.where
        inside: Any = root
        for part in path:
            if isinstance(inside, dict) and inside.get(part) is None:
                inside[part] = {}
            if isinstance(inside[part], str):
                inside[part] = {"type": inside[part]}
            inside = cast(Any, inside[part])
        if change.value is None:
            inside.pop(last, None)
        else:
            inside[last] = change.value
    return root


def _by_hand(document: Document, where: Where, reason: str) -> InvalidSpec:
    place = ".".join(map(str, where))
    return InvalidSpec(
        str(document.path), document.line(where), f"{place}: {reason}", "change it by hand, then migrate"
    )


def with_lines(document: Document, where: Where, keys: Sequence[str], lines: Sequence[str]) -> bytes:
    """Return a file's bytes with keys taken out of a mapping, and lines in the place of the first of them.

    What stands between the keys stays, comments too. The lines are indented as the mapping is.

    Raises:
        InvalidSpec: the mapping is written in one line.
    """
    text = document.source.decode("utf-8")
    marks = _Marks.of(text)
    if marks.nodes[where].is_flow:
        raise _by_hand(document, where, "it is written in one line")
    gone = sorted(
        (cast(int, node.key_start), node)
        for key in keys
        if (node := marks.nodes.get((*where, key))) is not None
    )
    first = gone[0][0]
    if not all(marks.begins_line(start) for start, _ in gone):
        raise _by_hand(document, where, "a key to be taken out opens an entry of a list")
    indent = " " * (first - marks.line_start(first))
    for start, node in reversed(gone):
        end = marks.line_end(max(node.end - 1, start))
        new = "".join(f"{indent}{line}{marks.newline}" for line in lines) if start == first else ""
        text = text[: marks.line_start(start)] + new + text[end:]
    return text.encode()
