"""Charts of a mounted CSV: the columns, the filter and the kind of chart are read off the request."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from foundry_emulator.model.coding import ordering
from foundry_emulator.model.coding.csv_table import CsvTable, columns_named, filters_said, open_table
from foundry_emulator.model.coding.request import DATA, CodeRequest, script
from foundry_emulator.model.words import has, sizes, words

FORMATS = (".png", ".jpg", ".jpeg", ".webp", ".svg", ".pdf")
KINDS = {
    "bar": r"bars?|columns?",
    "line": r"lines?|time ?series|trend",
    "pie": r"pie|donut|doughnut",
    "scatter": r"scatter|bubble",
    "histogram": r"histogram|distribution",
    "area": r"area",
}
_TITLED = (
    r"\b(?:[Tt]itled?|[Ee]ntitled|[Hh]eaded|[Hh]eading|[Tt]itle is|[Cc]aptioned|the title)(?:\s+it)?\s*:?"
)
_NOUN = r"(?:charts?|graphs?|plots?|diagrams?)"
_VERB = r"(?:creat|mak|plot|draw|generat|produc|render|show|build|visuali[sz]|graph|prepar|want|need|give)\w*"

TEMPLATE = """
import io
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

CHARTS = $charts
COLOURS = $colours

table = pd.read_csv(io.StringIO($inline) if $inline else $path, sep=$separator)

ORDERING
def numbers(column):
    text = table[column].astype(str).str.replace(r"[,$€£%\\s]", "", regex=True)
    return pd.to_numeric(text, errors="coerce")


for chart in CHARTS:
    rows = table
    for column, value in chart["filters"].items():
        rows = rows[rows[column].astype(str).str.strip() == value]
    data = pd.DataFrame({column: numbers(column).loc[rows.index] for column in chart["values"]})
    if chart["labels"]:
        data.insert(0, "label", rows[chart["labels"]].astype(str).str.strip())
        data = data.groupby("label", sort=False).agg(chart["aggregate"])
    data = ordered(data, chart["order"], chart["falling"])
    if chart["top"]:
        data = data.head(chart["top"])
    print(chart["title"])
    print(data.head(30).to_string())

    figure, axes = plt.subplots(figsize=chart["inches"], layout="constrained")
    first = chart["values"][0]
    if chart["kind"] == "pie":
        shares = data[first].clip(lower=0)
        axes.pie(shares, labels=[str(label) for label in data.index], autopct="%1.1f%%", colors=COLOURS)
    elif chart["kind"] == "scatter":
        second = chart["values"][-1]
        axes.scatter(data[first], data[second], color=COLOURS[0], alpha=0.7)
        axes.set_ylabel(second.replace("_", " "))
    elif chart["kind"] == "histogram":
        axes.hist(data[first].dropna(), bins=chart["bins"], color=COLOURS[0], edgecolor="white")
        axes.set_ylabel("count")
    elif chart["kind"] in ("line", "area"):
        for column, colour in zip(data.columns, COLOURS):
            axes.plot(data.index, data[column], marker="o", color=colour, label=column.replace("_", " "))
            if chart["kind"] == "area":
                axes.fill_between(data.index, data[column], color=colour, alpha=0.3)
    else:
        data.plot.bar(ax=axes, color=COLOURS[: len(data.columns)], legend=False, width=0.75)
    axes.set_title(chart["title"])
    if chart["kind"] != "pie":
        axes.set_xlabel(chart["x_label"])
        axes.grid(axis="y", alpha=0.3)
    if chart["kind"] in ("bar", "line", "area"):
        axes.set_ylabel(chart["y_label"])
        axes.tick_params(axis="x", rotation=0 if len(data) <= 4 else 45)
        if len(data.columns) > 1:
            axes.legend([column.replace("_", " ") for column in data.columns])
    figure.savefig(chart["result"], dpi=100)
    print("saved", Path(chart["result"]).name)
    for target in chart["tables"]:
        data.rename_axis(chart["labels"]).to_csv(target, index=bool(chart["labels"]))
        print("saved", Path(target).name)
    plt.show()
