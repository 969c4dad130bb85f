from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from assetmill.spec.tools import ENGINE_KEY, AnyTool

TOOL: TypeAdapter[AnyTool] = TypeAdapter(AnyTool)


@pytest.mark.parametrize(
    ("written", "wire"),
    [
        ("image_generation", {"type": "image_generation"}),
        (
            {"type": "image_generation", "size": "1024x1024", "partial_images": 2},
            {"type": "image_generation", "size": "1024x1024", "partial_images": 2},
        ),
        ("code_interpreter", {"type": "code_interpreter", "container": {"type": "auto"}}),
        (
            {"type": "code_interpreter", "memory_limit": "4g"},
            {"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}},
        ),
        (
            {"type": "file_search", "knowledge": "brand", "ranking_options": {"score_threshold": 0.5}},
            {"type": "file_search", "knowledge": ["brand"], "ranking_options": {"score_threshold": 0.5}},
        ),
        (
            {"type": "function", "function": "shop.prices:price_of"},
            {
                "type": "function",
                "name": "price_of",
                ENGINE_KEY: {"function": "shop.prices:price_of", "timeout_s": 30.0},
            },
        ),
        (
            {
                "type": "mcp",
                "server_label": "docs",
                "server_url": "https://x.y/mcp",
                "require_approval": ["write"],
                "headers_from": "docs_token",
            },
            {
                "type": "mcp",
                "server_label": "docs",
                "server_url": "https://x.y/mcp",
                "require_approval": {"always": {"tool_names": ["write"]}},
                ENGINE_KEY: {"headers_from": "docs_token"},
            },
        ),
        (
            {"type": "computer_use", "start_url": "https://x.y", "allowed_hosts": "x.y"},
            {
                "type": "computer_use_preview",
                "environment": "browser",
                "display_width": 1280,
                "display_height": 800,
                ENGINE_KEY: {"start_url": "https://x.y", "allowed_hosts": ["x.y"], "max_steps": 20},
            },
        ),
    ],
)
def test_tools_have_their_wire_form(written: Any, wire: dict[str, Any]) -> None:
    assert TOOL.validate_python(written).wire() == wire


@pytest.mark.parametrize(
    "written",
    [
        "paint",
        {"type": "image_generation", "partial_images": 4},
        {"type": "image_generation", "output_compression": 101},
        {"type": "function", "function": "no_module"},
        {"type": "mcp", "server_label": "x", "server_url": "file:///etc/passwd"},
        {"type": "mcp", "server_label": "x", "server_url": "https://me:hunter2@x.y/mcp"},
        {"type": "mcp", "server_label": "x", "server_url": "https://x.y/mcp?access_token=hunter2"},
        {"type": "computer_use", "start_url": "https://me:hunter2@x.y/", "allowed_hosts": ["x.y"]},
        {"type": "computer_use", "start_url": "https://x.y"},
        {"type": "file_search", "max_num_results": 0},
        {"type": "code_interpreter", "size": "1x1"},
    ],
)
def test_options_that_a_tool_does_not_have_are_refused(written: Any) -> None:
    with pytest.raises(ValidationError):
        TOOL.validate_python(written)
