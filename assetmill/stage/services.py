"""Everything a stage needs, opened once from Settings: the store, the ledger and the gateway to agents."""

from __future__ import annotations

import datetime
import random
import shlex
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from assetmill.agents.abilities import Abilities
from assetmill.agents.gateway import Gateway
from assetmill.agents.handles import Handles
from assetmill.agents.pacing import Pacer, Rates
from assetmill.agents.told_limits import keep_limits, read_limits, told_limits
from assetmill.agents.waiting import waiting_gateway
from assetmill.checks.looks import Neighbours
from assetmill.errors import RunStopped
from assetmill.money.budget import Budget, Ceiling
from assetmill.outages import Outages
from assetmill.plan.plan import ShownPlan
from assetmill.records import IntentWay, RunId, Way
from assetmill.settings import Settings
from assetmill.stage.failpoints import Failpoint, watch_backend, watch_gateway
from assetmill.stage.figures import shown
from assetmill.stage.gate import Gate
from assetmill.stage.hour import Hour
from assetmill.stage.owners import this_owner
from assetmill.stage.slots import Slots
from assetmill.stage.waits import CurrentWaits
from assetmill.store.backend import Backend
from assetmill.store.blobs import Blobs
from assetmill.store.ledger import Ledger
from assetmill.store.opening import open_store, probe
from assetmill.store.pending_deletions import PendingDeletions
from assetmill.store.run_ids import make_run_id, open_try
from assetmill.store.waiting import WaitingBackend

if TYPE_CHECKING:
    # It imports an HTTP client, which planning has no use for.
    from assetmill.agents.recording import Recorder

Wait = Callable[[float], None]


