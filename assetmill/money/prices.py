"""What a stage may cost before it runs, and what it has cost by what the service reported.

What nobody has said is unknown: an estimate names it beside the part that is known, and a cost of which any
part is unknown is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from assetmill.money.direct_costs import READING, direct_estimate
from assetmill.money.price_table import ChatPrice, ImagePrice, Prices, current_prices, load_prices, prices_for
from assetmill.plan.calls import Acceptance, StageCall
from assetmill.plan.plan import FREE, Cost
from assetmill.records import Lane, Usage

__all__ = [
    "ChatPrice",
    "ImagePrice",
    "Prices",
    "current_prices",
    "estimate",
    "expected_image_usd",
    "lane_estimate",
    "load_prices",
    "price_of",
    "prices_for",
]

_MILLION = 1_000_000
_ANSWER_TOKENS = (50, 500, 8000)
_REASONING_TOKENS: Mapping[str, tuple[int, int]] = {
    "none": (0, 0),
    "minimal": (0, 500),
    "low": (500, 8000),
    "medium": (1500, 16_000),
    "high": (4000, 32_000),
    "xhigh": (8000, 64_000),
    "max": (8000, 64_000),
}
"""How many tokens of reasoning are expected and reserved by effort: our own allowance."""


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
    shapes = [(s, q) for s in _sizes(size) for q in _qualities(price, quality)]
    found = [tokens for shape in shapes if (tokens := price.tokens_of(*shape)) is not None]
    if not found or len(found) < len(shapes):
        return None
    least = min(price.least_of(*shape) or 0 for shape in shapes)
    middle = sorted(found)[len(found) // 2]
    return Cost(least * per_token, middle * per_token, max(found) * per_token + partial)


def _sizes(size: str) -> tuple[str, ...]:
    return ("1024x1024", "1536x1024", "1024x1536") if size == "auto" else (size,)


def _qualities(price: ImagePrice, quality: str) -> tuple[str, ...]:
    return tuple(price.tokens) if quality == "auto" else (quality,)


def estimate(call: StageCall, prices: Prices | None = None, *, coming: int = 0) -> Cost:
    """Return what a call may cost; `unknown` of it names what the price list lacks.

    `coming` are pictures that a draft does not hold yet, because stages before it are to make them. Of the
    orchestrating model's tokens only bounds can be said beforehand: what it is given, a short answer, and the
    reasoning that its effort allows. The ceiling allows for twice the pictures that were asked for.
    """
    if call.is_local:
        return FREE
    table = prices or current_prices()
    if call.acceptance:
        return _accepted_estimate(call, call.acceptance, table, coming)
    if call.is_direct:
        return direct_estimate(call, call.tools[0], table, coming)
    if call.lane != "now":
        # Where the hour needs it the stage goes in the normal lane after all: no more than that is the most.
        cheap, full = lane_estimate(call, call.lane, table, coming=coming), _normal(call, table, coming)
        return Cost(cheap.low, cheap.expected, full.ceiling, full.unknown)
    parts = [
        _chat_estimate(call, call.model, table),
        *(_tool_estimate(call, tool, table, coming) for tool in call.tools),
    ]
    return sum(parts, FREE)


def _normal(call: StageCall, table: Prices, coming: int = 0) -> Cost:
    return estimate(replace(call, lane="now"), table, coming=coming)


def lane_estimate(call: StageCall, lane: Lane, prices: Prices | None = None, *, coming: int = 0) -> Cost:
    """Return what a call may cost when it is posted, and served, in a lane.

    Only the orchestrating model is cheaper there: nobody has said that a tool is. Where the lane has no
    price the normal one stands for it.
    """
    table = prices or current_prices()
    price = table.chat.get(call.model)
    cheaper = price.in_lane(lane) if price else None
    if cheaper:
        table = table._replace(chat={**table.chat, call.model: cheaper})
    return _normal(call, table, coming)


def _accepted_estimate(call: StageCall, terms: Acceptance, table: Prices, coming: int) -> Cost:
    """Add up the draws that are made and the most that may be, each with its judges."""
    one = estimate(replace(call, acceptance=None), table, coming=coming)
    for expected, checks in zip(call.outputs, terms.checks, strict=False):
        if checks and checks.judge:
            seen = replace(call, prompt=checks.judge.asked, instructions="", lane="now")
            judged = [_chat_estimate(seen, model, table) for model in checks.judge.models(call.model)]
            one += sum(judged * expected.count, FREE)
    most = terms.best_of + terms.reroll
    draws = Cost(terms.best_of * one.low, terms.best_of * one.expected, most * one.ceiling, one.unknown)
    return draws + _questions_estimate(call, terms, table)


def _questions_estimate(call: StageCall, terms: Acceptance, table: Prices) -> Cost:
    """Return what making judges' questions from the prompt costs: once for all draws."""
    judges = [checks.judge for checks in terms.checks if checks and checks.judge]
    models = dict.fromkeys(one.models(call.model)[0] for one in judges if one.is_from_prompt)
    seen = replace(call, instructions="", lane="now", acceptance=None)
    return sum((_chat_estimate(seen, model, table) for model in models), FREE)


