"""What a caller may ask an answer to include."""

from __future__ import annotations

from foundry_emulator.boundary.errors import invalid

INCLUDABLE = (
    "file_search_call.results",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "web_search_call.results",
    "web_search_call.action.sources",
)


def included(values: list[str] | None) -> frozenset[str]:
    """Check the values of `include`."""
    for place, value in enumerate(values or []):
        if value not in INCLUDABLE:
            words = ", ".join(f"'{one}'" for one in INCLUDABLE)
            message = f"Invalid value: '{value[:80]}'. Supported values are: {words}."
            raise invalid(message, f"include[{place}]")
    return frozenset(values or [])
