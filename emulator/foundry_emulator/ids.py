"""Makes identifiers in the shapes that the service uses, so that clients treat them as they would there."""

from __future__ import annotations

import secrets
import string
import time

_ALPHANUMERIC = string.ascii_letters + string.digits

_ITEM_PREFIXES: dict[str, str] = {
    "message": "msg_",
    "file_search_call": "fs_",
    "code_interpreter_call": "ci_",
    "image_generation_call": "ig_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "computer_call": "cu_",
    "computer_call_output": "cuo_",
    "reasoning": "rs_",
    "mcp_call": "mcp_",
    "mcp_list_tools": "mcpl_",
    "mcp_approval_request": "mcpr_",
    "mcp_approval_response": "mcpa_",
}


def alphanumerics(count: int) -> str:
    """Draw that many random letters and digits."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(count))


def new_partition() -> str:
    """Draw the 16 hex digits that everything along one conversation shares."""
    return secrets.token_hex(8)


def partition_of(wire_id: str) -> str | None:
    """Return the partition inside a response, conversation or item ID, or None where there is none."""
    body = wire_id.partition("_")[2]
    return body[:16] if len(body) == 50 and body[16:18] == "00" else None


def partitioned(prefix: str, partition: str) -> str:
    """Make an ID such as `resp_…` in that partition."""
    return f"{prefix}{partition}00{alphanumerics(32)}"


def stamped(prefix: str, partition: str) -> str:
    """Make an ID of something that was generated in that partition: hex, with the time inside."""
    return f"{prefix}{partition}00{int(time.time()):08x}{secrets.token_hex(12)}"


def item_id(item_type: str, partition: str) -> str:
    """Make an ID for an item that a caller brings; types without a known prefix get `item_`."""
    return partitioned(_ITEM_PREFIXES.get(item_type, "item_"), partition)


def output_id(item_type: str, partition: str) -> str:
    """Make an ID for an item that was generated."""
    return stamped(_ITEM_PREFIXES.get(item_type, "item_"), partition)


def call_id() -> str:
    """Make the ID that ties a function or computer call to its output."""
    return f"call_{alphanumerics(24)}"


def file_id(purpose: str, *, is_azure: bool) -> str:
    """Make a file ID; on Azure its prefix is the purpose, without the plural."""
    return f"{purpose.removesuffix('s')}-{alphanumerics(22)}" if is_azure else f"file-{alphanumerics(22)}"


def container_id() -> str:
    """Make a container ID."""
    return f"cntr_{secrets.token_hex(24)}"


def container_file_id() -> str:
    """Make a container file ID."""
    return f"cfile_{secrets.token_hex(16)}"


def vector_store_id() -> str:
    """Make a vector store ID."""
    return f"vs_{alphanumerics(24)}"


def file_batch_id() -> str:
    """Make the ID of a batch of files going into a vector store."""
    return f"vsfb_{alphanumerics(24)}"
