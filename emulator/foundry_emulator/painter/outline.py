"""Outlines: from the short text of a shape to polygons in a square of 100 by 100 units, y downwards."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

Point = tuple[float, float]
Outline = tuple[Point, ...]

_TOKEN = re.compile(r"[MLHVCQZ]|-?\d+(?:\.\d+)?")
CURVE_STEPS = 18
OVAL_STEPS = 96


def shape(text: str) -> tuple[Outline, ...]:
    """Return the polygons of one shape: `rect x y w h [r]`, `oval cx cy rx [ry [turn]]`, `poly x y ...`,
    `star cx cy r inner points`, `arc cx cy rx ry from to` (open), or `path` with absolute M L H V C Q Z.
    """  # noqa: D205
    kind, _, rest = text.strip().partition(" ")
    if kind == "path":
        return tuple(_subpaths(rest))
    numbers = [float(part) for part in rest.split()]
    if kind == "rect":
        return (_rect(*numbers),)
    if kind == "oval":
        return (_oval(*numbers),)
    if kind == "poly":
        return (tuple(zip(numbers[::2], numbers[1::2], strict=True)),)
    if kind == "star":
        return (_star(*numbers),)
    if kind == "arc":
        cx, cy, rx, ry, start, end = numbers
        return (_arc((cx, cy), rx, ry, (start, end)),)
    raise ValueError(f"unknown shape {kind!r}")


def _rect(x: float, y: float, width: float, height: float, radius: float = 0) -> Outline:
    if not radius:
        return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    radius = min(radius, width / 2, height / 2)
    corners = (
        (x + width - radius, y + radius, -90),
        (x + width - radius, y + height - radius, 0),
        (x + radius, y + height - radius, 90),
        (x + radius, y + radius, 180),
    )
    return tuple(
        point
        for cx, cy, start in corners
        for point in _arc((cx, cy), radius, radius, (start, start + 90), 12)
    )


def _oval(cx: float, cy: float, rx: float, ry: float = 0, turn: float = 0) -> Outline:
    ry = ry or rx
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return tuple(
        (cx + (x - cx) * cos - (y - cy) * sin, cy + (x - cx) * sin + (y - cy) * cos)
        for x, y in _arc((cx, cy), rx, ry, (0, 360), OVAL_STEPS)
    )


def _arc(centre: Point, rx: float, ry: float, span: tuple[float, float], steps: int = 48) -> Outline:
    (cx, cy), (start, end) = centre, span
    angles = (math.radians(start + (end - start) * step / steps) for step in range(steps + 1))
    return tuple((cx + rx * math.cos(angle), cy + ry * math.sin(angle)) for angle in angles)


def _star(cx: float, cy: float, radius: float, inner: float, points: float) -> Outline:
    count = int(points) * 2
    return tuple(
        (
            cx + (inner if step % 2 else radius) * math.sin(math.pi * 2 * step / count),
            cy - (inner if step % 2 else radius) * math.cos(math.pi * 2 * step / count),
        )
        for step in range(count)
    )


def _subpaths(text: str) -> Iterator[Outline]:
    tokens = _TOKEN.findall(text)
    points: list[Point] = []
    at, command = 0, "M"

    def number() -> float:
        nonlocal at
        at += 1
        return float(tokens[at - 1])

    while at < len(tokens):
        if tokens[at].isalpha():
            command = tokens[at]
            at += 1
            if command in "MZ" and points:
                yield tuple(points)
                points = []
            if command == "Z":
                continue
        if command == "H":
            points.append((number(), points[-1][1]))
        elif command == "V":
            points.append((points[-1][0], number()))
        elif command == "Q":
            points.extend(_quadratic(points[-1], (number(), number()), (number(), number())))
        elif command == "C":
            points.extend(
                _cubic(points[-1], (number(), number()), (number(), number()), (number(), number()))
            )
        else:
            points.append((number(), number()))
    if points:
        yield tuple(points)


def _quadratic(start: Point, control: Point, end: Point) -> Iterator[Point]:
    first = (start[0] + (control[0] - start[0]) * 2 / 3, start[1] + (control[1] - start[1]) * 2 / 3)
    second = (end[0] + (control[0] - end[0]) * 2 / 3, end[1] + (control[1] - end[1]) * 2 / 3)
    return _cubic(start, first, second, end)


def _cubic(start: Point, first: Point, second: Point, end: Point) -> Iterator[Point]:
    for step in range(1, CURVE_STEPS + 1):
        t = step / CURVE_STEPS
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        yield (
            a * start[0] + b * first[0] + c * second[0] + d * end[0],
            a * start[1] + b * first[1] + c * second[1] + d * end[1],
        )