@dataclass
class Services:
    """The parts that stages share. Safe for threads; the gateway opens when it is first used."""

    settings: Settings
    backend: Backend
    open_gateway: Callable[[Settings, Wait], Gateway]
    ceilings: tuple[Ceiling, ...] = ()
    gate: Gate = field(default_factory=Gate)
    stop: threading.Event = field(default_factory=threading.Event)
    shown: ShownPlan | None = None
    hour: Hour | None = None
    """By when all runs that have no hour of their own are to be done: those of a batch share one."""
    outages: Outages = field(default_factory=Outages)
    owner: str = field(default_factory=this_owner)
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.blobs = Blobs(self.backend, PendingDeletions(self.backend, self.clock))
        self.ledger = Ledger(self.backend)
        self.neighbours = Neighbours()
        self.budget = Budget(self.backend)
        self._run_ceilings: dict[str, Ceiling] = {}
        self._run_hours: dict[str, Hour] = {}
        self._batches: dict[str, str] = {}
        self._repeating: set[str] = set()
        self._closed_lanes: set[str] = set()
        self.notices: list[str] = []
        # Spreads what many stages would do in one moment.
        self.chance = random.Random()  # noqa: S311 - no secret
        self.cancelled = ""
        self.waits = CurrentWaits(self.clock)
        self._unsealed: dict[str, Callable[[], object]] = {}
        quota = self.settings.quota
        rates = {name: Rates(**rate.model_dump()) for name, rate in quota.deployments.items()}
        self.pacer = Pacer(rates, share=quota.share, clock=self.clock)
        self._told_limits: dict[str, dict[str, float]] = {}
        for name, told in read_limits(self.settings, self._today()).items():
            self.pacer.assume(name, told.rates)
        # As many stages at work as the profile allows; those that wait for a quota are not among them.
        self.slots = Slots(self.settings.run.concurrency, self.clock, self.wait)
        # Two variants may have one fingerprint: in one process they must not race for its intent.
        # A lock that nobody holds or waits for vanishes: a batch has as many fingerprints as stages.
        self._stage_locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        # Guards the two lazy openings and the table of locks against threads that come first together.
        self._guard = threading.RLock()
        # Not that one: who opens something may wait for a store that is away, and that must still be said.
        self._words = threading.Lock()

    @cached_property
    def _gateway(self) -> Gateway:
        return self.open_gateway(self.settings, self.wait)

    @property
    def gateway(self) -> Gateway:
        """The way to agents; opening it imports the vendor's SDKs."""
        with self._guard:
            return self._gateway

    @cached_property
    def _abilities(self) -> Abilities:
        wanted = self.settings.foundry.way
        fixed = None if wanted == "auto" else wanted
        return Abilities(self.gateway.endpoint, self.ledger, self.clock, fixed)

    @property
    def abilities(self) -> Abilities:
        """What the endpoint can be asked for, as it has shown."""
        with self._guard:
            return self._abilities

    def way(self) -> Way:
        """Return how the next response is to be posted: as the profile says, else as the endpoint can."""
        return self.abilities.way()

    @cached_property
    def _handles(self) -> Handles:
        return Handles(self.gateway, self.blobs, self.ledger, self.abilities)

    @property
    def handles(self) -> Handles:
        """Service IDs for stored bytes."""
        with self._guard:
            return self._handles

    def may_fence_in(self, way: IntentWay) -> bool:
        """Whether the profile wants to fence, and the endpoint was seen to keep what that rests on.

        The emulator keeps it by construction, as its tests show: in the background, where what was accepted
        does not hang on its caller's line.
        """
        # What was to run in the background and does not may leave no trace when its line is cut.
        is_dropped = way == "background" and self.abilities.has("background") is False
        if self.settings.foundry.policy == "hold" or is_dropped:
            return False
        if self.settings.uses_emulator and way == "background":
            return True
        probe = self.ledger.newest_probe(self.gateway.endpoint)
        return probe is not None and probe.allows_fence and probe.way == way

    def wait(self, seconds: float) -> None:
        """Sleep, unless the run is being stopped.

        Raises:
            RunStopped: the run is being stopped.
        """
        if self.stop.wait(seconds):
            raise RunStopped(self.cancelled or "the run is being stopped; run it again to go on")

    def cancel(self, reason: str) -> None:
        """Begin nothing more and end every wait: somebody has called off what this process does."""
        with self._words:
            self.cancelled = self.cancelled or reason
            self.gate.reason = self.gate.reason or reason
        self.stop.set()

    def notice(self, text: str) -> None:
        """Keep what a person should know of all stages together, once."""
        with self._words:
            if text not in self.notices:
                self.notices.append(text)

    def close_lane(self, model: str) -> None:
        """Remember for this process that a model's deployment takes no cheaper lane."""
        self._closed_lanes.add(model)

    def is_lane_closed(self, model: str) -> bool:
        """Whether a model's deployment has said that it takes no cheaper lane."""
        return model in self._closed_lanes

    def learn_limits(self, deployment: str, headers: Mapping[str, str]) -> None:
        """Keep to the limits that came with an answer, and remember them for plans and for later runs."""
        self.pacer.correct(deployment, headers)
        limits = told_limits(headers)
        with self._guard:
            if limits and self._told_limits.get(deployment) != limits:
                self._told_limits[deployment] = limits
                keep_limits(self.settings, deployment, limits, self._today())

    def _today(self) -> datetime.date:
        return datetime.datetime.fromtimestamp(self.clock(), datetime.UTC).date()

    def name_run(self, flow_run_id: str, started_at: float, attempt: int = 1) -> RunId:
        """Return the ID of a run that begins: the one that somebody was told already, else a new one."""
        if told := self.settings.shared.run_id:
            return open_try(RunId(told), self.backend)
        return make_run_id(flow_run_id, started_at, attempt)

    def begin(self, run_id: str, seal: Callable[[], object]) -> None:
        """Remember how to seal a run or a batch, should the process have to go before that."""
        self._unsealed[run_id] = seal

    def sealed(self, run_id: str) -> None:
        """Note that a run or a batch is being sealed."""
        self._unsealed.pop(run_id, None)

    def seal_all(self) -> None:
        """Seal what was begun and is not sealed, as it stands: the process is about to go."""
        while self._unsealed:
            self._unsealed.popitem()[1]()

    def works_for(self, run_id: str, batch_id: str) -> None:
        """Note for which batch a run works: people know that one's ID."""
        self._batches[run_id] = batch_id

    def named(self, run_id: RunId, label: str, begun_by: RunId) -> str:
        """Return how a command names a stage: by the run that began it; in a batch, that of all its rows."""
        # Of what a batch began, which has no start of a run, the run under way tells as well.
        known = begun_by if self.ledger.read_start(begun_by) else run_id
        return shlex.join([self._batches.get(run_id, known), label])

    def naming(self, run_id: RunId, label: str) -> Callable[[RunId], str]:
        """Return what says that of a stage, by the run that began it."""
        return partial(self.named, run_id, label)

    def limit_run(self, run_id: str, usd: float) -> None:
        """Set a ceiling for everything that one run pays."""
        self._run_ceilings[run_id] = Ceiling(f"run/{run_id}", usd)

    def hurry(self, run_id: str, hour: Hour) -> None:
        """Set the hour of one run: others in this process have their own, or none."""
        self._run_hours[run_id] = hour

    def hour_of(self, run_id: str) -> Hour | None:
        """Return the hour by which a run is to be done."""
        return self._run_hours.get(run_id, self.hour)

    def allow_repeats(self, run_id: str) -> None:
        """Let one run pay once more for what failed the same way too often."""
        self._repeating.add(run_id)

    def may_repeat(self, run_id: str) -> bool:
        """Whether somebody asked a run to pay for what failed the same way too often."""
        return run_id in self._repeating

    def ceilings_of(self, run_id: str) -> tuple[Ceiling, ...]:
        """Return every ceiling under which a run pays: its own, the day's, the project's."""
        budget, found = self.settings.budget, list(self.ceilings)
        if run_id in self._run_ceilings:
            found.append(self._run_ceilings[run_id])
        shared = self.settings.shared
        if shared.usd is not None:
            found.append(Ceiling(f"run/{shared.scope}", shared.usd))
        if budget.day_usd is not None:
            found.append(Ceiling(f"day/{self._today().isoformat()}", budget.day_usd))
        if budget.project_usd is not None:
            found.append(Ceiling("project", budget.project_usd))
        return tuple(found)

    @contextmanager
    def alone(self, fp: str) -> Generator[None]:
        """Hold a fingerprint for one thread of this process."""
        with self._guard:
            lock = self._stage_locks.setdefault(fp, threading.Lock())
        with lock:
            yield

    def close(self) -> None:
        """Release the gateway, when it was opened, and the store."""
        if "_gateway" in self.__dict__:
            self._gateway.close()
        self.backend.close()


