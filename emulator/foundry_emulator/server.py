"""Serves the emulator on loopback: TLS for the project endpoint, plain HTTP for identity and control."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from foundry_emulator.app import CONTROL_PATH, create_app, create_side_app
from foundry_emulator.boundary.tls import ca_file, server_context
from foundry_emulator.project import Project
from foundry_emulator.responses.registry import Responses
from foundry_emulator.routes.endpoint import TRANSPORT
from foundry_emulator.toolbox import Toolbox, default_toolbox

_LOG = logging.getLogger(__name__)
_HOST = "127.0.0.1"
_GRACE_S = 4.0
READY_NAME = "ready.json"
USERS_NAME = "users.lock"
"""Whoever holds a shared lock on it, in the state directory, keeps an idle server from ending."""
PROJECT = "local"


class StateInUse(Exception):
    """Another server works on this state directory."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir)
        self.state_dir = state_dir

    def __str__(self) -> str:
        ready = self.state_dir / READY_NAME
        return f"an emulator already runs on {str(self.state_dir)!r}: its address is in {str(ready)!r}"


@dataclass(frozen=True)
class Ready:
    """Where a running emulator is and how to talk to it; also the content of the ready file."""

    endpoint: str
    ca: str
    identity_endpoint: str
    identity_header: str
    control: str
    token: str
    """Bearer token of the control API."""
    pid: int

    def environment(self) -> dict[str, str]:
        """Return the variables with which unmodified SDK clients use this emulator."""
        return {
            "FOUNDRY_PROJECT_ENDPOINT": self.endpoint,
            "IDENTITY_ENDPOINT": self.identity_endpoint,
            "IDENTITY_HEADER": self.identity_header,
            "AZURE_TOKEN_CREDENTIALS": "managedidentitycredential",
            "SSL_CERT_FILE": self.ca,
            "REQUESTS_CA_BUNDLE": self.ca,
            "NO_PROXY": "127.0.0.1,localhost",
        }


class _Wire(H11Protocol):
    """Hands the connection to the application, so that a fault can cut it.

    Uvicorn types its application and its transport more narrowly than what it is given and works with.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        inner = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope[TRANSPORT] = transport
            await inner(scope, receive, send)  # type: ignore[arg-type]

        self.app = with_transport  # type: ignore[assignment]


class _Server(uvicorn.Server):
    """A listener that leaves signals to the process that runs both."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class _Idle:
    """Remembers when the last request ended."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open = 0
        self._last = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open -= 1
            self._last = time.monotonic()

    def seconds(self) -> float:
        return 0.0 if self._open else time.monotonic() - self._last


def _bound(port: int, remembered: str | None) -> socket.socket:
    """Bind the wanted port; 0 takes the one of the last start if it is free, so that addresses stay valid."""
    choices = [port] if port else [int(remembered or 0), 0]
    for choice in choices:
        # asyncio switches Nagle's delay off only where the protocol is named; else each reply waits 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, choice))
        except OSError:
            listener.close()
            if choice == choices[-1]:
                raise
            continue
        listener.listen(512)
        return listener
    raise AssertionError("unreachable: the last choice either binds or raises")


class Emulator:
    """One emulator over one state directory: hold the lock, listen, serve until told to stop."""

    def __init__(
        self,
        state_dir: Path,
        *,
        port: int = 0,
        ready_file: Path | None = None,
        idle_timeout_s: float | None = None,
        toolbox: Toolbox | None = None,
        unsafe_code_interpreter: bool = False,
        mcp_hosts: frozenset[str] = frozenset(),
    ) -> None:
        self._state_dir = state_dir.absolute()
        self._port = port
        self._ready_files = [self._state_dir / READY_NAME, *([ready_file] if ready_file else [])]
        self._idle_timeout_s = idle_timeout_s
        self._toolbox = toolbox
        self._unsafe = unsafe_code_interpreter
        self._mcp_hosts = mcp_hosts
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._users = contextlib.ExitStack()

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        self._state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._state_dir / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as problem:
                raise StateInUse(self._state_dir) from problem
            yield
        finally:
            os.close(handle)

    async def serve(
        self, *, handle_signals: bool = False, on_ready: Callable[[Ready], None] | None = None
    ) -> None:
        """Serve until `stop`, a signal or idleness ends it.

        Raises:
            StateInUse: another server holds this state directory.
        """
        with self._users, self._locked():
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            cache = self._state_dir / "sandbox.json"
            tools = self._toolbox or default_toolbox(cache, unsafe_code_interpreter=self._unsafe)
            project = Project(self._state_dir, tools, mcp_hosts=self._mcp_hosts)
            responses = Responses(project)
            responses.resume()
            try:
                if handle_signals:
                    for number in (signal.SIGTERM, signal.SIGINT):
                        self._loop.add_signal_handler(number, self._told_to_stop)
                await self._listen(project, responses, self._stop, on_ready)
            finally:
                responses.stop()
                project.close()
                self._withdraw()

    def _told_to_stop(self) -> None:
        # A tool may be in the middle of half a minute's work; the state is made to survive a kill.
        last = threading.Timer(_GRACE_S, self._leave)
        last.daemon = True
        last.start()
        self.stop()

    def _leave(self) -> None:
        self._withdraw()
        os._exit(0)

    def _withdraw(self) -> None:
        for path in self._ready_files:
            path.unlink(missing_ok=True)

    async def _listen(
        self,
        project: Project,
        responses: Responses,
        stop: asyncio.Event,
        on_ready: Callable[[Ready], None] | None,
    ) -> None:
        main_socket = _bound(self._port, project.state.meta("secret_port"))
        side_socket = _bound(0, project.state.meta("secret_side_port"))
        project.state.set_meta("secret_port", str(main_socket.getsockname()[1]))
        project.state.set_meta("secret_side_port", str(side_socket.getsockname()[1]))
        main, side = _Idle(create_app(project, responses, PROJECT)), create_side_app(project, responses)
        servers = [
            _listener(main, server_context(self._state_dir)),
            _listener(side, None),
        ]
        sockets = [main_socket, side_socket]
        tasks = [
            asyncio.create_task(server.serve([listener]))
            for server, listener in zip(servers, sockets, strict=True)
        ]
        try:
            while not all(server.started for server in servers):
                await asyncio.sleep(0.005)
            ready = self._ready(project, main_socket, side_socket)
            self._announce(ready)
            if on_ready:
                on_ready(ready)
            await self._until_over(responses, main, stop)
        finally:
            responses.stop()
            for server in servers:
                server.should_exit = True
                server.force_exit = True
            await asyncio.gather(*tasks)
            await _hang_up(servers)
            for listener in sockets:
                listener.close()

    async def _until_over(self, responses: Responses, idle: _Idle, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0 if self._idle_timeout_s else None)
            limit = self._idle_timeout_s
            if limit and not responses.count and idle.seconds() > limit and self._retires():
                _LOG.info("idle for %.0f s: the emulator ends", limit)
                return

    def _retires(self) -> bool:
        """Stop being found, unless somebody holds the users' lock.

        The lock is ours until the state is free again, so nobody can begin to use us in between.
        """
        users = os.open(self._state_dir / USERS_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(users)
            return False
        self._users.callback(os.close, users)
        self._withdraw()
        return True

    def _ready(self, project: Project, main: socket.socket, side: socket.socket) -> Ready:
        base = f"http://{_HOST}:{side.getsockname()[1]}"
        return Ready(
            endpoint=f"https://{_HOST}:{main.getsockname()[1]}/api/projects/{PROJECT}",
            ca=str(ca_file(self._state_dir)),
            identity_endpoint=f"{base}/msi/token",
            identity_header=project.state.secret("identity"),
            control=base + CONTROL_PATH,
            token=project.state.secret("control"),
            pid=os.getpid(),
        )

    def _announce(self, ready: Ready) -> None:
        for path in self._ready_files:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = path.with_name(f".{path.name}.{os.getpid()}")
            with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as sink:
                json.dump(asdict(ready), sink)
            scratch.replace(path)

    def stop(self) -> None:
        """End `serve`; any thread may."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)


