"""A running emulator as tests and scripts hold it: the vendor's clients, the bill, faults, the clock.

The vendor's packages are imported when a client of theirs is asked for: they are the extra `pytest`.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from foundry_emulator.server import Ready, running
from foundry_emulator.testing.calls import Control

if TYPE_CHECKING:
    from azure.ai.projects import AIProjectClient
    from azure.core.credentials import AccessToken, AccessTokenInfo
    from openai import OpenAI

    from foundry_emulator.toolbox import Toolbox

_TIMEOUT_S = 60.0
_TOKEN_LIFETIME_S = 86_400


class EmulatorCredential:
    """A credential for the vendor's clients that opens one emulator and nothing else."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return the emulator's token, whatever the scopes are."""
        from azure.core.credentials import AccessToken

        del scopes, options
        return AccessToken(self._token, int(time.time()) + _TOKEN_LIFETIME_S)

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        """Return the emulator's token in the newer of the vendor's two protocols."""
        from azure.core.credentials import AccessTokenInfo

        del scopes, options
        return AccessTokenInfo(self._token, int(time.time()) + _TOKEN_LIFETIME_S)


class FaultPlan:
    """What the emulator is to do wrong; a new plan replaces the one before."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def plan(self, *faults: Mapping[str, Any]) -> None:
        """Plan faults for the calls to come, such as `{"op": "responses.create", "fault": "rate_limit"}`."""
        self._control.faults(*faults)

    def clear(self) -> None:
        """Drop the plan."""
        self._control.delete("faults")

    def struck(self) -> dict[str, int]:
        """Return how often each fault was carried out since the plan was made."""
        return self._control.get("faults")["struck"]


class ProjectClock:
    """The emulator's time, for watching expiries without waiting."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def advance(self, seconds: float) -> float:
        """Move time forwards and return the new time in unix seconds."""
        return float(self._control.post("clock", {"advance_s": seconds})["now"])


class EmulatedProject:
    """One running emulator; its clients are closed with it."""

    def __init__(self, ready: Ready, http: httpx2.Client, stack: ExitStack) -> None:
        self._ready = ready
        self._http = http
        self._stack = stack
        self._control = Control(http, ready.control, ready.token)
        self.endpoint = ready.endpoint
        self.credential = EmulatorCredential(self._access_token())
        self.faults = FaultPlan(self._control)
        self.clock = ProjectClock(self._control)

    def _access_token(self) -> str:
        answer = self._http.get(
            self._ready.identity_endpoint,
            params={"resource": "https://ai.azure.com"},
            headers={"X-IDENTITY-HEADER": self._ready.identity_header},
        )
        return str(answer.json()["access_token"])

    @property
    def ca(self) -> str:
        """Return the certificate file that makes a client trust this emulator."""
        return self._ready.ca

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables with which `DefaultAzureCredential` and unchanged programs find it."""
        return self._ready.environment()

    @property
    def bill(self) -> list[dict[str, Any]]:
        """Return what a real service would have charged so far, oldest first."""
        return self._control.bill()

    @property
    def calls(self) -> dict[str, int]:
        """Return how often each operation was asked for, refused and cut requests included."""
        return self._control.get("requests")["counts"]

    def project_client(self, **options: Any) -> AIProjectClient:
        """Return the vendor's client for this project."""
        from azure.ai.projects import AIProjectClient

        client = AIProjectClient(self.endpoint, self.credential, connection_verify=self.ca, **options)
        return self._stack.enter_context(client)

    def openai_client(self, **options: Any) -> OpenAI:
        """Return an `openai` client for this project."""
        from openai import OpenAI

        return OpenAI(
            base_url=f"{self.endpoint}/openai/v1",
            api_key=self.credential.get_token("https://ai.azure.com/.default").token,
            http_client=self._http,
            **options,
        )

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings, such as `flavour="openai"`, and return all of them."""
        return self._control.post("settings", changes) if changes else self._control.get("settings")

    def expire(self, *kinds: str) -> dict[str, int]:
        """Make the service forget files, containers, responses, vector_stores, or everything."""
        return self._control.post("expire", {"kinds": list(kinds) or ["all"]})["expired"]

    def reset(self) -> None:
        """Forget everything but secrets: what was made, the bill, faults, settings, the clock."""
        self._control.post("reset")


@contextmanager
def emulated(state_dir: Path, *, toolbox: Toolbox | None = None) -> Generator[EmulatedProject]:
    """Serve a project from `state_dir` on a thread of this process for as long as the block lasts.

    A `toolbox` replaces the parts that draw, run code and decide: `testing.scripted` has quick ones.
    """
    with ExitStack() as stack:
        ready = stack.enter_context(running(state_dir, toolbox=toolbox))
        context = ssl.create_default_context(cafile=ready.ca)
        http = stack.enter_context(httpx2.Client(verify=context, trust_env=False, timeout=_TIMEOUT_S))
        yield EmulatedProject(ready, http, stack)
