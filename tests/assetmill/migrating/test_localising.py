"""Stages that need no agent: which they are, what they cost, and how they are rewritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.migrating.localising import localised
from assetmill.runs.planning import plan_loaded
from assetmill.runs.saving import savings_in, savings_of
from assetmill.spec.loading import load_pipeline
from assetmill.spec.needless import needless_stages
from assetmill.spec.pipeline import LoadedPipeline
from tests.millworks import settings_in

CUTS = """# The file's own comment.
name: cuts
stages:
  - name: hero
    prompt: Draw a mug.
    tools: [image_generation]
    outputs: [{name: hero.png}]

  # What the sizes are for.
  - name: sizes
    description: Crops for feeds.
    prompt: |
      Crop the picture hero.png around its middle, then resize it:
      - 1200x630 as wide.png
      - 1080x1080 as feed.jpg
    # The container is rented for this.
    tools: [code_interpreter]
    inputs:
      - from: hero
    outputs:
      - {name: wide.png, size: 1200x630}
      - {name: feed.jpg, size: 1080x1080}

  - name: after
    prompt: Say what is seen.   # stays
    inputs: [{from: sizes}]
    tools: [code_interpreter]
    outputs: [{name: seen.txt}]
"""


def _loaded(folder: Path, text: str) -> LoadedPipeline:
    return load_pipeline("cuts", settings_in(folder, cuts=text).configs)


def test_a_stage_that_only_crops_is_rewritten_and_every_comment_stays(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, cuts=CUTS)
    loaded = load_pipeline("cuts", settings.configs)
    after = localised(loaded).decode()
    made = after.split("description: Crops for feeds.\n")[1].split("\n  - name: after")[0]
    assert made == (
        "    make:\n"
        "      - {from: hero, resize: 1200x630, fit: cover, save: wide.png}\n"
        "      - {from: hero, resize: 1080x1080, fit: cover, save: feed.jpg}\n"
        "    # The container is rented for this.\n"
    )
    assert [line for line in CUTS.splitlines() if "#" in line] == [
        line for line in after.splitlines() if "#" in line
    ]
    assert CUTS.split("  - name: after")[1] == after.split("  - name: after")[1]
    assert CUTS.split("    prompt: |", maxsplit=1)[0] == after.split("    make:")[0]


def test_a_plan_says_what_it_would_save_until_it_is_made(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, cuts=CUTS)
    loaded = load_pipeline("cuts", settings.configs)
    plan = plan_loaded(loaded, {}, settings, None)
    (saving,) = savings_of(plan)
    stage = next(one for one in plan.stages if one.stage == "sizes")
    assert (saving.stage, saving.cost) == ("sizes", stage.cost)
    assert saving.cost.expected > 0.02
    assert f"${saving.cost.expected:.4f}" in saving.message("cuts")
    assert "`assetmill localise cuts`" in saving.message("cuts")
    (tmp_path / "configs" / "pipelines" / "cuts.yaml").write_bytes(localised(loaded))
    assert savings_in(load_pipeline("cuts", settings.configs), settings) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("resize it:", "resize it and write the title over it:"),
        ("resize it:", "resize it and make a chart of its colours:"),
        ("{name: wide.png, size: 1200x630}", "{name: wide.csv}"),
        ("{name: wide.png, size: 1200x630}", "{name: wide.png}"),
        (
            "tools: [code_interpreter]\n    inputs:\n",
            "tools: [code_interpreter, image_generation]\n    inputs:\n",
        ),
        ("      - from: hero\n", "      - from: hero\n      - {file: cuts.yaml}\n"),
        ("Crop the picture", "Run ```python\n      import PIL\n      ``` and crop the picture"),
    ],
)
def test_what_asks_for_more_is_left_to_its_agent(tmp_path: Path, old: str, new: str) -> None:
    assert old in CUTS
    assert list(needless_stages(_loaded(tmp_path, CUTS.replace(old, new)))) == []


def test_a_pad_stays_a_pad(tmp_path: Path) -> None:
    text = CUTS.replace("Crop the picture hero.png around its middle, then resize it:", "Letterbox it:")
    (one,) = needless_stages(_loaded(tmp_path, text))
    assert one.entries[0] == "{from: hero, resize: 1200x630, fit: pad, save: wide.png}"
