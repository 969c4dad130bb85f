"""What a storm meddles with: wires between programs, and the clocks that they see."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.clocks import Clock, find_library
from tests.server.wires import Wire

SILENCE_S = 0.2


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A wire to a server that says everything back."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(100):
                    connection.sendall(data)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    with Wire(server.getsockname()[1]) as wire:
        yield wire
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def connect(wire: Wire) -> socket.socket:
    return socket.create_connection(("127.0.0.1", wire.port), timeout=20)


def test_what_a_cut_wire_was_given_arrives_when_it_is_mended(wire: Wire) -> None:
    with connect(wire) as old:
        old.sendall(b"one")
        assert old.recv(100) == b"one"
        wire.cut()
        with connect(wire) as new:
            for connection in (old, new):
                connection.sendall(b"two")
                connection.settimeout(SILENCE_S)
                with pytest.raises(TimeoutError):
                    connection.recv(100)
                connection.settimeout(20)
            wire.mend()
            assert (old.recv(100), new.recv(100)) == (b"two", b"two")


def test_a_wire_that_resets_breaks_off_what_is_open_and_what_comes(wire: Wire) -> None:
    with connect(wire) as old:
        old.sendall(b"one")
        assert old.recv(100) == b"one"
        wire.reset()
        with pytest.raises(ConnectionResetError):
            old.recv(100)
        # As it is made, or as it is used: whichever the reset comes to.
        with pytest.raises(ConnectionResetError), connect(wire) as new:
            new.recv(100)
    wire.mend()
    with connect(wire) as later:
        later.sendall(b"three")
        assert later.recv(100) == b"three"


def test_a_wire_may_be_slow(wire: Wire) -> None:
    wire.delay(SILENCE_S)
    began = time.monotonic()
    with connect(wire) as slow:
        slow.sendall(b"one")
        assert slow.recv(100) == b"one"
    assert time.monotonic() - began >= 2 * SILENCE_S


def test_a_clock_can_be_set_wrong_under_a_program_that_runs(tmp_path: Path) -> None:
    library = find_library()
    if library is None:
        pytest.skip("libfaketime has no library for this machine")
    clock = Clock(tmp_path / "clock", library)
    clock.set(600.0)
    program = """
import datetime, time
began, before = time.monotonic(), time.time()
print(datetime.datetime.now().timestamp(), flush=True)
while time.time() >= before:
    time.sleep(0.01)
print(time.monotonic() - began)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=clock.environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    ahead_s = float(process.stdout.readline()) - time.time()
    clock.set(-600.0)
    took_s = float(process.communicate(timeout=20)[0])
    assert 500 < ahead_s < 700
    assert 0 <= took_s < 20
