"""What tables cannot translate: a question with its choices, and the answer that a person gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from assetmill.errors import InvalidInput

LEAVE_OUT = "leave-out"
"""As an answer: the option is taken out of the file."""

UNSET = "unset"
"""As a word: the file does not give the option."""


class PossibleAnswer(NamedTuple):
    """One possible answer, and what speaks for it or against it."""

    answer: str
    says: str = ""

    def __str__(self) -> str:
        return f"{self.answer} ({self.says})" if self.says else self.answer


class Question(NamedTuple):
    """An option whose word means something else, or nothing, with the new model.

    Without choices any answer is taken, as the name of a deployment.
    """

    option: str
    word: str
    reason: str
    choices: tuple[PossibleAnswer, ...] = ()

    @property
    def key(self) -> str:
        """How an answer names the question: `quality:medium`."""
        return f"{self.option}:{self.word}"

    def __str__(self) -> str:
        choices = "; ".join(map(str, self.choices))
        answer = "WORD" if self.choices else "NAME"
        tail = f" Choices: {choices}." if choices else ""
        return f"{self.option} {self.word}: {self.reason}.{tail} Answer with --answer {self.key}={answer}"


@dataclass
class Answers:
    """What a person answered, by question; `open` are the questions that were met without an answer."""

    given: Mapping[str, str] = field(default_factory=dict[str, str])
    open: dict[str, Question] = field(default_factory=dict[str, Question])
    used: set[str] = field(default_factory=set[str])

    def to(self, question: Question) -> str | None:
        """Return the answer; None while there is none, which is noted.

        Raises:
            InvalidInput: the answer is none of the choices.
        """
        answer = self.given.get(question.key)
        if answer is None:
            self.open.setdefault(question.key, question)
            return None
        self.used.add(question.key)
        known = [choice.answer for choice in question.choices]
        if known and answer not in known:
            raise InvalidInput(f"--answer {question.key}={answer}: choose one of {', '.join(known)}")
        return answer

    def unused(self) -> Iterator[str]:
        """Yield the answers that no question asked for."""
        yield from (key for key in self.given if key not in self.used)


def read_answers(pairs: Iterable[str]) -> dict[str, str]:
    """Return answers as they were typed, `quality:medium=high`.

    Raises:
        InvalidInput: one is written otherwise.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, sign, answer = pair.partition("=")
        option, colon, word = key.partition(":")
        if not (sign and colon and option and word and answer):
            raise InvalidInput(f"--answer {pair}: write OPTION:WORD=NEW, as quality:medium=high")
        found[key] = answer
    return found