"""


@dataclass(frozen=True)
class Chart:
    """One chart, decided: what the code is filled with."""

    kind: str
    title: str
    labels: str | None
    values: list[str]
    filters: dict[str, str]
    aggregate: str
    order: str
    falling: bool
    top: int | None
    bins: int
    inches: tuple[float, float]
    x_label: str
    y_label: str
    result: str
    tables: list[str]
    """CSV files that are to hold what the chart shows."""


def write(request: CodeRequest) -> str | None:
    """Write the code for one or more charts, if the request asks for any and a CSV is mounted."""
    if not asked(request.text) or (table := open_table(request)) is None or not table.numeric():
        return None
    return script(
        TEMPLATE.replace("ORDERING", ordering.CODE),
        path=table.source.path,
        inline=table.inline,
        separator=table.separator,
        charts=[
            asdict(_chart(part, request, table, place)) for place, part in enumerate(_parts(request.text))
        ],
        colours=_colours(request),
    )


def asked(text: str) -> bool:
    """Say whether the request is for a chart, and not for something made of charts that exist."""
    kinds = "|".join(KINDS.values())
    text = re.sub(r"\b(?:multiplication|times)[ -](?:table|chart)s?", " ", text, flags=re.IGNORECASE)
    if has(text, "combin\\w*", "compos\\w*", "merg\\w*", "assembl\\w*", "arrang\\w*") and not has(
        text, "csv"
    ):
        return False
    by_kind = rf"(?:{kinds})[ -]{_NOUN}|histogram|scatter ?plot"
    return has(
        text, by_kind, rf"{_VERB}\b[^.;]{{0,60}}?\b{_NOUN}", "plot", "visuali[sz]e", "graph", r"chart of"
    )


def _parts(text: str) -> list[str]:
    kinds = "|".join(KINDS.values())
    starts = [
        match.start()
        for match in re.finditer(rf"\b(?:{kinds})[ -]{_NOUN}\b|\bhistogram\b", text, re.IGNORECASE)
    ]
    if len(starts) < 2:
        return [text]
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def _chart(part: str, request: CodeRequest, table: CsvTable, place: int) -> Chart:
    kind = _kind(part)
    labels, filters = _labels(part, table), filters_said(part, table) or filters_said(request.text, table)
    filters.pop(labels or "", None)
    values = _values(part, table, kind, labels)
    labels = None if kind in {"scatter", "histogram"} else labels or _default_labels(table, kind, filters)
    default = "chart.png" if place == 0 else f"chart-{place + 1}.png"
    names = request.new_names(*FORMATS, text=part) or request.new_names(*FORMATS)[place : place + 1]
    width, height = _extent(part, request)
    count = len(set(table.values(labels))) if labels else 0
    said = ", ".join(filters.values())
    title = " and ".join(_plain(value) for value in values) + (f" by {_plain(labels)}" if labels else "")
    order = ordering.order_said(part, table, labels, kind)
    return Chart(
        kind=kind,
        title=_title_said(part, request) or title[:1].upper() + title[1:] + (f" ({said})" if said else ""),
        labels=labels,
        values=values,
        filters=filters,
        aggregate=ordering.aggregate_said(part),
        order=order.by,
        falling=order.falling,
        top=_top(part, count, kind, filtered=bool(filters)),
        bins=20,
        inches=(max(1.0, min(40.0, width / 100)), max(1.0, min(40.0, height / 100))),
        x_label=_plain(labels or values[0]),
        y_label=_plain(values[0]) if len(values) == 1 else "",
        result=DATA + (names[0] if names else default),
        tables=[DATA + name for name in request.new_names(".csv")] if place == 0 else [],
    )


def _title_said(part: str, request: CodeRequest) -> str | None:
    """Return the title that the request gives the chart, in quotation marks or after its name."""
    for text in dict.fromkeys((part, request.text)):
        if said := re.search(_TITLED + r"\s*[\"“«]([^\"”»\n]{1,100})[\"”»]", text, re.IGNORECASE):
            return said[1].strip()
        if said := re.search(_TITLED + r":?\s+([A-Z0-9][^.;,\n]{1,80})", text):
            return re.split(r"\s+(?:and|as|with|in|to)\s+(?=save|write|store|\w+\.\w{3})", said[1])[0].strip()
    return None


def _extent(part: str, request: CodeRequest) -> tuple[int, int]:
    stated = [size for size in (*sizes(part), *sizes(request.text)) if min(size) >= 100]
    return stated[0] if stated else (1000, 600)


def _kind(text: str) -> str:
    found = [(match.start(), kind) for kind, said in KINDS.items() if (match := _kind_match(text, said))]
    return (
        min(found)[1]
        if found
        else "line"
        if has(text, "over time", "trend", "per month", "monthly")
        else "bar"
    )


def _kind_match(text: str, said: str) -> re.Match[str] | None:
    exact = re.search(rf"\b(?:{said})[ -]{_NOUN}\b", text, re.IGNORECASE)
    return exact or re.search(
        r"\bhistogram\b" if "histogram" in said else rf"\b(?:{said})[ -]?{_NOUN}", text, re.IGNORECASE
    )


def _labels(text: str, table: CsvTable) -> str | None:
    options = [column for column in table.header if column not in table.measures()]
    found = ordering.group_said(text, options)
    return found or (table.ordered() if has(text, "over time", "by time") else None)


def _default_labels(table: CsvTable, kind: str, filters: dict[str, str]) -> str | None:
    if kind in {"line", "area"} and table.ordered():
        return table.ordered()
    options = [column for column in (*table.textual(), table.ordered()) if column and column not in filters]
    return options[0] if options else None


def _values(text: str, table: CsvTable, kind: str, labels: str | None) -> list[str]:
    options = [column for column in table.measures() if column != labels] or table.numeric()
    found = columns_named(re.sub(r"\S+\.\w{2,4}\b", " ", text), options)
    if kind == "scatter":
        return (found + [column for column in options if column not in found])[:2]
    wanted = found or options
    return wanted[: 4 if found and kind in {"bar", "line", "area"} else 1]


def _top(text: str, count: int, kind: str, *, filtered: bool) -> int | None:
    match = re.search(r"\btop\s+(\d{1,3})\b", text, re.IGNORECASE)
    if match:
        return int(match.group(1))
    crowded = kind in {"bar", "pie"} and count > 30 and not filtered
    return 20 if crowded else None


def _colours(request: CodeRequest) -> list[str]:
    said = re.findall(r"#[0-9a-fA-F]{6}\b", " ".join([request.text, *(hit.text for hit in request.hits)]))
    standard = ["#2563eb", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#14b8a6", "#ec4899", "#64748b"]
    return list(dict.fromkeys([*said[:8], *standard]))[:8]


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").split()) if words(name) else PurePosixPath(name).name


SIMPLE = """
import csv

import matplotlib.pyplot as plt

with open($path, encoding="utf-8-sig", newline="") as opened:
    rows = list(csv.DictReader(opened, delimiter=$separator))
rows = [row for row in rows if all(row[column].strip() == value for column, value in $filters.items())]
labels = [row[$labels] if $labels else str(place) for place, row in enumerate(rows)][:30]
values = [float("".join(sign for sign in row[$value] if sign in "0123456789.-") or 0) for row in rows][:30]
figure, axes = plt.subplots(figsize=(10, 6))
axes.bar(range(len(values)), values, color="#2563eb")
axes.set_xticks(range(len(values)), labels, rotation=45, ha="right")
axes.set_title($title)
figure.tight_layout()
figure.savefig($result)
print("saved", $result)
"""


def write_simple(request: CodeRequest) -> str | None:
    """Write the plainest code that draws the first chart, for when the other failed."""
    table = open_table(request)
    if table is None or table.inline or not table.numeric():
        return None
    chart = _chart(_parts(request.text)[0], request, table, 0)
    return script(
        SIMPLE,
        path=table.source.path,
        separator=table.separator,
        filters=chart.filters,
        labels=chart.labels,
        value=chart.values[0],
        title=chart.title,
        result=chart.result,
    )
