"""A stage's prompt as it is sent: its own words, its style kits, a verb that the image tool expects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from assetmill.errors import InvalidSpec, NotFound
from assetmill.names import safe_name
from assetmill.plan.calls import BoundInput
from assetmill.plan.inputs import Inputs
from assetmill.plan.slots import Pen, is_open
from assetmill.spec.pipeline import LoadedPipeline, StageSpec
from assetmill.spec.styles import LoadedStyle, compose, load_style, with_verb


class Styled(NamedTuple):
    """A prompt with its kits: their pictures as inputs, and their digests, which decide the fingerprint."""

    prompt: str
    references: tuple[BoundInput, ...]
    digests: Mapping[str, str]


@dataclass
class Styling:
    """Dresses the prompts of one plan; every kit is read once."""

    pipeline: LoadedPipeline
    inputs: Inputs
    _kits: dict[str, LoadedStyle | None] = field(default_factory=dict[str, LoadedStyle | None])

    def dress(self, prompt: str, pen: Pen, given: tuple[BoundInput, ...]) -> Styled:
        """Return a prompt with its style; what is wrong with a kit is noted."""
        stage = pen.slot.spec
        kits = list(self._named(pen))
        references: list[BoundInput] = []
        digests: dict[str, str] = {}
        for loaded in kits:
            own = list(self._references(loaded, pen))
            references += own if stage.drawing else []
            digests[loaded.name] = loaded.digest([bound.blob.digest for bound in own])
        if _only_draws(stage):
            prompt = with_verb(prompt, edits=_edits(stage, given))
        return Styled(compose(prompt, kits), tuple(references), digests)

    def _named(self, pen: Pen) -> Iterator[LoadedStyle]:
        for number, source in enumerate(dict.fromkeys(pen.slot.spec.style)):
            name = pen.write(("style", number), source)
            if is_open(name):
                continue
            if name not in self._kits:
                try:
                    self._kits[name] = load_style(name, self.pipeline.configs)
                except (NotFound, InvalidSpec) as error:
                    self._kits[name] = None
                    pen.problem(("style", number), str(error))
            if kit := self._kits[name]:
                yield kit

    def _references(self, loaded: LoadedStyle, pen: Pen) -> Iterator[BoundInput]:
        for path in loaded.references:
            name = safe_name(f"{loaded.name}-{path.name}")
            if bound := self.inputs.reference(path, name, ("style",), pen):
                yield bound


def _only_draws(stage: StageSpec) -> bool:
    """Whether the prompt is one for the image tool alone: then it must say what the tool is to do."""
    return stage.tool("image_generation") is not None and stage.tool("code_interpreter") is None


def _edits(stage: StageSpec, given: tuple[BoundInput, ...]) -> bool:
    action: Any = getattr(stage.tool("image_generation"), "action", None)
    return action == "edit" or (
        action != "generate" and any(bound.role != "container_file" for bound in given)
    )
