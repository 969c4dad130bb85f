from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import pytest

from assetmill.errors import InvalidSpec
from assetmill.money.price_table import load_contract, load_prices
from assetmill.spec.chat_models import load_chat_models
from assetmill.spec.image_models import load_image_models
from assetmill.spec.tables import read_once

CONFIGS = Path(__file__).parents[3] / "configs"
FILES = ("chat_models.toml", "image_models.toml", "prices.toml")


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    for name in FILES:
        shutil.copy(CONFIGS / name, tmp_path / name)
    return tmp_path


def load_all(configs: Path) -> None:
    load_chat_models(configs)
    load_image_models(configs)
    load_prices(configs)


# ruff: noqa: E501  (each row is a file, what is written, what is written instead, and what is said)
@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("chat_models.toml", "day = 2027-02-09, source", "day = 2027-02-30, source", "Invalid date"),
        ("chat_models.toml", "day = 2027-02-09, source", 'day = "soon", source', "must be a day, not 'soon'"),
        ("chat_models.toml", 'name = "gpt-5.1"', 'name = "gpt-5"', "'gpt-5' is given twice"),
        ("chat_models.toml", 'openai = "gpt-6-luna"', 'openai = "gpt-9"', "replacement 'gpt-9' has no row"),
        ("chat_models.toml", 'image_tool = "yes"', 'image_tool = "perhaps"', "cannot be 'perhaps'"),
        ("chat_models.toml", "reasons = true", "reasons = 1", "must be true or false, not 1"),
        ("chat_models.toml", "reasons = true", "reason = true", "reasons must be true or false, not None"),
        ("chat_models.toml", 'source = ["litellm", "schedule", ', 'source = ["hearsay", ', "unknown source 'hearsay'"),
        ("chat_models.toml", 'provider = "openai", day = 2026-12-11', 'provider = "openia", day = 2026-12-11', "unknown provider 'openia'"),
        ("chat_models.toml", "day = 2026-11-04 }", 'day = "November" }', "needs a title and a day"),
        ("image_models.toml", "day = 2027-10-21, source", "day = 2027-02-30, source", "Invalid date"),
        ("image_models.toml", 'name = "gpt-image-2"', 'name = "gpt-image-1"', "'gpt-image-1' is given twice"),
        ("image_models.toml", 'azure = "gpt-image-2"', 'azure = "gpt-image-9"', "replacement 'gpt-image-9' has no row"),
        ("image_models.toml", 'source = ["schedule", "arm", "projects"]', 'source = ["hearsay"]', "unknown source 'hearsay'"),
        ("image_models.toml", "as_of = 2026-11-28", "as_of = 1", "as_of must be a day"),
        ("image_models.toml", "partial_images = 3", "partial_images = -3", "at least 0, not -3"),
        ("image_models.toml", "step = 16,", "step = 16, stride = 8,", "any must give step"),
        ("image_models.toml", 'replacement = { openai =', 'replacement = { opneai =', "unknown provider 'opneai'"),
        ("prices.toml", "input = 0.25", "input = -0.25", "input is -0.25: an amount is never negative"),
        ("prices.toml", "input = 0.25", "input = nan", "must be a number, not nan"),
        ("prices.toml", "input = 0.25", 'input = "0.25"', "must be a number, not '0.25'"),
        ("prices.toml", "input = 0.25", "inptu = 0.25", "input is missing"),
        ("prices.toml", "cached = 0.025\noutput = 2.0", "cachd = 0.025\noutput = 2.0", "unknown key 'cachd' (did you mean 'cached'?)"),
        ("prices.toml", 'model = "gpt-5-mini"', 'model = "gpt-9-mini"', "unknown model 'gpt-9-mini'"),
        ("prices.toml", 'model = "gpt-5-mini"', 'model = "gpt-5"', "'gpt-5' is given twice"),
        ("prices.toml", 'aliases = ["gpt-image-2-2026-04-21"]', 'aliases = ["gpt-image-1.5"]', "'gpt-image-1.5' is given twice"),
        ("prices.toml", "medium = [1756, 1372]", "medium = [1756, -1]", "tokens is -1"),
        ("prices.toml", "batch = 0.5, flex = { openai = 0.5 }, priority = 1.8", "batsh = 0.5, flex = 0.5, priority = 1.8", "unknown lanes 'batsh'"),
        ("prices.toml", "data_zone = 1.1", "datazone = 1.1", "unknown key 'datazone'"),
        ("prices.toml", "as_of = 2026-11-28", "", "as_of must be a day"),
    ],
)  # fmt: skip
def test_bad_data_is_refused_with_file_and_line(
    configs: Path, name: str, old: str, new: str, message: str
) -> None:
    load_all(configs)
    text = (configs / name).read_text()
    assert old in text
    place = text.index(old)
    (configs / name).write_text(text.replace(old, new, 1))
    with pytest.raises(InvalidSpec) as caught:
        load_all(configs)
    assert message in str(caught.value)
    assert caught.value.path == str(configs / name)
    assert caught.value.line is not None
    # A key that is missing has no line of its own: the row's stands for it.
    is_missing = "missing" in message or "not None" in message or not new
    faulty = text.count("\n", 0, place) + 1 + _offset(old, new)
    assert caught.value.line == faulty or (is_missing and caught.value.line < faulty)


