"""Run one cell of Python the way a notebook does: a script whose last bare expression is shown."""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import os
import sys
import threading
import traceback
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

from . import hooks, paths
from .job import MAX_ERROR_CHARACTERS, CellReport, Job

CELL = "<cell>"
_MAX_FIGURES = 20


def prepare(job: Job, *, work: str, tmp: str) -> list[str]:
    """Set the environment and the import path; return the list in which shown figures are noted."""
    fonts = os.path.join(tmp, "matplotlib")  # pathlib is not needed before the program asks
    os.mkdir(fonts, 0o755)
    for name, text in job.font_lists.items():
        with open(os.path.join(fonts, os.path.basename(name)), "w", encoding="utf-8") as target:
            target.write(text)
    os.environ.clear()
    os.environ.update(
        {
            "HOME": tmp,
            "LANG": "C.UTF-8",
            "MPLBACKEND": "Agg",
            "MPLCONFIGDIR": fonts,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "TMPDIR": tmp,
        }
    )
    sys.argv = [CELL]
    # The work directory comes last: an uploaded `numpy.py` must not stand in for the real one.
    sys.path[:] = [
        *(entry for entry in sys.path if entry and entry != job.inside_package),
        *job.site_paths,
        work,
    ]
    shown: list[str] = []
    hooks.after_import({"matplotlib.pyplot": _saving_show(shown)})
    return shown


def run(code: str) -> str | None:
    """Run the cell with output on descriptors 1 and 2; return the last line of its traceback, if any."""
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    sys.stdout = io.TextIOWrapper(
        io.FileIO(1, "w", closefd=False), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
    sys.stderr = sys.stdout
    linecache.cache[CELL] = (len(code), None, code.splitlines(keepends=True), CELL)
    error = _execute(code, module)
    _show_what_is_open()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    # Files left open lose their last buffer otherwise: the process ends without cleaning up, which is faster.
    module.__dict__.clear()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    return error


def _show_what_is_open() -> None:
    """Show the figures that are open at the end, as a notebook does, whether `show` was called or not."""
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    try:
        if pyplot is not None:
            pyplot.show()
    except Exception as error:  # what cannot be drawn is the program's own: told, but its run has not failed
        _told(error)


def finish(report_fd: int, error: str | None, shown: list[str]) -> None:
    """Send the verdict and leave at once."""
    report = CellReport(is_finished=True, error=error, displayed=tuple(shown))
    with contextlib.suppress(OSError):
        os.write(report_fd, report.dump())
    os._exit(0)


def _execute(code: str, module: ModuleType) -> str | None:
    try:
        body, shown = _compiled(code)
        exec(body, module.__dict__)  # noqa: S102  # what this process is for
        if shown is not None:
            value = eval(shown, module.__dict__)  # noqa: S307
            if value is not None:
                print(repr(value))  # noqa: T201
    except BaseException as error:  # the program's own errors, of whatever kind, are its output
        return _told(error)
    return None


def _compiled(code: str) -> tuple[CodeType, CodeType | None]:
    tree = ast.parse(code, CELL)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr) or code.rstrip().endswith(";"):
        return compile(tree, CELL, "exec"), None
    tree.body.pop()
    return compile(tree, CELL, "exec"), compile(ast.Expression(last.value), CELL, "eval")


def _told(error: BaseException) -> str | None:
    """Print the traceback from the cell on and return its last line; None for an exit that means success."""
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return None
    try:
        last = traceback.format_exception_only(error)[-1].strip()
    except Exception as worse:  # the program's own __str__ failed
        last = f"{type(error).__name__} (its message could not be made: {type(worse).__name__})"
    if isinstance(error, MemoryError):
        last = f"killed: memory limit ({last})"
    if not isinstance(error, SystemExit):
        # Whatever the program did to its standard output, the last line still gets out.
        with contextlib.suppress(Exception):
            report = traceback.TracebackException.from_exception(error)
            _leave_us_out(report)
            print("".join(report.format()), end="", file=sys.stdout)  # noqa: T201
    return last[:MAX_ERROR_CHARACTERS]


def _leave_us_out(report: traceback.TracebackException) -> None:
    """Take the frames of this package out, from the errors that led here too."""
    ours = os.path.dirname(__file__)
    report.stack = traceback.StackSummary.from_list(
        [frame for frame in report.stack if not frame.filename.startswith(ours)]
    )
    for earlier in (report.__cause__, report.__context__):
        if earlier is not None:
            _leave_us_out(earlier)


def _saving_show(shown: list[str]) -> Callable[[ModuleType], None]:
    """Make `plt.show()` keep every open figure as a PNG, since nobody sits before a screen.

    A figure that the program has saved as a PNG and not changed since is shown as it was saved, so that the
    two are one file in content.
    """

    def change(pyplot: ModuleType) -> None:
        saved: dict[int, str] = {}
        save = pyplot.Figure.savefig

        def savefig(figure: Any, fname: object, *arguments: Any, **named: Any) -> None:
            save(figure, fname, *arguments, **named)
            saved.pop(id(figure), None)
            if isinstance(fname, (str, os.PathLike)) and os.fspath(fname).endswith(".png"):
                saved[id(figure)] = os.path.abspath(os.fspath(fname))
                # Whatever the program changes from here on marks the figure as stale again.
                figure.stale = False

        def show(*_arguments: object, **_named: object) -> None:
            for number in pyplot.get_fignums():
                if len(shown) >= _MAX_FIGURES:
                    break
                name, figure = _free_name(), pyplot.figure(number)
                if figure.stale or not _copied(saved.get(id(figure)), f"{paths.DATA}/{name}"):
                    save(figure, f"{paths.DATA}/{name}", format="png")
                shown.append(name)
            pyplot.close("all")
            saved.clear()

        pyplot.Figure.savefig = savefig  # pyright: ignore[reportAttributeAccessIssue]
        pyplot.show = show  # pyright: ignore[reportAttributeAccessIssue]

    return change


def _copied(source: str | None, target: str) -> bool:
    """Copy a file that is still there."""
    if source is None:
        return False
    try:
        with open(source, "rb") as opened, open(target, "xb") as copy:
            copy.write(opened.read())
    except OSError:
        return False
    return True


def _free_name() -> str:
    number = 1
    while os.path.lexists(f"{paths.DATA}/figure-{number}.png"):
        number += 1
    return f"figure-{number}.png"
