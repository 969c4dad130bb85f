"""One picture as somebody would write it by hand: a conversation, a response, and waiting for it.

The stage of every peer, and the plain script that a stage of ours is measured against.
"""

from __future__ import annotations

import base64
import time
from typing import Any

MODEL = "gpt-image-1.5"
TOOL = {"type": "image_generation", "model": MODEL, "size": "1024x1024", "quality": "low"}
DEFINITION: Any = {"kind": "prompt", "model": "gpt-4.1-mini", "tools": [TOOL]}
"""What an agent is made of that draws by itself."""


def asked(openai: Any, agent: str, prompt: str) -> Any:
    """Ask an agent to draw in the background, and return the response as it is at first."""
    conversation = openai.conversations.create()
    return openai.responses.create(
        conversation=conversation.id,
        input=prompt,
        background=True,
        store=True,
        extra_headers={"x-ms-oai-image-generation-deployment": MODEL},
        extra_body={"agent_reference": {"type": "agent_reference", "name": agent}},
    )


def picture(openai: Any, agent: str, prompt: str, poll_s: float) -> bytes:
    """Let an agent draw, asking every `poll_s` seconds whether it has; `openai` is the SDK's client."""
    response = asked(openai, agent, prompt)
    while response.status not in {"completed", "failed", "incomplete"}:
        time.sleep(poll_s)  # the interface has no other way of hearing that it is there
        response = openai.responses.retrieve(response.id)
    drawn = next(item for item in response.output if item.type == "image_generation_call")
    return base64.b64decode(drawn.result)
