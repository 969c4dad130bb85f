"""Where an asset comes from and what came of it: every ancestor, every descendant, and how each was made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from assetmill.records import AssetId, AssetRecord, StageRecord
from assetmill.store.index import Index
from assetmill.store.kept import is_kept
from assetmill.store.ledger import Ledger

Direction = Literal["up", "down"]
MOST_ASSETS = 5000
"""A family larger than this is cut, and says so: nobody reads it, and a loop in damaged records must end."""


@dataclass(frozen=True)
class Member:
    """One asset of a family with the stage that made it.

    `record` is None for a file of an attempt without a commit; the asset too when the store lost it.
    """

    asset_id: AssetId
    asset: AssetRecord | None
    record: StageRecord | None


@dataclass(frozen=True)
class Family:
    """An asset, its ancestors and its descendants. `edges` go from the parent to the child."""

    root: AssetId
    members: dict[AssetId, Member]
    parents: dict[AssetId, tuple[AssetId, ...]]
    children: dict[AssetId, tuple[AssetId, ...]]
    is_cut: bool = False

    def edges(self) -> list[tuple[AssetId, AssetId]]:
        """Return every edge once."""
        up = [(parent, child) for child, parents in self.parents.items() for parent in parents]
        down = [(parent, child) for parent, children in self.children.items() for child in children]
        return list(dict.fromkeys(up + down))


def trace(asset: AssetRecord, ledger: Ledger, index: Index, directions: Iterable[Direction]) -> Family:
    """Read an asset's family. Ancestors are read from their records, descendants are found by the index."""
    reader = _Reader(ledger)
    parents: dict[AssetId, tuple[AssetId, ...]] = {}
    children: dict[AssetId, tuple[AssetId, ...]] = {}
    reader.member(asset.asset_id)
    if "up" in directions:
        reader.walk(asset.asset_id, parents, reader.parents_of)
    if "down" in directions:
        reader.walk(asset.asset_id, children, index.children)
    return Family(asset.asset_id, reader.members, parents, children, reader.is_cut)


class _Reader:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.members: dict[AssetId, Member] = {}
        self.is_cut = False

    def member(self, asset_id: AssetId) -> Member:
        if asset_id not in self.members:
            try:
                record = self._ledger.read_stage_of(asset_id)
            except ValueError:
                record = None
            outputs = record.outputs if record else ()
            asset = next((one for one in outputs if one.asset_id == asset_id), None)
            if is_kept(asset_id):
                asset = self._ledger.read_asset(asset_id)
            self.members[asset_id] = Member(asset_id, asset, record)
        return self.members[asset_id]

    def parents_of(self, asset_id: AssetId) -> tuple[AssetId, ...]:
        asset = self.member(asset_id).asset
        return tuple(dict.fromkeys(asset.derived_from)) if asset else ()

    def walk(
        self,
        start: AssetId,
        edges: dict[AssetId, tuple[AssetId, ...]],
        next_of: Callable[[AssetId], tuple[AssetId, ...]],
    ) -> None:
        waiting = [start]
        while waiting:
            asset_id = waiting.pop()
            if asset_id in edges:
                continue
            if len(self.members) >= MOST_ASSETS:
                self.is_cut = True
                return
            edges[asset_id] = next_of(asset_id)
            for found in edges[asset_id]:
                self.member(found)
                waiting.append(found)


def as_json(family: Family) -> dict[str, Any]:
    """Return the family as plain data."""
    return {
        "asset_id": family.root,
        "is_cut": family.is_cut,
        "assets": [_facts(member) for member in family.members.values()],
        "edges": [{"parent": parent, "child": child} for parent, child in family.edges()],
    }


def as_tree(family: Family) -> str:
    """Return the family as indented text: descendants below the asset, ancestors in a tree of their own."""
    lines = [*_node(family.members[family.root], "", "")]
    for title, edges in (("made from", family.parents), ("made into", family.children)):
        if edges.get(family.root):
            lines += ["", f"{title}:"]
            lines += _branches(family, family.root, edges, "", set())
    if family.is_cut:
        lines += ["", f"cut after {MOST_ASSETS} assets"]
    return "\n".join(lines)


