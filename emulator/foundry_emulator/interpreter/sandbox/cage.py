"""Run code at one given tier: prepare the directories, write the job, launch it, read the outcome."""

from __future__ import annotations

import functools
import os
import secrets
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from foundry_emulator.interpreter.sandbox import collecting
from foundry_emulator.interpreter.sandbox.inside import paths
from foundry_emulator.interpreter.sandbox.inside.job import CPU_S, SYSTEM_TREES, CellReport, Job, Tier
from foundry_emulator.interpreter.sandbox.launch import Ended, inside_package, launch
from foundry_emulator.interpreter.sandbox.outcome import CodeOutcome

MAX_DISK_BYTES = 256 << 20
"""What a run may hold on disk at one time; the limit on file size alone would allow thousands of files."""
MAX_DISK_FILES = 2000

_PROCESSES = 64
_NOBODY = 65534
_FIRST_SPARE_UID = 1 << 30


@dataclass(frozen=True)
class Cage:
    """One tier made ready; `run` may be called from several threads at once.

    `newest_landlock` leaves later versions unused, to see what an older kernel would do.
    """

    tier: Tier
    bubblewrap: str | None = None
    newest_landlock: int = 99

    def run(
        self, code: str, workdir: Path, timeout_s: float = 30, *, font_lists: Mapping[str, str] | None = None
    ) -> CodeOutcome:
        """Run the code with `workdir` as `/mnt/data` and collect what it left there."""
        work = workdir.resolve()
        with _run_directory() as tmp:
            uid = _spare_uid() if os.geteuid() == 0 else None
            if uid is not None:
                collecting.hand_over(work, uid)
                collecting.hand_over(tmp, uid)
            job = Job(
                tier=self.tier,
                code=code,
                work=str(work),
                tmp=str(tmp),
                timeout_s=timeout_s,
                readable=_readable(),
                site_paths=_site_paths(),
                python=os.path.realpath(sys.executable),
                inside_package=str(inside_package()),
                uid=uid,
                keep_search=uid is not None and not _is_open_to_all(work, tmp),
                fork_room=_PROCESSES + (0 if uid is not None else _own_tasks()),
                newest_landlock=self.newest_landlock,
                bubblewrap=self.bubblewrap,
                font_lists=font_lists or {},
            )
            before = collecting.snapshot(work)
            ended = launch(job, objection=lambda: _excess(work, tmp))
            return _outcome(ended, job, collecting.collect(work, before))


def _outcome(ended: Ended, job: Job, collected: collecting.CollectedFiles) -> CodeOutcome:
    logs = _as_said(ended.log.decode("utf-8", "replace"), job)
    if ended.is_log_cut:
        logs += "\n[output cut at 1 MiB]\n"
    logs += "".join(f"[not kept: {line}]\n" for line in collected.skipped)
    error = _error(ended, job)
    kept = {name for name, _ in collected.files}
    displayed = tuple(name for name in ended.report.displayed if name in kept)
    return CodeOutcome(
        logs=logs, files=collected.files, error=error and _as_said(error, job), displayed=displayed
    )


def _as_said(text: str, job: Job) -> str:
    """Put the program's names for its directories where the kernel's leaked into a message."""
    return text.replace(job.work, paths.DATA).replace(job.tmp, paths.TMP)


def _error(ended: Ended, job: Job) -> str | None:
    report = ended.report
    if ended.stopped_for is not None:
        return ended.stopped_for
    if report.is_timed_out:
        return f"timed out after {job.timeout_s:g} s"
    if report.setup_error is not None:
        return f"the sandbox could not be set up: {report.setup_error}"
    if report.is_finished:
        return report.error
    return _death(report)


def _death(report: CellReport) -> str:
    number = report.signal
    if number is None and report.exit_code is not None and report.exit_code > 128:
        number = report.exit_code - 128  # as bubblewrap passes a signal on
    if number is None:
        return f"the program ended itself with exit code {report.exit_code}"
    if number == signal.SIGXCPU:
        return f"killed: CPU limit of {CPU_S} s"
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = str(number)
    return f"killed: signal {name}"


@contextmanager
def _run_directory() -> Generator[Path]:
    """Make a place for temporary files, reachable for the prisoner but not to be guessed by others."""
    root = Path(tempfile.mkdtemp(prefix="sandbox-")).resolve()
    try:
        root.chmod(0o711)
        tmp = root / "tmp"
        tmp.mkdir(mode=0o700)
        yield tmp
    finally:
        collecting.remove(root)


def _excess(*roots: Path) -> str | None:
    footprints = [collecting.footprint(root) for root in roots]
    if sum(size_bytes for size_bytes, _ in footprints) > MAX_DISK_BYTES:
        return f"killed: disk limit of {MAX_DISK_BYTES >> 20} MiB"
    if sum(count for _, count in footprints) > MAX_DISK_FILES:
        return f"killed: limit of {MAX_DISK_FILES} files"
    return None


def _spare_uid() -> int:
    """Pick a user that owns nothing: then its process limit and its signals are the run's alone."""
    mapped = Path("/proc/self/uid_map").read_text(encoding="ascii").split()
    if mapped == ["0", "0", "4294967295"]:
        return _FIRST_SPARE_UID + secrets.randbelow(1 << 29)
    return _NOBODY


def _readable() -> tuple[str, ...]:
    """Return the trees Python itself needs beyond the system's."""
    trees: list[str] = []
    for path in (sys.base_prefix, sys.prefix):
        tree = os.path.realpath(path)
        if tree != "/" and not any(
            tree == known or tree.startswith(known + "/") for known in (*SYSTEM_TREES, *trees)
        ):
            trees.append(tree)
    return tuple(trees)


def _site_paths() -> tuple[str, ...]:
    """Return where packages are installed; without `.pth` files, so an editable checkout stays out."""
    return tuple(dict.fromkeys(os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib")))


def _is_open_to_all(*places: Path) -> bool:
    """Say whether any user can reach these places and read the interpreter and its packages."""
    return _interpreter_is_open() and all(map(_is_reachable, places))


def _is_reachable(place: Path) -> bool:
    return all(ancestor.stat().st_mode & 0o001 for ancestor in place.parents)


@functools.cache
def _interpreter_is_open() -> bool:
    trees = [Path(path) for path in (*_readable(), *_site_paths())]
    packages = [package for path in _site_paths() for package in Path(path).iterdir()]
    return all(map(_is_reachable, trees)) and all(
        entry.stat().st_mode & 0o004 for entry in (*trees, *packages)
    )


def _own_tasks() -> int:
    """Count the threads this user has running: the kernel's process limit counts them all together."""
    user, count = os.getuid(), 0
    with os.scandir("/proc") as listing:
        for entry in listing:
            try:
                if entry.name.isdigit() and entry.stat().st_uid == user:
                    count += len(os.listdir(f"/proc/{entry.name}/task"))
            except OSError:
                continue
    return count
