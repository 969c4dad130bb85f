"""What kind of source a picture has, in IPTC's words, told from its lineage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from assetmill.records import AssetRecord

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"

SourceType = Literal[
    "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia", "digitalCreation"
]


def source_type(asset: AssetRecord, ancestors: Iterable[AssetRecord]) -> SourceType | None:
    """Return the digital source type, None for what a person brought in: of that nothing is known here.

    What a model drew from words alone is `trainedAlgorithmicMedia`; from pictures, or what was composed from
    such here, `compositeWithTrainedAlgorithmicMedia`; what code computed, `algorithmicMedia`.
    """
    if asset.role == "import":
        return None
    family = [one for one in ancestors if one.asset_id != asset.asset_id]
    has_pictures = any(one.kind == "picture" and one.role != "mask" for one in family)
    if _is_drawn(asset):
        return "compositeWithTrainedAlgorithmicMedia" if has_pictures else "trainedAlgorithmicMedia"
    return derived_source(family) or ("algorithmicMedia" if asset.made_by else None)


def derived_source(family: Iterable[AssetRecord]) -> SourceType | None:
    """Return the type of what is composed from a family; None when no model drew any of it."""
    is_drawn = any(_is_drawn(one) for one in family)
    return "compositeWithTrainedAlgorithmicMedia" if is_drawn else None


def _is_drawn(asset: AssetRecord) -> bool:
    return any(handle.kind == "image_call" for handle in asset.handles)
