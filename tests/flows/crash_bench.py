"""Where processes die: an emulator, a driver that runs stages in processes of their own, the failpoints.

What the tests of crashes share: which point is reached by which stages, and which crashes end in doubt.
"""

from __future__ import annotations

import itertools
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
from foundry_emulator.server import Ready, running
from foundry_emulator.steps import Steps, Turn
from foundry_emulator.testing.calls import Control, Raw
from foundry_emulator.testing.scripted import decide, toolbox

CREATE = "responses.create"
REFUSED = {"op": CREATE, "fault": "rate_limit", "retry_after_s": 0.1}
LOST = {"op": CREATE, "fault": "drop_after_accept"}


def both(*effects: str) -> list[str]:
    return [f"{effect}.{when}" for effect in effects for when in ("before", "after")]


POINTS = {
    "plain": [
        *both("store.create.m", "gateway.ensure_agent", "gateway.create_conversation", "store.create.i"),
        *both("gateway.create_response", "store.create.c", "gateway.follow_response", "store.put.b"),
        *both("store.create.w", "store.create.s", "store.create.r", "store.create.h"),
        "gateway.create_response.accepted",
    ],
    "refused": both("gateway.list_responses", "gateway.delete_conversation", "store.create.x"),
    "lost": both("gateway.list_responses", "store.create.c"),
    "turns": [
        *both("gateway.get_response", "store.create.o", "store.create.y"),
        *(f"{point}:2" for point in both("store.create.i", "gateway.create_response", "store.create.c")),
    ],
    "tools": [
        *both("gateway.upload_file", "gateway.has_file", "gateway.create_vector_store"),
        *both("gateway.has_vector_store", "gateway.list_container_files", "gateway.read_container_file"),
        *both("store.create.u", "store.create.f"),
    ],
}
# What the process knew died with it, and the service has nothing to show: docs/decisions/0004.
NOT_SENT = {"store.create.i.after", "gateway.create_response.before"}
FORGOTTEN = {*both("gateway.list_responses", "gateway.delete_conversation"), "store.create.x.before"}
DOUBT = {
    "plain": NOT_SENT,
    "refused": FORGOTTEN,
    "lost": set[str](),
    "turns": {f"{point}:2" for point in NOT_SENT},
    "tools": set[str](),
}
DIRECT_POINTS = [
    *both("store.create.m", "store.create.i", "gateway.draw", "store.put.b", "store.create.w"),
    *both("store.create.c", "store.create.s"),
]
"""Points that a call of an image model itself reaches."""
DIRECT_DOUBT = {
    **dict.fromkeys(["store.create.i.after", "gateway.draw.before"], 0),
    **dict.fromkeys(["gateway.draw.after", *both("store.put.b"), "store.create.w.before"], 1),
}
"""Where its outcome is open, and how many pictures were billed by then: the reply died with the process."""
CASES = [(kind, point) for kind, points in POINTS.items() for point in points]


class Bench:
    """An emulator, and a driver that runs stages on it in processes of their own."""

    def __init__(self, home: Path, ready: Ready, driver: subprocess.Popen[str], stack: ExitStack) -> None:
        plain = stack.enter_context(httpx2.Client(trust_env=False, timeout=20))
        context = ssl.create_default_context(cafile=ready.ca)
        secure = stack.enter_context(httpx2.Client(verify=context, trust_env=False, timeout=20))
        self.home, self._driver = home, driver
        self.control = Control(plain, ready.control, ready.token)
        self.service = {"endpoint": ready.endpoint, "ca": ready.ca, "credential": "default"}
        """Settings with which the emulator is met as any endpoint: it may be fenced only after a probe."""
        headers, asked = {"X-IDENTITY-HEADER": ready.identity_header}, {"resource": "https://ai.azure.com"}
        token = plain.get(ready.identity_endpoint, params=asked, headers=headers).json()["access_token"]
        self._raw = Raw(secure, ready.endpoint, str(token))
        self._cases = itertools.count(1)

    def case(self) -> str:
        return f"case-{next(self._cases)}"

    def run(
        self, kind: str, case: str, policy: str, failpoint: str = "", lane: str = "now", **foundry: Any
    ) -> str:
        order = {
            "kind": kind,
            "case": case,
            "foundry": {"policy": policy, **foundry},
            "failpoint": failpoint,
            "lane": lane,
            "home": str(self.home),
        }
        assert self._driver.stdin
        assert self._driver.stdout
        self._driver.stdin.write(json.dumps(order) + "\n")
        self._driver.stdin.flush()
        return str(json.loads(self._driver.stdout.readline())["end"])

    def is_gone(self, response_id: str) -> bool:
        """Whether the service has lost a response."""
        return self._raw.call("GET", f"openai/v1/responses/{response_id}").status_code != HTTPStatus.OK

    def pictures(self) -> list[dict[str, Any]]:
        return [charge for charge in self.control.bill() if charge["kind"] == "image"]


def once(turn: Turn) -> Steps:
    """Follow the script in the prompt, but only until the agent's calls have been answered."""
    if any(item.get("type") == "function_call_output" for item in turn.history):
        turn = replace(turn, text="say:done")
    return decide(turn)


@contextmanager
def open_bench(home: Path) -> Generator[Bench]:
    """Start an emulator and a driver; both end with the block."""
    command = [sys.executable, "-m", "tests.flows.crash_driver"]
    with ExitStack() as stack:
        ready = stack.enter_context(running(home / "emulator", toolbox=replace(toolbox(), decide=once)))
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        environ = {**os.environ, **ready.environment()}
        driver = stack.enter_context(subprocess.Popen(command, env=environ, **pipes))
        bench = Bench(home, ready, driver, stack)
        yield bench
        assert driver.stdin
        driver.stdin.close()
