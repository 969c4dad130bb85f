"""The embedded services that a run needs: the emulator for a local profile, Prefect when none is configured.

Both are started beside our own imports. The emulator is found through its ready file, Prefect through the
environment. A caller's own `PREFECT_API_URL` and Foundry endpoint are left alone.
"""

from __future__ import annotations

import fcntl
import http.client
import importlib.util
import os
import socket
import ssl
import sys
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from assetmill.errors import InvalidSettings
from assetmill.local import detached, prefect_server
from assetmill.local.detached import Ready, Service, Starting, Stopped
from assetmill.settings import Settings

PROBE_TIMEOUT_S = 5.0
BUSY_S = 30.0
EMULATOR = "foundry_emulator"
Say = Callable[[str], None]

# Read by Prefect when it is imported. A value of the caller's own wins.
_PREFECT_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_CLI_PROMPT": "false",
}
_PREFECT_EMBEDDED = {
    # Nobody reads the log of a server that goes away; the terminal and the manifest say it all.
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    # Plain HTTP needs no authorities, and every task would read all of them twice: 47 ms of CPU.
    "PREFECT_API_SSL_CERT_FILE": str(Path(__file__).with_name("no_authority.pem")),
}
_SERVER = {
    "PREFECT_UI_ENABLED": "false",
    "PREFECT_SERVER_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    # Nothing is scheduled or triggered on this server.
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
}


class LocalServices:
    """Services that are there or on their way."""

    def __init__(self, stack: ExitStack, say: Say, is_stopped: Stopped) -> None:
        self._stack, self._say, self._is_stopped = stack, say, is_stopped
        self._emulator: Starting | None = None
        self._prefect: Starting | None = None

    def begin_emulator(self, settings: Settings) -> None:
        """Find or start the emulator.

        Raises:
            InvalidSettings: it is not installed.
        """
        require_emulator()
        self._emulator = self._begin(emulator_service(settings))
        if not self._emulator.was_running:
            self._say("starting the embedded Foundry service ...")

    def begin_prefect(self, settings: Settings) -> None:
        """Find or start Prefect; its address is in the environment at once."""
        directory = settings.home / "prefect"
        directory.mkdir(parents=True, exist_ok=True)
        # Held before looking and until the end: a server never goes while somebody holds it.
        users = self._stack.enter_context((directory / prefect_server.USERS).open("a"))
        fcntl.flock(users, fcntl.LOCK_SH)
        is_prepared = prefect_server.lay_out(directory)
        self._prefect = self._begin(prefect_service(settings, _free_port()))
        if not self._prefect.was_running:
            once = "preparing Prefect's database (once, half a minute) ..."
            self._say("starting Prefect ..." if is_prepared else once)
        is_known = self._prefect.was_running
        told = self._prefect.wait() if is_known else self._prefect.announced
        self._announce(str(told["api_url"]), directory)

    def wait_for_emulator(self) -> None:
        """Return when the emulator answers, if one is needed."""
        if self._emulator:
            self._emulator.wait()

    def wait_for_prefect(self) -> None:
        """Return when Prefect answers.

        Raises:
            InvalidSettings: it did not start.
        """
        if self._prefect is None:
            return
        url = str(self._prefect.wait()["api_url"])
        if url != os.environ.get("PREFECT_API_URL"):
            # The one that was announced went away meanwhile and another came.
            self._use(url)

    def _begin(self, service: Service) -> Starting:
        starting = Starting(service, self._is_stopped)
        self._stack.callback(starting.close)
        return starting

    def _announce(self, url: str, directory: Path) -> None:
        """Tell Prefect, which reads the environment once, when it is imported."""
        _set_defaults(_PREFECT_EMBEDDED)
        os.environ.setdefault("PREFECT_HOME", str(directory))
        self._use(url)

    def _use(self, url: str) -> None:
        os.environ["PREFECT_API_URL"] = url
        self._stack.callback(os.environ.pop, "PREFECT_API_URL", None)
        if "prefect" in sys.modules:
            from prefect.settings import PREFECT_API_URL, temporary_settings

            self._stack.enter_context(temporary_settings({PREFECT_API_URL: url}))


