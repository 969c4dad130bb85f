"""Does something answer there? Asked without a proxy, and believing no authority but the given one."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

PROBE_TIMEOUT_S = 5.0


def is_listening(url: str) -> bool:
    """Return whether something listens at the address of a URL."""
    place = urllib.parse.urlsplit(url)
    try:
        port = place.port or (443 if place.scheme == "https" else 80)
        with socket.create_connection((place.hostname or "", port), PROBE_TIMEOUT_S):
            return True
    except (OSError, ValueError):
        return False


def answers(url: str, ca: Any) -> bool:
    """Return whether a server of ours answers there; any status but 5xx will do: that has a server too."""
    try:
        context = ssl.create_default_context(cafile=str(ca)) if ca and url.startswith("https:") else None
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(url, timeout=PROBE_TIMEOUT_S):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < 500
    except (OSError, ValueError, http.client.HTTPException):
        return False
