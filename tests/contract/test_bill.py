"""What the ledger says was spent is what the service has charged, in whatever way a stage ends."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from foundry_emulator.server import running

from assetmill.agents.gateway import WAYS, Way
from assetmill.agents.ready_file import read_ready_file
from assetmill.agents.tool_calls import AttemptLost
from assetmill.editing.orders import EditOrder
from assetmill.editing.run import begin_edit, carry_out_all
from assetmill.errors import StageFailed, StageWaiting
from assetmill.money.spending import Spending, spending
from assetmill.settings import load_settings
from assetmill.stage.services import Services, connect
from assetmill.store.memory import MemoryStore
from tests.millworks import run_here, write_configs

pytestmark = pytest.mark.server

CENT = 0.005
DRAW = """
stages:
  - name: hero
    prompt: Draw a teal mug on a table.
    tools: [{type: image_generation, quality: low}]
    outputs: [{name: hero.png}]
"""
DIRECT = """
stages:
  - name: hero
    prompt: Draw a teal mug on a table.
    tools: [{type: image_model, %s}]
"""
ASK = """
stages:
  - name: ask
    prompt: What is the stock count of the article "teal mug"?
    tools: [{type: function, function: "warehouse:stock_count"}]
"""
FUNCTION = '''
def stock_count(article: str) -> int:
    """Get the stock count of an article."""
    return 42
'''


class Till:
    """A store and a service that charges."""

    def __init__(self, home: Path, folder: Path, way: Way) -> None:
        self.home = home
        self.configs = write_configs(folder / "configs")
        (self.configs / "pipelines" / "warehouse.py").write_text(FUNCTION)
        settings = load_settings(
            "local", {"ASSETMILL_HOME": str(home), "ASSETMILL_CONFIGS": str(self.configs)}
        )
        foundry = settings.foundry.model_copy(update={"way": way})
        settings = settings.model_copy(update={"foundry": foundry})
        self.services = Services(settings, MemoryStore(), connect)
        self.control("reset", {})

    def control(self, path: str, body: Any = None) -> dict[str, Any]:
        ready = read_ready_file(self.home / "emulator" / "ready.json")
        token = json.loads((self.home / "emulator" / "ready.json").read_text())["token"]
        method = "GET" if body is None else "POST"
        headers = {"Authorization": f"Bearer {token}"}
        reply = httpx2.request(method, f"{ready.control}/{path}", json=body, headers=headers)
        reply.raise_for_status()
        return reply.json() if reply.content else {}

    def fault(self, name: str, *, op: str = "responses.create", **more: Any) -> None:
        self.control("faults", {"faults": [{"op": op, "fault": name, **more}]})

    def run(self, text: str) -> str:
        (self.configs / "pipelines" / "p.yaml").write_text("name: p\n" + text)
        return run_here(self.services, "p").status

    def edit(self, **order: Any) -> str:
        run = begin_edit(EditOrder(asset="latest/hero/hero.png", **order), self.services, str(uuid.uuid4()))
        return carry_out_all(run).status

    @property
    def billed(self) -> float:
        return sum(charge["usd"] for charge in self.control("bill")["charges"])

    @property
    def spent(self) -> Spending:
        return spending(self.services.ledger, "stage")

    def close(self) -> None:
        self.services.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    with running(folder / "emulator"):
        yield folder


@pytest.fixture(params=WAYS)
def till(
    home: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Till]:
    """A till for each way of posting: what is billed and spent does not depend on it."""
    # What runs on the line is over sooner here than anywhere else.
    monkeypatch.setattr("assetmill.stage.patience.ON_THE_LINE_S", 0.5)
    with closing(Till(home, tmp_path, request.param)) as made:
        yield made


@pytest.mark.parametrize(
    "tool",
    [
        "model: MAI-Image-2.6",
        "model: MAI-Image-2.6-Flash, size: 1248x832",
        "model: FLUX.2-pro",
        "model: FLUX.2-flex, size: 1536x1024, output_format: jpeg",
        "model: FLUX-1.1-pro, size: 1440x1440",
        "model: FLUX.1-Kontext-pro",
    ],
)
def test_an_image_model_that_is_called_itself(till: Till, tool: str) -> None:
    assert till.run(DIRECT % tool) == "completed"
    assert till.billed > CENT
    assert till.spent.usd == pytest.approx(till.billed, abs=1e-6)


def test_an_edit_by_an_image_model_itself(till: Till) -> None:
    first = DIRECT % "model: MAI-Image-2.6-Flash"
    second = "  - {name: dusk, prompt: Edit it to dusk., inputs: [{from: hero}], tools: [{type: image_model,"
    assert till.run(f"{first}{second} model: MAI-Image-2.6}}]}}\n") == "completed"
    assert till.spent.usd == pytest.approx(till.billed, abs=1e-6)
    (hero, dusk) = till.services.ledger.latest_manifest("p").assets()  # type: ignore[union-attr]
    assert dusk.derived_from == (hero.asset_id,)
    assert hero.blob != dusk.blob


@pytest.mark.parametrize("fault", ["drop_after_accept", "half_body", "garbage", "error_after"])
def test_a_lost_reply_is_billed_once_and_in_doubt_until_a_person_decides(till: Till, fault: str) -> None:
    till.fault(fault, op="image_models.*")
    assert till.run(DIRECT % "model: MAI-Image-2.6") == "failed"
    assert till.run(DIRECT % "model: MAI-Image-2.6") == "failed"
    (charge,) = till.control("bill")["charges"]
    (doubt,) = till.spent.open
    assert (doubt.state, doubt.usd) == ("in doubt", 0.0)
    assert doubt.high_usd is not None
    assert charge["usd"] <= doubt.high_usd


@pytest.mark.parametrize(
    ("fault", "charges"), [("drop_before", 0), ("moderation_input", 0), ("moderation_output", 1)]
)
def test_a_direct_call_that_draws_nothing_of_use(till: Till, fault: str, charges: int) -> None:
    till.fault(fault, op="image_models.*")
    till.run(DIRECT % "model: MAI-Image-2.6")
    assert len(till.control("bill")["charges"]) == charges
    assert till.spent.usd == pytest.approx(till.billed, abs=1e-6)


def test_a_reply_that_drips_is_waited_for(till: Till) -> None:
    till.fault("drip", op="image_models.*", delay_s=0.001)
    assert till.run(DIRECT % "model: MAI-Image-2.6") == "completed"


def test_a_stage_that_is_done(till: Till) -> None:
    assert till.run(DRAW) == "completed"
    assert till.billed > CENT
    assert till.spent.usd == pytest.approx(till.billed, abs=CENT)
    (group,) = till.spent.groups
    assert group.low_usd <= till.billed <= group.high_usd
    assert group.is_about


@pytest.mark.parametrize("size", ["1024x1024", "1536x1024"])
def test_an_edit_reads_the_picture_and_not_the_dearest_one(till: Till, size: str) -> None:
    till.run(DRAW.replace("quality: low", f"quality: low, size: {size}"))
    assert till.edit(instruction="make it dusk") == "completed"
    assert till.spent.usd == pytest.approx(till.billed, abs=0.001)


@pytest.mark.parametrize(
    ("fault", "more"),
    [
        ("moderation_output", {}),
        ("bad_base64", {}),
        ("truncated_picture", {}),
        ("empty_result", {}),
        ("empty_result", {"charged": True}),
        ("error_before", {}),
        ("drop_after_accept", {}),
    ],
)
@pytest.mark.parametrize("partial", [0, 2])
def test_a_stage_that_the_service_spoils(till: Till, fault: str, more: dict[str, Any], partial: int) -> None:
    till.fault(fault, **more)
    till.run(DRAW.replace("quality: low", f"quality: low, partial_images: {partial}"))
    assert till.spent.usd == pytest.approx(till.billed, abs=CENT)
    assert till.spent.unknown == 0


@pytest.mark.parametrize("fault", ["moderation_input", "fail_response"])
def test_what_the_service_does_not_price_is_unknown_within_a_range(till: Till, fault: str) -> None:
    till.fault(fault)
    assert till.run(DRAW) == "failed"
    (group,) = till.spent.groups
    assert (group.unknown, group.usd, group.low_usd) == (1, 0.0, 0.0)
    assert till.billed <= group.high_usd
    assert group.is_about


def test_a_stage_that_made_something_else(till: Till) -> None:
    assert till.run(DRAW.replace("{name: hero.png}", "{name: hero.png, count: 2}")) == "failed"
    assert till.billed > CENT
    assert till.spent.usd == pytest.approx(till.billed, abs=CENT)


def test_a_stage_that_was_killed_while_the_service_worked(till: Till) -> None:
    def die(*_: object, **__: object) -> Any:
        raise KeyboardInterrupt

    follow, till.services.gateway.follow_response = till.services.gateway.follow_response, die
    with pytest.raises(KeyboardInterrupt):
        till.run(DRAW)
    till.services.gateway.follow_response = follow
    (one,) = till.spent.open
    assert (one.stage, one.state, one.usd) == ("hero", "in flight", 0.0)
    assert one.response_id is not None
    assert one.high_usd is not None
    assert till.billed <= one.high_usd + CENT
    assert till.run(DRAW) == "completed"
    assert till.spent.open == ()
    assert till.spent.usd == pytest.approx(till.billed, abs=CENT)


def test_a_response_that_could_not_be_stored(till: Till) -> None:
    def full(*_: object, **__: object) -> Any:
        raise OSError(28, "No space left on device")

    commit, till.services.ledger.commit = till.services.ledger.commit, full
    with pytest.raises(OSError, match="No space"):
        till.run(DRAW)
    till.services.ledger.commit = commit
    (one,) = till.spent.open
    assert one.usd <= till.billed <= (one.high_usd or 0.0)
    till.run(DRAW)
    assert till.spent.usd == pytest.approx(till.billed, abs=CENT)


def test_a_stage_that_waits_for_approval(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: object) -> Any:
        raise StageWaiting("ask", "waits for approval", None, ("pay",))

    monkeypatch.setattr("assetmill.stage.engine.answer", wait)
    till.run(ASK)
    (one,) = till.spent.open
    assert one.state == "waits"
    assert one.usd == one.high_usd == pytest.approx(till.billed, abs=1e-6)
    assert till.spent.usd == one.usd > 0


@pytest.mark.parametrize("error", [AttemptLost("the browser is gone"), StageFailed("ask", "no such tool")])
def test_an_attempt_that_failed_between_two_turns(
    till: Till, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> Any:
        raise error

    monkeypatch.setattr("assetmill.stage.engine.answer", fail)
    assert till.run(ASK) == "failed"
    assert till.spent.open == ()
    assert till.spent.unknown == 0
    assert till.spent.usd == pytest.approx(till.billed, abs=1e-6)
    assert till.billed > 0


FLEX = """
stages:
  - name: tell
    prompt: Tell a story of forty words about a teal mug.
    lane: flex
