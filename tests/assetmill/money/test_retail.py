"""Azure's price list as it is spelt, read into our own, reviewed, and written only on consent."""

from __future__ import annotations

import datetime
import difflib
import json
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from assetmill.cli.main import call
from assetmill.errors import InvalidInput
from assetmill.money import retail
from assetmill.money.megapixels import MegapixelPrice
from assetmill.money.price_table import load_prices
from assetmill.money.prices import expected_image_usd, missing_prices

CONFIGS = Path(__file__).parents[3] / "configs"
TODAY = datetime.date(2026, 11, 28)


def row(
    sku: str, price: float, unit: str = "1M", product: str = "Azure OpenAI GPT5", **other: Any
) -> dict[str, Any]:
    return {
        "skuName": sku, "meterName": f"{sku} {unit} Tokens", "retailPrice": price, "unitOfMeasure": unit,
        "productName": product, "type": "Consumption", "currencyCode": "USD", "tierMinimumUnits": 0.0,
        "effectiveStartDate": "2026-09-01T00:00:00Z", **other,
    }  # fmt: skip


MEDIA = "Azure OpenAI Media"
FIRST = [
    row("gpt 4.1 Inp glbl", 0.002, "1K", "Azure OpenAI"),
    row("gpt 4.1 cached Inp glbl", 0.0006, "1K", "Azure OpenAI"),
    row("gpt 4.1 Inp Data Zone", 0.0022, "1K", "Azure OpenAI"),
    row("GPT 5 Inpt Glbl", 1.25),
    row("GPT 5 outpt Glbl", 11.0),
    row("GPT 5 outpt Glbl", 10.5, effectiveStartDate="2026-11-01T00:00:00Z"),
    row("GPT 5 outpt Glbl", 99.0, effectiveStartDate="2027-01-01T00:00:00Z"),
    row("5.4 longco inp Gl", 5.0),
    row("5.4 pp inp Gl", 5.0),
    row("5.6 sol ShortCo Inp Std Gl", 4.0),
    row("5.6 sol ShortCo Cd Wr Std Gl", 5.5),
    row("5.6 sol ShortCo Inp Std DZ", 4.4),
]
SECOND = [
    row("Image 2 img opt Gl", 31.0, product=MEDIA),
    row("Image 2 img Batch opt Gl", 15.0, product=MEDIA),
    row("Image 2 Output glbl", 0.033, "1K", "MAI Models"),
    row("Image 2 img opt Gl", 40.0, product="MAI Models"),
    row("gpt img 1 mini inp txt glbl", 0.002, "1K", MEDIA),
    row("gpt img 1.5 in img DZ", 8.8, product=MEDIA),
    row("Image-2.5-flare img opt Gl", 30.0, product=MEDIA),
    row("gpt-image-1-inp-cached-img-dzone", 2.75, product=MEDIA),
    row("GPT 5 hosted unit Glbl", 3.0, "1/Hour"),
]
NEXT = "https://prices.azure.com/api/retail/prices?$skip=1000"


def serve(url: str) -> bytes:
    page = {"Items": SECOND, "NextPageLink": None} if url == NEXT else {"Items": FIRST, "NextPageLink": NEXT}
    return json.dumps(page).encode()


MAI, FLUX = "MAI Models", "Azure BFL Flux Models"
OTHERS = [
    row("Image 2.6 Image Output Glbl", 37.0, product=MAI),
    row("Image 2.6 Text Input Glbl", 0.006, "1K", product=MAI),
    row("Image 2.6 Image Output DZ", 41.8, product=MAI),
    row("Image 2.6 Flash Image Output Glbl", 18.0, product=MAI),
    row("Image 2.6 Image Output Glbl", 1.0, product=MEDIA),
    row("Flux 2 Pro Initial MP DZ", 0.033, "1", FLUX),
    row("Flux 2 Pro Initial MP Glbl", 0.025, "1", FLUX),
    row("Flux 2 Pro Initial MP Glbl", 0.025, "1M", "Azure OpenAI Media"),
    row("Flux 2 Flex Addl MP Glbl", 0.09, "1", FLUX),
    row("Flux 2 Flex Initial MP Glbl", 0.05, "1/Hour", FLUX),
]


def test_other_makers_rows_are_read_as_their_own_and_none_as_anothers() -> None:
    prices = load_prices(CONFIGS)
    found = retail.meters([*OTHERS, *SECOND], prices.chat, prices.image, TODAY)
    assert {(one.model, one.key): one.usd for one in found if one.model[0] != "g"} == {
        ("MAI-Image-2.6", "output"): 37.0,
        ("MAI-Image-2.6", "text_input"): 6.0,
        ("MAI-Image-2.6-Flash", "output"): 18.0,
        ("FLUX.2-pro", "megapixel.first"): 0.025,
    }
    assert {one.usd for one in found if one.model == "gpt-image-2"} == {31.0}


