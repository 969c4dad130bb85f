"""One seed: a stage, one to three workers, chaos, then calm; `rules` say what must hold all the while."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from assetmill.agents.gateway import WAYS, Way
from assetmill.agents.pacing import Pacer
from assetmill.agents.tool_calls import AttemptLost
from assetmill.endpoints import EndpointProbe
from assetmill.errors import AssetmillError, StageError, StageInDoubt, StoreError
from assetmill.money.budget import Ceiling
from assetmill.money.prices import estimate
from assetmill.plan.calls import StageCall
from assetmill.records import Intent, RunId
from assetmill.settings import Foundry, Settings
from assetmill.stage import attempts, engine
from assetmill.stage.patience import ON_THE_LINE_S
from assetmill.stage.services import Services
from assetmill.store.ledger import Ledger
from assetmill.store.memory import MemoryStore
from tests.assetmill.simulation.answers import USUAL, Answers
from tests.assetmill.simulation.direct import DRAWN, DirectGateway
from tests.assetmill.simulation.gateway import SimulatedGateway
from tests.assetmill.simulation.lanes import laned
from tests.assetmill.simulation.objects import Objects, SimulatedStore
from tests.assetmill.simulation.rules import Policy, Rules
from tests.assetmill.simulation.service import SETTLE_S, Service
from tests.assetmill.simulation.world import Chaos, Violation, Worker, World
from tests.doubles import stage_call

Posting = Literal["background", "stream", "foreground", "auto", "no background", "the line alone", "direct"]
Mutate = Callable[[pytest.MonkeyPatch], None]
CALL = stage_call()
TWO_TURNS = stage_call(prompt="look, then draw")
_LATE_ATTEMPTS = 4
_HERE = Path("simulated")
_REFUSED: dict[Posting, frozenset[Way]] = {
    "no background": frozenset({"background"}),
    "the line alone": frozenset({"background", "stream"}),
}
_LAST: dict[Posting, Way] = {"no background": "stream", "the line alone": "foreground"}
POSTINGS: tuple[Posting, ...] = ("background", "stream", "foreground", "no background", "the line alone")
"""The three ways, and services that refuse the first of them or two; `direct` is asked for by name."""


def _settings(policy: Policy, posting: Posting) -> Settings:
    way = posting if posting in WAYS else "auto"
    fields = {
        "endpoint": SimulatedGateway.endpoint,
        "policy": policy,
        "settle_s": SETTLE_S,
        "lease_s": 120.0,
        "stage_deadline_s": 900.0,
        "way": way,
    }
    foundry = Foundry.model_validate(fields)
    return Settings(profile="simulated", home=_HERE, configs=_HERE, foundry=foundry)


def _probed_way(posting: Posting, answers: Answers) -> Way:
    """Return the way that a probe has tried: the one that is left when others are refused or dropped."""
    if posting in ("auto", "direct"):
        return "stream" if answers.drops_background else "background"
    return _LAST.get(posting) or cast(Way, posting)


def _probed(posting: Posting, answers: Answers) -> dict[str, bytes]:
    """Return what a store holds after `doctor --live` tried what a fence rests on."""
    way = _probed_way(posting, answers)
    broken = answers.broken(way)
    kept = {name: name not in broken for name in ("A1", "A2", "A3", "A4", "A6")}
    fields = {"endpoint": SimulatedGateway.endpoint, "kept": kept, "created_at": 1.0, "way": way}
    store = MemoryStore()
    Ledger(store).write_probe(EndpointProbe.model_validate(fields))
    return {entry.key: store.get(entry.key) for entry in store.list("")}


@dataclass
class Result:
    """What a seed came to."""

    outcome: str
    policy: Policy
    world: World
    service: Service


class Scenario:
    """A seed's world, its rules, and the calm after it."""

    def __init__(
        self,
        seed: int,
        *,
        resends: int = 0,
        answers: Answers = USUAL,
        is_fooled: bool = False,
        policy: Policy | None = None,
        posting: Posting | None = None,
        traced: bool,
    ) -> None:
        world = World(seed, Chaos(), is_traced=traced)
        self.world, self.rng, self.resends = world, world.rng, resends
        self.policy: Policy = policy or self.rng.choice(("hold", "fence"))
        self.posting: Posting = posting or POSTINGS[seed % len(POSTINGS)]
        self.settings = _settings(self.policy, self.posting)
        self.answers = answers
        # A probe that was fooled has seen every assumption hold.
        found = _probed(self.posting, USUAL if is_fooled else answers)
        self.objects = Objects(kept=found)
        turns = 2 if self.chance(0.25) else 1
        self.service = Service(world, turns, self.chance(0.3), self.chance(0.5), answers)
        self.service.refused_ways = _REFUSED.get(self.posting, frozenset())
        self.call = TWO_TURNS if turns == 2 else CALL
        laid = laned(seed, self.call, world.now)
        self.call, self.service.lanes, self.hour = laid.call, laid.lanes, laid.hour
        if self.is_direct:
            self.call, self.hour, self.service.turns, self.service.has_files = DRAWN, None, 1, False
        self.has_browser = self.service.turns == 2 and self.chance(0.5)
        most = estimate(self.call)
        assert most is not None
        # A stage that runs code without naming the tool costs more than its estimate knows.
        has_ceiling = self.chance(0.3) and not self.service.has_files
        ceiling = Ceiling("project", most.ceiling * 1.5)
        self.ceilings: tuple[Ceiling, ...] = (ceiling,) if has_ceiling else ()
        self.rules = Rules(
            world,
            self.service,
            self.objects,
            self.policy,
            _probed_way(self.posting, answers),
            is_fooled,
            self.is_direct,
            ceiling.usd,
        )
        world.chaos = self._draw_chaos()

    @property
    def is_direct(self) -> bool:
        """Whether the stage calls an image model itself."""
        return self.posting == "direct"

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def _draw_chaos(self) -> Chaos:
        """Some worlds are all but calm, some are storms: both hide their own kind of mistake."""
        rng = self.rng
        return Chaos(
            kills=rng.choice((0, 1, 2, 4)),
            kill_rate=rng.choice((0.01, 0.05, 0.1)),
            naps=rng.choice((0, 0, 1, 3)),
            nap_rate=rng.choice((0.01, 0.05)),
            longest_nap_s=600.0 if self.posting == "background" else 600.0 + 2 * ON_THE_LINE_S,
            post_faults=rng.choice((0.0, 0.2, 0.5)),
            call_faults=rng.choice((0.0, 0.0, 0.05, 0.1)),
            store_faults=rng.choice((0.0, 0.0, 0.0, 0.03)),
        )

    def run(self) -> Result:
        """Live through the chaos, then through the calm, and check the end."""
        for number in range(self.rng.choice((1, 1, 2, 3))):
            self._start(number * self.rng.choice((0.0, 1.0, 150.0)))
        restarts = 6
        while True:
            self.world.run()
            lost = not any((worker.outcome or "").startswith("commit") for worker in self.world.workers)
            if not restarts or not (lost or self.chance(0.2)):
                break
            restarts -= 1
            self._start(self.rng.choice((0.0, 30.0, 2_000.0)))
        return self._end()

    def _end(self) -> Result:
        self.world.chaos = Chaos()
        self.world.note("calm")
        last = self._start(1_000.0)
        self.world.run()
        # A failure is kept to its run; one more may try again. Where reads lag as well it says that the next
        # run asks again: once for each turn, in as many attempts as chaos has left to be given up.
        reads = self.service.turns * _LATE_ATTEMPTS if self.answers.lags > 1 else 0
        late_s = [self.answers.lags * SETTLE_S] * reads
        for delay_s in (0.0, *late_s):
            if last.outcome == "typed StageFailed":
                last = self._start(delay_s)
                self.world.run()
        outcome = last.outcome or "killed"
        self.rules.check_end(outcome)
        return Result(outcome, self.policy, self.world, self.service)

    def _start(self, delay_s: float) -> Worker:
        worker = self.world.spawn(self._work, delay_s)
        self.rules.owners[f"simulated:1:{worker.name}"] = worker
        return worker

    def _work(self, worker: Worker) -> str:
        gateway = (
            DirectGateway(self.rules.calls, self.service, worker, self.resends)
            if self.is_direct
            else SimulatedGateway(self.service, worker, self.resends)
        )
        services = Services(
            self.settings,
            SimulatedStore(self.world, worker, self.objects),
            lambda _settings, _wait: gateway,
            self.ceilings,
            hour=self.hour,
            owner=f"simulated:1:{worker.name}",
            clock=self.world.clock,
        )
        services.pacer = Pacer({}, clock=self.world.clock)
        services.chance = self.rng
        services.wait = lambda seconds: self.world.sleep(worker, seconds) if seconds else None
        try:
            engine.run_stage(self.call, services, RunId(f"run-{worker.name}"))
        except StageInDoubt:
            return "doubt"
        except (StageError, StoreError) as error:
            self.world.note(f"{worker.name}  {type(error).__name__}: {error}")
            return f"typed {type(error).__name__}"
        except AssetmillError as error:
            raise Violation(f"a run ended with {type(error).__name__}: {error}") from error
        finally:
            gateway.hang_up()
        self.world.note(f"{worker.name}  has the commit")
        return "commit"


