"""What templates see of the stages before: plain dictionaries, nothing of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assetmill.plan.slots import Slot
from assetmill.records import StageRecord
from assetmill.spec.checks import variable_name

_OUTPUT_KEYS = ("name", "kind", "width", "height")


def stage_variables(
    slot: Slot, records: Mapping[str, StageRecord], slots: Mapping[str, Slot]
) -> dict[str, Any]:
    """Return `stages` for a slot's templates: `text`, `data`, `outputs` and `variants` of each it sees.

    Of several variants the texts are joined by empty lines, and `data` is the list of theirs.
    """
    seen: dict[str, Any] = {}
    for name, labels in slot.upstream.items():
        variants = [_variant(records[label], slots[label]) for label in labels]
        seen[name] = seen[variable_name(name)] = _gathered(variants, is_list=name in slot.gathers)
    return seen


def _variant(record: StageRecord, slot: Slot) -> dict[str, Any]:
    made = [asset for asset in record.outputs if asset.role == "output"]
    return {
        "text": record.text,
        "data": record.data,
        "outputs": [{key: getattr(asset, key) for key in _OUTPUT_KEYS} for asset in made],
        "variant": slot.variant,
        "axes": {axis: value.value for axis, value in slot.values.items()},
    }


def _gathered(variants: list[dict[str, Any]], *, is_list: bool) -> dict[str, Any]:
    return {
        "text": "\n\n".join(variant["text"] for variant in variants if variant["text"]),
        "data": [variant["data"] for variant in variants] if is_list else variants[0]["data"],
        "outputs": [output for variant in variants for output in variant["outputs"]],
        "variants": variants,
    }
