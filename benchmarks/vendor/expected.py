"""What each sample must have said or written: many print an error and still end with 0."""

from __future__ import annotations

from dataclasses import dataclass

# What a sample or the emulator says when something went wrong and was swallowed.
ALARMS = (
    "Traceback",
    "Warning: ",
    "I follow written rules",
    "could not list its tools",
    "was not approved",
    "No file generated",
    "Reached maximum iterations",
)


@dataclass(frozen=True)
class Expected:
    """What stands in the output, in any case, and which files the sample wrote to the temporary folder."""

    words: tuple[str, ...]
    files: tuple[str, ...] = ()
    """Patterns; what matches must not be empty, and a picture must open."""


_AREA = ("France", "square miles", "Paris")
_EVENT = ("science fair", "2025-11-07", '"Alice"', '"Bob"')
_PRODUCT = ("Smart Eyewear", "Agent deleted")
_TABLE = ("for ", "100", "Agent response")
_SEARCHED = ("Processing computer call", "type", "OpenAI news", "Final status: completed")

# By the name of the synchronous sample: its asynchronous twin must do the same.
EXPECTED: dict[str, Expected] = {
    "agents/sample_agent_basic": Expected((*_AREA, "Conversation deleted")),
    "agents/sample_agent_retrieve_basic": Expected(("Agent retrieved", "5,280")),
    "agents/sample_agent_stream_events": Expected(("Paris", "Response completed", "Conversation deleted")),
    "agents/sample_agent_structured_output": Expected((*_EVENT, "Conversation deleted")),
    "agents/tools/sample_agent_code_interpreter": Expected(_TABLE),
    "agents/tools/sample_agent_code_interpreter_structured_inputs": Expected((*_TABLE, "sum 6")),
    "agents/tools/sample_agent_code_interpreter_with_files": Expected(
        ("Found generated file", "File downloaded successfully"), ("*.png",)
    ),
    "agents/tools/sample_agent_computer_use": Expected(_SEARCHED),
    "agents/tools/sample_agent_file_search": Expected(_PRODUCT),
    "agents/tools/sample_agent_file_search_in_stream": Expected(
        (*_PRODUCT, "File Citation - Filename: product_info.md", "Follow-up completed", "sample completed")
    ),
    "agents/tools/sample_agent_file_search_structured_inputs": Expected(_PRODUCT),
    "agents/tools/sample_agent_function_tool": Expected(("'function_call_output'", "baby otter")),
    "agents/tools/sample_agent_image_generation": Expected(("Image saved to",), ("microsoft.png",)),
    "agents/tools/sample_agent_mcp": Expected(("mcp_approval_response", "canonical source")),
    "agents/tools/sample_agent_mcp_with_project_connection": Expected(
        ("mcp_approval_response", "octo-stand-in")
    ),
    "deployments/sample_deployments": Expected(("Model Name: gpt-4.1", "gpt-image-1.5", "Publisher: OpenAI")),
    "files/sample_files": Expected(("status='processed'", "Listing all files", "Successfully deleted file")),
    "responses/sample_responses_basic": Expected(_AREA),
    "responses/sample_responses_basic_without_aiprojectclient": Expected(("5,280",)),
    "responses/sample_responses_image_input": Expected(("Response output", "Its main colours")),
    "responses/sample_responses_model_router": Expected(("Status: completed", "Rayleigh", "Total tokens")),
    "responses/sample_responses_stream_events": Expected(("Response completed",)),
    "responses/sample_responses_stream_manager": Expected(("Response completed",)),
    "responses/sample_responses_structured_output": Expected(_EVENT),
}


def expected_of(name: str) -> Expected | None:
    """Return what is expected of a sample, or nothing where it is not in the table."""
    return EXPECTED.get(name) or EXPECTED.get(name.removesuffix("_async"))
