"""Which endpoint and which credential a profile means: a Foundry project, or the emulator that runs here."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any, cast

from assetmill.agents.credentials import default_credential
from assetmill.agents.foundry import AccessToken, FoundryGateway
from assetmill.agents.gateway import Gateway
from assetmill.agents.ready_file import READY_FILE, read_ready_file
from assetmill.agents.recording import Recorder
from assetmill.errors import InvalidSettings
from assetmill.redaction import remember
from assetmill.settings import Settings


def open_foundry(
    settings: Settings, wait: Callable[[float], None], recorder: Recorder | None = None
) -> Gateway:
    """Open the gateway that a profile means; a `recorder` hears every exchange."""
    foundry = settings.foundry
    if settings.uses_emulator:
        ready = read_ready_file(settings.emulator_home / READY_FILE)
        remember([ready.identity_header])
        credential = EmulatorCredential(ready.identity_endpoint, ready.identity_header)
        return FoundryGateway(
            ready.endpoint,
            credential,
            wait=wait,
            poll_s=foundry.poll_s,
            ca=ready.ca,
            recorder=recorder,
        )
    if not foundry.endpoint.startswith("https://"):
        raise InvalidSettings(
            f"profile {settings.profile!r}: endpoint {foundry.endpoint!r} is no https:// address: "
            "set AZURE_AI_PROJECT_ENDPOINT or foundry.endpoint in the profile"
        )
    return FoundryGateway(
        foundry.endpoint,
        default_credential(),
        wait=wait,
        poll_s=foundry.poll_s,
        ca=foundry.ca,
        recorder=recorder,
    )


class EmulatorCredential:
    """Asks the emulator's own identity endpoint, as a managed identity would."""

    def __init__(self, identity_endpoint: str, identity_header: str) -> None:
        self._url = f"{identity_endpoint}?api-version=2019-08-01&resource=https://ai.azure.com"
        self._headers = {"X-IDENTITY-HEADER": identity_header, "Metadata": "true"}
        self._token: tuple[str, int] = ("", 0)

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a bearer token; a fresh one when less than five minutes are left."""
        if self._token[1] - time.time() < 300:
            # The address is the ready file's: loopback, and never taken from input.
            request = urllib.request.Request(self._url, headers=self._headers)  # noqa: S310
            with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
                answer = cast(dict[str, Any], json.load(reply))
            self._token = (str(answer["access_token"]), int(answer["expires_on"]))
        return AccessToken(*self._token)
