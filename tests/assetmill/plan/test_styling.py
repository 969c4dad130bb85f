"""Style kits in prompts and fingerprints, and the verb that the image tool expects."""

from __future__ import annotations

import datetime
import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from assetmill.errors import InvalidSpec
from assetmill.plan.binder import ProfileDefaults
from assetmill.plan.calls import StageCall
from assetmill.plan.plan import make_plan
from assetmill.spec.loading import load_pipeline
from assetmill.spec.styles import load_style, style_names, with_verb

CONFIGS = Path(__file__).parents[3] / "configs"
KIT = "style: ink drawing\npalette: [black, red]\navoid: blur\n"


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    shutil.copy(CONFIGS / "image_models.toml", tmp_path)
    (tmp_path / "styles").mkdir()
    kit(tmp_path, "ink", KIT)
    return tmp_path


def kit(configs: Path, name: str, text: str) -> None:
    (configs / "styles" / f"{name}.yaml").write_text(text)


def bound(
    configs: Path, style: str, prompt: str = "Draw a fox.", tool: str = "image_generation"
) -> StageCall:
    path = configs / "pipeline.yaml"
    stage = f"  - name: s\n    prompt: {prompt}\n    style: {style}\n    tools: [{tool}]\n"
    path.write_text(
        f"name: p\nparameters:\n  kit: {{default: ink}}\naxes:\n  look: [ink, night]\nstages:\n{stage}"
    )
    defaults = ProfileDefaults("gpt-4.1-mini", "gpt-image-1.5")
    plan = make_plan(
        load_pipeline(str(path), configs), {}, defaults=defaults, today=datetime.date(2026, 11, 22)
    )
    assert plan.stages[0].call
    return plan.stages[0].call


def test_a_kit_s_parts_stand_under_the_prompt(configs: Path) -> None:
    assert bound(configs, "ink").prompt == (
        "Draw a fox.\n\nVisual style: ink drawing\nPalette: black, red\nAvoid: blur"
    )


def test_a_later_kit_s_part_stands_for_an_earlier_one_s(configs: Path) -> None:
    kit(configs, "night", "palette: dark blue\nlighting: moonlight\n")
    prompt = bound(configs, "[ink, night]").prompt
    assert prompt.endswith("Visual style: ink drawing\nPalette: dark blue\nLighting: moonlight\nAvoid: blur")


def test_a_template_may_name_the_kit(configs: Path) -> None:
    kit(configs, "night", "lighting: moonlight\n")
    assert "ink drawing" in bound(configs, '"{{ kit }}"').prompt
    assert bound(configs, '"{{ look }}"').label == "s[look=ink]"


def test_a_kit_decides_the_fingerprint_and_its_description_does_not(configs: Path) -> None:
    first = bound(configs, "ink").fingerprint
    kit(configs, "ink", f"# A remark.\ndescription: another\n{KIT}")
    assert bound(configs, "ink").fingerprint == first
    kit(configs, "ink", KIT.replace("blur", "grain"))
    assert bound(configs, "ink").fingerprint != first


def test_reference_pictures_become_inputs_and_decide(configs: Path) -> None:
    picture(configs / "styles" / "sample.png", "red")
    kit(configs, "ink", f"{KIT}references: sample.png\n")
    call = bound(configs, "ink")
    assert [(i.name, i.role) for i in call.inputs] == [("ink-sample.png", "picture")]
    picture(configs / "styles" / "sample.png", "blue")
    again = bound(configs, "ink")
    assert again.extra["styles"] != call.extra["styles"]
    assert again.fingerprint != call.fingerprint


@pytest.mark.parametrize(
    ("style", "tool", "words"),
    [
        ("inc", "image_generation", "no style kit 'inc': did you mean 'ink'"),
        ("../ink", "image_generation", "no style kit"),
        ("broken", "image_generation", "unknown key 'pallete'"),
        ("empty", "image_generation", "says nothing"),
        ("gone", "image_generation", "no such file"),
        ("seen", "code_interpreter", "has reference pictures, which no tool"),
        ('"{{ kit }}x"', "image_generation", "no style kit 'inkx'"),
        ("text", "image_generation", "is no picture"),
        ("cut", "image_generation", "cannot be used as a picture: the PNG is cut short"),
    ],
)
def test_a_bad_kit_is_named_before_any_spend(configs: Path, style: str, tool: str, words: str) -> None:
    picture(configs / "styles" / "sample.png", "red")
    (configs / "styles" / "words.md").write_text("words")
    kit(configs, "broken", "pallete: red\n")
    kit(configs, "empty", "description: nothing\n")
    kit(configs, "gone", f"{KIT}references: [nowhere.png]\n")
    kit(configs, "seen", f"{KIT}references: [sample.png]\n")
    kit(configs, "text", f"{KIT}references: [words.md]\n")
    sample = (configs / "styles" / "sample.png").read_bytes()
    (configs / "styles" / "cut.png").write_bytes(sample[:-20])
    kit(configs, "cut", f"{KIT}references: [cut.png]\n")
    with pytest.raises(InvalidSpec, match=words):
        bound(configs, style, tool=tool)


@pytest.mark.parametrize(
    ("prompt", "edits", "sent"),
    [
        ("A fox on a stone", False, "Draw: A fox on a stone"),
        ("The fox at night", True, "Edit the picture: The fox at night"),
        ("Draw a fox", False, "Draw a fox"),
        ("Please make a fox", False, "Please make a fox"),
        ("A drawing of a fox", False, "A drawing of a fox"),
        ("For the cover, sketch a fox", False, "For the cover, sketch a fox"),
        ("Replace the sky", True, "Replace the sky"),
    ],
)
def test_the_verb_is_put_there_when_it_is_missing(prompt: str, *, edits: bool, sent: str) -> None:
    assert with_verb(prompt, edits=edits) == sent


def test_only_a_prompt_for_the_image_tool_gets_a_verb(configs: Path) -> None:
    assert bound(configs, "[]", "A fox").prompt == "Draw: A fox"
    assert bound(configs, "[]", "A fox", "image_generation, code_interpreter").prompt == "A fox"


@pytest.mark.parametrize("name", style_names(CONFIGS))
def test_the_kits_that_come_along_are_whole(name: str) -> None:
    loaded = load_style(name, CONFIGS)
    assert {"style", "palette", "avoid"} <= set(loaded.kit.parts())
    assert loaded.kit.description


def picture(path: Path, colour: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())
