"""Charts of a mounted CSV: the columns, the filter and the kind of chart are read off the request."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from foundry_emulator.model.coding import ordering, titles
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
_NOUN = r"(?:charts?|graphs?|plots?|diagrams?)"
_VERB = r"(?:creat|mak|plot|draw|generat|produc|render|show|build|visuali[sz]|graph|prepar|want|need|give)\w*"

TEMPLATE = """
import io
import itertools
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


def leading(data, groups, most):
    # The first labels of the first group, with all that belongs to them.
    return data[data.index.isin(data.index.unique(0)[:most], level=0)] if groups and most else data


def side_by_side(data, value, chart):
    # One column for each label of the further groups: bars beside each other, or lines.
    long = data.reset_index()
    long["series"] = long[chart["groups"][1:]].agg(" / ".join, axis=1)
    if chart["kind"] == "pie":
        return long.set_index(long[chart["groups"][0]] + " / " + long["series"])[[value]]
    series = list(long["series"].unique())
    wide = long.pivot(index=chart["groups"][0], columns="series", values=value)
    return wide.loc[data.index.unique(0), sorted(series, key=natural) if chart["series_run"] else series]


for chart in CHARTS:
    rows = table
    for column, value in chart["filters"].items():
        rows = rows[rows[column].astype(str).str.strip() == value]
    groups, first = chart["groups"], chart["values"][0]
    data = pd.DataFrame({column: numbers(column).loc[rows.index] for column in chart["values"]})
    if groups:
        data = data.groupby([rows[column].astype(str).str.strip() for column in groups], sort=False)
        data = ordered(data.agg(chart["aggregate"]), chart["order"], chart["falling"], chart["levels"])
    if len(groups) > 1 and chart["order"] == "value":
        totals = data.groupby(level=0)[first].transform("sum")
        data = data.loc[totals.sort_values(ascending=not chart["falling"], kind="stable").index]
    data = leading(data, groups, chart["top"])
    print(chart["title"])
    print(data.head(30).to_string())
    table_data, data = data, leading(data, groups, chart["most_shown"])
    if len(groups) > 1:
        data = side_by_side(data, first, chart)

    figure, axes = plt.subplots(figsize=chart["inches"], layout="constrained")
    if chart["kind"] == "pie":
        shares = data.iloc[:, 0].clip(lower=0)
        axes.pie(shares, labels=[str(label) for label in data.index], autopct="%1.1f%%", colors=COLOURS)
    elif chart["kind"] == "scatter":
        second = chart["values"][-1]
        axes.scatter(data[first], data[second], color=COLOURS[0], alpha=0.7)
        axes.set_ylabel(second.replace("_", " "))
    elif chart["kind"] == "histogram":
        axes.hist(data[first].dropna(), bins=chart["bins"], color=COLOURS[0], edgecolor="white")
        axes.set_ylabel("count")
    elif chart["kind"] in ("line", "area"):
        for column, colour in zip(data.columns, itertools.cycle(COLOURS)):
            axes.plot(data.index, data[column], marker="o", color=colour, label=column.replace("_", " "))
            if chart["kind"] == "area":
                axes.fill_between(data.index, data[column], color=colour, alpha=0.3)
    else:
        data.fillna(0).plot.bar(ax=axes, color=COLOURS, legend=False, width=0.75, stacked=chart["is_stacked"])
    axes.set_title(chart["title"])
    if chart["kind"] != "pie":
        axes.set_xlabel(chart["x_label"])
        axes.grid(axis="y", alpha=0.3)
    if chart["kind"] in ("bar", "line", "area"):
        axes.set_ylabel(chart["y_label"])
        axes.tick_params(axis="x", rotation=0 if len(data) <= 4 else 45)
        if len(data.columns) > 1:
            title = " / ".join(groups[1:]).replace("_", " ") or None
            axes.legend([column.replace("_", " ") for column in data.columns], title=title)
    figure.savefig(chart["result"], dpi=100)
    print("saved", Path(chart["result"]).name)
    for target in chart["tables"]:
        table_data.to_csv(target, index=bool(groups))
        print("saved", Path(target).name)
    plt.show()
