"""Every failpoint is a place that a walk through the protocol passes, and every effect has one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assetmill.errors import InvalidSettings, OutcomeUnknown, Throttled
from assetmill.fingerprint import digest
from assetmill.money.budget import Ceiling
from assetmill.plan.calls import BoundInput, BoundKnowledge
from assetmill.records import BlobRef, RunId, RunManifest, RunStart
from assetmill.settings import Foundry, Settings, load_settings
from assetmill.stage import engine
from assetmill.stage.failpoints import ACCEPTED, Failpoint, names, watch_backend, watch_gateway
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, always, image_item, png, stage_call


class Walk:
    """One store and one service, and processes on them that note every point they pass."""

    def __init__(self, tmp_path: Path) -> None:
        self.passed: list[str] = []
        self.gateway, self.store, self._path = ScriptedGateway(), MemoryStore(), tmp_path
        self._now = 1_000_000.0

    def services(self, **changes: object) -> Services:
        foundry = Foundry.model_validate({"settle_s": 0.01, **changes})
        settings = Settings(profile="test", home=self._path, configs=self._path, foundry=foundry)
        services = Services(
            settings,
            watch_backend(self.store, self.passed.append),
            lambda _settings, _wait: watch_gateway(self.gateway, self.passed.append),
            (Ceiling("project", 100.0),),
            clock=lambda: self._now,
        )
        services.wait = self._wait
        return services

    def _wait(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
def walk(tmp_path: Path) -> Walk:
    return Walk(tmp_path)


def failing_once(error: BaseException) -> Callable[[object], None]:
    left = [error]

    def fail(_: object) -> None:
        if left:
            raise left.pop()

    return fail


def with_everything(walk: Walk, tmp_path: Path) -> None:
    """A stage with files, knowledge, code and a tool call, twice: the second run finds the uploads."""
    path = tmp_path / "rules.md"
    path.write_bytes(b"# rules")
    ref = BlobRef(digest=digest(b"# rules"), size_bytes=7, media_type="text/markdown")
    file = BoundInput("rules.md", "container_file", ref, path=str(path))
    knowledge = BoundKnowledge("brand", digest(b"all"), (file,))
    tools = (
        *stage_call().tools,
        {"type": "file_search", "knowledge": ["brand"]},
        {"type": "code_interpreter"},
        {"type": "function", "name": "look", "assetmill": {"function": "eyes:look", "timeout_s": 5.0}},
    )
    (tmp_path / "eyes.py").write_text('def look() -> str:\n    """Look."""\n    return "sunny"\n')
    walk.gateway.containers["cntr_1"]["cfile_1"] = ("sums.csv", b"a,b\n")
    asked: list[str] = []

    def script(request: Any) -> list[dict[str, Any]]:
        if request.metadata["assetmill_turn"] == "1" and not asked:
            asked.append("once")
            return [{"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}]
        code = {"type": "code_interpreter_call", "container_id": "cntr_1"}
        return [image_item(png()), code]

    walk.gateway.script = script
    for prompt in ("one", "two"):
        call = stage_call(
            prompt=prompt, tools=tools, inputs=(file,), knowledge=(knowledge,), folder=str(tmp_path)
        )
        engine.run_stage(call, walk.services(), RunId(f"run-{prompt}"))


def recoveries(walk: Walk) -> None:
    """A refusal by quota, a lost answer that is adopted, and a silence that is fenced."""
    walk.gateway.before = failing_once(Throttled("slow down", "rate_limit", 429, 1.0))
    engine.run_stage(stage_call(prompt="refused"), walk.services(), RunId("run-3"))
    walk.gateway.after = failing_once(OutcomeUnknown("reset"))
    engine.run_stage(stage_call(prompt="adopted"), walk.services(), RunId("run-4"))
    walk.gateway.before = failing_once(OutcomeUnknown("reset"))
    engine.run_stage(stage_call(prompt="fenced"), walk.services(policy="fence"), RunId("run-5"))


def directly(walk: Walk) -> None:
    """An image model that is called itself."""
    walk.gateway.script = always(image_item(png(1024, 1024), ""))
    tool = {"type": "image_model", "model": "MAI-Image-2.6", "size": "1024x1024", "output_format": "png"}
    call = stage_call(prompt="direct", model="MAI-Image-2.6", image_deployment=None, tools=(tool,))
    engine.run_stage(call, walk.services(), RunId("run-7"))


def seal(walk: Walk) -> None:
    run_id, ledger = RunId("run-6"), walk.services().ledger
    common: dict[str, object] = {"run_id": run_id, "pipeline": "poster", "parameters": {}, "profile": "test"}
    common |= {"spec_digest": digest(b""), "stages": (), "started_at": 1.0}
    ledger.write_start(RunStart.model_validate({**common, "spec_path": "poster.yaml"}))
    ledger.write_manifest(
        RunManifest.model_validate({**common, "status": "completed", "spent_usd": 0.0, "finished_at": 2.0})
    )


def test_every_point_is_passed_and_every_effect_has_a_point(walk: Walk, tmp_path: Path) -> None:
    with_everything(walk, tmp_path)
    recoveries(walk)
    directly(walk)
    seal(walk)
    assert sorted(set(walk.passed)) == sorted(names())


def test_the_points_of_one_plain_stage_come_in_the_order_of_the_protocol(walk: Walk) -> None:
    engine.run_stage(stage_call(), walk.services(), RunId("run-1"))
    effects = [name.removesuffix(".after") for name in walk.passed if name.endswith((".after", ".accepted"))]
    assert effects == [
        "store.create.m",
        "gateway.ensure_agent",
        "gateway.create_conversation",
        "store.create.i",
        ACCEPTED,
        "store.create.c",
        "gateway.create_response",
        # A picture that a stream brings is kept before the response is known to be final.
        "store.put.b",
        "store.create.f",
        "gateway.follow_response",
        "store.put.b",
        "store.create.w",
        "store.create.s",
        "store.create.m",
    ]


@pytest.mark.parametrize("text", ["store.create.z.before", "", "store.create.i.before:x", "i"])
def test_an_unknown_point_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettings, match="no failpoint"):
        Failpoint(text)


def test_the_process_dies_at_the_nth_passage() -> None:
    script = (
        "from assetmill.stage.failpoints import Failpoint\n"
        "point = Failpoint('store.create.i.before:2')\n"
        "for _ in range(9): point.reach('store.create.i.before'); print('passed', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "passed\n")


def test_only_the_environment_sets_a_point() -> None:
    environ = {"ASSETMILL_FAILPOINT": "store.create.i.before", "PATH": os.environ["PATH"]}
    assert load_settings("local", environ).failpoint == "store.create.i.before"
    assert load_settings("local", {}).failpoint == ""
