"""Writes what a real service would have charged, one line per charge, into the state."""

from __future__ import annotations

from typing import Any

from foundry_emulator.clock import Clock
from foundry_emulator.data import prices
from foundry_emulator.jsons import Json
from foundry_emulator.state import State

_MILLION = 1_000_000


def _model_prices(table: str, model: str) -> dict[str, Any]:
    """Find a model's prices by the longest known start of its name, else `default`."""
    known: Json = prices()[table]
    matching = [name for name in known if model.startswith(name)]
    return known[max(matching, key=len)] if matching else known["default"]


class Billing:
    """Adds charges to the state's bill."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def _charge(self, kind: str, model: str, usd: float, response_id: str, **details: Any) -> None:
        self._state.charge(
            {
                "at": round(self._clock.now(), 3),
                "kind": kind,
                "model": model,
                "usd": round(usd, 8),
                "response_id": response_id,
                **details,
            }
        )

    def tokens(
        self, response_id: str, model: str, input_tokens: int, output_tokens: int, tier: str = "default"
    ) -> None:
        """Charge what the orchestrating model read and wrote, by the tier that served it."""
        price, factor = _model_prices("chat", model), prices()["tiers"].get(tier, 1.0)
        usd = factor * (input_tokens * price["input"] + output_tokens * price["output"]) / _MILLION
        used = {"input_tokens": input_tokens, "output_tokens": output_tokens}
        self._charge("tokens", model, usd, response_id, **used, service_tier=tier)

    def image(
        self,
        response_id: str,
        model: str,
        *,
        call_id: str,
        size: str,
        quality: str,
        output_tokens: int,
        input_image_tokens: int,
        input_text_tokens: int,
        partial_images: int,
    ) -> None:
        """Charge one picture, drawn or refused after drawing; `output_tokens` includes partial pictures."""
        price = _model_prices("image", model)
        usd = (
            output_tokens * price["image_output"]
            + input_image_tokens * price["image_input"]
            + input_text_tokens * price["text_input"]
        ) / _MILLION
        self._charge(
            "image",
            model,
            usd,
            response_id,
            call_id=call_id,
            size=size,
            quality=quality,
            output_tokens=output_tokens,
            input_image_tokens=input_image_tokens,
            input_text_tokens=input_text_tokens,
            partial_images=partial_images,
        )

    def megapixels(self, response_id: str, model: str, *, size: str, count: int) -> None:
        """Charge one picture of a model that is priced by area."""
        usd = count * prices()["megapixel"][model]
        self._charge("image", model, usd, response_id, size=size, megapixels=count)

    def picture(self, response_id: str, model: str, *, size: str) -> None:
        """Charge one picture of a model that costs the same for any size."""
        self._charge("image", model, prices()["picture"][model], response_id, size=size)

    def code_session(self, response_id: str, model: str, container_id: str) -> None:
        """Charge a new code interpreter session."""
        usd = prices()["tools"]["code_interpreter_session"]
        self._charge("code_interpreter_session", model, usd, response_id, container_id=container_id)

    def file_search(self, response_id: str, model: str) -> None:
        """Charge one file search call."""
        self._charge("file_search_call", model, prices()["tools"]["file_search_call"], response_id)
