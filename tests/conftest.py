"""What holds for every test: a clean environment, and no way out of this machine."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any

import pytest
from foundry_emulator.testing.ids import pytest_make_parametrize_id
from hypothesis import HealthCheck, settings

__all__ = ["pytest_make_parametrize_id"]

# How fast examples are made says something of the machine, nothing of the code.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

_CLEARED = ("AWS_", "AZURE_", "FOUNDRY_", "OPENAI_", "ASSETMILL_", "PREFECT_", "IDENTITY_")
_KEPT = ("ASSETMILL_TEST_", "ASSETMILL_STORM_")
_connect = socket.socket.connect


def is_cleared(name: str) -> bool:
    """Whether no test sees a variable: what a person exported for work is none of its business."""
    return name.startswith(_CLEARED) and not name.startswith(_KEPT)


def _guarded(self: socket.socket, address: Any) -> None:
    """Refuse to connect anywhere but to this machine: a test that needs the world is a test by hand."""
    if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(str(address[0])):
        raise PermissionError(f"a test may not connect to {address[0]}")
    _connect(self, address)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def pytest_configure(config: pytest.Config) -> None:
    if "cloud" in (config.getoption("-m") or ""):
        return
    for name in filter(is_cleared, list(os.environ)):
        del os.environ[name]
    os.environ["DO_NOT_TRACK"] = "1"
    socket.socket.connect = _guarded