def test_a_row_that_says_only_output_is_an_older_mai_models() -> None:
    (found,) = retail.meters(
        [row("Image 2e Output glbl", 0.0195, "1K", MAI)], [], ["MAI-Image-2e", "MAI-Image-2"], TODAY
    )
    assert (found.model, found.key, found.usd) == ("MAI-Image-2e", "output", 19.5)


def test_a_megapixels_price_is_written_where_it_stands(
    configs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def others(_: str) -> bytes:
        return json.dumps({"Items": OTHERS, "NextPageLink": None}).encode()

    monkeypatch.setattr(retail.fetch_rows, "__defaults__", (others,))
    assert call(["prices", "--refresh", "--yes"]) == 0
    told = capsys.readouterr().out
    assert "FLUX.2-pro megapixel.first: $0.04 -> $0.025 (Flux 2 Pro Initial MP Glbl" in told
    image = load_prices(configs).image
    assert image["FLUX.2-pro"].megapixel == MegapixelPrice(0.025)
    assert (image["MAI-Image-2.6"].output, image["MAI-Image-2.6"].text_input) == (37.0, 6.0)
    assert image["FLUX.2-flex"].megapixel == MegapixelPrice(0.05, further=0.05)
    assert call(["prices", "--refresh"]) == 0
    assert "0 differ" in capsys.readouterr().out


def test_each_spelling_is_the_price_that_it_means_and_nothing_else_is() -> None:
    prices = load_prices(CONFIGS)
    found = retail.meters(retail.fetch_rows("eastus2", serve), prices.chat, prices.image, TODAY)
    assert {(one.model, one.key): one.usd for one in found} == {
        ("gpt-4.1", "input"): 2.0,
        ("gpt-4.1", "cached"): 0.6,
        ("gpt-5", "input"): 1.25,
        ("gpt-5", "output"): 10.5,
        ("gpt-5.6-sol", "input"): 4.0,
        ("gpt-5.6-sol", "cache_write"): 5.5,
        ("gpt-image-2", "output"): 31.0,
        ("gpt-image-1-mini", "text_input"): 2.0,
        ("gpt-image-2.5-flare", "output"): 30.0,
    }


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ({"Items": []}, "has no rows for the region 'nowhere'"),
        ({"Items": FIRST, "NextPageLink": "https://elsewhere.invalid/x"}, "which is not prices.azure.com"),
        ({"Items": FIRST, "NextPageLink": "http://prices.azure.com/x"}, "which is not prices.azure.com"),
        ({"value": []}, "is no page of a price list"),
        ([], "is no page of a price list"),
    ],
)
def test_what_is_no_price_list_is_a_failure(page: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        retail.fetch_rows("nowhere", lambda _: json.dumps(page).encode())


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configs = tmp_path / "configs"
    shutil.copytree(CONFIGS, configs)
    monkeypatch.setenv("ASSETMILL_CONFIGS", str(configs))
    monkeypatch.setenv("ASSETMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("assetmill.cli.prices.today", lambda: TODAY)
    monkeypatch.setattr(retail, "download", serve)
    monkeypatch.setattr(retail.fetch_rows, "__defaults__", (serve,))
    return configs


def test_a_refresh_is_shown_and_written_on_consent_with_comments_kept(
    configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (configs / "prices.toml").read_text()
    assert call(["prices", "--refresh", "--json"]) != 0
    assert (configs / "prices.toml").read_text() == before
    capsys.readouterr()
    assert call(["prices", "--refresh", "--yes"]) == 0
    told = capsys.readouterr().out
    assert "gpt-image-2 output: $30 -> $31 (Image 2 img opt Gl 1M Tokens, since 2026-09-01)" in told
    assert "gpt-5.6-sol cache_write: $5 -> $5.5" in told
    assert "9 prices compared, 4 differ" in told
    after = (configs / "prices.toml").read_text()
    assert [line for line in after.splitlines() if line.startswith("#")] == [
        line for line in before.splitlines() if line.startswith("#")
    ]
    prices = load_prices(configs)
    assert prices.image["gpt-image-2"].output == 31.0
    assert prices.chat["gpt-5"].output == 10.5
    assert "Azure Retail Prices API, eastus2, 2026-11-28" in map(str, prices.chat["gpt-5"].sources)
    assert call(["prices", "--refresh"]) == 0
    assert "9 prices compared, 0 differ" in capsys.readouterr().out


def test_one_command_adds_what_a_plan_says_is_missing(
    configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["prices", "--add", "gpt-9"]) == 2
    assert call(["prices", "--add", "gpt-9", "--input", "1.5", "--output", "-1"]) == 2
    assert call(["prices", "--add", "gpt-9", "--input", "1.5", "--output", "6", "--source", "our offer"]) == 0
    assert call(["prices", "--add", "mini-prod", "--as", "gpt-5.6-luna"]) == 0
    capsys.readouterr()
    chat = load_prices(configs).chat
    assert (chat["gpt-9"].input, chat["gpt-9"].output) == (1.5, 6.0)
    assert chat["mini-prod"] == chat["gpt-5.6-luna"]


def test_a_contract_is_taken_over_and_counts_from_then_on(
    configs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offer = tmp_path / "offer.toml"
    offer.write_text('[[discount]]\nmodels = "gpt-image-*"\npercent = 10\nsource = "agreement of May"\n')
    assert call(["prices", "--contract", str(offer), "--yes"]) == 0
    assert (configs / "contract.toml").is_file()
    capsys.readouterr()
    assert call(["prices", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["image"]["gpt-image-2"]["output"] == 27.0
    assert told["chat"]["gpt-5"]["output"] == 10.0
    offer.write_text('[[discount]]\nmodels = "dall-e-*"\npercent = 10\nsource = "x"\n')
    assert call(["prices", "--contract", str(offer), "--yes"]) == 2


def test_the_command_that_a_message_names_adds_the_tokens_of_a_picture(
    configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = ("gpt-image-2.5-flare", "1536x1024", "medium")
    assert expected_image_usd(*shape, prices=load_prices(configs)) is None
    hint = shlex.split(missing_prices([" ".join(shape)]).split("`")[1])
    assert hint[0] == "assetmill"
    before = (configs / "prices.toml").read_text()
    assert call([word.replace("=N", "=343") for word in hint[1:]]) == 0
    capsys.readouterr()
    found = expected_image_usd(*shape, prices=load_prices(configs))
    assert found is not None
    assert round(found.ceiling, 6) == round(343 * 30 / 1e6, 6)
    after = (configs / "prices.toml").read_text()
    changes = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    gone = [line for line in list(changes)[2:] if line.startswith("-")]
    assert gone == ['-tokens_source = "invoice"'], "only the row's source changes"
    first, given = sources_of_tokens(configs, shape[0])
    assert (first, given[:6]) == ("invoice", "given_")


def sources_of_tokens(configs: Path, model: str) -> list[str]:
    document = tomllib.loads((configs / "prices.toml").read_text())
    return next(row for row in document["image"] if row["model"] == model)["tokens_source"]


def test_a_picture_model_without_a_price_gets_one(configs: Path) -> None:
    models = configs / "image_models.toml"
    text = '\n[[model]]\nname = "gpt-image-9"\nsizes = ["1024x1024"]\nqualities = ["low"]\n'
    text += 'transparent = false\npartial_images = 0\nmask = false\nsource = ["litellm"]\n'
    models.write_text(models.read_text() + text)
    price = ["--input", "5", "--image-input", "8", "--output", "30", "--tokens", "1024x1024 low=100"]
    assert call(["prices", "--add", "gpt-image-9", *price]) == 0
    added = load_prices(configs).image["gpt-image-9"]
    assert (added.text_input, added.image_input, added.output) == (5, 8, 30)
    assert added.tokens_of("1024x1024", "low") == 100


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gpt-image-2", "--tokens", "1536x1024=9"], "write 'WIDTHxHEIGHT QUALITY=N'"),
        (["gpt-image-2", "--tokens", "1536x1024 best=9"], "has the qualities low, medium, high"),
        (["gpt-image-2", "--tokens", "1000x1000 low=9"], "must be divisible by 16"),
        (["gpt-image-2", "--tokens", "1536x1024 low=0"], "write 'WIDTHxHEIGHT QUALITY=N'"),
        (["gpt-image-2"], "--input, --image-input and --output"),
        (["gpt-image-2", "--input", "5"], "needs --input, --image-input and --output"),
        (["gpt-9", "--tokens", "1024x1024 low=9"], "draws no pictures"),
        (["gpt-9", "--input", "nan", "--output", "1"], "never negative"),
        (["gpt-9", "--input", "-1", "--output", "1"], "never negative"),
    ],
)
def test_what_is_no_price_is_refused(
    configs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    before = (configs / "prices.toml").read_text()
    assert call(["prices", "--add", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert (configs / "prices.toml").read_text() == before
