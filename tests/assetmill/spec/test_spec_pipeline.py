from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from assetmill.errors import InvalidInput, InvalidSpec, NotFound
from assetmill.spec.checks import find_cycle
from assetmill.spec.loading import load_pipeline
from assetmill.spec.pipeline import LoadedPipeline

CONFIGS = Path(__file__).parents[3] / "configs"

GOOD = """\
name: poster
parameters:
  product: {default: lamp}
  count: {type: integer, default: 2, minimum: 1}
knowledge:
  brand: [brand.md]
axes:
  locale: [en, de]
stages:
  - name: hero
    prompt: |
      Draw the
      {{ product }}.
    tools:
      - type: image_generation
        size: 1024x1024
      - type: file_search
        knowledge: brand
    outputs:
      - name: hero.png
  - name: sheet
    prompt: "Crop {{ inputs[0] }} for {{ locale }}: {{ stages.hero.text }}"
    tools: [code_interpreter]
    inputs:
      - from: hero
    outputs:
      - {name: "sheet-{{ locale }}.png", size: 1200x630}
"""


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "brand.md").write_text("Amber #FCA311")
    shutil.copy(CONFIGS / "image_models.toml", tmp_path)
    return tmp_path


def load(configs: Path, text: str) -> LoadedPipeline:
    (configs / "pipelines" / "poster.yaml").write_text(text)
    return load_pipeline("poster", configs)


def test_a_good_file_loads(configs: Path) -> None:
    pipeline = load(configs, GOOD)
    assert [stage.name for stage in pipeline.spec.stages] == ["hero", "sheet"]
    assert pipeline.spec.stages[0].tool("file_search") is not None
    assert load_pipeline(str(configs / "pipelines" / "poster.yaml"), configs).digest == pipeline.digest


BAD = [
    ("prompt: |", "promt: |", 11, "unknown key 'promt'", "did you mean 'prompt'?"),
    ("size: 1024x1024", "sise: 1024x1024", 16, "unknown key 'sise'", "did you mean 'size'?"),
    ("name: poster", "nme: poster", 1, "unknown key 'nme'", "did you mean 'name'?"),
    ("type: image_generation", "type: image_generatoin", 15, "unknown tool", "did you mean"),
    ("[code_interpreter]", "[code_interpeter]", 23, "unknown tool 'code_interpeter'", "'code_interpreter'"),
    ("from: hero", "from: heroo", 25, "unknown stage 'heroo'", "did you mean 'hero'?"),
    ("- from: hero", "- fom: hero", 25, "unknown key 'fom'", "did you mean 'from'?"),
    ("tools: [code_interpreter]", "needs: herro", 23, "needs an unknown stage 'herro'", "'hero'"),
    ("{{ product }}.", "{{ produkt }}.", 13, "unknown variable 'produkt'", "did you mean 'product'?"),
    ("{{ product }}.", "{{ product .", 13, "template: expected name or number", ""),
    ("stages.hero.text", "stages.her.text", 22, "unknown stage 'her'", "did you mean 'hero'?"),
    ("stages.hero.text", "stages.hero.txt", 22, "a stage has no 'txt'", "did you mean 'text'?"),
    ("knowledge: brand", "knowledge: brnd", 18, "unknown knowledge set 'brnd'", "did you mean 'brand'?"),
    ("[brand.md]", "[brandd.md]", 6, "no file 'brandd.md'", "looked in"),
    ("- name: sheet", "- name: hero", 21, "two stages are called 'hero'", ""),
    ("- name: sheet", "- name: Sheet one", 21, "stages.1.name", ""),
    ("name: hero.png", "name: ../hero.png", 20, "not a safe file name", ""),
    ("size: 1200x630", "size: 1200w", 27, "is not a size", ""),
    ("default: 2,", "default: two,", 4, "'two' is not an integer", ""),
    ("minimum: 1", "minimum: 5", 4, "2 is below 5", ""),
    ("locale: [en, de]", "product: [en, de]", 8, "both a parameter and an axis", ""),
    ("locale: [en, de]", "locale: {row: x.csv}", 8, "unknown key 'row'", "did you mean 'rows'?"),
    ("locale: [en, de]", "locale: {parameter: produkt}", 8, "unknown parameter 'produkt'", "'product'"),
    ("locale: [en, de]", "locale: {rows: '{{ cout }}.csv'}", 8, "unknown variable 'cout'", "'count'"),
    ("  product:", "  class:", 3, "'class' cannot be the name of a parameter", ""),
    ("tools: [code_interpreter]", "tools: []", 27, "no tool of stage 'sheet' makes", "add image_generation"),
    ("tools: [code_interpreter]", "tools: [code_interpreter, code_interpreter]", 23,
     "twice", ""),
    ("- from: hero", "- {from: hero, as: mask}", 25, "a mask needs the tool image_generation", ""),
    ("- from: hero", "- {url: 'http://x.y/z.png'}", 25, "not an https address", ""),
    ("- from: hero", "- {from: hero, file: x}", 25, "exactly one of from, asset, file, url", ""),
    ("- from: hero", "- {from: hero, file: x}", 25, "stage 'sheet': inputs.0", ""),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=[case[1] for case in BAD])
