"""Arithmetic: expressions in figures or words, sums over ranges, statistics of listed numbers, equations."""

from __future__ import annotations

import re

from foundry_emulator.model.coding.request import CodeRequest, script
from foundry_emulator.model.words import NUMBER_WORDS, has, numbers

CALCULATION = """
import math
import statistics

# (what is worked out, the working)
STEPS = $steps

names = {"math": math, "statistics": statistics, "sum": sum, "range": range, "sorted": sorted}
result = None
for name, working in STEPS:
    # The working consists of figures, operators and the names above.
    result = eval(working, {"__builtins__": {}}, {**names, "result": result})
    if isinstance(result, float) and result.is_integer():
        result = int(result)
    print(f"{name} = {result}")
print("result:", result)
"""

EQUATION = """
import math


def difference($name_plain):
    return ($left) - ($right)


constant = difference(0)
square = (difference(1) + difference(-1)) / 2 - constant
slope = (difference(1) - difference(-1)) / 2
if square == 0 and slope == 0:
    solutions = []
elif square == 0:
    solutions = [-constant / slope]
else:
    under_root = slope**2 - 4 * square * constant
    roots = [math.sqrt(under_root), -math.sqrt(under_root)] if under_root >= 0 else []
    solutions = [(root - slope) / (2 * square) for root in roots]
for solution in sorted(set(solutions)):
    print(f"$name_plain = {solution:g}")
print("result:", sorted(set(solutions)) if solutions else "no real solution")
"""

TIMES_TABLE = """
LAST = $last

width = len(str(LAST * LAST)) + 1
print(" " * width + "|" + "".join(f"{column:>{width}}" for column in range(1, LAST + 1)))
print("-" * width + "+" + "-" * width * LAST)
for row in range(1, LAST + 1):
    print(f"{row:>{width}}|" + "".join(f"{row * column:>{width}}" for column in range(1, LAST + 1)))
"""

RANDOM = """
import random
import statistics

random.seed($seed)
values = [random.randint($low, $high) for _ in range($count)]
print("values:", values)
print("data count:", len(values))
print("total:", sum(values))
print("average:", round(statistics.mean(values), 4))
"""

SEQUENCE = """
from itertools import count, islice
from math import isqrt


def fibonacci():
    first, second = 0, 1
    while True:
        yield first
        first, second = second, first + second


SEQUENCES = {
    "prime": (n for n in count(2) if all(n % divisor for divisor in range(2, isqrt(n) + 1))),
    "fibonacci": fibonacci(),
    "even": count(2, 2),
    "odd": count(1, 2),
    "square": (n * n for n in count(1)),
}
print(list(islice(SEQUENCES[$kind], $count)))
"""

_WORD_OPERATORS = (
    (r"\b(?:raised )?to the (?:power of|power)\s+(?=\d)|\bto the (\d+)(?:st|nd|rd|th) power", "**"),
    (r"\bmultiplied by\b|\btimes\b|\u00d7|(?<=\d)\s*x\s*(?=\d)", "*"),
    (r"\bdivided by\b|\bover\b|\u00f7", "/"),
    (r"\bplus\b", "+"),
    (r"\bminus\b|\u2212", "-"),
    (r"\bsquared\b|\u00b2", "**2"),
    (r"\bcubed\b|\u00b3", "**3"),
    (r"\^", "**"),
)
_STATISTICS = {
    "standard deviation": "statistics.pstdev({})", "std": "statistics.pstdev({})",
    "median": "statistics.median({})", "average": "statistics.mean({})", "mean": "statistics.mean({})",
    "maximum": "sorted({})[-1]", "largest": "sorted({})[-1]", "minimum": "sorted({})[0]",
    "smallest": "sorted({})[0]", "variance": "statistics.pvariance({})", "sum": "sum({})",
    "total": "sum({})",
}  # fmt: skip
_VERBS = {
    "add": "+",
    "plus": "+",
    "subtract": "-",
    "minus": "-",
    "multiply": "*",
    "times": "*",
    "divide": "/",
}


def write(request: CodeRequest) -> str | None:
    """Write the code for a calculation, if the request holds one."""
    return (
        _equation(request.text)
        or _random(request.text)
        or _sequence(request.text)
        or _statistics(request)
        or _calculation(request)
    )


