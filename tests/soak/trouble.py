"""What befalls a storm's world: signals, faults of the service, a full disk, damaged objects, clocks."""

from __future__ import annotations

import os
import random
import signal
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

from assetmill.stage import failpoints
from assetmill.store import layout
from assetmill.store.backend import Backend
from assetmill.store.kinds import is_stray, kind_of
from tests.object_servers import MortalServer
from tests.soak.tally import Tally
from tests.soak.world import Command, Diary, Machine, Service, descendants

CREATE = "responses.create"
CALLS = ("responses.retrieve", "responses.list", "conversations.*", "files.*", "containers.*", "agents.*")
SPOILS = (
    "moderation_input",
    "moderation_output",
    "bad_base64",
    "truncated_picture",
    "empty_result",
    "fail_response",
    "stuck",
    "cut_stream",
    "clean_early_close",
)
FREE = (
    "drop_before",
    "drop_after_accept",
    "slow",
    "error_before",
    "error_after",
    "redirect",
    "garbage",
    "half_body",
)
LINES = (*FREE, "late", "rate_limit")
QUIRKS: tuple[dict[str, Any], ...] = (
    {"keepalive_s": 0.2},
    {"ignore_list_order": True},
    {"ignore_list_filter": True},
    {"drop_metadata": True},
    {"conversation_lock": True},
    {"silent_rate_limits": True},
    {"gateway_rate_limits": True},
    {"refuse_image_streaming": True},
    {"refuse_image_file_ids": True},
    {"refuse_image_multi_turn": True},
    {"listing_lag_s": 0.5},
    {"background_with_agent": "refused"},
    {"background_with_agent": "dropped"},
    {"background_with_conversation": "refused"},
    {"longest_data_url": 65_520},
    {"flavour": "azure-2026-03"},
    {"flavour": "azure-2025-11"},
    {"latency_s": 0.5},
)
USUAL: dict[str, Any] = {
    "keepalive_s": 0.0,
    "ignore_list_order": False,
    "ignore_list_filter": False,
    "drop_metadata": False,
    "conversation_lock": False,
    "silent_rate_limits": False,
    "gateway_rate_limits": False,
    "refuse_image_streaming": False,
    "refuse_image_file_ids": False,
    "refuse_image_multi_turn": False,
    "listing_lag_s": 0.0,
    "background_with_agent": "accepted",
    "background_with_conversation": "accepted",
    "longest_data_url": 0,
    "flavour": "azure",
    "latency_s": 0.0,
    "quota": {},
}
DAMAGES = ("missing", "empty", "truncated", "garbage", "wrong schema", "other's content", "stray")
DAMAGED = {
    "blob": layout.BLOBS,
    "stage record": layout.STAGES,
    "manifest": layout.RUNS,
    "run start": layout.RUNS,
    "head": layout.HEADS,
    "intent": layout.INTENTS,
    "receipt": layout.RECEIPTS,
    "raw response": layout.RAW,
    "handle": "v1/u/",
    "index page": layout.INDEX,
}


class Weather:
    """The service's faults and quirks, and what became of them."""

    def __init__(self, service: Service, chance: random.Random, tally: Tally, diary: Diary) -> None:
        self._service, self._chance, self._tally, self._diary = service, chance, tally, diary

    def change(self) -> None:
        """Let other faults strike from now on."""
        self.read()
        plan = [self._fault() for _ in range(self._chance.randint(2, 7))]
        if self._chance.random() < 0.15:
            plan.append({"op": CREATE, "fault": "account_block", "nth": [self._chance.randint(1, 4)]})
        self._service.control.faults(*plan)
        self._diary.note("faults", repr(plan))
        quirk = self._chance.choice(QUIRKS) if self._chance.random() < 0.5 else {}
        self._set(quirk)

    def clear(self) -> None:
        """Let nothing more go wrong."""
        self.read()
        self._service.control.delete("faults")
        self._set({})

    def read(self) -> None:
        """Count the faults that struck since the last look, while the service that knows it lives."""
        control = self._service.control
        struck = control.get("faults")["struck"]
        self._tally.count_all("faults", struck)
        control.delete("faults")

    def _set(self, quirk: dict[str, Any]) -> None:
        if quirk:
            self._diary.note("quirk", repr(quirk))
            self._tally.count("trouble", "quirk of the service")
        if quirk and self._chance.random() < 0.3:
            quirk = {**quirk, "quota": {"*": {"requests_per_minute": 20}}}
        self._service.control.post("settings", {**USUAL, **quirk})

    def _fault(self) -> dict[str, Any]:
        kind = self._chance.random()
        seed, often = self._chance.randrange(2**31), self._chance.choice([0.1, 0.2, 0.5])
        common: dict[str, Any] = {"probability": often, "seed": seed}
        if kind < 0.4:
            fault = self._chance.choice(SPOILS)
            return {"op": CREATE, "fault": fault, **self._more(fault), **common}
        is_post = kind < 0.7
        fault = self._chance.choice(LINES if is_post else FREE)
        op = CREATE if is_post else self._chance.choice(CALLS)
        return {"op": op, "fault": fault, **self._more(fault), **common}

    def _more(self, fault: str) -> dict[str, Any]:
        chance = self._chance
        more: dict[str, dict[str, Any]] = {
            "cut_stream": {"event": chance.randint(1, 6)},
            "clean_early_close": {"event": chance.randint(1, 6)},
            "fail_response": {"code": chance.choice(["server_error", "rate_limit_exceeded"])},
            "empty_result": {"charged": chance.random() < 0.5},
            "late": {"delay_s": chance.uniform(0.05, 0.5)},
            "slow": {"delay_s": chance.uniform(0.05, 1.0)},
            "rate_limit": {"retry_after_s": chance.choice([0.1, 1.0, 3.0])},
            "error_before": {"status": chance.choice([500, 502, 503, 504])},
            "error_after": {"status": chance.choice([500, 502, 503, 504])},
        }
        return more.get(fault, {})


