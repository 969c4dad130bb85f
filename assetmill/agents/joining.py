"""Lets what the service does for a request join the trace of who asks: one header, and nothing else."""

from __future__ import annotations

from typing import Any

import httpx2

from assetmill.traces.context import headers


def join(request: httpx2.Request) -> None:
    """Add the trace context to a request of the OpenAI client, or to a direct call; a hook of both."""
    request.headers.update(headers())


def join_azure(request: Any) -> None:
    """Add the trace context to a request of the project client; a hook of its pipeline."""
    request.http_request.headers.update(headers())
