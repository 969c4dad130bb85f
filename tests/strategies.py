"""Hypothesis strategies for the values that pass between the parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from assetmill.fingerprint import Digest
from assetmill.plan.calls import Acceptance, BoundInput, BoundKnowledge, ExpectedOutput, InputRole, StageCall
from assetmill.records import AssetKind, BlobRef

names = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)
words = st.text(max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)
json_values = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)

ROLES: tuple[InputRole, ...] = ("picture", "mask", "container_file")
KINDS: tuple[AssetKind, ...] = ("picture", "chart", "document", "data", "text")


def digests() -> st.SearchStrategy[Digest]:
    """Content digests."""
    return st.binary(min_size=32, max_size=32).map(lambda raw: Digest(f"sha256:{raw.hex()}"))


def blobs() -> st.SearchStrategy[BlobRef]:
    """References to blobs that need not exist."""
    return st.builds(
        BlobRef, digest=digests(), size_bytes=st.integers(0, 10**9), media_type=st.just("image/png")
    )


def bound_inputs() -> st.SearchStrategy[BoundInput]:
    """Inputs of a stage."""
    return st.builds(BoundInput, name=names, role=st.sampled_from(ROLES), blob=blobs())


def bound_knowledge() -> st.SearchStrategy[BoundKnowledge]:
    """Knowledge sets."""
    return st.builds(BoundKnowledge, name=names, digest=digests(), files=st.just(()))


def expected_outputs() -> st.SearchStrategy[ExpectedOutput]:
    """What a stage must produce."""
    return st.builds(
        ExpectedOutput,
        kind=st.sampled_from(KINDS),
        name=names,
        count=st.integers(1, 9),
        format=st.none() | st.sampled_from(["png", "jpeg"]),
        width=st.none() | st.integers(1, 4000),
    )


def tools() -> st.SearchStrategy[dict[str, Any]]:
    """Tools in wire form."""
    image = st.fixed_dictionaries(
        {"type": st.just("image_generation"), "size": words}, optional={"quality": words}
    )
    return image | st.just({"type": "code_interpreter", "container": {"type": "auto"}})


def stage_calls() -> st.SearchStrategy[StageCall]:
    """Whole calls."""
    return st.builds(
        StageCall,
        pipeline=names,
        stage=names,
        variant=words,
        prompt=words,
        instructions=words,
        model=names,
        image_deployment=st.none() | names,
        tools=st.lists(tools(), max_size=3).map(tuple),
        inputs=st.lists(bound_inputs(), max_size=3).map(tuple),
        knowledge=st.lists(bound_knowledge(), max_size=2, unique_by=lambda k: k.name).map(tuple),
        outputs=st.lists(expected_outputs(), max_size=3).map(tuple),
        text_format=st.none() | st.dictionaries(names, json_values, max_size=2),
        tool_choice=st.none() | names,
        max_tool_calls=st.none() | st.integers(1, 99),
        extra=st.dictionaries(names, json_values, max_size=2),
    )


_EXTRA_INPUT = BoundInput(
    "extra.png",
    "picture",
    BlobRef(digest=Digest(f"sha256:{'0' * 64}"), size_bytes=0, media_type="image/png"),
)


def _longer(value: Any) -> Any:
    return f"{value}!"


def _keyed(value: dict[str, Any] | None) -> dict[str, Any]:
    return {**(value or {}), "~extra": 1}


def _with(extra: Any) -> Callable[[Any], Any]:
    def add(value: Any) -> Any:
        return (*value, extra)

    return add


def _hundred_more(value: Any) -> Any:
    return (value or 0) + 100


def _choosier(value: Acceptance | None) -> Acceptance:
    terms = value or Acceptance()
    return terms._replace(best_of=terms.best_of + 1)


_CHANGES: dict[str, Callable[[Any], Any]] = {
    "prompt": _longer,
    "instructions": _longer,
    "model": _longer,
    "image_deployment": _longer,
    "tools": _with({"type": "file_search", "knowledge": ["more"]}),
    "inputs": _with(_EXTRA_INPUT),
    "knowledge": _with(BoundKnowledge("~extra", Digest("sha256:1"), ())),
    "outputs": _with(ExpectedOutput("picture", "extra.png")),
    "text_format": _keyed,
    "tool_choice": _longer,
    "max_tool_calls": _hundred_more,
    "extra": _keyed,
    "acceptance": _choosier,
    "effort": _longer,
    "making": lambda old: (*old, {"from": "hero", "rotate": 90, "save": "turned.png"}),
}

DECIDING_FIELDS = tuple(_CHANGES)
UNDECIDING_FIELDS = ("pipeline", "stage", "variant", "folder", "lane")


def changed(call: StageCall, field: str) -> StageCall:
    """Return the call with another value in one deciding field."""
    return replace(call, **{field: _CHANGES[field](getattr(call, field))})
