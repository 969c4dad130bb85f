"""Options of one model in the words of another, by the tables. What they do not settle is asked.

A word of quality is no measure: it is carried over only where a picture takes as many tokens with it, and
replaced by the word that does where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assetmill.migrating.questions import LEAVE_OUT, UNSET, Answers, PossibleAnswer, Question
from assetmill.money.price_table import ImagePrice, Prices
from assetmill.spec.chat_models import ChatModel
from assetmill.spec.image_models import ImageModel, parse_size, size_fault

_SQUARE = "1024x1024"
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_MOST_SIZES = 4


@dataclass(frozen=True)
class PictureTranslator:
    """Says what options of the image tool become; `notes` fills with what a person should know."""

    old: str
    new: ImageModel
    prices: Prices
    answers: Answers
    notes: dict[str, None]

    def translated(self, tool: Mapping[str, Any]) -> dict[str, str | None]:
        """Return the options of a wire tool that change; None for one that is left out.

        What waits for an answer is left as it is.
        """
        size = str(tool.get("size", _SQUARE))
        changes: dict[str, str | None] = {"size": self._size(size)}
        changes["quality"] = self.quality(str(tool.get("quality", "auto")), size)
        for option in ("input_fidelity", "complexity", "output_format", "background"):
            word = tool.get(option)
            changes[option] = None if word is None else self._word(option, str(word), tool)
        partial = tool.get("partial_images")
        if partial is not None and int(partial) > self.new.partial_images:
            # What is shown on the way decides nothing about the picture.
            changes["partial_images"] = str(self.new.partial_images)
        return {option: word for option, word in changes.items() if self._differs(tool, option, word)}

    @staticmethod
    def _differs(tool: Mapping[str, Any], option: str, word: str | None) -> bool:
        before = tool.get(option)
        return word != (None if before is None else str(before))

    def quality(self, word: str, size: str) -> str:
        """Return the word that means as much: as many tokens of such a picture, else of a square one."""
        if word == "auto":
            return word
        shape = size if self._tokens(self.old, size, word) and self._all(size) else _SQUARE
        before, after = self._tokens(self.old, shape, word), self._all(shape)
        alike = [name for name, tokens in after.items() if before is not None and tokens == before]
        if alike:
            found = word if word in alike else alike[0]
            if found != word:
                self._note(
                    f"quality {word} becomes {found}: {before:,} tokens of a {shape} picture with both"
                )
            return found
        was = (
            f"{before:,} tokens of a {shape} picture with {self.old}"
            if before
            else "a number nobody has said"
        )
        choices = tuple(
            PossibleAnswer(name, self._cost_of(shape, after.get(name))) for name in self.new.qualities
        )
        reason = f"it means {was}, and no word of {self.new.name} means as much"
        return self._asked(Question("quality", word, reason, choices)) or word

    def _all(self, shape: str) -> dict[str, int]:
        found = {name: self._tokens(self.new.name, shape, name) for name in self.new.qualities}
        return {name: tokens for name, tokens in found.items() if tokens is not None}

    def _tokens(self, model: str, size: str, word: str) -> int | None:
        row = self._price(model)
        return row.tokens_of(size, word) if row else None

    def _price(self, model: str) -> ImagePrice | None:
        return self.prices.image.get(model)

    def _cost_of(self, shape: str, tokens: int | None) -> str:
        row = self._price(self.new.name)
        if tokens is None or row is None:
            return "no price known"
        return f"{tokens:,} tokens, ${tokens * row.output / 1_000_000:.4f} for {shape}"

    def _size(self, size: str) -> str:
        fault = size_fault(self.new, size)
        parsed = parse_size(size)
        if fault is None or parsed is None:
            return size
        choices = tuple(PossibleAnswer(one) for one in _sizes_near(parsed, self.new))
        return self._asked(Question("size", size, fault[0], choices)) or size

    def _word(self, option: str, word: str, tool: Mapping[str, Any]) -> str | None:
        if option == "background" and word == "transparent" and not self.new.transparent:
            choices = (PossibleAnswer("opaque"), PossibleAnswer("auto"))
            reason = f"{self.new.name} draws no transparent background"
            return self._asked(Question(option, word, reason, choices)) or word
        known = {
            "input_fidelity": self.new.input_fidelity,
            "complexity": self.new.complexity,
            "output_format": self.new.formats,
        }.get(option)
        if known is None or word in known:
            return word
        if not known:
            self._note(f"{option} {word} is left out: {self.new.name} does not take the option")
            return None
        left_out = () if option == "output_format" else (PossibleAnswer(LEAVE_OUT),)
        question = Question(
            option, word, f"{self.new.name} has no such word", (*map(PossibleAnswer, known), *left_out)
        )
        answer = self._asked(question) or word
        return None if answer == LEAVE_OUT else answer

    def _asked(self, question: Question) -> str | None:
        return self.answers.to(question)

    def _note(self, text: str) -> None:
        self.notes[text] = None


def _sizes_near(size: tuple[int, int], model: ImageModel) -> list[str]:
    """Return the sizes to choose from, those of the nearest shape first."""
    wanted = size[0] / size[1]

    def distance(name: str) -> float:
        width, height = parse_size(name) or (1, 1)
        return abs(width / height - wanted)

    known = list(model.sizes)
    if rule := model.any_size:
        nearest = rule.nearest(*size)
        standard = [nearest, _SQUARE, "1536x1024", "1024x1536"]
        known = [name for name in standard if not rule.fault(*(parse_size(name) or (1, 1)))]
    return sorted(dict.fromkeys(known), key=distance)[:_MOST_SIZES]


def translated_effort(
    effort: str | None, old: ChatModel | None, new: ChatModel, answers: Answers
) -> str | None:
    """Return how much a new chat model is to think; None for no word of it."""
    if effort and not new.reasons:
        question = Question("reasoning", effort, f"{new.name} does not reason", (PossibleAnswer(LEAVE_OUT),))
        return None if answers.to(question) == LEAVE_OUT else effort
    if effort or not new.reasons or (old and old.reasons):
        return effort
    reason = (
        f"{new.name} reasons, which {old.name if old else 'the model before'} does not, and bills it as"
        " output; picture models that plan take over the effort"
    )
    choices = (*map(PossibleAnswer, _EFFORTS), PossibleAnswer(LEAVE_OUT, "the service decides"))
    answer = answers.to(Question("reasoning", UNSET, reason, choices))
    return None if answer in {None, LEAVE_OUT} else answer


def translated_deployment(deployment: str | None, old: str, new: str, answers: Answers) -> str | None:
    """Return which model deployment draws: called as its model is again, any other name is asked for."""
    if deployment is None or deployment == new:
        return deployment
    if deployment == old:
        return new
    reason = f"{old} is drawn through it, and the name of a deployment of {new} is needed"
    return answers.to(Question("deployment", deployment, reason)) or deployment
