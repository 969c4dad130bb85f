"""The next pass of a run or a batch: what it draws at what price, and a process of its own that draws it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from assetmill.batches.opening import Batch, prepare_again
from assetmill.errors import NotFound
from assetmill.gallery.asking import AlreadyRunning, PassOffer
from assetmill.plan.calls import REJECTED, StageCall
from assetmill.plan.plan import Plan
from assetmill.private import make_folder, open_private, write_private
from assetmill.records import RunId, RunStart
from assetmill.runs.planning import plan_pipeline
from assetmill.settings import Settings
from assetmill.stage.services import Services, connect
from assetmill.store.backend import Backend
from assetmill.store.ledger import Ledger

Begin = Callable[[list[str], Path], "subprocess.Popen[bytes]"]
"""Begins a command whose output goes to a file."""


def begin_detached(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Begin a command that goes on when the page is stopped: what it has begun is paid for."""
    with open_private(log, "ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own command, with words of ours
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


class CommandPasses:
    """Plans next passes on one store, and starts each as the command that a person would type."""

    def __init__(self, settings: Settings, backend: Backend, begin: Begin = begin_detached) -> None:
        self._settings, self._begin = settings, begin
        self._services = Services(settings, backend, connect)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def offer(self, what: str) -> PassOffer:
        """Return what the next pass would draw, by all that reviewers have said.

        Raises:
            NotFound: no such run or batch.
        """
        if what.startswith("run_"):
            start = self._start_of(what)
            return _of_plan(what, plan_pipeline(start.spec_path, start.parameters, *self._where))
        return _of_batch(what, prepare_again(what, self._services))

    def start(self, offer: PassOffer) -> None:
        """Start a pass under the ceiling that was shown.

        Raises:
            AlreadyRunning: one was started and has not ended.
        """
        with self._lock:
            known = self._running.get(offer.what)
            if known and known.poll() is None:
                raise AlreadyRunning(f"{offer.what} is being drawn: see what waits once that has ended")
            self._running[offer.what] = self._begun(offer)

    @property
    def _where(self) -> tuple[Settings, Ledger]:
        return self._settings, self._services.ledger

    def _begun(self, offer: PassOffer) -> subprocess.Popen[bytes]:
        folder = make_folder(self._settings.home / "passes")
        command = [sys.executable, "-m", "assetmill.cli.main", *self._words(offer, folder)]
        return self._begin(command, folder / f"{offer.what}.log")

    def _words(self, offer: PassOffer, folder: Path) -> list[str]:
        usd, profile = offer.cost.ceiling, self._settings.profile
        if offer.what.startswith("run_"):
            start = self._start_of(offer.what)
            file = folder / f"{offer.what}.json"
            write_private(file, _as_json(start.parameters))
            words = ["run", start.spec_path, "--params", str(file)]
        else:
            # A batch's ceiling is over all of its runs: what they have spent under it is not for this one.
            usd += self._services.budget.committed_usd(f"batch/{offer.what}")
            words = ["batch", "--again", offer.what]
        return [*words, "--budget", as_budget(usd), "--profile", profile]

    def _start_of(self, what: str) -> RunStart:
        start = self._services.ledger.find_start(RunId(what))
        if start is None:
            raise NotFound("run", what)
        return start


def as_budget(usd: float) -> str:
    """Return an amount as `--budget` takes it, never less than it: a row would be left for want of that.

    What binary fractions add to it, less than a ceiling looks at, is no amount.
    """
    return f"{math.ceil(usd * 1e6 - 1e-3) / 1e6:.6f}"


def _as_json(parameters: Mapping[str, object]) -> bytes:
    return json.dumps(dict(parameters)).encode()


def _of_plan(what: str, plan: Plan) -> PassOffer:
    calls = [stage.asked for stage in plan.stages]
    draws = tuple(f"{stage.label} {_named(stage.call)}" for stage in plan.stages if stage.is_to_do)
    reasons = (reason for call in calls if call and (reason := _reason(call)))
    return PassOffer(what, draws, plan.cost, tuple(reasons))


def _named(call: StageCall | None) -> str:
    return call.fingerprint if call else ""


def _reason(call: StageCall) -> str:
    rounds = call.extra.get(REJECTED, ())
    return f"{call.label}: {rounds[-1][1]}" if rounds else ""


def _of_batch(what: str, batch: Batch) -> PassOffer:
    drawn = {"run", "wait"}
    draws = [
        f"{row.row.name} {stage.identity}"
        for row in batch.plans
        for stage in row.stages
        if stage.decision in drawn
    ]
    reasons = [
        f"{row.row.name}: {stage.reason}" for row in batch.plans for stage in row.stages if stage.reason
    ]
    return PassOffer(what, tuple(draws), batch.totals.cost, tuple(reasons))