class Killer:
    """Ends processes."""

    def __init__(self, chance: random.Random, tally: Tally, diary: Diary) -> None:
        self._chance, self._tally, self._diary = chance, tally, diary

    def hurt(self, command: Command) -> None:
        """Send a command a signal, or end one of its children."""
        children = descendants(command.process.pid)
        if children and self._chance.random() < 0.5:
            self._send(self._chance.choice(children), signal.SIGKILL, "worker of a command", command)
            return
        (number,) = self._chance.choices(
            [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP], [6, 2, 1, 1]
        )
        self._send(command.process.pid, number, f"command {number.name}", command)

    def _send(self, pid: int, number: signal.Signals, what: str, command: Command) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            self._tally.count("kills", what)
            command.hurt.append(number.name)
            self._diary.note("signal", f"{number.name} to {pid} ({what} #{command.number})")

    def kill_prefect(self, machine: Machine) -> None:
        """End a machine's Prefect server."""
        pid = machine.prefect_pid()
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self._tally.count("kills", "Prefect server")
            self._diary.note("signal", f"SIGKILL to {pid} (Prefect of {machine.name})")

    def kill_store(self, store: MortalServer) -> None:
        """End the store, and start it again on the same state after a moment or a while."""
        away_s = self._chance.choice([0.0, 3.0, 10.0])
        store.kill()
        self._tally.count("kills", "store")
        self._diary.note("signal", f"SIGKILL to the store; away for {away_s:.0f} s")
        time.sleep(away_s)
        store.start()

    def kill_service(self, service: Service, weather: Weather) -> None:
        """End the service and start it again on the same state."""
        with suppress(httpx2.HTTPError):
            weather.read()
        service.kill()
        self._tally.count("kills", "service")
        self._diary.note("signal", "SIGKILL to the service; it starts again")
        service.start()
        # What was planned died with it.
        weather.change()


def a_failpoint(chance: random.Random) -> str:
    """Return a place at which a process is to kill itself."""
    return f"{chance.choice(failpoints.names())}:{chance.choice([1, 1, 1, 2, 3])}"


class Vandal:
    """Damages objects of a store in which nothing is going on. What was there is kept in a folder."""

    def __init__(
        self, backend: Backend, chance: random.Random, kept: Path, tally: Tally, diary: Diary
    ) -> None:
        self._backend, self._chance, self._kept = backend, chance, kept
        self._tally, self._diary = tally, diary
        self._touched: set[str] = set()
        kept.mkdir(parents=True, exist_ok=True)

    def strike(self) -> None:
        """Damage one object, of a stage of which none was damaged yet."""
        title, damage = self._chance.choice(list(DAMAGED)), self._chance.choice(DAMAGES)
        if damage == "stray":
            key = f"{DAMAGED[title]}stray-{uuid.uuid4().hex[:8]}.bak"
            self._backend.put(key, b"left by somebody")
            return self._note(title, damage, key)
        keys = [entry.key for entry in self._backend.list(DAMAGED[title]) if self._is_fit(entry.key, title)]
        if not keys:
            return None
        key = self._chance.choice(sorted(keys))
        if damage == "other's content" and title in {"intent", "receipt"}:
            damage = "garbage"  # whole and another's, it would be believed
        data = self._backend.get(key)
        (self._kept / key.replace("/", "+")).write_bytes(data)
        self._touched.add(_stage_of(key))
        if damage == "missing":
            self._backend.delete(key)
        else:
            self._backend.put(key, self._damaged(damage, data, keys, key))
        return self._note(title, damage, key)

    def _note(self, title: str, damage: str, key: str) -> None:
        self._tally.count("damage", f"{title}: {damage}")
        self._diary.note("damage", f"{damage}: {key}")

    def _is_fit(self, key: str, title: str) -> bool:
        kind = kind_of(key)
        if is_stray(key) or (kind and kind.title != title) or _stage_of(key) in self._touched:
            return False
        turn = key.partition("/")[2].partition("/")[2]
        if title == "intent":
            return self._backend.head(f"{layout.RECEIPTS}{turn}") is not None
        if title == "receipt":
            return self._backend.head(f"{layout.INTENTS}{turn}") is not None
        return True

    def _damaged(self, damage: str, data: bytes, keys: list[str], key: str) -> bytes:
        others = [other for other in keys if other != key]
        makes: dict[str, Callable[[], bytes]] = {
            "empty": lambda: b"",
            "truncated": lambda: data[: len(data) // 2],
            "garbage": lambda: b"\x00\xff garbage \xfe",
            "wrong schema": lambda: b"{}",
            "other's content": lambda: self._backend.get(others[0]) if others else b'{"other": 1}',
        }
        return makes[damage]()


def _stage_of(key: str) -> str:
    """Return what of a key all objects of one stage, one run or one blob have in common."""
    return key.split("/", 2)[2].partition(".")[0].removesuffix("/start").removesuffix("/manifest")