"""


def test_a_stage_in_flex_is_paid_as_it_was_served(till: Till) -> None:
    """The first in flex, the second where the service serves the same request at the normal price."""
    assert till.run(FLEX) == "completed"
    cheap = till.billed
    assert till.spent.usd == pytest.approx(cheap, abs=1e-7)
    till.control("settings", {"flex_with_agent": "dropped"})
    assert till.run(FLEX.replace("teal", "blue")) == "completed"
    assert [charge["service_tier"] for charge in till.control("bill")["charges"]] == ["flex", "default"]
    assert till.billed == pytest.approx(3 * cheap, rel=0.01)
    assert till.spent.usd == pytest.approx(till.billed, abs=1e-7)


def test_a_lane_that_the_endpoint_refuses_costs_nothing_but_the_normal_price(till: Till) -> None:
    till.control("settings", {"flex_with_agent": "refused"})
    assert till.run(FLEX) == "completed"
    (charge,) = till.control("bill")["charges"]
    assert charge["service_tier"] == "default"
    assert till.spent.usd == pytest.approx(till.billed, abs=1e-7)


def test_a_lane_without_capacity_is_asked_until_it_has_some(till: Till) -> None:
    till.control("settings", {"flex_refusals": 0.5})
    assert till.run(FLEX) == "completed"
    (charge,) = till.control("bill")["charges"]
    assert charge["service_tier"] == "flex"
    assert till.spent.usd == pytest.approx(till.billed, abs=1e-7)
