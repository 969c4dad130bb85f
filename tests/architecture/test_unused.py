"""What only tests call is no part of the product: a printed schema was once not the one that was tested."""

from __future__ import annotations

from pathlib import Path

import vulture

ROOT = Path(__file__).parents[2]
PACKAGES = ("assetmill", "emulator/foundry_emulator", "flows", "tasks")
CALLED_BY_OTHERS = (
    "shell_complete", "format_*",  # click
    "handle_sigterm", "capture_signals",  # Prefect and uvicorn, which would take over signals
    "do_POST", "log_message",  # http.server
    "readinto",  # io
    "unused_data",  # of a protocol, which Pillow's types do not have
    "imprisoned_main",  # the first line of what runs inside the sandbox
    "watch_models", "__getattr__",  # flows, which are named in deployments
)  # fmt: skip
REGISTERED = ("@click.*", "@main.*", "@*_validator", "@*_serializer", "@pytest.fixture")


def test_what_the_product_defines_it_also_uses() -> None:
    seen = vulture.Vulture(ignore_names=list(CALLED_BY_OTHERS), ignore_decorators=list(REGISTERED))
    # What `foundry_emulator.testing` offers is for other people's tests.
    seen.scavenge([str(ROOT / package) for package in PACKAGES], exclude=["*/foundry_emulator/testing/*"])
    found = seen.get_unused_code(min_confidence=60)
    named = [item for item in found if item.typ in {"class", "function", "import", "method", "property"}]
    assert [f"{item.filename.relative_to(ROOT)}:{item.first_lineno} {item.name}" for item in named] == []
