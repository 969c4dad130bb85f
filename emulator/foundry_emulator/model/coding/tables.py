"""Figures from a mounted CSV: sums, averages and a summary, printed and written where a file was wanted."""

from __future__ import annotations

import re

from foundry_emulator.model.coding import ordering, titles
from foundry_emulator.model.coding.csv_table import columns_named, filters_said, open_table
from foundry_emulator.model.coding.request import CodeRequest, script
from foundry_emulator.model.words import has

TEMPLATE = """
import io
import json
import re
from pathlib import Path

import pandas as pd

COLUMNS = $columns
FILTERS = $filters
GROUPS = $groups
RESULTS = $results
MOST = $most

table = pd.read_csv(io.StringIO($inline) if $inline else $path, sep=$separator)
print("file:", $name)

ORDERING
for column, value in FILTERS.items():
    table = table[table[column].astype(str).str.strip() == value]
for column in COLUMNS:
    text = table[column].astype(str).str.replace(r"[,$€£%\\s]", "", regex=True)
    table[column] = pd.to_numeric(text, errors="coerce")

summary = {"rows": len(table), "columns": {}}
print("rows:", len(table))
for column in COLUMNS:
    values = table[column].dropna()
    figures = {
        "count": int(values.count()),
        "sum": round(float(values.sum()), 4),
        "average": round(float(values.mean()), 4) if len(values) else None,
        "min": float(values.min()) if len(values) else None,
        "max": float(values.max()) if len(values) else None,
    }
    summary["columns"][column] = figures
    stated = [f"{name} {value:,}" for name, value in figures.items() if value is not None]
    print(f"{column}:", ", ".join(stated))
grouped = None
if GROUPS:
    grouped = table.groupby(GROUPS, sort=False)[COLUMNS].agg($way)
    grouped = ordered(grouped, $order, $falling, $levels).head(MOST)
    rows = grouped.reset_index().to_json(orient="records") if len(GROUPS) > 1 else None
    name = $way + "_by_" + "_and_".join(GROUPS)
    summary[name] = json.loads(rows or grouped.rename_axis(GROUPS[0]).to_json(orient="index"))
    print(grouped.reset_index().to_string(index=False))
for result in RESULTS:
    kind = Path(result).suffix.lower()
    if kind == ".csv":
        (pd.DataFrame(summary["columns"]).T if grouped is None else grouped).to_csv(result)
    elif kind == ".json":
        Path(result).write_text(json.dumps(summary, indent=2), encoding="utf-8")
    else:
        lines = ["# " + $title, "", f"Rows: {summary['rows']}", ""]
        for column, figures in summary["columns"].items():
            lines.append(f"- {column}: " + ", ".join(f"{name} {value}" for name, value in figures.items()))
        if grouped is not None:
            cells = [[*map(str, grouped.reset_index().columns)]]
            cells += [[str(cell) for cell in row] for row in grouped.reset_index().itertuples(index=False)]
            cells.insert(1, ["---"] * len(cells[0]))
            lines += ["", *("| " + " | ".join(row) + " |" for row in cells)]
        Path(result).write_text("\\n".join(lines) + "\\n", encoding="utf-8")
    print("saved", Path(result).name)
"""


def write(request: CodeRequest) -> str | None:
    """Write the code for figures from a CSV, if the request asks for any."""
    if not asked(request.text) or (table := open_table(request)) is None or not table.numeric():
        return None
    measures = table.measures()
    said = columns_named(request.text, measures)
    text = re.sub(r"\S+\.\w{2,4}\b", " ", request.text)
    options = [column for column in table.header if column not in table.measures()]
    groups = ordering.groups_said(text, options)
    order = ordering.order_said(text, table, groups)
    filters = filters_said(request.text, table)
    names = request.new_names(".json", ".csv", ".md", ".txt")
    return script(
        TEMPLATE.replace("ORDERING", ordering.CODE),
        path=table.source.path,
        name=table.source.name,
        inline=table.inline,
        separator=table.separator,
        columns=said or measures,
        filters={column: value for column, value in filters.items() if column not in groups},
        groups=groups,
        way=ordering.aggregate_said(text),
        order=order.by,
        falling=order.falling,
        levels=order.levels,
        title=titles.said_in(request.text) or f"Summary of {table.source.name}",
        most=ordering.most_said(text),
        results=[f"/mnt/data/{name}" for name in names] or _default_results(request.text),
    )


def asked(text: str) -> bool:
    """Say whether the request is for figures."""
    return has(
        text, r"summar\w*", r"statistic\w*", "totals?", "sum", "averages?", "mean", "median", "minimum",
        "maximum", "analy[sz]e", r"analysis", "describe", "how many rows", "highest", "lowest",
        r"calculat\w*", r"comput\w*", "figures", "count", r"group(?:ed)?", r"aggregat\w*", r"top \d{1,4}",
    )  # fmt: skip


def _default_results(text: str) -> list[str]:
    kinds = [
        kind
        for kind in ("json", "csv", "md")
        if has(text, kind) and has(text, "save", "write", "file", "export", "as")
    ]
    kinds = [
        kind for kind in kinds if not (kind == "csv" and not has(text, "as (?:a )?csv", "to (?:a )?csv"))
    ]
    return [f"/mnt/data/summary.{kind}" for kind in kinds]