def as_mermaid(family: Family) -> str:
    """Return the family as a Mermaid flow chart."""
    names = {asset_id: f"a{number}" for number, asset_id in enumerate(family.members)}
    lines = ["flowchart TD"]
    for asset_id, member in family.members.items():
        asset = member.asset
        label = f"{asset.name}<br/>{asset.stage} {_cost(member)}" if asset else f"{asset_id[:20]} (lost)"
        lines.append(f'    {names[asset_id]}["{_quoted(label)}"]')
    lines += [f"    {names[parent]} --> {names[child]}" for parent, child in family.edges()]
    lines.append(f"    style {names[family.root]} stroke-width:3px")
    return "\n".join(lines)


def _branches(
    family: Family,
    asset_id: AssetId,
    edges: dict[AssetId, tuple[AssetId, ...]],
    indent: str,
    seen: set[AssetId],
) -> Iterator[str]:
    # An explicit stack: an edit of an edit a thousand times over is deeper than Python calls may nest.
    stack = [(indent, child, False) for child in reversed(_marked(edges.get(asset_id, ())))]
    while stack:
        indent, (child, is_last), _ = stack.pop()
        corner, bar = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        if child in seen:
            yield f"{indent}{corner}{_name(family.members[child])} (see above)"
            continue
        seen.add(child)
        yield from _node(family.members[child], indent + corner, indent + bar)
        below = [(indent + bar, one, False) for one in reversed(_marked(edges.get(child, ())))]
        stack += below


def _marked(children: tuple[AssetId, ...]) -> list[tuple[AssetId, bool]]:
    return [(child, number == len(children)) for number, child in enumerate(children, start=1)]


def _node(member: Member, first: str, rest: str) -> Iterator[str]:
    yield f"{first}{_name(member)}"
    asset, record = member.asset, member.record
    if asset is None:
        return
    made_by = asset.made_by
    if made_by:
        model = " + ".join(filter(None, [made_by.model, made_by.image_model]))
        agent = f"{made_by.agent_name}:{made_by.agent_version}" if made_by.agent_name else ""
        yield f"{rest}  {model}, {agent}, {made_by.response_id}, {_cost(member)}"
    elif asset.role == "import":
        yield f"{rest}  brought in"
    else:
        yield f"{rest}  made here"
    if asset.prompt:
        yield f"{rest}  prompt: {_short(asset.prompt)}"
    if asset.revised_prompt:
        yield f"{rest}  revised: {_short(asset.revised_prompt)}"
    if record and record.data and asset.made_by is None:
        yield f"{rest}  {', '.join(f'{key} {value}' for key, value in record.data.items())}"


def _name(member: Member) -> str:
    asset = member.asset
    if asset is None:
        return f"{member.asset_id} (its record is lost)"
    stage = asset.label
    return f"{asset.name}  {stage}  {asset.asset_id}"


def _facts(member: Member) -> dict[str, Any]:
    asset, record = member.asset, member.record
    if asset is None:
        return {"asset_id": member.asset_id, "is_lost": True}
    return {
        "asset_id": asset.asset_id,
        "name": asset.name,
        "kind": asset.kind,
        "role": asset.role,
        "pipeline": record.pipeline if record else None,
        "stage": asset.stage,
        "variant": asset.variant,
        "run_id": record.run_id if record else None,
        "digest": asset.blob.digest,
        "prompt": asset.prompt,
        "revised_prompt": asset.revised_prompt,
        "model": asset.made_by.model if asset.made_by else None,
        "image_model": asset.made_by.image_model if asset.made_by else None,
        "agent_name": asset.made_by.agent_name if asset.made_by else None,
        "agent_version": asset.made_by.agent_version if asset.made_by else None,
        "response_id": asset.made_by.response_id if asset.made_by else None,
        "cost_usd": record.cost_usd if record else None,
        "data": record.data if record else None,
        "derived_from": list(asset.derived_from),
        "created_at": asset.created_at,
    }


def _cost(member: Member) -> str:
    cost = member.record.cost_usd if member.record else None
    return "$?" if cost is None else f"${cost:.4f}"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 160 else f"{plain[:157]}..."


def _quoted(text: str) -> str:
    return text.replace('"', "#quot;").replace("\n", " ")
