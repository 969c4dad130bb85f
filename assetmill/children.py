"""What programs that we start may know of our environment: what they need to run, and no secret."""

from __future__ import annotations

import os
from collections.abc import Mapping

_NAMES = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TERM", "NO_COLOR",
    "LD_LIBRARY_PATH", "VIRTUAL_ENV", "DO_NOT_TRACK", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
    "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "FONTCONFIG_PATH", "FONTCONFIG_FILE", "TESSDATA_PREFIX",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NO_PROXY", "no_proxy", "OMP_THREAD_LIMIT", "MALLOC_ARENA_MAX",
})  # fmt: skip
_BEGINNINGS = ("LC_", "PYTHON", "COVERAGE_", "COV_CORE_")


def child_environment(
    more: Mapping[str, str] | None = None, *, beginnings: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return the environment for a program: names that are known to hold no secret, and `more`.

    `beginnings` are those of further names that this program is made to read.
    """
    wanted = (*_BEGINNINGS, *beginnings)
    kept = {name: value for name, value in os.environ.items() if name in _NAMES or name.startswith(wanted)}
    return {**kept, **(more or {})}
