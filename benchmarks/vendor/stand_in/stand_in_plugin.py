"""Runs coroutine tests, leaves out what the scope leaves out, and writes down the count."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_COUNTS = {"passed": 0, "failed": 0}
_SKIPS: dict[str, str] = json.loads(os.environ["STAND_IN_SKIPS"])

# It cleans recordings with the help of a package that is not needed for anything else.
_NO_CLEANING = ModuleType("agent_insights.sanitizers")
_NO_CLEANING.add_agent_insights_sanitizers = lambda: None  # type: ignore[attr-defined]
sys.modules[_NO_CLEANING.__name__] = _NO_CLEANING


def _plain(name: str) -> str:
    return name.removesuffix(".py").removesuffix("_async")


def _reason(nodeid: str) -> str | None:
    """Return why a test is left out: by its file, or by its file and name; twins share one entry."""
    file, _, rest = nodeid.partition("::")
    test = rest.rpartition("::")[2]
    return _SKIPS.get(_plain(file)) or _SKIPS.get(f"{_plain(file)}::{_plain(test)}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if _reason(item.nodeid)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names: Any = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "call" and report.passed:
        return
    # One that skips itself tells nothing: it must be listed with a reason, or it counts as failed.
    outcome = "passed" if report.passed else "failed"
    _COUNTS[outcome] += 1
    said = outcome if not report.skipped else f"failed: skips itself, {report.longrepr!r}"
    sys.stderr.write(f"{report.duration:6.1f} s  {report.nodeid}  {said}\n")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _COUNTS["failed"] += 1


def pytest_sessionfinish() -> None:
    Path(os.environ["STAND_IN_RESULTS"]).write_text(json.dumps(_COUNTS), "utf-8")