def write_times_table(request: CodeRequest) -> str | None:
    """Write the code for a multiplication table, if the request asks for one."""
    if not has(request.text, r"multiplication (?:table|chart)s?", r"times[- ]tables?"):
        return None
    found = [
        int(value)
        for value in numbers(re.sub(r"(\d)\s?[-x\u2013]\s?(\d)", r"\1 \2", request.text))
        if 1 < value <= 20
    ]
    return script(TIMES_TABLE, last=max(found, default=10))


def expression(text: str) -> str | None:
    """Turn a calculation in figures or words into Python, or None when `text` holds none."""
    for pattern, sign in _WORD_OPERATORS:
        text = re.sub(
            pattern,
            lambda match, sign=sign: f" {sign} {match.group(1) or ''}" if match.groups() else f" {sign} ",
            text,
        )
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"\b(\d{1,3})\s*(?:!|factorial\b)", r"math.factorial(\1)", text)
    text = re.sub(r"\b(?:the )?square root of (\d+(?:\.\d+)?)", r"math.sqrt(\1)", text, flags=re.IGNORECASE)
    text = re.sub(
        r"(?<!\d)(\d{1,15}(?:\.\d{1,15})?)\s{0,3}(?:%|percent)\s+of\s+(\d+(?:\.\d+)?)", r"\1 / 100 * \2", text
    )
    atom = r"(?:math\.(?:factorial|sqrt)\([\d.]{1,15}\)|(?<!\d)\d{1,15}(?:\.\d{1,15})?(?!\d))"
    sign = r"(?:\*\*|//|[-+*/%])"
    term = rf"-?[( ]{{0,6}}{atom}[ )]{{0,6}}"
    pattern = rf"{term}(?:{sign} {{0,3}}{term}){{1,40}}|math\.(?:factorial|sqrt)\([\d.]+\)"
    found = [" ".join(match.group(0).split()) for match in re.finditer(pattern, text)]
    found = [_balanced(part) for part in found if not re.search(r"\b(?:\d{4} ?- ?\d+ ?- ?\d+|0\d)", part)]
    longest = max(found, key=len, default=None)
    return longest if longest is None or _is_small(longest) else None


def _balanced(part: str) -> str:
    while part.count("(") > part.count(")"):
        part = part.replace("(", "", 1) if part.startswith("(") else part + ")"
    while part.count(")") > part.count("("):
        part = part[: part.rindex(")")] + part[part.rindex(")") + 1 :]
    return part.strip()


def _is_small(working: str) -> bool:
    # Towers of powers and huge factorials would only run into the sandbox's time limit.
    powers = [int(power) for power in re.findall(r"\*\* ?(\d+)", working)]
    return len(powers) < 3 and all(power <= 1000 for power in powers)


def _calculation(request: CodeRequest) -> str | None:
    if not _is_sum(request.text):
        return None
    steps: list[tuple[str, str]] = []
    # What stands in brackets after words says the same again: "the sum of cubes (1³ + 2³ + ...)".
    text = re.sub(r"\([^()]{0,99}\.\.\.[^()]{0,99}\)|(?<=factorial )\([^()]{0,99}\)", " ", request.text)
    for plain in re.split(r"(?<=[;?])\s+|(?<=[a-z\d )][.!])\s+|,?\s+(?:and )?then\s+|\bThen\s+", text):
        working = (
            _range_sum(plain)
            or expression(plain)
            or _on_result(plain, bool(steps) or bool(_last_number(request)))
        )
        if working is None:
            continue
        verb = next(
            (
                sign
                for word, sign in _VERBS.items()
                if re.match(rf"\W*(?:now\s+)?{word}\b", plain, re.IGNORECASE)
            ),
            None,
        )
        if verb and steps and "result" not in working:
            working = f"result {verb} ({working})"
        if not steps and "result" in working:
            steps.append(("the last result", _last_number(request) or "0"))
        steps.append((working.replace("math.", "").replace("statistics.", ""), working))
    return script(CALCULATION, steps=steps) if steps else None


def _is_sum(text: str) -> bool:
    """Say whether figures are meant to be worked out: "2-3 sentences" and "page 1/4" are not."""
    asks = has(
        text,
        r"what(?: is|'s)", r"calculat\w*", r"comput\w*", "evaluate", "result", "sum", "plus", "minus",
        "times", "squares", "factorial", "power", "square root", r"divided? by", r"multipl\w*", "add",
        "subtract", "squared", "cubes", "cubed",
    )  # fmt: skip
    return asks or "=" in text or re.fullmatch(r"[\s\d.,+*/^()!-]+\??", text) is not None


