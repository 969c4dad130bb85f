"""One line on a terminal that says how far long work is, and goes away at the end."""

from __future__ import annotations

import io
import itertools
import re
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assetmill.cli import telling
from assetmill.cli.telling import reads_all, reads_records, told_count, told_progress
from assetmill.fingerprint import digest
from assetmill.progress import unwatched
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.backend import ObjectHead
from assetmill.store.memory import MemoryStore
from tests.assetmill.cli.terminal import Terminal
from tests.millworks import run_here


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_told_how_far_it_is_and_the_line_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with told_progress(MemoryStore(), every_s=0.0):
        while "requests" not in screen.getvalue():
            pass
    assert screen.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize(("reads", "of"), [(reads_all, "3"), (reads_records, "2")])
def test_a_walk_says_of_how_many_objects(
    monkeypatch: pytest.MonkeyPatch, reads: Callable[[str], bool], of: str
) -> None:
    screen, store = _Screen(), MemoryStore()
    monkeypatch.setattr(sys, "stderr", screen)
    for key in (layout.blob(digest(b"x")), f"{layout.STAGES}a/b", f"{layout.RUNS}c/start"):
        store.put(key, b"x")
    with told_progress(store, reads=reads, every_s=0.0):
        while f"of about {of} objects, " not in screen.getvalue():
            pass
    assert screen.getvalue().endswith("\r\x1b[K")


class _Endless(MemoryStore):
    """A store that takes for ever to be listed."""

    def list(self, prefix: str, limit: int | None = None) -> Iterator[ObjectHead]:
        return itertools.repeat(ObjectHead(f"{prefix}x", 1, 0.0))


def test_the_first_line_does_not_wait_until_all_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with told_progress(_Endless(), reads=reads_all, every_s=0.0):
        while screen.getvalue().count("reading memory:: 0 requests") < 2:
            pass
    assert "about" not in screen.getvalue()


def test_what_is_counted_says_how_long_the_rest_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, clock = _Screen(), iter([0.0, *[100.0] * 1_000_000])
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(telling.time, "monotonic", lambda: next(clock))
    with told_count("exporting", "file", 3, every_s=0.0) as step:
        while "exporting: 0 of 3 files\r" not in screen.getvalue():
            pass
        step()
        while "exporting: 1 of 3 files, about 0:03:20 left" not in screen.getvalue():
            pass


ASKED = {
    "export": ("latest", "out"),
    "import": ("a.txt",),
    "repair": ("--offline",),
    "sync": (),
    "verify": (),
    "gc": ("--older-than", "90d", "--dry-run"),
}


def test_long_work_says_how_far_it_is(
    services: Services, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_here(services, "chain")
    monkeypatch.chdir(tmp_path)
    assert assetmill("lock", "chain") == 0, assetmill.err
    Path("a.txt").write_text("a")
    told: list[str] = []

    @contextmanager
    def keeping(line: Callable[[threading.Event], str], _: float) -> Generator[Callable[[], None]]:
        yield unwatched
        told.append(line(threading.Event()))

    monkeypatch.setattr(telling, "_told", keeping)
    for word, arguments in ASKED.items():
        told.clear()
        assert assetmill(word, *arguments) == 0, assetmill.err
        # So small a store takes a collection more requests than it has objects.
        of = r"\d+ requests" if word == "gc" else r"[1-9]\d* of (about )?\d+ "
        assert [re.search(f": {of}", line) is not None for line in told] == [True], (word, told)


def test_who_asked_for_quiet_is_told_nothing(
    services: Services, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_here(services, "chain")
    screen = _Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    assert assetmill("-q", "verify") == 0
    assert screen.getvalue() == ""


def test_a_log_is_told_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with told_progress(MemoryStore(), every_s=0.0):
        pass
    assert capsys.readouterr().err == ""
