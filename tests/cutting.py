"""A proxy that cuts connections by chance: before a request passes, or before its reply does."""

from __future__ import annotations

import random
import select
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class CuttingProxy:
    """Passes bytes on to one address, and cuts the connection instead with that chance; `cuts` counts.

    A reply that is cut off is one that nobody gets: what was asked for is done all the same.
    """

    def __init__(self, address: tuple[str, int], seed: int, chance: float) -> None:
        self._address, self._chance, self._random = address, chance, random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.cuts = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cut everything."""
        # `close` alone does not wake the thread that accepts.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._address) as server:
            with self._lock:
                self._open |= {client, server}
            self._pump({client: server, server: client})
        with self._lock:
            self._open -= {client}

    def _pump(self, other: dict[socket.socket, socket.socket]) -> None:
        while True:
            readable, _, _ = select.select(list(other), [], [])
            for end in readable:
                data = end.recv(65536)
                if not data or self._is_cut():
                    return
                other[end].sendall(data)

    def _is_cut(self) -> bool:
        with self._lock:
            is_cut = self._random.random() < self._chance
            self.cuts += is_cut
        return is_cut


@contextmanager
def cutting(url: str, seed: int, chance: float) -> Generator[CuttingProxy]:
    """Put a proxy before a server until the end."""
    parts = urlsplit(url)
    proxy = CuttingProxy((parts.hostname or "", parts.port or 80), seed, chance)
    try:
        yield proxy
    finally:
        proxy.close()
