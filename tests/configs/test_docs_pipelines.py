from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.written import CONFIGS, plan_of, run, written

PAGE = (CONFIGS.parent / "docs" / "pipelines.md").read_text()


def test_the_pipeline_on_the_page_makes_what_the_page_says(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\nname: posters\n(.*?)```", PAGE, re.DOTALL)
    plan = plan_of(written(tmp_path, text))
    run(plan)
    assert Counter(stage.stage for stage in plan.stages) == {"picture": 2, "slogan": 3, "poster": 6}


def test_the_page_names_every_key_of_a_stage() -> None:
    from assetmill.spec.pipeline import spec_keys

    keys = spec_keys()["stages"] - {"name", "description"}
    table = PAGE.split("| Key of a stage")[1].split("\n\n")[0]
    assert {key for key in keys if f"`{key}`" not in table} == set()


def test_the_page_on_image_models_shows_a_pipeline_that_plans(tmp_path: Path) -> None:
    page = (CONFIGS.parent / "docs" / "image-models.md").read_text()
    (text,) = re.findall(r"```yaml\nname: mugs\n(.*?)```", page, re.DOTALL)
    calls = [stage.call for stage in plan_of(written(tmp_path, text)).stages]
    assert [call and call.model for call in calls] == ["MAI-Image-2.6", None]
    run(plan_of(written(tmp_path, text)))
