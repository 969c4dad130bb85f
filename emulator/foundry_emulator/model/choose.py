"""Which tools a turn uses: from the tools present, the tool choice, and the words of the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foundry_emulator.model.coding.intents import writers
from foundry_emulator.model.coding.request import CodeRequest, sources_of
from foundry_emulator.model.history import objects
from foundry_emulator.model.reading import Reading
from foundry_emulator.model.words import has

CODE_TOOLS = ("code_interpreter",)
COMPUTER_TOOLS = ("computer_use_preview", "computer_use", "computer")

_DRAW_VERBS = (
    r"draw\w*", r"paint\w*", r"illustrat\w*", r"sketch\w*", r"render\w*", r"generat\w*", r"creat\w*",
    r"mak\w*", r"design\w*", r"produc\w*", "want", "need", "imagine", "show", r"edit\w*", "give", "depict",
)  # fmt: skip
_PICTURE_NOUNS = (
    "images?", "pictures?", "photos?", "photographs?", "illustrations?", "drawings?", "paintings?",
    "logos?", "icons?", "posters?", "banners?", "hero(?:es)?", "covers?", "artwork", "scenes?",
    "portraits?", "landscapes?", "variants?", "wallpapers?", "stickers?", "backgrounds?", "renders?",
    "sketch(?:es)?", "mascots?", "emblems?", "og images?", "social cards?", "visuals?", "mock-?ups?",
    "textures?", "patterns?", "avatars?",
)  # fmt: skip
_EDIT_VERBS = (
    "edit", "change", "replace", "remove", "erase", "recolou?r", "repaint", "brighten", "darken", "turn",
    "swap", "add", "make (?:it|the)", "extend", "blur", "retouch", "modify", "adjust", "restyle", "keep",
    "same (?:picture|image)", "put",
)  # fmt: skip
_GREETINGS = ("hi", "hello", "hey", "good (?:morning|evening|afternoon)", "thanks?", "thank you")


@dataclass(frozen=True)
class ToolChoice:
    """The tools that a turn uses; the order of their use is fixed in `deciding`."""

    search: bool = False
    draw: bool = False
    code: bool = False
    functions: bool = False
    server: Mapping[str, Any] | None = None
    computer: Mapping[str, Any] | None = None
    forced: str | None = None
    """The name of the one function that the tool choice demands."""


def choose(reading: Reading) -> ToolChoice:
    """Choose the tools for a turn."""
    allowed, demanded = _allowed(reading)
    kinds = {str(tool["type"]) for tool in allowed}
    computer = next((tool for tool in allowed if tool["type"] in COMPUTER_TOOLS), None)
    server = next((tool for tool in allowed if tool["type"] == "mcp"), None)
    chatter = _is_chatter(reading) and not demanded
    if chatter or not kinds:
        return ToolChoice()
    draws = "image_generation" in kinds and wants_picture(
        reading, alone=not kinds - {"image_generation", "file_search"}
    )
    codes = "code_interpreter" in kinds and wants_code(reading, alone=kinds == {"code_interpreter"})
    choice = ToolChoice(
        search="file_search" in kinds and _wants_search(reading),
        draw=draws and not (codes and _is_picture_work(reading)),
        code=codes,
        functions="function" in kinds,
        server=server if not (draws or codes) or _speaks_of(server, reading) else None,
        computer=computer,
        forced=_forced_function(reading),
    )
    return _insist(choice, kinds) if demanded and not reading.since else choice


def wants_picture(reading: Reading, *, alone: bool) -> bool:
    """Say whether the request is for a picture to be drawn or edited."""
    text = reading.text
    if reading.turn.pictures and (has(text, *_EDIT_VERBS) or reading.turn.mask):
        return True
    if has(text, "draw", "paint", "illustrate", "sketch"):
        return True
    if has(text, *_DRAW_VERBS) and has(text, *_PICTURE_NOUNS):
        return True
    # With no other tool at hand a description is a request: "a red bicycle on the beach".
    return alone and not reading.is_question


def wants_edit(reading: Reading) -> bool:
    """Say whether the picture is to be made from one that is there."""
    if not reading.turn.pictures:
        return False
    return bool(reading.turn.mask) or reading.attached_pictures() or has(reading.text, *_EDIT_VERBS)


def wants_code(reading: Reading, *, alone: bool) -> bool:
    """Say whether the request is for something that code does."""
    request = job_of(reading)
    spoken = has(
        reading.text,
        "python",
        "code interpreter",
        r"use (?:the )?code",
        "using code",
        r"run (?:the|this|some) code",
    )
    if writers(request):
        return True
    drawn_first = wants_picture(reading, alone=False) and has(
        reading.text, r"resiz\w*", r"crop\w*", "contact[ -]?sheet", "variants? (?:at|in|of)"
    )
    figures = has(reading.text, r"calculat\w*", r"comput\w*", r"execut\w*") and bool(
        reading.turn.tool("file_search")
    )
    return (
        spoken
        or drawn_first
        or figures
        or (alone and bool(request.sources) and not wants_picture(reading, alone=False))
    )


def job_of(reading: Reading) -> CodeRequest:
    """Turn the request into what is asked of the code templates."""
    earlier = tuple(text for text in (reading.said, *reading.earlier) if text)
    return CodeRequest(
        reading.text, sources_of(reading.turn.container_files), earlier=earlier, code=reading.code
    )


def _is_picture_work(reading: Reading) -> bool:
    if has(
        reading.text,
        "draw",
        "paint",
        "illustrate",
        "sketch",
        r"generate (?:an?|the|one|some) (?:\w+ ){0,3}(?:image|picture|photo|cover|hero)",
    ):
        return False
    return bool(writers(job_of(reading)))


def _wants_search(reading: Reading) -> bool:
    saves = has(reading.text, r"^(?:please )?(?:save|store|record|send)\b.*") and bool(reading.said)
    return not (saves and reading.leans_on_context) and not has(reading.text, "without searching")


def _is_chatter(reading: Reading) -> bool:
    return not reading.since and has(reading.text[:20], *_GREETINGS) and len(reading.text.split()) < 5


def _allowed(reading: Reading) -> tuple[list[Mapping[str, Any]], bool]:
    choice, tools = reading.turn.tool_choice, list(reading.turn.tools)
    if isinstance(choice, str):
        return ([], False) if choice == "none" else (tools, choice == "required")
    kind = str(choice.get("type"))
    if kind == "allowed_tools":
        named = objects(choice.get("tools"))
        listed = [tool for tool in tools if any(_is_same(tool, one) for one in named)]
        return listed, choice.get("mode") == "required"
    return [tool for tool in tools if _is_same(tool, choice)], True


def _is_same(tool: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    if str(tool["type"]).split("_preview")[0] != str(wanted.get("type")).split("_preview")[0]:
        return False
    keys = {"function": "name", "mcp": "server_label"}
    key = keys.get(str(tool["type"]))
    return key is None or wanted.get(key) in {None, tool.get(key)}


def _forced_function(reading: Reading) -> str | None:
    choice = reading.turn.tool_choice
    if isinstance(choice, Mapping) and choice.get("type") == "function" and not reading.since:
        return str(choice.get("name"))
    return None


def _speaks_of(server: Mapping[str, Any] | None, reading: Reading) -> bool:
    label = str(server.get("server_label", "")).replace("-", " ").replace("_", " ") if server else ""
    return bool(label) and has(
        reading.text, "mcp", "server", *(word for word in label.split() if word.isalnum())
    )


def _insist(choice: ToolChoice, kinds: set[str]) -> ToolChoice:
    used = choice.search or choice.draw or choice.code or choice.server or choice.computer or choice.functions
    if used:
        return choice
    if "code_interpreter" in kinds:
        return ToolChoice(code=True)
    return ToolChoice(draw="image_generation" in kinds, search="file_search" in kinds)
