"""What things cost, from dated data. None means unknown, which is neither zero nor a guess."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import tomli

from assetmill.errors import InvalidSpec
from assetmill.plan.calls import Acceptance, StageCall
from assetmill.plan.plan import Cost
from assetmill.records import Usage
from assetmill.settings import config_file, find_configs
from assetmill.spec.reading import read_bytes

_MILLION = 1_000_000


class ChatPrice(NamedTuple):
    """Dollars per million tokens of an orchestrating model."""

    input: float
    output: float


class ImagePrice(NamedTuple):
    """Dollars per million tokens of the image tool, and the output tokens of one picture.

    `tokens` gives for each quality those of a square and, where known, of an oblong picture.
    """

    text_input: float
    image_input: float
    output: float
    tokens: Mapping[str, tuple[int, ...]]
    sizes: Mapping[str, int]

    def tokens_of(self, size: str, quality: str) -> int | None:
        """Return the output tokens of one picture, None when nobody has said."""
        if (exact := self.sizes.get(f"{size} {quality}")) is not None:
            return exact
        known = self.tokens.get(quality, ())
        if size == "1024x1024" and known:
            return known[0]
        return known[1] if size in ("1536x1024", "1024x1536") and len(known) > 1 else None


class Prices(NamedTuple):
    """The price table. Lists of models hold aliases as rows of their own."""

    chat: Mapping[str, ChatPrice]
    image: Mapping[str, ImagePrice]
    partial_image_tokens: int
    code_session: float | None
    file_search: float | None


def load_prices(configs: Path) -> Prices:
    """Read the price table.

    Raises:
        InvalidSpec: missing, not TOML, or a row lacks something.
    """
    path = config_file(configs, "prices.toml")
    try:
        table = tomli.loads(read_bytes(path).decode())
        chat = {row["model"]: ChatPrice(float(row["input"]), float(row["output"])) for row in table["chat"]}
        image: dict[str, ImagePrice] = {}
        for row in table["image"]:
            for name in (row["model"], *row.get("aliases", ())):
                image[name] = _image_price(row)
        tools = table.get("tools", {})
        return Prices(
            chat,
            image,
            int(tools["partial_image_tokens"]),
            tools.get("code_session"),
            tools.get("file_search"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidSpec(str(path), None, f"not a price table: {error!r}") from error


def _image_price(row: Mapping[str, Any]) -> ImagePrice:
    return ImagePrice(
        text_input=float(row["text_input"]),
        image_input=float(row["image_input"]),
        output=float(row["output"]),
        tokens={quality: tuple(known) for quality, known in row["tokens"].items()},
        sizes=dict(row.get("sizes", {})),
    )


@functools.cache
def current_prices() -> Prices:
    """Return the price table of the configs folder that this process uses."""
    return load_prices(find_configs())


def expected_image_usd(
    image_model: str, size: str, quality: str, *, partial_images: int = 0, prices: Prices | None = None
) -> Cost | None:
    """Return what drawing one picture costs, without what the tool reads; None when it is unknown.

    With an `auto` size or quality the ceiling is the dearest that the table knows of the model, unknown when
    it does not know all.
    """
    table = prices or current_prices()
    price = table.image.get(image_model)
    if price is None:
        return None
    per_token = price.output / _MILLION
    partial = partial_images * table.partial_image_tokens * per_token
    known = [price.tokens_of(s, q) for s in _sizes(size) for q in _qualities(price, quality)]
    found = [tokens for tokens in known if tokens is not None]
    if not found or len(found) < len(known):
        return None
    middle = sorted(found)[len(found) // 2]
    return Cost(min(found) * per_token, middle * per_token, max(found) * per_token + partial)


def _sizes(size: str) -> tuple[str, ...]:
    return ("1024x1024", "1536x1024", "1024x1536") if size == "auto" else (size,)


def _qualities(price: ImagePrice, quality: str) -> tuple[str, ...]:
    return tuple(price.tokens) if quality == "auto" else (quality,)


def estimate(call: StageCall, prices: Prices | None = None, *, coming: int = 0) -> Cost | None:
    """Return what a call may cost, None when any part of it is unknown.

    `coming` are pictures that a draft does not hold yet, because stages before it are to make them. Of the
    orchestrating model's tokens only bounds can be said beforehand: what it is given, and a short answer. The
    ceiling allows for twice the pictures that were asked for.
    """
    table = prices or current_prices()
    if call.acceptance:
        return _accepted_estimate(call, call.acceptance, table, coming)
    chat = table.chat.get(call.model)
    if chat is None:
        return None
    total = _chat_estimate(call, chat)
    for tool in call.tools:
        part = _tool_estimate(call, tool, table, coming)
        if part is None:
            return None
        total += part
    return total


def _accepted_estimate(call: StageCall, terms: Acceptance, table: Prices, coming: int) -> Cost | None:
    """Add up the draws that are made and the most that may be, each with its judges."""
    parts = [estimate(replace(call, acceptance=None), table, coming=coming)]
    for expected, checks in zip(call.outputs, terms.checks, strict=False):
        if checks and checks.judge:
            chat = table.chat.get(checks.judge.model or call.model)
            seen = replace(call, prompt=checks.judge.rubric, instructions="")
            parts += [_chat_estimate(seen, chat) if chat else None] * expected.count
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    one = sum(known, Cost(0.0, 0.0, 0.0))
    most = terms.best_of + terms.reroll
    return Cost(terms.best_of * one.low, terms.best_of * one.expected, most * one.ceiling)


def _chat_estimate(call: StageCall, price: ChatPrice) -> Cost:
    # Four characters a token is the usual rule of thumb; code and its output are several times the prompt.
    given = (len(call.prompt) + len(call.instructions)) / 4 + 500
    low = (given * price.input + 50 * price.output) / _MILLION
    expected = (4 * given * price.input + 500 * price.output) / _MILLION
    return Cost(low, expected, (20 * given * price.input + 8000 * price.output) / _MILLION)


def _tool_estimate(call: StageCall, tool: Mapping[str, Any], table: Prices, coming: int) -> Cost | None:
    if tool["type"] == "image_generation":
        return _image_estimate(call, tool, table, coming)
    if tool["type"] == "code_interpreter":
        return None if table.code_session is None else Cost(0.0, table.code_session, table.code_session)
    if tool["type"] == "file_search":
        one = table.file_search
        return None if one is None else Cost(0.0, one, 5 * one)
    return Cost(0.0, 0.0, 0.0)


def _image_estimate(call: StageCall, tool: Mapping[str, Any], table: Prices, coming: int) -> Cost | None:
    model = str(tool["model"])
    one = expected_image_usd(
        model,
        str(tool["size"]),
        str(tool["quality"]),
        partial_images=int(tool.get("partial_images") or 0),
        prices=table,
    )
    if one is None:
        return None
    runs_code = any(other["type"] == "code_interpreter" for other in call.tools)
    wanted = sum(output.count for output in call.outputs if output.kind == "picture")
    count = max(1, 1 if runs_code else wanted)
    price = table.image[model]
    given = len(call.prompt) / 4 * price.text_input / _MILLION
    seen = sum(_input_tokens(tool) for bound in call.inputs if bound.role != "container_file")
    seen += coming * _input_tokens(tool)
    read = given + seen * price.image_input / _MILLION
    return Cost(count * one.low, count * (one.expected + read), 2 * count * (one.ceiling + 2 * read))


def _input_tokens(tool: Mapping[str, Any]) -> int:
    """Tokens of one input picture: 65 and 129 for each tile of 512, of up to six; more at high fidelity."""
    return 839 + (6240 if tool.get("input_fidelity") == "high" else 0)


def price_of(usage: Usage, call: StageCall, prices: Prices | None = None) -> float | None:
    """Return what a call has cost by what the service reported, None when a part of it is unknown.

    Where the service does not report the image tool's tokens, each picture counts as the table says.
    """
    table = prices or current_prices()
    chat = _chat_usd(usage, table.chat.get(call.model))
    images = _images_usd(usage, call, table)
    code = _count_usd(usage.code_sessions, table.code_session)
    searches = _count_usd(usage.file_searches, table.file_search)
    if chat is None or images is None or code is None or searches is None:
        return None
    return round(chat + images + code + searches, 8)


def _chat_usd(usage: Usage, price: ChatPrice | None) -> float | None:
    if price is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    return (usage.input_tokens * price.input + usage.output_tokens * price.output) / _MILLION


def _count_usd(count: int, each: float | None) -> float | None:
    return 0.0 if not count else None if each is None else count * each


def _images_usd(usage: Usage, call: StageCall, table: Prices) -> float | None:
    tool = next((tool for tool in call.tools if tool["type"] == "image_generation"), None)
    price = table.image.get(str(tool.get("model"))) if tool else None
    if usage.image_output_tokens is not None and price is not None:
        read = (usage.image_input_tokens or 0) * price.image_input
        return (usage.image_output_tokens * price.output + read) / _MILLION
    if not usage.images and not usage.image_output_tokens:
        return 0.0
    if tool is None or price is None:
        return None
    tokens = price.tokens_of(str(tool.get("size")), str(tool.get("quality")))
    if tokens is None:
        return None
    pictures = usage.images * tokens + usage.partial_images * table.partial_image_tokens
    seen = sum(_input_tokens(tool) for bound in call.inputs if bound.role != "container_file")
    read = usage.images * (len(call.prompt) / 4 * price.text_input + seen * price.image_input)
    return (pictures * price.output + read) / _MILLION