def _on_result(text: str, known: bool) -> str | None:
    match = re.search(r"\b(add|subtract|multiply|divide)\b(.*?)(-?\d+(?:\.\d+)?)", text, re.IGNORECASE)
    return f"result {_VERBS[match.group(1).lower()]} {match.group(3)}" if match and known else None


def _last_number(request: CodeRequest) -> str | None:
    found = (
        numbers(request.earlier[0])
        if request.earlier and has(request.text, "that", "it", "result", "this", "those")
        else []
    )
    return f"{found[-1]:g}" if found else None


def _range_sum(text: str) -> str | None:
    number = r"(\d{1,6})"
    match = re.search(
        rf"\b(?:from|of|numbers|integers|sum|[Ss]um up|total|add up) {number} (?:to|through|until) {number}"
        rf"|\b{number}\s?(?:-|\u2013)\s?{number}\b",
        text,
    )
    if match is None or not has(text, "sum", "total", "list", "squares", "cubes"):
        return None
    first, last = (int(part) for part in match.groups() if part)
    power = "**2" if has(text, "squares?") else "**3" if has(text, "cubes?") else ""
    values = f"[n{power} for n in range({first}, {min(last, first + 10**6) + 1})]"
    return f"sum({values})" if has(text, "sum", "total") else values if power else None


def _statistics(request: CodeRequest) -> str | None:
    name = next((name for name in _STATISTICS if has(request.text, name)), None)
    if name is None or _range_sum(request.text):
        return None
    listed = _listed(request.text)
    if len(listed) < 2 and has(request.text, "those", "these", "same", "them", "the numbers"):
        listed = next((found for found in map(_listed, request.earlier) if len(found) > 1), listed)
    if len(listed) < 2:
        return None
    names = [name for name in _STATISTICS if has(request.text, name)]
    values = [int(value) if value.is_integer() else value for value in listed]
    return script(CALCULATION, steps=[(name, _STATISTICS[name].format(values)) for name in names])


def _listed(text: str) -> list[float]:
    match = re.search(r"-?\d+(?:\.\d+)?(?:\s*(?:,|;|\band\b|,\s*and\b)\s*-?\d+(?:\.\d+)?)+", text)
    return [float(part) for part in re.findall(r"-?\d+(?:\.\d+)?", match.group(0))] if match else []


def _random(text: str) -> str | None:
    match = re.search(r"\b(\d+|[a-z]+) random (?:integers?|numbers?)\b", text, re.IGNORECASE)
    if match is None:
        return None
    count = NUMBER_WORDS.get(match.group(1).lower()) or (
        int(match.group(1)) if match.group(1).isdigit() else 10
    )
    bounds = re.search(r"\b(?:between|from) (-?\d+) (?:and|to) (-?\d+)", text)
    low, high = sorted(int(part) for part in bounds.groups()) if bounds else (1, 100)
    seed = re.search(r"\bseed\D{0,3}(\d+)", text, re.IGNORECASE)
    return script(
        RANDOM, seed=int(seed.group(1)) if seed else 0, low=low, high=high, count=min(count, 100_000)
    )


def _sequence(text: str) -> str | None:
    match = re.search(r"\bfirst (\d{1,4}) (prime|fibonacci|even|odd|square)", text, re.IGNORECASE)
    if match is None:
        return None
    return script(SEQUENCE, count=int(match.group(1)), kind=match.group(2).lower())


def _equation(text: str) -> str | None:
    match = re.search(r"([\d a-z+*/^().-]{0,80}[a-z\d)]) ?= ?([-\d a-z+*/^().]{1,80})", text)
    if match is None or not has(text, "solve", "equation", "root", "find [a-z]\\b"):
        return None
    left = re.sub(r".*[a-zA-Z]{2,}", " ", match.group(1)).strip(" .,")
    right = re.sub(r"[a-zA-Z]{2,}.*", " ", match.group(2)).strip(" .,")
    name = next(iter(re.findall(r"[a-z]", left + right)), None)
    if name is None or len(set(re.findall(r"[a-z]", left + right))) > 1 or not left or not right:
        return None
    filled = (
        EQUATION.replace("$name_plain", name).replace("$left", _code(left)).replace("$right", _code(right))
    )
    return filled.strip("\n") + "\n"


def _code(side: str) -> str:
    side = re.sub(r"(?<=[\d)])\s*(?=[a-z(])", "*", side.replace("^", "**"))
    return re.sub(r"(?<=[a-z])(?=[\d(])", "*", side)
