"""Sections of a pipeline file whose models are imported late: read and refused like all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.errors import InvalidSpec
from assetmill.spec.loading import load_pipeline
from tests.millworks import write_configs

PIPELINE = """\
name: late
schedules:
  - cron: 0 6 * * 1
concurrency: {limit: 2}
stages:
  - name: draw
    prompt: Draw a mug.
    tools: [image_generation]
    approval: {by: [brand], count: 2}
    outputs:
      - name: mug.png
        checks: {palette: "#336699", max_bytes: 2 MB}
  - name: small
    make: {from: draw, resize: 100x, save: small.png}
"""


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    return write_configs(tmp_path / "configs", late=PIPELINE)


def test_late_sections_are_the_models_of_their_modules(configs: Path) -> None:
    spec = load_pipeline("late", configs).spec
    draw, small = spec.stages
    checks, approval, (schedule,) = draw.outputs[0].checks, draw.approval, spec.schedules
    assert checks
    assert checks.palette
    assert approval
    assert spec.concurrency
    assert (checks.palette.colours, checks.max_bytes) == (("#336699",), 2_000_000)
    assert (approval.by, approval.count, spec.concurrency.limit) == (("brand",), 2, 2)
    assert (schedule.cron, small.make[0].save, small.is_local) == ("0 6 * * 1", "small.png", True)


@pytest.mark.parametrize(
    ("written", "instead", "line", "said"),
    [
        ("cron: 0 6 * * 1", "every: 0.5", 3, "every"),
        ("limit: 2", "limit: 0", 4, "limit"),
        ("count: 2", "conut: 2", 9, "did you mean 'count'"),
        ("palette:", "pallete:", 12, "did you mean 'palette'"),
        ("resize: 100x", "resice: 100x", 14, "did you mean 'resize'"),
    ],
)
def test_what_is_wrong_in_them_is_told_with_its_line(
    configs: Path, written: str, instead: str, line: int, said: str
) -> None:
    path = configs / "pipelines" / "late.yaml"
    path.write_text(PIPELINE.replace(written, instead))
    with pytest.raises(InvalidSpec) as refused:
        load_pipeline("late", configs)
    assert f"late.yaml:{line}:" in str(refused.value)
    assert said in str(refused.value)