def run_seed(
    seed: int,
    *,
    mutate: Mutate | None = None,
    resends: int = 0,
    answers: Answers = USUAL,
    is_fooled: bool = False,
    policy: Policy | None = None,
    posting: Posting | None = None,
    traced: bool = False,
) -> Result:
    """Run one seed of the real engine, or of a mutant.

    Raises:
        Violation: something happened that must never happen; the seed repeats it.
    """
    scenario = Scenario(
        seed,
        resends=resends,
        answers=answers,
        is_fooled=is_fooled,
        policy=policy,
        posting=posting,
        traced=traced,
    )
    with _patched(scenario, mutate):
        try:
            result = scenario.run()
            _check_posts(scenario)
            return result
        except Violation as violation:
            story = "\n".join(scenario.world.trace or [])
            raise Violation(
                f"seed {seed} ({scenario.policy}, {scenario.posting}): {violation}\n{story}"
            ) from violation


def _check_posts(scenario: Scenario) -> None:
    sent: set[tuple[int, int]] = set()
    for posted in scenario.service.posts:
        if (posted.attempt, posted.turn) in sent:
            raise Violation(f"attempt {posted.attempt} turn {posted.turn} was posted again after silence")
        if not posted.is_refused:
            sent.add((posted.attempt, posted.turn))


@contextmanager
def _patched(scenario: Scenario, mutate: Mutate | None) -> Generator[None]:
    """Put the virtual processes in the place of the operating system's, and an answer to every call."""

    def answer(
        _call: StageCall, waiting: Any, services: Services, intent: Intent, *_: Any
    ) -> tuple[dict[str, Any], ...]:
        if scenario.has_browser and intent.owner != services.owner:
            raise AttemptLost("the browser ended with its process")
        return tuple(
            {"type": "function_call_output", "call_id": w["call_id"], "output": "yes"} for w in waiting
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempts, "is_alive", scenario.rules.is_alive)
        patch.setattr(engine, "answer", answer)
        if mutate:
            mutate(patch)
        yield
