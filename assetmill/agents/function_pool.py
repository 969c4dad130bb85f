"""Processes that run functions: started once and kept, ended when a call hangs, dies or takes too much.

A function may do anything that a program may: hold the interpreter's lock for ever, take all memory, end its
process. None of that must reach the engine, which holds what was paid for.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, cast

from assetmill.children import child_environment

Json = Mapping[str, Any]

MOST_PROCESSES = 4
"""How many functions run at once in one engine; further calls wait, and their time does not run yet."""

START_S = 60.0
"""How long a process may take to start and to import a function's module."""

_POLL_S = 0.1
_ANSWER_BYTES = 8 * 1024 * 1024
_LOG_BYTES = 64 * 1024
"""Of what a call prints, more is left out of the log."""

_log = logging.getLogger("assetmill.functions")


class FunctionDied(Exception):
    """The process of a call ended or had to be ended; `kind` is how the agent is told of it."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(kind, reason)
        self.kind, self.reason = kind, reason


class FunctionProcess:
    """One child process. A call has it alone."""

    def __init__(self, variables: tuple[str, ...]) -> None:
        self.variables = variables
        self.what = ""
        self._rest, self._logged = b"", 0
        child_reads, requests = os.pipe()
        answers, child_writes = os.pipe()
        self._requests = os.fdopen(requests, "wb", buffering=0)
        self._answers = os.fdopen(answers, "rb", buffering=0)
        command = [sys.executable, "-m", "assetmill.agents.function_worker"]
        try:
            # A session of its own: Ctrl-C is for the engine, and what a function starts ends with it.
            self._child = subprocess.Popen(  # noqa: S603 - our own module
                [*command, str(child_reads), str(child_writes)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(child_reads, child_writes),
                # No credential of ours: what a function needs beside the usual, its tool names.
                env=child_environment({name: os.environ[name] for name in variables if name in os.environ}),
                start_new_session=True,
            )
        finally:
            os.close(child_reads)
            os.close(child_writes)
        self._printed = threading.Thread(target=self._keep_log, daemon=True)
        self._printed.start()

    def ask(self, request: Json, what: str) -> None:
        """Send a request; `what` is how the log names what is printed from now on."""
        self.what, self._logged = what, 0
        line = json.dumps({**request, "paths": sys.path}).encode() + b"\n"
        try:
            while line:
                line = line[self._requests.write(line) or 0 :]
        except OSError as error:
            raise self._died() from error

    def answer(self, limit_s: float, is_wanted: Callable[[], bool] = lambda: True) -> Json:
        """Return the next answer.

        Raises:
            FunctionDied: it did not come in time, is not wanted any more, or cannot come.
        """
        until = time.monotonic() + limit_s
        while b"\n" not in self._rest:
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise FunctionDied("timeout", f"the function gave no result within {limit_s:g} s")
            if not is_wanted():
                raise FunctionDied("stopped", "the run is being stopped")
            if select.select([self._answers], [], [], min(_POLL_S, left_s))[0]:
                self._receive()
            elif self._child.poll() is not None:
                raise self._died()
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            return cast(Json, json.loads(line))
        except ValueError as error:
            raise FunctionDied("died", "the function wrote over its process's answers") from error

    def _receive(self) -> None:
        data = self._answers.read(1 << 16)
        if not data:
            raise self._died()
        self._rest += data
        if len(self._rest) > _ANSWER_BYTES:
            raise FunctionDied("died", "the function wrote over its process's answers")

    def _died(self) -> FunctionDied:
        try:
            code = self._child.wait(START_S)
        except subprocess.TimeoutExpired:
            return FunctionDied("died", "the function closed its process's answers")
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return FunctionDied("died", f"the function ended its process {how}")

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._child.poll() is None

    def end(self) -> None:
        """End the process and all that it started, whatever it is doing, and keep what it printed."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._printed.join(START_S)
        self._requests.close()
        self._answers.close()

    def _keep_log(self) -> None:
        printed = self._child.stdout
        for line in printed or ():
            self._logged += len(line)
            if self._logged - len(line) < _LOG_BYTES:
                _log.info("%s: %s", self.what, line.decode(errors="replace").rstrip()[:2000])
        if printed:
            printed.close()


class FunctionPool:
    """Keeps processes between calls. Safe for threads."""

    def __init__(self, most: int = MOST_PROCESSES) -> None:
        self._room = threading.Semaphore(most)
        self._most, self._idle = most, list[FunctionProcess]()
        self._guard = threading.Lock()

    @contextlib.contextmanager
    def process(
        self, variables: tuple[str, ...], is_wanted: Callable[[], bool] = lambda: True
    ) -> Generator[FunctionProcess]:
        """Lend a process that has these variables; one that raised is ended, whatever it was doing.

        Raises:
            FunctionDied: it is not wanted any more before there is room.
        """
        while not self._room.acquire(timeout=_POLL_S):
            if not is_wanted():
                raise FunctionDied("stopped", "the run is being stopped")
        try:
            lent = self._take(variables) or FunctionProcess(variables)
            try:
                yield lent
            except BaseException:
                lent.end()
                raise
            with self._guard:
                self._idle.append(lent)
        finally:
            self._room.release()

    def _take(self, variables: tuple[str, ...]) -> FunctionProcess | None:
        with self._guard:
            for process in reversed(self._idle):
                if process.variables == variables:
                    self._idle.remove(process)
                    return process
            # Those with other variables make room: no more than `most` are kept.
            surplus = self._idle.pop(0) if len(self._idle) >= self._most else None
        if surplus:
            surplus.end()
        return None

    def close(self) -> None:
        """End the processes that nobody uses."""
        with self._guard:
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()


pool = FunctionPool()
atexit.register(pool.close)
