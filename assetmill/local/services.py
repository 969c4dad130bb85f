"""The embedded services that a run needs: the emulator for a local profile, Prefect when none is configured.

Both are started beside our own imports. The emulator is found through its ready file, Prefect through the
environment. A caller's own `PREFECT_API_URL` and Foundry endpoint are left alone.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import sys
import time
import tomllib
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from assetmill.errors import InvalidSettings
from assetmill.local import detached, prefect_server
from assetmill.local.answering import answers, is_listening
from assetmill.local.detached import Ready, Service, Starting, Stopped
from assetmill.local.guard import auth_string
from assetmill.local.own_prefect import (
    PREFECT_EMBEDDED,
    PREFECT_QUIET,
    free_port,
    is_lasting_alive,
    lasting_prefect_service,
    prefect_home,
    prefect_service,
)
from assetmill.private import make_folder, make_home, open_private
from assetmill.redaction import remember
from assetmill.settings import Settings

BUSY_S = 30.0
EMULATOR = "foundry_emulator"
Say = Callable[[str], None]


class LocalServices:
    """Services that are there or on their way."""

    def __init__(self, stack: ExitStack, say: Say, is_stopped: Stopped) -> None:
        self._stack, self._say, self._is_stopped = stack, say, is_stopped
        self._emulator: Starting | None = None
        self._prefect: Starting | None = None
        self._auth, self._is_on_page = "", False

    def begin_emulator(self, settings: Settings) -> None:
        """Find or start the emulator.

        Raises:
            InvalidSettings: it is not installed.
        """
        require_emulator()
        make_home(settings.home)
        self._hold(make_folder(settings.emulator_home))
        self._emulator = self._begin(emulator_service(settings))
        if not self._emulator.was_running:
            self._say("starting the embedded Foundry service ...")

    def begin_prefect(self, settings: Settings, *, is_lasting: bool = False) -> None:
        """Find or start Prefect; its address is in the environment at once.

        A lasting one keeps its address from one start to the next, and has a web page; while it is there,
        runs use it too, and so are on that page.
        """
        self._is_on_page = is_on_page = is_lasting or is_lasting_alive(settings)
        directory = make_folder(prefect_home(settings, is_lasting=is_on_page))
        self._hold(directory)
        is_prepared = prefect_server.lay_out(directory)
        make = lasting_prefect_service if is_on_page else prefect_service
        self._prefect = self._begin(make(settings, 0 if is_on_page else free_port()))
        if not self._prefect.was_running:
            once = "preparing Prefect's database (once, half a minute) ..."
            self._say("starting Prefect ..." if is_prepared else once)
        is_known = self._prefect.was_running
        told = self._prefect.wait() if is_known else self._prefect.announced
        _set_defaults({} if is_lasting else PREFECT_EMBEDDED)
        os.environ.setdefault("PREFECT_HOME", str(directory))
        self._auth = auth_string(settings.home / "prefect")
        remember([self._auth, self._auth.partition(":")[2]])
        self._use(str(told["api_url"]))

    @property
    def has_started_prefect(self) -> bool:
        """Whether Prefect is the project's own, not the caller's."""
        return self._prefect is not None

    @property
    def has_unseen_prefect(self) -> bool:
        """Whether Prefect is the project's own that goes away, has no page and triggers nothing."""
        return self.has_started_prefect and not self._is_on_page

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

    def _hold(self, directory: Path) -> None:
        """Keep the service of a directory from ending as idle, from before it is looked for until the end."""
        users = self._stack.enter_context(open_private(directory / detached.USERS, "a"))
        fcntl.flock(users, fcntl.LOCK_SH)

    def _begin(self, service: Service) -> Starting:
        starting = Starting(service, self._is_stopped)
        self._stack.callback(starting.close)
        return starting

    def _use(self, url: str) -> None:
        """Tell Prefect, which reads the environment once, when it is imported."""
        told = {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": self._auth}
        for name, value in told.items():
            self._stack.callback(_restore, name, os.environ.get(name))
            os.environ[name] = value
        if "prefect" in sys.modules:
            from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

            self._stack.enter_context(
                temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: self._auth})
            )


@contextmanager
def local_services(
    settings: Settings,
    *,
    emulator: bool = True,
    prefect: bool = True,
    is_lasting: bool = False,
    say: Say = lambda _: None,
    is_stopped: Stopped = lambda: False,
) -> Generator[LocalServices]:
    """Start what is needed and missing; it goes on when this ends, until it has been idle for a while.

    Nothing is waited for yet, so that the caller can import Prefect and the SDKs meanwhile. With `is_lasting`
    Prefect is the one that stays, with a web page.

    Raises:
        InvalidSettings: a service did not start, or the caller's own Prefect does not answer.
    """
    with ExitStack() as stack:
        local = LocalServices(stack, say, is_stopped)
        if emulator and settings.uses_emulator:
            local.begin_emulator(settings)
        _set_defaults(PREFECT_QUIET)
        if prefect and has_prefect_api():
            _check_own_prefect()
        elif prefect:
            local.begin_prefect(settings, is_lasting=is_lasting)
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


def is_watched(settings: Settings) -> bool:
    """Return whether the Prefect of a run has a page and automations: the caller's, or the one that lasts."""
    return has_prefect_api() or is_lasting_alive(settings)


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


def _check_own_prefect() -> None:
    url = os.environ.get("PREFECT_API_URL")
    until = time.monotonic() + BUSY_S
    # `/health` is well also where the database cannot be used.
    while url and not answers(f"{url.rstrip('/')}/ready", None):
        # A server with many flow runs on SQLite may be slow to answer; one that is not there says so at once.
        if not is_listening(url):
            raise InvalidSettings(f"Prefect at {url} does not answer: start it, or unset PREFECT_API_URL")
        if time.monotonic() > until:
            raise InvalidSettings(
                f"Prefect at {url} is there and was not ready for {BUSY_S:.0f} s: it cannot use its "
                "database, or has too much to do; restart it, or unset PREFECT_API_URL"
            )
        # One that answers with an error does so at once: it is busy enough without us.
        time.sleep(0.5)


def _restore(name: str, before: str | None) -> None:
    if before is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = before


def _set_defaults(values: dict[str, str]) -> None:
    for name, value in values.items():
        os.environ.setdefault(name, value)


def _is_emulator_alive(ready: Ready) -> bool:
    return answers(str(ready.get("control")), ready.get("ca"))
