"""In which lane a stage may go: what the tables say, what the profile allows, and the reason in words."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from assetmill.errors import InvalidSpec
from assetmill.plan.binder import ProfileDefaults
from assetmill.plan.laning import LaneRules
from assetmill.plan.plan import Plan, make_plan
from assetmill.settings import load_settings
from tests.written import TODAY, written

EMULATED = ProfileDefaults("gpt-5.6-luna", "gpt-image-2", "pictures", lanes=LaneRules(is_emulated=True))
ASK = "stages:\n  - name: ask\n    prompt: Say hello.\n"


def planned(folder: Path, text: str, defaults: ProfileDefaults = EMULATED) -> Plan:
    return make_plan(written(folder, text), {}, defaults=defaults, today=TODAY)


def lanes(plan: Plan) -> list[str]:
    return [stage.call.lane for stage in plan.stages if stage.call]


def with_rules(**rules: Any) -> ProfileDefaults:
    fields: dict[str, Any] = {"is_emulated": True, **rules}
    return dataclasses.replace(EMULATED, lanes=LaneRules(**fields))


def test_a_stage_goes_in_the_lane_that_it_names(tmp_path: Path) -> None:
    both = f"{ASK}    lane: flex\n  - name: tell\n    prompt: Say goodbye.\n"
    assert lanes(planned(tmp_path, both)) == ["flex", "now"]


def test_the_stage_wins_over_the_pipeline_and_that_over_the_profile(tmp_path: Path) -> None:
    text = f"{ASK}    lane: now\n  - name: tell\n    prompt: Say goodbye.\n"
    assert lanes(planned(tmp_path, f"defaults: {{lane: flex}}\n{text}")) == ["now", "flex"]
    assert lanes(planned(tmp_path, f"defaults: {{lane: now}}\n{ASK}", with_rules(lane="flex"))) == ["now"]
    assert lanes(planned(tmp_path, ASK, with_rules(lane="flex"))) == ["flex"]


def test_with_an_hour_what_names_no_lane_takes_the_cheaper_one(tmp_path: Path) -> None:
    text = f"{ASK}  - name: tell\n    prompt: Say goodbye.\n    lane: now\n"
    assert lanes(planned(tmp_path, text, with_rules(has_hour=True))) == ["flex", "now"]
    plan = planned(tmp_path, f"{ASK}    model: gpt-4.1\n", with_rules(has_hour=True))
    assert (lanes(plan), plan.warnings) == (["now"], ())


def test_the_lane_changes_no_fingerprint(tmp_path: Path) -> None:
    cheap, full = planned(tmp_path, f"{ASK}    lane: flex\n"), planned(tmp_path, ASK)
    assert cheap.stages[0].call
    assert full.stages[0].call
    assert cheap.stages[0].call.fingerprint == full.stages[0].call.fingerprint


@pytest.mark.parametrize(
    ("more", "rules", "reason"),
    [
        ("lane: batch", {}, "the batch lane takes no agents"),
        ("lane: flex\n    model: gpt-4.1", {}, "no flex lane of gpt-4.1 at azure"),
        ("lane: flex\n    model: gpt-6-luna", {}, "a price alone tells of one (litellm 1.110.2"),
        ("lane: flex\n    model: my-own", {}, "no flex lane of my-own at azure"),
        ("lane: flex", {"zone": "data_zone"}, "for Global Standard deployments"),
        (
            "lane: flex\n    tools:\n"
            "      - {type: computer_use, start_url: https://example.org, allowed_hosts: [example.org]}",
            {},
            "computer_use_preview may call back",
        ),
        ("lane: flex", {"is_emulated": False}, "no public source says that an agent's response takes"),
    ],
)
def test_a_lane_that_a_stage_cannot_have_is_refused_with_line_and_reason(
    tmp_path: Path, more: str, rules: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidSpec) as caught:
        planned(tmp_path, f"{ASK}    {more}\n", with_rules(**rules))
    assert reason in str(caught.value)
    assert caught.value.line == 5


def test_the_sources_of_what_is_not_known_are_named_with_their_day(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match=r"flex processing page, 2026-10-06\); `try_lanes = \[\"flex\"\]`"):
        planned(tmp_path, f"{ASK}    lane: flex\n", with_rules(is_emulated=False))


def test_a_profile_may_try_what_no_source_confirms(tmp_path: Path) -> None:
    tried = with_rules(is_emulated=False, tried=("flex",))
    assert lanes(planned(tmp_path, f"{ASK}    lane: flex\n", tried)) == ["flex"]


def test_what_a_default_asks_for_and_a_stage_cannot_have_is_told(tmp_path: Path) -> None:
    plan = planned(tmp_path, f"defaults: {{lane: flex}}\n{ASK}    model: gpt-4.1\n")
    assert lanes(plan) == ["now"]
    assert any("ask goes in the normal lane: chat_models.toml" in warning for warning in plan.warnings)


def test_batch_is_refused_wherever_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="takes no agents") as caught:
        planned(tmp_path, f"defaults: {{lane: batch}}\n{ASK}")
    assert caught.value.line == 2
    with pytest.raises(InvalidSpec, match=r"profile: foundry\.lane"):
        planned(tmp_path, ASK, with_rules(lane="batch"))


def test_a_real_endpoint_tries_no_lane_unless_its_profile_says_so() -> None:
    settings = load_settings("azure", {"AZURE_AI_PROJECT_ENDPOINT": "https://x.services.ai.azure.com"})
    assert ProfileDefaults.of(settings, has_hour=True).lanes == LaneRules(None, True, "global", (), False)
