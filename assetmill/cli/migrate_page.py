"""How a migration looks: pictures before and after with their figures, as text, as Markdown and as a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assetmill.cli.diff_page import data_url, rendered
from assetmill.cli.options import cost_text, total_text, usd
from assetmill.cli.written import rows_that_fit
from assetmill.locking.comparing import open_picture
from assetmill.looking import Look
from assetmill.markdown import cell, code
from assetmill.migrating.drawing import DrawnSample, DrawnSide
from assetmill.migrating.proposal import PipelineProposal, Proposal, Side
from assetmill.money.price_table import Prices
from assetmill.plan.calls import StageCall
from assetmill.records import AssetRecord, StageRecord
from assetmill.store.blobs import Blobs

_WIDEST = 720
_ROWS = 100
_TEXT = 1200
_ARROW = " \N{RIGHTWARDS ARROW} "


@dataclass(frozen=True)
class ShownSide:
    """One side of a row: what was made, its figures, what checks and judge said.

    `note` says why there is nothing. `is_listed`: the service reported no tokens of the picture, and those
    of the price list stand in for them.
    """

    model: str
    picture: str = ""
    text: str = ""
    cost_usd: float | None = None
    picture_tokens: int | None = None
    is_listed: bool = False
    agent_tokens: int | None = None
    size: str = ""
    checks: tuple[tuple[str, str, str], ...] = ()
    judge: float | None = None
    is_found: bool = False
    note: str = ""

    def document(self) -> dict[str, Any]:
        """Return the side as `--json` shows it."""
        return {
            "model": self.model,
            "cost_usd": self.cost_usd,
            "picture_tokens": self.picture_tokens,
            "agent_tokens": self.agent_tokens,
            "judge": self.judge,
            "checks": [
                {"check": check, "state": state, "message": message} for check, state, message in self.checks
            ],
            "was_there": self.is_found,
            "note": self.note,
        }


@dataclass(frozen=True)
class SampleRow:
    """A stage of the sample with both of its sides."""

    pipeline: str
    label: str
    prompt: str
    before: ShownSide
    after: ShownSide

    @property
    def figures(self) -> tuple[tuple[str, str], ...]:
        """The figures of both sides, by name."""
        before, after = self.before, self.after
        pairs = (
            ("Cost", _pair(_money(before), _money(after))),
            (self._tokens_name, _pair(_count(before.picture_tokens), _count(after.picture_tokens))),
            ("Agent tokens", _pair(_count(before.agent_tokens), _count(after.agent_tokens))),
            ("Size", _pair(before.size, after.size)),
            ("Judge", _pair(_score(before.judge), _score(after.judge))),
        )
        return tuple((name, value) for name, value in pairs if value)

    @property
    def _tokens_name(self) -> str:
        is_listed = any(side.is_listed and side.picture_tokens for side in (self.before, self.after))
        return "Picture tokens, by the price list" if is_listed else "Picture tokens"


@dataclass(frozen=True)
class MigrationReport:
    """A migration after its sample: rows, what it cost, and what a whole run costs with either model."""

    proposal: Proposal
    rows: tuple[SampleRow, ...]
    spent_usd: float | None
    diffs: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]

    @property
    def model(self) -> str:
        """The model that is gone over to."""
        return self.proposal.target.name

    @property
    def from_models(self) -> str:
        """The models before."""
        found = dict.fromkeys(
            name
            for one in self.proposal.pipelines
            for label in one.changed
            for name in one.before.model_of(label).split(", ")
        )
        kept = {
            name
            for one in self.proposal.pipelines
            for label in one.changed
            for name in one.after.model_of(label).split(", ")
        }
        return ", ".join(name for name in found if name not in kept)

    @property
    def runs(self) -> tuple[tuple[str, str, str, str], ...]:
        """What a run of each pipeline costs from nothing: before, after, and the difference."""
        return tuple(
            (one.pipeline.name, cost_text(one.before.run_cost), cost_text(one.after.run_cost), _change(one))
            for one in self.proposal.pipelines
        )

    @property
    def total(self) -> str:
        """Everything in one line."""
        stages = sum(len(one.changed) for one in self.proposal.pipelines)
        failed = sum(bool(row.after.note) for row in self.rows)
        tail = f", {failed} of them not drawn" if failed else ""
        return f"{stages} stages change, {len(self.rows)} shown{tail}; spent {usd(self.spent_usd)}"

    @property
    def costs(self) -> tuple[tuple[str, str], ...]:
        """What the sample was to cost, in both ways of reckoning, and what it did; none of it for nothing."""
        if self.spent_usd == 0:
            return ()
        return (
            ("Planned, with an allowance for agents", total_text(self.proposal.cost)),
            ("Expected, as its stages took before", str(self.proposal.measured)),
            ("Spent", usd(self.spent_usd)),
        )


def report(
    proposal: Proposal,
    drawn: Iterable[DrawnSample],
    spent_usd: float | None,
    *,
    prices: Prices,
    blobs: Blobs,
    root: Path,
) -> MigrationReport:
    """Put both sides of every stage of the sample beside each other."""
    showing = _Showing(prices, blobs)
    rows = [showing.row(one, label) for one in drawn for label in one.proposal.picked]
    return MigrationReport(proposal, tuple(rows), spent_usd, tuple(diffs(proposal, root)))


def diffs(proposal: Proposal, root: Path) -> Iterable[tuple[str, tuple[tuple[str, str], ...]]]:
    """Yield every file that changes with the lines of its difference and what each is."""
    kinds = {"+": "new", "-": "old", "@": "place"}
    for file in proposal.files:
        resolved = file.path.resolve()
        inside = resolved.is_relative_to(root.resolve())
        shown = str(resolved.relative_to(root.resolve())) if inside else str(file.path)
        yield shown, tuple((kinds.get(line[:1], ""), line) for line in file.diff(shown)[2:])


def table(found: MigrationReport) -> str:
    """Return the rows for a terminal."""
    width = max((len(f"{row.pipeline} {row.label}") for row in found.rows), default=0)
    lines = [
        "  ".join(
            [f"{row.pipeline} {row.label}".ljust(width), *(f"{name} {value}" for name, value in row.figures)]
        )
        + (f"  ({row.after.note})" if row.after.note else "")
        for row in found.rows
    ]
    runs = [
        f"a whole run of {name}: {before}{_ARROW}{after} ({change})"
        for name, before, after, change in found.runs
    ]
    costs = [f"{name.lower()}: {amount}" for name, amount in found.costs]
    return "\n".join([*lines, *runs, *costs, f"{found.total}."])


def markdown(found: MigrationReport) -> str:
    """Return the sample as a table for a pull request; text from files cannot leave its cell."""
    head = [f"### From {found.from_models or 'another model'} to {found.model}", "", f"{found.total}.", ""]
    names = ("Cost", "Picture tokens", "Agent tokens", "Judge", "Checks")
    rows = [
        "| "
        + " | ".join(
            (
                code(row.pipeline),
                code(row.label),
                *(_figure(row, name) for name in names[:-1]),
                cell(_checks_text(row.after) or row.after.note),
            )
        )
        + " |"
        for row in found.rows
    ]
    table_head = ["| Pipeline | Stage | " + " | ".join(names) + " |", "|---|---|---:|---:|---:|---:|---|"]
    runs = ["", "| A whole run of | Before | After | Difference |", "|---|---:|---:|---:|"]
    runs += [f"| {code(name)} | {' | '.join(map(cell, amounts))} |" for name, *amounts in found.runs]
    runs += ["", *(f"- {name}: {cell(amount)}" for name, amount in found.costs)] if found.costs else []
    notes = ["", *(f"- {cell(note)}" for note in found.proposal.notes)] if found.proposal.notes else []
    lines = [line for name, change in found.diffs for line in _fenced(name, change)]
    return "\n".join([*head, *table_head, *rows_that_fit(rows, _ROWS), *runs, *notes, *lines, ""])


def _figure(row: SampleRow, name: str) -> str:
    return next((value for known, value in row.figures if known.startswith(name)), "")


def _fenced(name: str, change: Sequence[tuple[str, str]]) -> list[str]:
    # Longer than any fence that a line could close.
    return ["", f"{code(name)}", "", "~~~~~~~~diff", *(line for _, line in change), "~~~~~~~~"]


def page(found: MigrationReport) -> str:
    """Return a page that loads nothing and runs nothing, whatever the rows hold."""
    return rendered("migrate.html.j2", ("diff.css", "migrate.css"), report=found)


def document(found: MigrationReport) -> list[dict[str, Any]]:
    """Return the sample as `--json` shows it."""
    return [
        {
            "pipeline": row.pipeline,
            "label": row.label,
            "before": row.before.document(),
            "after": row.after.document(),
        }
        for row in found.rows
    ]


@dataclass(frozen=True)
class _Showing:
    """Makes rows; `prices` say how many tokens a picture takes where the service did not."""

    prices: Prices
    blobs: Blobs

    def row(self, drawn: DrawnSample, label: str) -> SampleRow:
        one = drawn.proposal
        missing = "the model is gone, and no picture by it is stored" if label in one.undrawn else "not drawn"
        before = self._shown(drawn.before, one.before, label, missing)
        after = self._shown(drawn.after, one.after, label, "not drawn")
        return SampleRow(one.pipeline.name, label, one.after.calls[label].prompt, before, after)

    def _shown(self, drawn: DrawnSide, side: Side, label: str, missing: str) -> ShownSide:
        model, entry = side.model_of(label), drawn.entries.get(label)
        record = (entry and entry.record) or drawn.refused.get(label)
        fault = "" if entry and entry.record else (entry.error or entry.status) if entry else missing
        if entry is None or record is None:
            return ShownSide(model, note=fault)
        usage = record.usage
        asset, look = _picture_of(record, self.blobs)
        tokens = usage.image_output_tokens
        return ShownSide(
            model,
            picture=data_url(look.first(_WIDEST)) if look else "",
            text="" if asset else record.text[:_TEXT],
            cost_usd=record.cost_usd,
            picture_tokens=self._listed(side.calls[label]) if tokens is None else tokens,
            is_listed=tokens is None,
            agent_tokens=_sum(usage.input_tokens, usage.output_tokens),
            size=f"{asset.width} \N{MULTIPLICATION SIGN} {asset.height}" if asset and asset.width else "",
            checks=tuple((one.check, one.state, one.message) for one in record.checks),
            judge=next((one.score for one in record.checks if one.check == "judge"), None),
            is_found=entry.status == "reused",
            note=fault or ("" if look or not asset else "its bytes are not in the store"),
        )

    def _listed(self, call: StageCall) -> int | None:
        tool = next((tool for tool in call.tools if tool["type"] == "image_generation"), None)
        row = self.prices.image.get(str(tool["model"])) if tool else None
        return row.tokens_of(str(tool["size"]), str(tool["quality"])) if tool and row else None


def _picture_of(record: StageRecord, blobs: Blobs) -> tuple[AssetRecord | None, Look | None]:
    """Return the first picture that a stage was to make; what cannot be looked at is None."""
    pictures = [one for one in record.outputs if one.role == "output" and one.kind in {"picture", "chart"}]
    if not pictures:
        return None, None
    data = blobs.find(pictures[0].blob)
    return pictures[0], open_picture(data) if data else None


def _checks_text(side: ShownSide) -> str:
    return "; ".join(f"{check} {state}" for check, state, _ in side.checks)


def _change(one: PipelineProposal) -> str:
    before, after = one.before.run_cost, one.after.run_cost
    if before.unknown or after.unknown or not before.expected:
        return "unknown"
    return f"{after.expected / before.expected - 1:+.0%}"


def _money(side: ShownSide) -> str:
    return "" if side.note and side.cost_usd is None else usd(side.cost_usd)


def _count(tokens: int | None) -> str:
    return "" if tokens is None else f"{tokens:,}"


def _score(score: float | None) -> str:
    return "" if score is None else f"{score:.2f}"


def _sum(*amounts: int | None) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _pair(before: str, after: str) -> str:
    if before and after:
        return before if before == after else f"{before}{_ARROW}{after}"
    return f"{before or '?'}{_ARROW}{after or '?'}" if before or after else ""
