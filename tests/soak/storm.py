"""A seeded storm over two machines, one store and one service, in rounds: `python -m tests.soak.storm`.

After each round nothing disturbs any more, a person brings everything to its end, and bill, store and books
are held against each other. What a round does follows from its seed as far as processes allow.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assetmill.store.backend import Backend
from tests.object_servers import BUCKET, MortalServer, find_weed
from tests.soak.actors import Actors, Works
from tests.soak.ending import LIMIT_S, NoWayOut, Person
from tests.soak.invariants import (
    Bill,
    Books,
    check_attempts,
    check_bytes,
    check_once,
    check_reachable,
    check_spend,
)
from tests.soak.pipelines import TABLES
from tests.soak.service import look
from tests.soak.tally import Tally
from tests.soak.trouble import Killer, Vandal, Weather, a_failpoint
from tests.soak.world import Command, Diary, Machine, Service

AT_ONCE = 3
TICK_S = 0.1
SKEWED = str(Path(__file__).with_name("skewed"))
HANGS_S = 300.0
"""A command that takes longer although the service's own limits are seconds hangs."""


_FINDS_OUT = ("was sent or not", "finds out what became of")
"""Said, with its end, by who waits for a response that is perhaps listed only when it is over."""


def _says_why(command: Command) -> bool:
    return any(words in command.told[-600:] for words in _FINDS_OUT)


class Violation(AssertionError):
    """Something that must hold does not."""


@dataclass
class Plan:
    """How long a round rages, and on what kind of store."""

    seed: int
    storm_s: float
    policy: str
    on_s3: bool


