"""Put the prisoner into bubblewrap: own network, processes and mounts, a root with only what Python needs."""

from __future__ import annotations

import os
from collections.abc import Iterator

from . import jail, linux, paths
from .job import SYSTEM_FILES, SYSTEM_TREES, Job

_INSIDE = "/run/assetmill"
_STAGES = ("/mnt", "/media", "/srv", "/opt", "/home")
"""Directories anyone may enter: the launcher covers one that is not in use, for itself alone."""
_START = (
    "import sys; sys.path.insert(0, {package!r}); from inside.warden import imprisoned_main as go; go({fd})"
)


def enter(job: Job, report_fd: int) -> None:
    """Replace this process by bubblewrap with an empty environment; it starts the interpreter again inside.

    An environment cleared by bubblewrap itself could still be read through /proc/1/environ.

    Raises:
        OSError: it could not be started.
    """
    sources = {path: path for path in (*job.readable, job.work, job.tmp, job.inside_package)}
    if job.uid is not None:
        sources = _staged(tuple(sources))
        jail.become(job.uid, keep_search=False)
    _stdin_from(job)
    bubblewrap = job.bubblewrap or "bwrap"
    command = [bubblewrap, *_walls(job, sources), "--", *_interpreter(job, report_fd)]
    os.execve(bubblewrap, command, {})  # noqa: S606  # no shell is what we want


def _walls(job: Job, sources: dict[str, str]) -> Iterator[str]:
    yield from ("--unshare-user", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL")
    yield from ("--hostname", "sandbox", "--dev", "/dev")
    for tree in SYSTEM_TREES:
        if os.path.islink(tree):
            yield from ("--symlink", os.readlink(tree), tree)
        else:
            yield from ("--ro-bind-try", tree, tree)
    for path in SYSTEM_FILES:
        yield from ("--ro-bind-try", path, path)
    yield from ("--bind", sources[job.tmp], paths.TMP, "--bind", sources[job.work], paths.DATA)
    for path in job.readable:
        yield from ("--ro-bind", sources[path], path)
    yield from ("--ro-bind", sources[job.inside_package], _INSIDE)
    yield from ("--chdir", paths.DATA)


def _interpreter(job: Job, report_fd: int) -> list[str]:
    start = _START.format(package=_INSIDE, fd=report_fd)
    return [job.python, "-I", "-S", "-X", "utf8", "-c", start]


def _staged(wanted: tuple[str, ...]) -> dict[str, str]:
    """Bind what lies below closed directories to an open place that only this process tree can see."""
    stage = next(
        (place for place in _STAGES if not any(path.startswith(f"{place}/") for path in wanted)), _STAGES[0]
    )
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("none", stage, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0755,size=64k")
    places: dict[str, str] = {}
    for number, path in enumerate(wanted):
        places[path] = f"{stage}/{number}"
        os.mkdir(places[path], 0o755)
        linux.mount(path, places[path], None, linux.MS_BIND | linux.MS_REC)
    return places


def _stdin_from(job: Job) -> None:
    data = job.dump()
    letter = os.memfd_create("job")
    os.write(letter, f"{len(data):010d}".encode() + data)
    os.lseek(letter, 0, os.SEEK_SET)
    os.dup2(letter, 0)
    os.close(letter)