"""


@dataclass(frozen=True)
class Chart:
    """One chart, decided: what the code is filled with."""

    kind: str
    title: str
    groups: list[str]
    """The columns grouped by: labels along the axis, then what stands side by side for each of them."""
    values: list[str]
    filters: dict[str, str]
    aggregate: str
    order: str
    falling: bool
    levels: tuple[tuple[str, bool], ...]
    series_run: bool
    """Whether what stands side by side is sorted, as months are."""
    is_stacked: bool
    top: int | None
    most_shown: int | None
    """How many labels the picture has room for; the tables have them all."""
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
    groups, filters = (
        _groups(part, table, kind),
        filters_said(part, table) or filters_said(request.text, table),
    )
    filters = {column: value for column, value in filters.items() if column not in groups}
    values = _values(part, table, kind, groups)
    if kind in {"scatter", "histogram"}:
        groups = []
    elif not groups and (label := _default_label(table, kind, filters)):
        groups = [label]
    default = "chart.png" if place == 0 else f"chart-{place + 1}.png"
    names = request.new_names(*FORMATS, text=part) or request.new_names(*FORMATS)[place : place + 1]
    width, height = _extent(part, request)
    count = len(set(table.values(groups[0]))) if groups else 0
    said = ", ".join(filters.values())
    title = " and ".join(_plain(value) for value in values)
    title += f" by {' and '.join(map(_plain, groups))}" if groups else ""
    order = ordering.order_said(part, table, groups, kind)
    return Chart(
        kind=kind,
        title=titles.said_in(part, request.text)
        or title[:1].upper() + title[1:] + (f" ({said})" if said else ""),
        groups=groups,
        values=values[:1] if len(groups) > 1 else values,
        filters=filters,
        aggregate=ordering.aggregate_said(part),
        order=order.by,
        falling=order.falling,
        levels=order.levels,
        series_run=ordering.all_run_upwards(table, groups[1:]),
        is_stacked=has(part, "stacked"),
        top=ordering.most_said(part),
        most_shown=20 if kind in {"bar", "pie"} and count > 30 and not filters else None,
        bins=20,
        inches=(max(1.0, min(40.0, width / 100)), max(1.0, min(40.0, height / 100))),
        x_label=_plain(groups[0] if groups else values[0]),
        y_label=_plain(values[0]) if len(values) == 1 else "",
        result=DATA + (names[0] if names else default),
        tables=[DATA + name for name in request.new_names(".csv")] if place == 0 else [],
    )


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


def _groups(text: str, table: CsvTable, kind: str) -> list[str]:
    options = [column for column in table.header if column not in table.measures()]
    found = ordering.groups_said(text, options)
    time = table.ordered()
    if time and has(text, "over time", "by time"):
        found = [time, *(column for column in found if column != time)]
    if kind in {"line", "area"} and time in found:
        # Time runs along the axis, whichever was said first.
        found.sort(key=lambda column: column != time)
    return found


def _default_label(table: CsvTable, kind: str, filters: dict[str, str]) -> str | None:
    if kind in {"line", "area"} and table.ordered():
        return table.ordered()
    options = [column for column in (*table.textual(), table.ordered()) if column and column not in filters]
    return options[0] if options else None


def _values(text: str, table: CsvTable, kind: str, groups: list[str]) -> list[str]:
    options = [column for column in table.measures() if column not in groups] or table.numeric()
    found = columns_named(re.sub(r"\S+\.\w{2,4}\b", " ", text), options)
    if kind == "scatter":
        return (found + [column for column in options if column not in found])[:2]
    wanted = found or options
    return wanted[: 4 if found and kind in {"bar", "line", "area"} else 1]


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
        labels=chart.groups[0] if chart.groups else None,
        value=chart.values[0],
        title=chart.title,
        result=chart.result,
    )