class Round:
    """One round in a world of its own."""

    def __init__(self, plan: Plan, folder: Path, tally: Tally, pictures: dict[str, dict[str, str]]) -> None:
        self.plan, self.folder, self.tally, self._clean = plan, folder, tally, pictures
        self._chance = random.Random(plan.seed)
        self.diary = Diary(folder / "diary.log")
        self._logs, self._works = folder / "logs", Works()
        self._logs.mkdir(parents=True)
        self._number, self._running = 0, list[Command]()
        self._actors = Actors(self._chance, self._works)
        self._killer = Killer(self._chance, tally, self.diary)
        self._mortal: MortalServer | None = None

    def run(self) -> None:
        """Let it storm, bring it to its end, and hold everything against everything.

        Raises:
            Violation: something that must hold does not.
        """
        with self._world() as (service, machines):
            weather = Weather(service, self._chance, self.tally, self.diary)
            free = self._prepare(service, machines)
            self._rage(service, machines, weather)
            self._calm(service, machines, weather)
            problems = self._settle(service, machines, free)
        if problems:
            raise Violation("\n".join(problems))

    @contextmanager
    def _world(self) -> Generator[tuple[Service, list[Machine]]]:
        with ExitStack() as opened:
            service = Service(self.folder / "service")
            opened.callback(service.close)
            service.start()
            shared = {**service.environment(), **self._store(opened)}
            machines = [Machine(name, self.folder / name, self.plan.policy, shared) for name in ("a", "b")]
            opened.callback(self._leave, machines)
            yield service, machines

    def _store(self, opened: ExitStack) -> dict[str, str]:
        weed = find_weed()
        if not self.plan.on_s3 or weed is None:
            return {"ASSETMILL_STORE_URL": f"file:{self.folder / 'store'}"}
        self._mortal = MortalServer(weed, self.folder / "s3")
        self._mortal.start()
        opened.callback(self._mortal.kill)
        server = self._mortal.server
        keys = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret}
        # We look into the store as well, and boto3 reads them from the environment.
        os.environ.update(keys)
        opened.callback(lambda: [os.environ.pop(name) for name in keys])
        return {
            "ASSETMILL_STORE_URL": f"s3://{BUCKET}/storm",
            "ASSETMILL_STORE_ENDPOINT_URL": server.endpoint_url,
            "ASSETMILL_STORE_REGION": "us-east-1",
            **keys,
        }

    def _leave(self, machines: list[Machine]) -> None:
        for command in self._running:
            command.process.kill()
            command.process.wait()
        for machine in machines:
            self._number += 1
            machine.start(self._number, ("stop",), self._logs).process.wait(LIMIT_S)

    def _prepare(self, service: Service, machines: list[Machine]) -> int:
        """Ask what the endpoint can do, which a fence needs; return how many charges that cost."""
        person = self._person(machines)
        told = person.type("doctor", "--live", "--json")
        self._number = person.number
        if told.process.returncode != 0:
            raise Violation(f"{told}\n{told.printed}")
        return len(service.bill())

    def _person(self, machines: list[Machine]) -> Person:
        return Person(machines, self._logs, self.tally, self.diary, self._number, self._chance)

    def _rage(self, service: Service, machines: list[Machine], weather: Weather) -> None:
        weather.change()
        until = time.monotonic() + self.plan.storm_s
        while time.monotonic() < until:
            self._reap()
            if len(self._running) < AT_ONCE:
                self._begin(machines)
            self._disturb(service, machines, weather)
            time.sleep(TICK_S)
        # Once in every round, however short: what is under way loses its service.
        self._killer.kill_service(service, weather)

    def _begin(self, machines: list[Machine]) -> None:
        words, machine = self._actors.next(), self._chance.choice(machines)
        self._number += 1
        disk_bytes = None
        before = dict(machine.environment)
        if self._chance.random() < 0.08:
            disk_bytes = self._chance.choice([300, 2_000, 15_000])
            self.tally.count("trouble", "full disk")
        elif self._chance.random() < 0.12:
            machine.environment["ASSETMILL_FAILPOINT"] = a_failpoint(self._chance)
        elif self._chance.random() < 0.1:
            machine.environment["ASSETMILL_DAY_USD"] = f"{self._chance.uniform(0.05, 2.0):.2f}"
            self.tally.count("trouble", "ceiling of the day")
        elif self._chance.random() < 0.1:
            skew_s = self._chance.choice([-3600, -30, 30, 3600, 86_400])
            machine.environment |= {
                "PYTHONPATH": _with_path(machine, SKEWED),
                "ASSETMILL_STORM_SKEW_S": str(skew_s),
            }
            self.tally.count("trouble", "clock of a command wrong")
        command = machine.start(self._number, words, self._logs, disk_bytes)
        more = {k: v for k, v in machine.environment.items() if before.get(k) != v}
        machine.environment = before
        if more.get("ASSETMILL_FAILPOINT"):
            command.hurt.append("FAILPOINT")
        limit = f" (files up to {disk_bytes} bytes)" if disk_bytes else ""
        self.diary.note("begins", f"{command} {more or ''}{limit}")
        self._running.append(command)

    def _reap(self) -> None:
        for command in list(self._running):
            code = command.process.poll()
            if code is None:
                if time.monotonic() - command.began > (LIMIT_S if _says_why(command) else HANGS_S):
                    raise Violation(f"{command} hangs: {command.told[-2000:]}\n{command.stacks()}")
                continue
            self._running.remove(command)
            self._ended(command, code)

    def _ended(self, command: Command, code: int) -> None:
        self.tally.count("commands", command.words[0])
        self.tally.count("exits", str(code))
        self.diary.note("ended", f"#{command.number} {code}")
        self._works.end(command.words, is_done=code == 0)
        if code == -9 and "FAILPOINT" in command.hurt:
            self.tally.count("kills", "failpoint")
        if command.words[0] in {"run", "assets"}:
            found: list[dict[str, Any]] = command.document().get("assets", [])
            self._actors.assets += [one["asset_id"] for one in found if one["media_type"] == "image/png"]
        if "Traceback (most recent call last)" in command.told:
            self.tally.count("exits", "with a traceback")
            self.diary.note("traceback", f"{command}: {command.told.strip().splitlines()[-1][:300]}")

    def _disturb(self, service: Service, machines: list[Machine], weather: Weather) -> None:
        chance = self._chance.random() / TICK_S
        if chance < 0.25 and self._running:
            self._killer.hurt(self._chance.choice(self._running))
        elif chance < 0.40:
            weather.change()
        elif chance < 0.45:
            self._killer.kill_service(service, weather)
        elif chance < 0.48:
            self._killer.kill_prefect(self._chance.choice(machines))
        elif chance < 0.51:
            seconds = self._chance.choice([60, 3600, 86_400])
            service.control.post("clock", {"advance_s": seconds})
            self.tally.count("trouble", "clock of the service moved")
            self.diary.note("clock", f"{seconds} s on")
        elif chance < 0.54:
            service.control.post("expire", {"kinds": [self._chance.choice(["containers", "files"])]})
            self.tally.count("trouble", "containers or files expired")
        elif chance < 0.57 and self._mortal:
            self._killer.kill_store(self._mortal)

    def _calm(self, service: Service, machines: list[Machine], weather: Weather) -> None:
        """Stop all disturbances and wait for what runs; then damage objects while nothing goes on."""
        weather.clear()
        until = time.monotonic() + HANGS_S
        while self._running and time.monotonic() < until:
            self._reap()
            time.sleep(TICK_S)
        self._reap()
        backend = machines[0].open_store()
        vandal = Vandal(backend, self._chance, self.folder / "damaged", self.tally, self.diary)
        for _ in range(self._chance.randint(4, 10)):
            vandal.strike()
        backend.close()
        person = self._person(machines)
        person.type("verify", "--json")
        self._number = person.number

    def _settle(self, service: Service, machines: list[Machine], free: int) -> list[str]:
        person = self._person(machines)
        try:
            person.finish(self._works)
        except NoWayOut as error:
            return [f"no way out: {error}"]
        finally:
            self._number = person.number
        charges = service.bill()[free:]
        bill = Bill(service.state, charges)
        backend = machines[0].open_store()
        try:
            problems = list(self._held(bill, backend, person))
        finally:
            backend.close()
            self._number = person.number
        self.tally.count_all("money", _kinds(charges))
        self.tally.billed_usd += bill.usd
        return problems

    def _held(self, bill: Bill, backend: Backend, person: Person) -> Generator[str]:
        books = Books.read(backend, self.folder / "damaged")
        spend = person.type("spend", "--json", machine=1).document()
        listed = person.type("assets", "--all", "--json", machine=1).document()["assets"]
        verified = person.type("verify", "--json").document()
        self.tally.spent_usd += spend["total_usd"]
        yield from check_attempts(bill, books)
        yield from check_once(bill, books)
        yield from check_bytes(bill, backend)
        yield from check_reachable(bill, listed)
        yield from check_spend(bill, spend)
        if verified["status"] != "whole":
            yield f"`verify` says {verified['problems'][:5]}"
        yield from self._same_as_clean(person)
        self.tally.count("checked", "charged responses", len(bill.by_response))
        self.tally.count("checked", "pictures", len(bill.drawn))
        self.tally.count("checked", "stage records", len(books.stages))
        self.tally.count("checked", "verdicts", len(books.verdicts))

    def _same_as_clean(self, person: Person) -> Generator[str]:
        """Every batch's files show what those of a clean run show."""
        for words in self._works.of("batch"):
            table = Path(words[words.index("--rows") + 1]).stem
            out = self.folder / f"out-{self._number}-{len(words)}-{table}"
            ended = person.type("export", person.batches[words], str(out), "--json")
            if ended.process.returncode != 0:
                yield f"{ended}: {ended.told}"
            if (found := looks(out)) != self._clean[table]:
                wrong = sorted(set(found.items()) ^ set(self._clean[table].items()))
                yield f"{words} has other files than a clean run: {wrong}"
            self.tally.count("checked", "files of batches", len(found))


