"""The one stage that every peer carries out, and how a program is told what to do.

Runs in the environment of the peer that is measured, which has nothing of ours: the vendor's SDKs alone. A
program draws one picture first, says `ready`, and then carries out the orders of its input, one a line.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from azure.ai.projects import AIProjectClient
from azure.core.credentials import AccessToken
from by_hand import DEFINITION, picture

FOLDER = Path(os.environ["PEER_FOLDER"])
AT_ONCE = int(os.environ["PEER_AT_ONCE"])
POLL_S = float(os.environ["PEER_POLL_S"])
AGENT = "peer-plain"


class Credential:
    """A managed identity's token, kept in memory: what a token costs is not what is measured."""

    def __init__(self) -> None:
        self._token = AccessToken("", 0)

    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        if self._token.expires_on - time.time() < 300:
            url = f"{os.environ['IDENTITY_ENDPOINT']}?api-version=2019-08-01&resource=https://ai.azure.com"
            headers = {"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"], "Metadata": "true"}
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as reply:
                answer = json.load(reply)
            self._token = AccessToken(answer["access_token"], int(answer["expires_on"]))
        return self._token


@functools.cache
def client():
    """Return the one client of this process; the first call of a program makes the agent."""
    project = AIProjectClient(os.environ["FOUNDRY_PROJECT_ENDPOINT"], Credential())
    if not os.environ.get("PEER_AGENT"):
        project.agents.create_version(AGENT, definition=DEFINITION)
        os.environ["PEER_AGENT"] = AGENT  # for processes that this one starts
    return project.get_openai_client(max_retries=0)


def draw(name: str) -> str:
    """Make one picture, and return the path of its file."""
    path = FOLDER / f"{name}.png"
    path.write_bytes(picture(client(), AGENT, f"Draw {name} of a teal mug.", POLL_S))
    return str(path)


def serve(carry_out: Callable[[list[str]], object]) -> None:
    """Carry out every order with a peer's own means."""
    carry_out(["warm"])
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        carry_out([f"{order['mark']}-{number}" for number in range(order["stages"])])
        print("done", flush=True)
