"""The comparison with other orchestrators: pinned peers, honest sums of processes, medians in the table."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from benchmarks.peers import installing, processes, table
from benchmarks.peers.installing import Peer
from benchmarks.peers.measuring import Order, Pass
from benchmarks.peers.servers import Beside, beside

_PROGRAM = re.compile(r"^ *serve\((.+)\)$", re.MULTILINE)


def test_every_peer_is_pinned_and_carries_out_the_one_stage() -> None:
    peers = installing.load()
    assert len({peer.name for peer in peers}) == len(peers)
    for peer in peers:
        assert bool(peer.ours) != bool(peer.program)
        assert all(re.fullmatch(r"[\w-]+==[\w.]+", package) for package in peer.packages)
        if peer.program:
            text = (installing.PROGRAMS / peer.program).read_text("utf-8")
            assert len(_PROGRAM.findall(text)) == 1
            assert re.search(r"^ *from drawing import .*\bdraw\b", text, re.MULTILINE)


def test_a_slow_peer_is_measured_only_when_it_is_named() -> None:
    slow = [peer.name for peer in installing.load() if peer.is_asked_for]
    unasked = {peer.name for peer in installing.chosen(installing.load(), [])}
    assert slow
    assert not unasked & set(slow)
    assert [peer.name for peer in installing.chosen(installing.load(), slow)] == slow


@pytest.fixture
def family() -> Generator[subprocess.Popen[str]]:
    """Run a process with a child that has a child; each waits for the end of its input."""
    inner = "import sys; sys.stdin.read()"
    middle = f"import subprocess as s, sys; s.run([sys.executable, '-c', {inner!r}])"
    start = "import subprocess as s, sys; p = s.Popen([sys.executable, '-c', {!r}])".format(middle)  # noqa: UP032
    outer = f"{start}; print(p.pid, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", outer], stdin=-1, stdout=-1, text=True) as process:
        yield process
        process.communicate()


def test_a_tree_has_all_descendants_but_those_of_a_server(family: subprocess.Popen[str]) -> None:
    assert family.stdout
    child = int(family.stdout.readline())
    while len(processes.tree(family.pid)) < 3:
        assert family.poll() is None
    assert processes.tree(family.pid)[:2] == [family.pid, child]
    assert processes.tree(family.pid, {child}) == [family.pid]
    with processes.PeakMemory(family.pid) as all_of_it, processes.PeakMemory(family.pid, {child}) as one:
        pass
    assert all_of_it.peak_mb > one.peak_mb > 0
    assert processes.cpu_of(processes.tree(family.pid)) >= processes.cpu_of([family.pid]) > 0


def test_the_table_has_medians_and_says_who_is_missing() -> None:
    peers = [Peer("a", "A", "a.py", ("a==1.2",)), Peer("b", "B", "b.py")]
    passes = [
        Pass("a", latency_s, ratio, cpu, 4.0, 9.0, peak)
        for latency_s, ratio, cpu, peak in [(0.5, 1.0, 5, 90), (0.5, 9.0, 6, 80), (0.5, 2.0, 70, 70)]
    ]
    lines = table.table(peers, passes, {"b": "no index has it"}, [0.5])
    assert lines[2:] == [
        "| A | 1.2 | 2.00 | 6.0 + 4.0 | 90 |",
        "| B |  |  |  |  |",
        "",
        "b is missing: no index has it",
    ]


def test_the_ideal_is_the_service_s_time_alone() -> None:
    assert Order(300, 50, 0.25).ideal_s(2.0) == 12.0
    assert Order(51, 50, 0.25).ideal_s(2.0) == 4.0


def test_no_server_is_started_where_a_peer_has_none(tmp_path: Path) -> None:
    with beside("", tmp_path, tmp_path) as server:
        assert server == Beside()
    assert not list(tmp_path.iterdir())