def _offset(old: str, new: str) -> int:
    """Return on which line of a replaced text its change is."""
    pairs = enumerate(zip(old.splitlines(), new.splitlines(), strict=False))
    return next((number for number, (was, now) in pairs if was != now), 0)


def test_the_earlier_day_counts_and_the_others_are_kept() -> None:
    mini = load_chat_models(CONFIGS)["gpt-5-mini"].lifetime
    days = {str(ending.source.title): ending.day for ending in mini.endings_at("azure")}
    assert mini.ends_at("azure") == datetime.date(2027, 2, 9)
    assert set(days.values()) == {datetime.date(2027, 2, 9), datetime.date(2027, 7, 13)}
    assert mini.ends_at("openai") == datetime.date(2026, 12, 11)
    four = load_chat_models(CONFIGS)["gpt-4o"].lifetime
    assert four.ends_at("azure") == datetime.date(2026, 12, 9)
    assert four.ends_at("azure", "2024-11-20") == datetime.date(2027, 4, 14)


def test_tables_of_the_older_form_are_read(tmp_path: Path) -> None:
    (tmp_path / "image_models.toml").write_text(
        'as_of = 2026-11-22\nproviders = ["azure", "openai"]\n\n[[model]]\nname = "old"\n'
        'sizes = ["1024x1024"]\nqualities = ["low"]\nformats = ["png"]\ntransparent = false\n'
        "input_fidelity = []\npartial_images = 0\nmask = false\nretired = { azure = 2027-04-07 }\n"
        'replacement = "old"\nsource = "a page, read 2026-11"\n'
    )
    model = load_image_models(tmp_path).find("old")
    assert model
    assert model.retired_at("azure") == datetime.date(2027, 4, 7)
    assert model.lifetime.replaced_by("openai") == "old"


def test_a_contract_names_models_and_what_is_taken_off(configs: Path) -> None:
    path = configs / "contract.toml"
    path.write_text('[[discount]]\nmodels = "gpt-image-*"\npercent = 120\nsource = "offer of May"\n')
    with pytest.raises(InvalidSpec, match=r"contract\.toml:3: .*more than the whole price"):
        load_contract(path, load_prices(configs))


GOOD = '[[discount]]\nmodels = "gpt-image-*"\npercent = 12\nsource = "agreement of May"\n'


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("12", "-12", "percent is -12: an amount is never negative", 3),
        ("12", "112", "112 percent is more than the whole price", 3),
        ("12", '"12"', "must be a number, not '12'", 3),
        ("gpt-image-*", "gpt-imgae-*", "no model of the price list is called 'gpt-imgae-*'", 2),
        ("gpt-image-*", "gpt-5-minni", "did you mean 'gpt-5-mini'?", 2),
        ("percent", "percents", "percent is missing", 1),
        ("source =", "surce =", "source", 1),
        (GOOD, GOOD + GOOD, "'gpt-image-*' is given twice", 6),
    ],
)
def test_a_bad_contract_is_refused_with_its_line(
    configs: Path, old: str, new: str, message: str, line: int
) -> None:
    path = configs / "contract.toml"
    path.write_text(GOOD)
    prices = load_prices(configs)
    assert [one.percent for one in load_contract(path, prices)] == [12]
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(InvalidSpec) as caught:
        load_contract(path, prices)
    assert message in str(caught.value)
    assert (caught.value.path, caught.value.line) == (str(path), line)


def test_a_table_is_read_again_only_when_its_file_has_changed(tmp_path: Path) -> None:
    read: list[str] = []

    @read_once
    def load(path: Path) -> str:
        read.append(path.read_text(encoding="utf-8"))
        return read[-1]

    file = tmp_path / "table.toml"
    file.write_text("one", encoding="utf-8")
    assert (load(file), load(file), read) == ("one", "one", ["one"])
    file.write_text("three", encoding="utf-8")
    assert (load(file), read) == ("three", ["one", "three"])
