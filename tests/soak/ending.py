"""The end of a round: nothing disturbs any more, and a person brings all to its end by what is said."""

from __future__ import annotations

import random
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.soak.actors import Works
from tests.soak.pipelines import TABLES
from tests.soak.tally import Tally
from tests.soak.world import Command, Diary, Machine

TRIES = 10
AGAIN = 0.3
"""Of what came to its end, so much is asked for once more."""
DONE = ("done", "reused")
LIMIT_S = 1500.0
"""A command may wait for as long as a response on the line may take to show, twice, and says so."""


class NoWayOut(AssertionError):
    """Something that was begun does not come to its end."""


@dataclass
class Person:
    """Types command lines, one after the other, and reads what they say."""

    machines: Sequence[Machine]
    logs: Path
    tally: Tally
    diary: Diary
    number: int
    chance: random.Random
    batches: dict[tuple[str, ...], str] = field(default_factory=dict[tuple[str, ...], str])
    """IDs of those that were brought to their end."""

    def type(self, *words: str, machine: int = 0) -> Command:
        """Carry out one command and return it when it has ended."""
        self.number += 1
        command = self.machines[machine].start(self.number, words, self.logs)
        self.diary.note("person", str(command))
        command.process.wait(LIMIT_S)
        self.tally.count("commands", words[0])
        self.diary.note("ended", f"#{self.number} {command.process.returncode}")
        return command

    def finish(self, works: Works) -> None:
        """Bring everything that was begun to its end.

        Raises:
            NoWayOut: something does not get there.
        """
        if self._repair():
            works.done = dict.fromkeys(works.done, False)
        for words in works.of("run"):
            if not works.done[words] or self.chance.random() < AGAIN:
                self._bring_to_end(words)
        for words in works.of("batch"):
            self._finish_batch(words)
        for words in works.of("edit"):
            if not works.done[words] or self.chance.random() < AGAIN:
                self._bring_to_end(words)
        for number in range(len(self.machines)):
            for words in works.of("update"):
                self._bring_to_end(words, machine=number)
        self._close_open()
        self._repair()

    def _close_open(self) -> None:
        """Decide what no repeated command comes back to: an edit of what was `latest`, and is no more."""
        for one in self.type("spend", "--json").document()["open"]:
            told = self._resolve(one["run_id"], one["stage"], "--retry").document()
            if told.get("outcome") == "adopted":
                # What the service has made is taken by the command that is said.
                said = told["text"].splitlines()[-1].strip().partition("    ")[0]
                self._bring_to_end(tuple(shlex.split(said)[1:]))

    def _repair(self) -> bool:
        """Mend the store; say whether something has to be made again."""
        told = self.type("repair", "--json").document()
        self.tally.count_all("repairs", told.get("counts", {}))
        is_lost = bool(told.get("counts", {}).get("lost"))
        if is_lost:
            lost = [one for one in told["objects"] if one["state"] == "lost"]
            self.diary.note("lost", repr(lost))
            again = self.type("repair", "--make-again", "--json").document()
            self.tally.count("person", "repair --make-again")
            if again.get("counts", {}).get("lost"):
                raise NoWayOut(f"`repair --make-again` leaves {again['objects']}")
        return is_lost

    def _bring_to_end(self, words: tuple[str, ...], machine: int = 0) -> Command:
        """Repeat a command until it is done, and decide what waits for a person."""
        said = ""
        for _ in range(TRIES):
            command = self.type(*words, "--json", machine=machine)
            if command.process.returncode == 0:
                return command
            said = f"{command}\n{command.told}\n{command.printed[-3000:]}"
            document = command.document()
            error = document.get("error", {})
            if error.get("kind") == "NotFound" and words[0] == "edit":
                return command  # of a stage that never was made
            # An update tells of the run of each folder.
            for run in [document, *document.get("folders", [])]:
                for stage in run.get("stages", []):
                    if stage["status"] not in DONE:
                        self._decide(run["run_id"], stage)
        raise NoWayOut(f"after {TRIES} tries:\n{said}")

    def _decide(self, run_id: str, stage: dict[str, Any]) -> None:
        told, label = stage.get("error") or "", str(stage.get("label") or stage["stage"])
        if stage["status"] == "in_doubt":
            done = self._resolve(run_id, label, "--wait", "--for", "2")
            if done.process.returncode != 0:
                self._resolve(run_id, label, "--retry")
        elif "accepted: " in told:
            self._accept(told)
        elif "resolve" in told or "--pay-again" in told:
            self._resolve(run_id, label, "--retry")

    def _resolve(self, run_id: str, label: str, *how: str) -> Command:
        self.tally.count("person", f"resolve {how[0]}")
        return self.type("resolve", run_id, label, *how, "--json")

    def _accept(self, told: str) -> None:
        """Take the picture that checks refused, by the response that the refusal names."""
        listed = self.type("assets", "--all", "--json").document().get("assets", [])
        named = [one for one in listed if one["response_id"] and one["response_id"] in told]
        if named:
            self.tally.count("person", "accept")
            self.type("accept", named[-1]["asset_id"], "--json")

    def _finish_batch(self, words: tuple[str, ...]) -> None:
        """Repeat a batch; what one of its rows waits for is decided on a run of that row alone."""
        table = TABLES[Path(words[words.index("--rows") + 1]).stem].splitlines()
        said = ""
        for _ in range(TRIES):
            command = self.type(*words, "--retry-blocked", "--json")
            if command.process.returncode == 0:
                self.batches[words] = command.document()["batch_id"]
                return
            said = f"{command}\n{command.told}\n{command.printed[-3000:]}"
            document = command.document()
            if any(row["state"] == "in_doubt" for row in document.get("rows", [])):
                self.tally.count("person", "resolve a batch --retry")
                self.type("resolve", document["batch_id"], "--retry", "--json")
                continue
            for row in document.get("rows", []):
                if row["state"] not in DONE:
                    _, title, colour = next(
                        line for line in table if line.startswith(f"{row['name']},")
                    ).split(",")
                    self._bring_to_end(("run", "card", "-p", f"title={title}", "-p", f"colour={colour}"))
        raise NoWayOut(f"after {TRIES} tries:\n{said}")