@contextmanager
def open_services(
    settings: Settings,
    ceilings: tuple[Ceiling, ...] = (),
    *,
    recorder: Recorder | None = None,
    outages: Outages | None = None,
    stop: threading.Event | None = None,
) -> Generator[Services]:
    """Open a profile's services and close them at the end. Under `ceilings` no stage is paid above them.

    A `recorder` hears every exchange with the service. `outages` are those of a caller who listens, and
    `stop` is what ends their waits.

    Raises:
        InvalidSettings: the store cannot be used, or no running emulator is found.
        OutageTooLong: the store is away, and was waited for.
    """
    store, stop = settings.store, stop or threading.Event()
    outages = outages or Outages(settings.run.outage_s, stop)
    backend: Backend = open_store(
        settings.store_url, endpoint_url=store.endpoint_url, region=store.region, home=settings.home
    )
    backend = WaitingBackend(backend, outages)
    probe(backend)
    if settings.failpoint:
        backend = watch_backend(backend, Failpoint(settings.failpoint).reach)
    opened = partial(connect, recorder=recorder, outages=outages)
    services = Services(settings, backend, opened, ceilings, stop=stop, outages=outages)
    try:
        with shown(services.pacer):
            yield services
    finally:
        services.close()


def connect(
    settings: Settings, wait: Wait, *, recorder: Recorder | None = None, outages: Outages | None = None
) -> Gateway:
    """Open the gateway of a profile. Imports the vendor's SDKs, about two seconds.

    With `outages` its free calls wait while the service is away.
    """
    from assetmill.agents.connecting import open_foundry

    gateway = open_foundry(settings, wait, recorder)
    if settings.failpoint:
        gateway = watch_gateway(gateway, Failpoint(settings.failpoint).reach)
    return waiting_gateway(gateway, outages) if outages else gateway
