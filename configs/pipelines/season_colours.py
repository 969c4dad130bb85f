"""What the pipeline season-card lets its agent look up: any typed function beside a pipeline file will do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Season = Literal["spring", "summer", "autumn", "winter"]

_COLOURS: dict[Season, tuple[str, ...]] = {
    "spring": ("#7FB069", "#F4D35E", "#F7F4EA"),
    "summer": ("#0081A7", "#FED9B7", "#F07167"),
    "autumn": ("#9C4A1A", "#E09F3E", "#335C67"),
    "winter": ("#14213D", "#A9BCD0", "#F5F1E8"),
}


def season_colours(
    season: Annotated[Season, Field(description="The season of the card")],
) -> dict[str, object]:
    """Get the house colours of a season, darkest first."""
    return {"season": season, "colours": _COLOURS[season]}
