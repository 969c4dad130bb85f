"""Remarks on prompts: each with its line, and none on a prompt that says what it wants."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from assetmill.spec.lint import Remark, lint
from assetmill.spec.loading import load_pipeline, pipeline_names

CONFIGS = Path(__file__).parents[3] / "configs"

GOOD = "Draw a red fox on a mossy stone, as a flat illustration."


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    for name in ("image_models.toml", "chat_models.toml", "styles"):
        source = CONFIGS / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    return tmp_path


def remarks(configs: Path, prompt: str, tool: str = "", stage: str = "") -> tuple[Remark, ...]:
    (configs / "fox.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    path = configs / "pipeline.yaml"
    written = prompt.replace("\n", "\n      ")
    path.write_text(
        f"name: p\nstages:\n  - name: s\n    prompt: |\n      {written}\n"
        f"    tools: [{{type: image_generation{tool}}}]\n{stage}"
    )
    return lint(load_pipeline(str(path), configs))


@pytest.mark.parametrize(
    ("prompt", "tool", "stage"),
    [
        (GOOD, "", ""),
        ("Draw a fox.", "", "    style: flat-vector\n"),
        ("Draw a fox. No text, no lettering, no background.", "", "    style: [flat-vector]\n"),
        ("Draw a wide banner of a fox, watercolour.", ", size: 1536x1024", ""),
        ("Draw a fox, 1024x1024, flat, as a PNG.", "", ""),
        ("Draw a fox sticker on a transparent background.", ", background: transparent", ""),
        ("Edit the fox: make it grey.", ", action: edit", "    inputs: [{file: fox.png}]\n"),
        ('Draw a flat shop sign with the word "FOX".', "", ""),
        ('Draw a fox in flat style, without the text "the quick brown fox jumps".', "", ""),
    ],
)
def test_a_prompt_that_says_what_it_wants_is_left_alone(
    configs: Path, prompt: str, tool: str, stage: str
) -> None:
    assert [str(remark) for remark in remarks(configs, prompt, tool, stage)] == []


@pytest.mark.parametrize(
    ("prompt", "tool", "line", "words"),
    [
        ("Please draw a beautiful new picture in watercolour style.", "", 4, "does not say what to show"),
        ("Draw a fox on a stone.", "", 4, "does not say in which style"),
        (
            "Draw a fox, flat style.\nMake it a wide banner.",
            "",
            6,
            "asks for 'wide', the tool draws 1024x1024",
        ),
        (
            "Draw a fox, flat.\n\nA tall poster.",
            ", size: 1536x1024",
            7,
            "asks for 'tall', the tool draws 1536",
        ),
        ("Draw a fox, flat, as a square picture.", ", size: 1536x1024", 4, "square"),
        ("Draw a flat fox, 1200x630 pixels.", "", 4, "says 1200x630, the tool draws 1024x1024"),
        ("Draw a flat fox on a transparent background.", ", output_format: jpeg", 4, "jpeg has none"),
        ("Draw a flat fox on a transparent background.", "", 4, "the tool is not told"),
        ("Draw a flat fox as a JPEG.", "", 4, "asks for jpeg, the tool writes png"),
        ("Draw a flat fox as a SVG.", "", 4, "asks for svg"),
        ("Edit the fox: make it grey.", ", action: generate", 4, "the tool's action is generate"),
        ("Edit the fox: make it grey, flat.", "", 4, "given no picture"),
        ("Draw a fox, flat.", ", action: edit", 4, "there is no picture"),
        ('Draw a flat fox.\nThe headline reads "Ten foxes in ten days".', "", 6, "'Ten foxes in ten days'"),
    ],
)
def test_what_is_doubtful_is_named_with_its_line(
    configs: Path, prompt: str, tool: str, line: int, words: str
) -> None:
    found = remarks(configs, prompt, tool)
    assert [remark.line for remark in found if words in remark.message] == [line]
    assert all(remark.hint for remark in found)


@pytest.mark.parametrize("name", pipeline_names(CONFIGS))
def test_the_examples_earn_no_remark(name: str) -> None:
    assert [str(remark) for remark in lint(load_pipeline(name, CONFIGS))] == []


def judged(configs: Path, *judges: str) -> list[str]:
    names = ", ".join(judges)
    checks = f"checks: {{judge: {{rubric: A fox., judges: [{names}]}}}}"
    found = remarks(configs, GOOD, "", f"    outputs: [{{name: fox.png, {checks}}}]\n")
    return [str(remark) for remark in found]


def test_judges_of_one_family_are_told_and_others_are_not(configs: Path) -> None:
    (told,) = judged(configs, "gpt-5.6-luna", "gpt-6-luna", "gpt-5.6-sol")
    assert (
        "pipeline.yaml:7: stage 's': the judges gpt-5.6-luna and gpt-5.6-sol are of one family, 5.6" in told
    )
    assert judged(configs, "gpt-5.6-luna", "gpt-6-luna") == []
    assert judged(configs, "gpt-4.1-mini", "o4-mini", "our-own-deployment") == []
    assert "of one family, 4.1" in judged(configs, "gpt-4.1", "gpt-4.1-nano")[0]