def test_bad_input_is_named_with_line_and_nearest_word(
    configs: Path, case: tuple[str, str, int, str, str]
) -> None:
    old, new, line, message, hint = case
    assert GOOD.count(old) == 1 or old in ("name: poster", "- from: hero", "from: hero")
    with pytest.raises(InvalidSpec) as caught:
        load(configs, GOOD.replace(old, new, 1))
    text = str(caught.value)
    assert message in text
    assert hint in text
    assert f"poster.yaml:{line}: " in text
    assert caught.value.exit_code == 2


def test_every_problem_is_reported_in_the_order_of_the_file(configs: Path) -> None:
    text = GOOD.replace("from: hero", "from: heroo").replace("{{ product }}.", "{{ produkt }}.")
    with pytest.raises(InvalidSpec) as caught:
        load(configs, text)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0].rpartition(":")[2] for line in lines] == ["13", "25"]


def test_a_list_whose_items_are_bad_is_not_called_empty_too(configs: Path) -> None:
    text = GOOD[: GOOD.index("stages:")] + "stages: [{name: hero, promt: Draw.}]\n"
    with pytest.raises(InvalidSpec) as caught:
        load(configs, text)
    assert "unknown key 'promt'" in str(caught.value)
    assert "at least 1 item" not in str(caught.value)
    with pytest.raises(InvalidSpec, match="at least 1 item"):
        load(configs, GOOD[: GOOD.index("stages:")] + "stages: []\n")


def test_a_cycle_is_named(configs: Path) -> None:
    text = GOOD.replace("  - name: hero\n", "  - name: hero\n    needs: [sheet]\n")
    with pytest.raises(InvalidSpec, match="stages wait for each other: hero -> sheet -> hero"):
        load(configs, text)


def test_a_stage_that_waits_for_itself_is_a_cycle() -> None:
    assert find_cycle({"a": ["b"], "b": ["b"]}) == ("b", "b")
    assert find_cycle({"a": ["b"], "b": ["c"], "c": []}) == ()
    deep = {f"s{n}": [f"s{n + 1}"] for n in range(5000)}
    assert find_cycle({**deep, "s5000": []}) == ()


def test_a_knowledge_file_that_cannot_be_read_is_named(configs: Path) -> None:
    (configs / "pipelines" / "brand.md").unlink()
    (configs / "pipelines" / "brand.md").mkdir()
    with pytest.raises(InvalidSpec, match="knowledge 'brand': cannot read"):
        load(configs, GOOD)


def test_globs_find_knowledge_files_once(configs: Path) -> None:
    (configs / "pipelines" / "brand.txt").write_text("voice")
    pipeline = load(configs, GOOD.replace("[brand.md]", "['brand.*', brand.md]"))
    assert pipeline.spec.knowledge["brand"] == ("brand.*", "brand.md")


@pytest.mark.parametrize(
    "name", ["postr", "../secrets", "", "a\0b", "none.yaml", "pipelines/none.yaml", "x\0.yaml"]
)
def test_a_pipeline_that_is_not_there_is_not_found(configs: Path, name: str) -> None:
    (configs / "pipelines" / "poster.yaml").write_text(GOOD)
    with pytest.raises(NotFound):
        load_pipeline(name, configs)


def test_the_nearest_pipeline_is_proposed(configs: Path) -> None:
    (configs / "pipelines" / "poster.yaml").write_text(GOOD)
    with pytest.raises(NotFound, match="did you mean 'poster'"):
        load_pipeline("postr", configs)


@pytest.mark.parametrize(
    "text", ["", "[]", "just words", "name: x", "name: x\nstages: []", "stages: {a: 1}", "name: {}"]
)
def test_other_yaml_is_no_pipeline(configs: Path, text: str) -> None:
    with pytest.raises(InvalidInput):
        load(configs, text)
