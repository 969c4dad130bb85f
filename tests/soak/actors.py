"""What people do while it storms: command lines chosen by a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.soak.pipelines import PARAMETERS, TABLES

WISHES = ("make it dusk", "make it winter", "make the sky red")
EDITED = ("latest/hero/hero.png", "latest/night/night.png", "latest/picture/shelf.png")
LABELS = ("hero", "night", "backdrop", "ask", "picture", "table", "words", "poster", "dusk", "edit")


Words = tuple[str, ...]


@dataclass
class Works:
    """What was begun and must come to an end: command lines as a person would repeat them.

    The value says whether the last one came to its end.
    """

    done: dict[Words, bool] = field(default_factory=dict[Words, bool])

    def begin(self, words: Words) -> Words:
        """Note a work, and return it."""
        self.done.setdefault(words, False)
        return words

    def end(self, words: Words, *, is_done: bool) -> None:
        """Note how a command ended: its last words may be options of this time alone."""
        for work in self.done:
            if words[: len(work)] == work:
                self.done[work] = is_done

    def of(self, verb: str) -> list[Words]:
        """Return the works of a kind."""
        return sorted(work for work in self.done if work[0] == verb)


class Actors:
    """Chooses the next command."""

    def __init__(self, chance: random.Random, works: Works) -> None:
        self._chance, self._works = chance, works
        self.assets: list[str] = []
        """IDs that were seen, newest last."""

    def next(self) -> tuple[str, ...]:
        """Return the words of a command."""
        choices: dict[Callable[[], tuple[str, ...]], int] = {
            self._run: 30,
            self._batch: 24,
            self._edit: 14,
            self._update: 6,
            self._lock: 3,
            self._accept: 5,
            self._resolve: 8,
            self._export: 5,
            self._care: 8,
            self._look: 8,
        }
        (chosen,) = self._chance.choices(list(choices), list(choices.values()))
        return chosen()

    def _parameters(self, pipeline: str) -> tuple[str, ...]:
        words: list[str] = []
        for name, values in PARAMETERS[pipeline].items():
            words += ["-p", f"{name}={self._chance.choice(values)}"]
        return tuple(words)

    def _run(self) -> tuple[str, ...]:
        pipeline = self._chance.choice(["card", "card", "notes", "stock", "picky"])
        words = ("run", pipeline, *self._parameters(pipeline))
        self._works.begin(words)
        more = self._chance.choice([(), (), (), ("--budget", f"{self._chance.uniform(0.01, 0.2):.3f}")])
        return (*words, *more, "--json")

    def _batch(self) -> tuple[str, ...]:
        table = self._chance.choice(list(TABLES))
        words = ("batch", "card", "--rows", f"{table}.csv")
        if self._chance.random() < 0.5:
            words = (*words, "--name", f"named-{table}")
        self._works.begin(words)
        more: list[str] = []
        if self._chance.random() < 0.4:
            more += ["--budget", f"{self._chance.uniform(0.02, 0.6):.3f}"]
        if self._chance.random() < 0.4:
            more += ["--order", self._chance.choice(["rows", "stages"])]
        if self._chance.random() < 0.2:
            more += ["--retry-blocked"]
        return (*words, *more, "--json")

    def _edit(self) -> tuple[str, ...]:
        recent = self.assets[-20:]
        asset = self._chance.choice(recent) if recent and self._chance.random() < 0.4 else ""
        words = ("edit", asset or self._chance.choice(EDITED), self._chance.choice(WISHES))
        if self._chance.random() < 0.3:
            words = (*words, "--box", "64,64,512,512")
        if self._chance.random() < 0.2:
            words = (*words, "-n", "2")
        self._works.begin(words)
        return (*words, "--json")

    def _update(self) -> tuple[str, ...]:
        pipeline = self._chance.choice(["card", "notes"])
        words = ("update", pipeline, "--out", f"assets/{pipeline}")
        self._works.begin(words)
        more = ("--budget", f"{self._chance.uniform(0.0, 0.2):.3f}") if self._chance.random() < 0.3 else ()
        return (*words, *more, "--json")

    def _lock(self) -> tuple[str, ...]:
        return self._chance.choice([("lock", "card", "--json"), ("check", "--json"), ("sync", "--json")])

    def _accept(self) -> tuple[str, ...]:
        return ("accept", "latest/poster/poster.png", "--json")

    def _resolve(self) -> tuple[str, ...]:
        how = self._chance.choice([("--wait", "--for", "2"), ("--retry-now",), ("--accept-partial",)])
        return ("resolve", "latest", self._chance.choice(LABELS), *how, "--json")

    def _export(self) -> tuple[str, ...]:
        what = self._chance.choice(["latest", "named-small", "named-large"])
        more = self._chance.choice([(), ("--all",), ("--sidecar", "json")])
        return ("export", what, f"exported/{self._chance.randrange(3)}", *more, "--json")

    def _care(self) -> tuple[str, ...]:
        return self._chance.choice([
            ("gc", "--older-than", "30s", "--grace", "5s", "--json"),
            ("repair", "--json"),
            ("verify", "--json"),
            ("reap", "--json"),
        ])  # fmt: skip

    def _look(self) -> tuple[str, ...]:
        return self._chance.choice([
            ("spend", "--json"),
            ("assets", "--all", "--json"),
            ("show", "latest", "--json"),
            ("show", "--json"),
            ("plan", "card", "--json"),
            ("lineage", self.assets[-1], "--json") if self.assets else ("pipelines", "--json"),
        ])  # fmt: skip
