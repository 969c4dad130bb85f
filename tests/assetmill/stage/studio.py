"""A service that draws given pictures and judges with given scores, and stages whose draws are checked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assetmill.agents.gateway import AgentDefinition, AgentVersion, ResponseRequest
from assetmill.money.budget import Ceiling
from assetmill.plan.calls import Acceptance, StageCall
from assetmill.records import RunId
from assetmill.settings import Settings
from assetmill.spec.output_checks import ChecksSpec
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.assetmill.checks.pictures import encoded, scene
from tests.doubles import Body, ScriptedGateway, image_item, message_item, stage_call

RUN, NEXT = RunId("run-1"), RunId("run-2")
BLANK = encoded(Image.new("RGB", (64, 48), "teal"))
GOOD, OTHER = encoded(scene(1)), encoded(scene(4))


class Studio:
    """A service that draws the given pictures in turn, and judges with the given scores."""

    def __init__(self, backend: MemoryStore, folder: Path) -> None:
        self.backend, self.folder = backend, folder
        self.pictures: list[bytes] = []
        self.scores: list[float] = []
        self.answers: dict[str, list[bool]] = {}
        """What each judging model answers to the questions, in their order."""
        self.made: list[str] = []
        """The questions that come of a prompt."""
        self.model = ""
        self.gateway = ScriptedGateway(self.answer)
        self.gateway.ensure_agent = self.ensure_agent

    def ensure_agent(self, definition: AgentDefinition) -> AgentVersion:
        self.model = definition.model
        return AgentVersion(definition.name, definition.model)

    def answer(self, request: ResponseRequest) -> Sequence[Body]:
        if "-questions" in request.agent.name:
            return [message_item(json.dumps({"questions": self.made}))]
        if "-judge" in request.agent.name and self.answers:
            said = self.answers[self.model]
            return [message_item(json.dumps({f"q{n}": yes for n, yes in enumerate(said, start=1)}))]
        if "-judge" in request.agent.name:
            return [message_item(f'{{"score": {self.scores.pop(0)}, "faults": ["a bent handle"]}}')]
        return [image_item(self.pictures.pop(0), f"ig_{len(self.pictures)}")]

    def services(self, *ceilings: Ceiling) -> Services:
        settings = Settings(profile="test", home=self.folder, configs=self.folder)
        services = Services(settings, self.backend, lambda _settings, _wait: self.gateway, ceilings)
        services.wait = lambda seconds: None
        return services

    def run(self, call: StageCall, run_id: RunId = RUN, *ceilings: Ceiling) -> Any:
        return run_stage(call, self.services(*ceilings), run_id)


@pytest.fixture
def studio(backend: MemoryStore, tmp_path: Path) -> Studio:
    return Studio(backend, tmp_path)


def checked(reroll: int = 0, best_of: int = 1, **checks: Any) -> StageCall:
    asked = ChecksSpec.model_validate(checks or {"not_blank": True})
    return stage_call(acceptance=Acceptance((asked,), best_of, reroll))