def looks(folder: Path) -> dict[str, str]:
    """Return what every picture below a folder shows."""
    return {str(path.relative_to(folder)): look(path.read_bytes()) for path in sorted(folder.rglob("*.png"))}


def _with_path(machine: Machine, folder: str) -> str:
    return os.pathsep.join(filter(None, (folder, machine.environment.get("PYTHONPATH"))))


def _kinds(charges: list[dict[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for charge in charges:
        found[charge["kind"]] = found.get(charge["kind"], 0) + 1
    return found


def clean_run(folder: Path) -> dict[str, dict[str, str]]:
    """Return what the batches of a storm make where nothing disturbs them."""
    service = Service(folder / "service")
    service.start()
    machine = Machine("clean", folder / "clean", "hold", {**service.environment(), "ASSETMILL_STORE_URL": ""})
    (folder / "logs").mkdir()
    person = Person([machine], folder / "logs", Tally(), Diary(folder / "diary.log"), 0, random.Random(0))
    try:
        for table in TABLES:
            told = person.type("batch", "card", "--rows", f"{table}.csv", "--json")
            if told.process.returncode != 0:
                raise Violation(f"a clean run fails: {told.told}")
            person.type("export", told.document()["batch_id"], str(folder / table), "--json")
        return {table: looks(folder / table) for table in TABLES}
    finally:
        person.type("stop")
        service.close()


def storm(
    folder: Path, seed: int, minutes: float, round_s: float, say: Any = print, *, first: int = 1
) -> Tally:
    """Storm for so many minutes, one round at least, from its `first` round on; return what was counted.

    Raises:
        Violation: something that must hold does not; its folder is kept.
    """
    clean = clean_run(folder / "clean")
    began, tally, number = time.monotonic(), Tally(), first - 1
    while number < first or time.monotonic() - began < minutes * 60:
        number += 1
        chance = random.Random(f"{seed}/{number}")
        plan = Plan(
            chance.randrange(2**31), round_s, chance.choice(["hold", "fence"]), chance.random() < 0.25
        )
        place = folder / f"round-{number:03d}"
        say(f"round {number}: seed {seed}/{number}, {plan}", flush=True)
        try:
            Round(plan, place, tally, clean).run()
        except BaseException as error:
            tally.minutes = (time.monotonic() - began) / 60
            say(
                f"{tally.table()}\nVIOLATION in round {number} of seed {seed}: {error}\nkept: {place}",
                flush=True,
            )
            raise
        tally.count("rounds", "S3" if plan.on_s3 else "directory")
        tally.minutes = (time.monotonic() - began) / 60
        say(tally.table(), flush=True)
        shutil.copy(place / "diary.log", folder / f"{place.name}.log")
        shutil.rmtree(place)
    return tally


def main() -> int:
    """Storm from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--round-s", type=float, default=240.0)
    parser.add_argument("--first", type=int, default=1, metavar="ROUND")
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    try:
        storm(given.folder, given.seed, given.minutes, given.round_s, first=given.first)
    except Violation:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