async def _hang_up(servers: Sequence[uvicorn.Server]) -> None:
    """Close what callers still hold open; a TLS farewell that nobody answers would outlive the loop."""
    for _ in range(100):
        left = [one for server in servers for one in server.server_state.connections]
        for connection in left:
            connection.transport.abort()
        await asyncio.sleep(0.01)
        if not left:
            return


def _listener(app: ASGIApp, tls: ssl.SSLContext | None) -> _Server:
    config = uvicorn.Config(
        app,
        http=_Wire,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=64 * 1024,
        proxy_headers=False,
        loop="asyncio",
    )
    config.load()
    # Typed as None or its own choice; ours has the certificate that clients are told to trust.
    config.ssl = tls  # type: ignore[assignment]
    return _Server(config)


def serve(
    state_dir: Path,
    port: int = 0,
    ready_file: Path | None = None,
    idle_timeout_s: float | None = None,
    *,
    unsafe_code_interpreter: bool = False,
    mcp_hosts: frozenset[str] = frozenset(),
    on_ready: Callable[[Ready], None] | None = None,
) -> None:
    """Serve in this process until SIGTERM, SIGINT or `idle_timeout_s` without a request.

    Port 0 takes the port of the last start on this state if it is free. `ready_file` is written once both
    listeners answer, and removed at the end.

    Raises:
        StateInUse: another server works on this state.
    """
    emulator = Emulator(
        state_dir,
        port=port,
        ready_file=ready_file,
        idle_timeout_s=idle_timeout_s,
        unsafe_code_interpreter=unsafe_code_interpreter,
        mcp_hosts=mcp_hosts,
    )
    asyncio.run(emulator.serve(handle_signals=True, on_ready=on_ready))


@contextlib.contextmanager
def running(state_dir: Path, *, toolbox: Toolbox | None = None, port: int = 0) -> Generator[Ready]:
    """Serve on a thread of this process for as long as the block lasts; for tests and notebooks."""
    emulator = Emulator(state_dir, port=port, toolbox=toolbox)
    box: list[Ready | BaseException] = []
    arrived = threading.Event()

    def announce(ready: Ready) -> None:
        box.append(ready)
        arrived.set()

    def body() -> None:
        try:
            asyncio.run(emulator.serve(on_ready=announce))
        except BaseException as problem:
            box.append(problem)
        finally:
            arrived.set()

    thread = threading.Thread(target=body, name="emulator")
    thread.start()
    arrived.wait()
    try:
        if isinstance(box[0], BaseException):
            raise box[0]
        yield box[0]
    finally:
        emulator.stop()
        thread.join()