@contextmanager
def local_services(
    settings: Settings,
    *,
    emulator: bool = True,
    prefect: bool = True,
    say: Say = lambda _: None,
    is_stopped: Stopped = lambda: False,
) -> Generator[LocalServices]:
    """Start what is needed and missing; it goes on when this ends, until it has been idle for a while.

    Nothing is waited for yet, so that the caller can import Prefect and the SDKs meanwhile.

    Raises:
        InvalidSettings: a service did not start, or the caller's own Prefect does not answer.
    """
    with ExitStack() as stack:
        local = LocalServices(stack, say, is_stopped)
        if emulator and settings.uses_emulator:
            local.begin_emulator(settings)
        _set_defaults(_PREFECT_QUIET)
        if prefect and has_prefect_api():
            _check_own_prefect()
        elif prefect:
            local.begin_prefect(settings)
        yield local


def has_prefect_api() -> bool:
    """Return whether the caller has a Prefect API: in the environment or in the active Prefect profile."""
    if os.environ.get("PREFECT_API_URL"):
        return True
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    try:
        profiles = tomllib.loads((home / "profiles.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    name = os.environ.get("PREFECT_PROFILE") or profiles.get("active")
    return bool(profiles.get("profiles", {}).get(name, {}).get("PREFECT_API_URL"))


def require_emulator() -> None:
    """Check that the embedded service can be started: production installs assetmill without it.

    Raises:
        InvalidSettings: it is not installed; says in one line what to do.
    """
    if importlib.util.find_spec(EMULATOR) is None:
        raise InvalidSettings(
            "the embedded Foundry service is not installed: `pip install ./emulator` in a checkout "
            "(`pip install 'assetmill[local]'` where your index has it), or choose a profile with an endpoint"
        )


def emulator_service(settings: Settings) -> Service:
    """Describe the embedded emulator of a profile."""
    directory = settings.emulator_home
    state, ready = str(directory), str(directory / detached.READY)
    idle = str(settings.run.idle_timeout_s)
    return Service(
        title="the embedded Foundry service",
        directory=directory,
        module=EMULATOR,
        arguments=("--state", state, "--port", "0", "--ready-file", ready, "--idle-timeout", idle),
        is_alive=_is_emulator_alive,
    )


def prefect_service(settings: Settings, port: int = 0) -> Service:
    """Describe the local Prefect server of a home directory."""
    directory = settings.home / "prefect"
    idle = str(settings.run.idle_timeout_s)
    return Service(
        title="Prefect",
        directory=directory,
        module="assetmill.local.prefect_server",
        arguments=("--directory", str(directory), "--port", str(port), "--idle-timeout", idle),
        is_alive=_is_prefect_alive,
        announced={"api_url": f"http://127.0.0.1:{port}/api"},
        environment={
            **_PREFECT_QUIET,
            **_SERVER,
            "PREFECT_HOME": str(directory),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": prefect_server.database_url(directory),
        },
        start_timeout_s=180.0,
    )


def _check_own_prefect() -> None:
    url = os.environ.get("PREFECT_API_URL")
    until = time.monotonic() + BUSY_S
    while url and not _answers(f"{url.rstrip('/')}/health", None):
        # A server with many flow runs on SQLite may be slow to answer; one that is not there says so at once.
        if not _is_listening(url) or time.monotonic() > until:
            raise InvalidSettings(f"Prefect at {url} does not answer: start it, or unset PREFECT_API_URL")
        # One that answers with an error does so at once: it is busy enough without us.
        time.sleep(0.5)


def _is_listening(url: str) -> bool:
    place = urllib.parse.urlsplit(url)
    try:
        port = place.port or (443 if place.scheme == "https" else 80)
        with socket.create_connection((place.hostname or "", port), PROBE_TIMEOUT_S):
            return True
    except (OSError, ValueError):
        return False


def _set_defaults(values: dict[str, str]) -> None:
    for name, value in values.items():
        os.environ.setdefault(name, value)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_prefect_alive(ready: Ready) -> bool:
    return _answers(f"{ready.get('api_url')}/health", None)


def _is_emulator_alive(ready: Ready) -> bool:
    return _answers(str(ready.get("control")), ready.get("ca"))


def _answers(url: str, ca: Any) -> bool:
    """Whether a server of ours answers there; any status but 5xx will do, an error page has a server too."""
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