def _chat_estimate(call: StageCall, model: str, table: Prices) -> Cost:
    price = table.chat.get(model)
    if price is None:
        return _unknown(model)
    # Four characters a token is the usual rule of thumb; code and its output are several times the prompt.
    given = (len(call.prompt) + len(call.instructions)) / 4 + 500
    expected, most = _REASONING_TOKENS[call.effort or "medium"] if price.reasons else (0, 0)
    low, probable, high = _ANSWER_TOKENS
    return Cost(
        _tokens_usd(price, given, 0, 0, low),
        _tokens_usd(price, 4 * given, 0, 0, probable + expected),
        _tokens_usd(price, 20 * given, 0, 0, high + most),
    )


def _unknown(*names: str) -> Cost:
    return Cost(0.0, 0.0, 0.0, names)


def missing_prices(unknown: Sequence[str]) -> str:
    """Say which rows the price list lacks, and the command that adds the first of them."""
    names = ", ".join(unknown)
    if unknown[0].endswith(READING):
        return f"no source gives a price for {names}, so no ceiling can hold: run it without one"
    model, _, shape = unknown[0].partition(" ")
    adds = f"assetmill prices --add {model}" + (f" --tokens '{shape}=N'" if shape else "")
    return f"no price for {names}, so no ceiling can hold: `{adds}` adds it to prices.toml"


def _tool_estimate(call: StageCall, tool: Mapping[str, Any], table: Prices, coming: int) -> Cost:
    if tool["type"] == "image_generation":
        return _image_estimate(call, tool, table, coming)
    if tool["type"] == "code_interpreter":
        each = table.code_session
        return _unknown("code_session") if each is None else Cost(0.0, each, each)
    if tool["type"] == "file_search":
        one = table.file_search
        return _unknown("file_search") if one is None else Cost(0.0, one, 5 * one)
    return FREE


def _image_estimate(call: StageCall, tool: Mapping[str, Any], table: Prices, coming: int) -> Cost:
    model, size, quality = str(tool["model"]), str(tool["size"]), str(tool["quality"])
    partial = int(tool.get("partial_images") or 0)
    one = expected_image_usd(model, size, quality, partial_images=partial, prices=table)
    if one is None:
        return _unknown(f"{model} {size} {quality}" if model in table.image else model)
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


def price_of(
    usage: Usage, call: StageCall, prices: Prices | None = None, *, turns: Sequence[Usage] = ()
) -> float | None:
    """Return what a call has cost by what the service reported, None when a part of it is unknown.

    `turns` are the parts of `usage` that were requests of their own: a long context makes one request
    dearer, not all, and each was served in a lane of its own, whatever it was posted in. Where the service
    does not report the image tool's tokens, each picture counts as the table says.
    """
    table = prices or current_prices()
    price = table.chat.get(call.model)
    parts = [
        *(_chat_usd(one, _served(price, one)) for one in (() if call.is_direct else turns or (usage,))),
        _images_usd(usage, call, table),
        _count_usd(usage.code_sessions, table.code_session),
        _count_usd(usage.file_searches, table.file_search),
    ]
    known = [part for part in parts if part is not None]
    return round(sum(known), 8) if len(known) == len(parts) else None


def _served(price: ChatPrice | None, usage: Usage) -> ChatPrice | None:
    """Return the price of the lane that served a request."""
    return price.in_lane(usage.service_tier) if price and usage.service_tier else price


def _chat_usd(usage: Usage, price: ChatPrice | None) -> float | None:
    """Price one request; input of which the service does not say that it was cached costs in full."""
    if price is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
    return _tokens_usd(price, usage.input_tokens, cached, written, usage.output_tokens)


def _tokens_usd(price: ChatPrice, given: float, cached: float, written: float, output: float) -> float:
    read = price.input if price.cached is None else price.cached
    write = price.input if price.cache_write is None else price.cache_write
    fresh = max(0.0, given - cached - written)
    input_usd = fresh * price.input + cached * read + written * write
    output_usd = output * price.output
    if price.long and given > price.long.above:
        input_usd, output_usd = input_usd * price.long.input, output_usd * price.long.output
    return (input_usd + output_usd) / _MILLION


def _count_usd(count: int, each: float | None) -> float | None:
    return 0.0 if not count else None if each is None else count * each


def _images_usd(usage: Usage, call: StageCall, table: Prices) -> float | None:
    tool = call.drawing
    price = table.image.get(str(tool.get("model"))) if tool else None
    if usage.image_output_tokens is not None and price is not None:
        return _reported_usd(usage, price)
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


def _reported_usd(usage: Usage, price: ImagePrice) -> float:
    """Price the image tool's own report; what it does not tell apart costs as pictures, the dearer."""
    texts_in, texts_out = usage.image_text_input_tokens or 0, usage.image_text_output_tokens or 0
    texts_cached, pictures_cached = usage.image_text_cached_tokens or 0, usage.image_cached_tokens or 0
    pictures_in = (usage.image_input_tokens or 0) - texts_in
    pictures_out = (usage.image_output_tokens or 0) - texts_out
    cached_text = price.text_input if price.text_cached is None else price.text_cached
    cached_picture = price.image_input if price.image_cached is None else price.image_cached
    text_output = price.output if price.text_output is None else price.text_output
    total = (
        max(0, texts_in - texts_cached) * price.text_input
        + texts_cached * cached_text
        + max(0, pictures_in - pictures_cached) * price.image_input
        + pictures_cached * cached_picture
        + max(0, pictures_out) * price.output
        + texts_out * text_output
    )
    return total / _MILLION
