"""The project's own Prefect: one for runs, which goes when idle; one that lasts, for `serve` and `deploy`."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

from assetmill.local import prefect_server
from assetmill.local.answering import answers
from assetmill.local.detached import Ready, Service, find, is_guarded
from assetmill.local.guard import auth_string, origins
from assetmill.private import make_home, write_private
from assetmill.settings import Settings

# Read by Prefect when it is imported. A value of the caller's own wins.
PREFECT_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_CLI_PROMPT": "false",
}
PREFECT_EMBEDDED = {
    # Nobody reads the log of a server that goes away; the terminal and the manifest say it all.
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    # Plain HTTP needs no authorities, and every task would read all of them twice: 47 ms of CPU.
    "PREFECT_API_SSL_CERT_FILE": str(Path(__file__).with_name("no_authority.pem")),
}
# A write of its own for every state of every task, the default, takes as much as all else of a task; one for
# every twenty events much of what is left.
_RECORDER = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "100",
}
_SERVER = {
    **_RECORDER,
    "PREFECT_UI_ENABLED": "false",
    "PREFECT_SERVER_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    # Nobody listens to its events: a page would, and a worker's.
    "PREFECT_SERVER_EVENTS_STREAM_OUT_ENABLED": "false",
    # Nothing is scheduled or triggered on this server.
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
}
_LASTING = {
    **_RECORDER,
    "PREFECT_UI_ENABLED": "true",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
}
_USUAL_PORT = 4200
"""Where people look for Prefect."""


def prefect_home(settings: Settings, *, is_lasting: bool = False) -> Path:
    """Return where a server keeps its state: each has a database of its own."""
    folder = make_home(settings.home) / "prefect"
    return folder / "lasting" if is_lasting else folder


def prefect_service(settings: Settings, port: int = 0) -> Service:
    """Describe the server that runs share while they need one."""
    return _service(settings, port, is_lasting=False)


def lasting_prefect_service(settings: Settings, port: int = 0) -> Service:
    """Describe the server of `serve` and `deploy`; port 0 means the address that it had before."""
    return _service(settings, port or fixed_port(settings), is_lasting=True)


def _service(settings: Settings, port: int, *, is_lasting: bool) -> Service:
    directory = prefect_home(settings, is_lasting=is_lasting)
    idle = "inf" if is_lasting else str(settings.run.idle_timeout_s)
    arguments = ("--directory", str(directory), "--port", str(port), "--idle-timeout", idle)
    url = f"http://127.0.0.1:{port}/api"
    return Service(
        title="Prefect with its web page" if is_lasting else "Prefect",
        directory=directory,
        module="assetmill.local.prefect_server",
        arguments=(*arguments, "--lasting") if is_lasting else arguments,
        is_alive=_is_prefect_alive,
        announced={"api_url": url},
        # What a person set for Prefect's server counts here too.
        reads=("PREFECT_SERVER_", "PREFECT_LOGGING_"),
        environment={
            **PREFECT_QUIET,
            **(_LASTING if is_lasting else _SERVER),
            "PREFECT_HOME": str(directory),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": prefect_server.database_url(directory),
            "PREFECT_SERVER_API_AUTH_STRING": auth_string(settings.home / "prefect"),
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(origins(port)),
            "PREFECT_UI_API_URL": url,
            # Beside the installation it may not be written, and is shared with others.
            "PREFECT_UI_STATIC_DIRECTORY": str(directory / "page"),
        },
        start_timeout_s=180.0,
    )


def fixed_port(settings: Settings) -> int:
    """Return the port that the lasting server had before; another one when somebody else listens there."""
    directory = prefect_home(settings, is_lasting=True)
    kept = directory / "port"
    before = int(kept.read_text(encoding="ascii")) if kept.exists() else _USUAL_PORT
    # One that is there keeps its address, however busy it is.
    port = before if is_guarded(directory) or is_free(before) else free_port()
    if not kept.exists() or port != before:
        write_private(kept, str(port).encode())
    return port


def is_lasting_alive(settings: Settings) -> bool:
    """Return whether the lasting server answers."""
    folder = settings.home / "prefect" / "lasting"
    return find(Service("", folder, "", (), _is_prefect_alive)) is not None


def is_free(port: int) -> bool:
    """Return whether a server could listen on a port of this machine."""
    with closing(socket.socket()) as probe:
        # As servers do: an address that a connection left a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_prefect_alive(ready: Ready) -> bool:
    # `/health` is well also where the database cannot be used.
    return answers(f"{ready.get('api_url')}/ready", None)
