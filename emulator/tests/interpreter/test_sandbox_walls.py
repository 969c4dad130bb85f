"""What code in the sandbox cannot do, and that the attempts are real ones."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from foundry_emulator.interpreter.code import CodeOutcome, Sandbox
from foundry_emulator.interpreter.sandbox.cage import Cage

pytestmark = pytest.mark.server


@dataclass(frozen=True)
class Probe:
    """One attempt. `works_in_the_open` says that it succeeds with resource limits alone."""

    name: str
    code: str
    works_in_the_open: bool = True


_CALLS = {
    "x86_64": {"clone": 56, "keyctl": 250, "userfaultfd": 323, "memfd_create": 319, "inotify_init1": 294},
    "aarch64": {"clone": 220, "keyctl": 219, "userfaultfd": 282, "memfd_create": 279, "inotify_init1": 26},
}[os.uname().machine]

PROBES = [
    Probe("read a file of the host", "posix.open(SECRET, os.O_RDONLY)"),
    Probe("read it through a link", "posix.symlink(SECRET, 'link'); posix.open('link', os.O_RDONLY)"),
    Probe("read the list of users", "posix.open('/etc/passwd', os.O_RDONLY)"),
    Probe("list the repository", "posix.listdir(REPOSITORY)"),
    Probe("list the directory above", "posix.listdir(OUTSIDE)"),
    Probe("write a file of the host", "posix.open(SECRET, os.O_WRONLY)"),
    Probe("cut a file of the host", "posix.truncate(SECRET, 0)"),
    Probe("delete a file of the host", "posix.unlink(SECRET)"),
    Probe("make a file on the host", "posix.open(OUTSIDE + '/new', os.O_CREAT | os.O_WRONLY)"),
    Probe("give a file of the host a second name", "posix.link(SECRET, 'second')", works_in_the_open=False),
    Probe("make shared memory", "posix.unlink('/dev/shm/x') if posix.open('/dev/shm/x', 66) else 0"),
    Probe("list processes", "posix.listdir('/proc')"),
    Probe("read the first process's environment", "open('/proc/1/environ').read()", works_in_the_open=False),
    Probe("connect over TCP", "socket.create_connection(('127.0.0.1', PORT), 2)"),
    Probe("listen on TCP", "socket.create_server(('127.0.0.1', 0))"),
    Probe("send over UDP", "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))"),
    Probe("connect to an abstract socket", "socket.socket(socket.AF_UNIX).connect(ABSTRACT)"),
    Probe("connect to a socket file", "socket.socket(socket.AF_UNIX).connect(SOCKET_FILE)"),
    Probe("signal a process of the host", "os.kill(HOST_PROCESS, 0)", works_in_the_open=False),
    Probe("signal the warden", "os.kill(os.getppid() or 2**22, 0)", works_in_the_open=False),
    Probe(
        "change the warden's limits", "resource.prlimit(os.getppid() or 2**22, resource.RLIMIT_NOFILE)", False
    ),
    Probe("make a user namespace", "call('unshare', 0x10000000)"),
    Probe("be born in a user namespace", "leave(libc.syscall(NUMBER['clone'], 0x10000011, 0, 0, 0, 0))"),
    Probe("use io_uring", "system(425, 8, ctypes.create_string_buffer(120))"),
    Probe("use the key ring", "system(NUMBER['keyctl'], 0, -3, 0)"),
    Probe("use userfaultfd", "system(NUMBER['userfaultfd'], 1)"),
    Probe("make memory without limit", "system(NUMBER['memfd_create'], b'x', 0)"),
    Probe("watch files", "system(NUMBER['inotify_init1'], 0)"),
    Probe("be traced", "call('ptrace', 0, 0, 0, 0)"),
    Probe("mount", "call('mount', b'none', b'/mnt', b'tmpfs', 0, None)", works_in_the_open=False),
    Probe("take more memory than allowed", "bytearray(3 << 30)", works_in_the_open=False),
    Probe(
        "write a giant file",
        "[f.write(bytes(1 << 20)) for f in [open('/tmp/big', 'wb', 0)] for _ in range(99)]",
        False,
    ),
    Probe("start processes without end", "[os.fork() or time.sleep(9) for _ in range(400)]", False),
    Probe("lift its own limits", "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", works_in_the_open=False),
    Probe("become root", "os.setuid(0)", works_in_the_open=False),
]


def named(probe: Probe) -> str:
    return probe.name.replace(" ", "-")


_ATTEMPT = """
import ctypes, os, posix, resource, socket, time
libc = ctypes.CDLL(None, use_errno=True)
def system(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
def leave(process):
    if process == 0:
        os._exit(0)
    if process < 0:
        raise OSError(ctypes.get_errno(), "refused")
start = os.getpid()
try:
    {attempt}
except (OSError, ValueError, MemoryError) as error:
    print("DENIED", repr(error))
else:
    if os.getpid() == start:
        print("ALLOWED")
"""


@pytest.fixture
def surroundings() -> Iterator[dict[str, object]]:
    """Things on the host that anyone may touch, so that only the sandbox can be what denies them."""
    with tempfile.TemporaryDirectory(prefix="probe-") as place:
        yield from surroundings_in(Path(place))


def surroundings_in(outside: Path) -> Iterator[dict[str, object]]:
    outside.chmod(0o777)
    secret = outside / "secret"
    secret.write_text("the secret")
    secret.chmod(0o666)
    name = f"\0probe-{os.getpid()}-{time.monotonic_ns()}"
    socket_file = f"{tempfile.gettempdir()}/probe-{os.getpid()}-{time.monotonic_ns()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as named,
    ):
        abstract.bind(name)
        abstract.listen()
        named.bind(socket_file)
        named.listen()
        os.chmod(socket_file, 0o777)  # noqa: S103  # the sandbox, not the mode, must deny it
        yield {
            "SECRET": str(secret),
            "OUTSIDE": str(outside),
            "REPOSITORY": str(Path(__file__).parents[3] / "tests"),
            "PORT": listener.getsockname()[1],
            "ABSTRACT": name,
            "SOCKET_FILE": socket_file,
            "HOST_PROCESS": os.getpid(),
            "NUMBER": _CALLS,
        }
    os.unlink(socket_file)


def attempt(cage: Cage | Sandbox, probe: Probe, surroundings: dict[str, object], data: Path) -> CodeOutcome:
    values = "\n".join(f"{name} = {value!r}" for name, value in surroundings.items())
    return cage.run(values + _ATTEMPT.format(attempt=probe.code), data, 10)


@pytest.mark.parametrize("probe", PROBES, ids=named)
def test_nothing_on_the_deny_list_is_possible(
    sandbox: Sandbox, probe: Probe, surroundings: dict[str, object], data: Path
) -> None:
    assert_denied(attempt(sandbox, probe, surroundings, data), surroundings)


@pytest.mark.parametrize("probe", PROBES, ids=named)
@pytest.mark.usefixtures("plain_sandbox")
def test_nothing_more_is_possible_on_an_old_kernel(
    probe: Probe, surroundings: dict[str, object], data: Path
) -> None:
    """The first Landlock: no rule for TCP, truncation, signals or abstract sockets."""
    assert_denied(attempt(Cage("landlock", newest_landlock=1), probe, surroundings, data), surroundings)


def assert_denied(outcome: CodeOutcome, surroundings: dict[str, object]) -> None:
    assert "DENIED" in outcome.logs
    assert "ALLOWED" not in outcome.logs
    assert Path(str(surroundings["SECRET"])).read_text() == "the secret"
    assert os.listdir(str(surroundings["OUTSIDE"])) == ["secret"]


@pytest.mark.skipif(
    os.geteuid() != 0, reason="without another user the probes would harm the tests' own files"
)
@pytest.mark.parametrize("probe", [probe for probe in PROBES if probe.works_in_the_open], ids=named)
def test_probe_succeeds_where_there_are_no_walls(
    probe: Probe, surroundings: dict[str, object], data: Path
) -> None:
    """A probe that fails everywhere shows nothing."""
    outcome = attempt(Cage("unsafe"), probe, surroundings, data)
    if "DENIED" in outcome.logs and "refused" in outcome.logs:
        pytest.skip("this machine's kernel denies it to everyone")
    assert outcome.logs.startswith("ALLOWED\n")


def test_environment_of_the_emulator_is_out_of_sight(
    sandbox: Sandbox, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE_TOKEN", "canary-7f3a")
    code = """
import os
print(dict(os.environ))
for name in ['/proc/self/environ', *(f'/proc/{number}/environ' for number in range(1, 500))]:
    try: print(open(name).read())
    except OSError: pass
"""
    outcome = sandbox.run(code, data)
    assert "MPLBACKEND" in outcome.logs
    assert "canary-7f3a" not in outcome.logs


def test_mode_and_time_of_host_files_stay(
    sandbox: Sandbox, surroundings: dict[str, object], data: Path
) -> None:
    secret = Path(str(surroundings["SECRET"]))
    before = secret.stat()
    attempt(sandbox, Probe("", "posix.chmod(SECRET, 0); posix.utime(SECRET, (1, 1))"), surroundings, data)
    assert secret.stat() == before


def test_killing_everyone_reaches_nobody_outside(sandbox: Sandbox, data: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        outcome = sandbox.run("import os, signal\nos.kill(-1, signal.SIGKILL)", data, 5)
        assert bystander.poll() is None
        bystander.communicate(b"\n")
    assert outcome.error is None or "PermissionError" in outcome.error or "ProcessLookup" in outcome.error
