"""`assetmill migrate` as it is typed: questions, money, the page, and who may write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assetmill.agents.gateway import Gateway
from assetmill.cli import migrate as module
from assetmill.stage import services as opening
from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal

SCENE = """
name: scene
defaults: {image_model: gpt-image-1-mini, quality: low}  # the cheap one
parameters:
  subject: {default: a lamp}
stages:
  - name: hero
    prompt: Draw {{ subject }}, <b>bold</b>.
    tools: [image_generation]
    outputs: [{name: hero.png, checks: {max_bytes: 100000}}]
"""
UNKNOWN = SCENE.replace("quality: low", "quality: low, size: 1536x1024").replace("scene", "unknown")
ART = ("--deployment", "flare")
SAME = ("--answer", "quality:low=low")


@pytest.fixture
def pipelines() -> dict[str, str]:
    refused = SCENE.replace("max_bytes: 100000", "not_blank: true").replace("scene", "refused")
    return {"scene": SCENE, "unknown": UNKNOWN, "refused": refused}


@pytest.fixture(autouse=True)
def in_the_project(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripted service stands where the emulator would, and nothing is started beside it."""
    monkeypatch.chdir(services.settings.configs.parent)
    monkeypatch.setenv("ASSETMILL_ROOT", str(services.settings.configs.parent))

    def connect(_settings: object, _wait: object, **_more: object) -> Gateway:
        return services.gateway

    monkeypatch.setattr(opening, "connect", connect)

    class Nothing:
        def wait_for_emulator(self) -> None:
            return None

        def __enter__(self) -> Nothing:
            return self

        def __exit__(self, *_: object) -> None:
            return None

    def nothing(*_: object, **__: object) -> Nothing:
        return Nothing()

    monkeypatch.setattr(module, "local_services", nothing)


def source(services: Services, name: str = "scene") -> str:
    return (services.settings.configs / "pipelines" / f"{name}.yaml").read_text()


def test_what_tables_do_not_settle_is_asked_in_one_go(assetmill: Terminal, services: Services) -> None:
    assert assetmill("migrate", "scene", "--to", "gpt-image-2", "--yes") == 2
    assert "--answer quality:low=WORD" in assetmill.err
    assert "low (196 tokens, $0.0059 for 1024x1024)" in assetmill.err
    assert source(services) == SCENE


def test_dry_draws_and_writes_nothing(assetmill: Terminal, services: Services) -> None:
    told = assetmill.document("migrate", "scene", "--to", "gpt-image-2", *SAME, "--dry")
    assert (told["spent_usd"], told["written"], told["pages"]) == (0, [], {})
    assert told["sample_cost"]["cost_usd"]["expected"] > 0
    assert source(services) == SCENE
    assert not (services.settings.home / "out").exists()


def test_nothing_is_drawn_that_nobody_allowed(assetmill: Terminal, services: Services) -> None:
    assert assetmill("migrate", "scene", "--to", "gpt-image-2", *SAME) == 2
    assert "allow it with --budget USD" in assetmill.err
    assert assetmill("migrate", "scene", "--to", "gpt-image-2", *SAME, "--budget", "0.001") == 2
    assert "give a smaller --sample or a larger --budget" in assetmill.err
    assert source(services) == SCENE


def test_a_budget_that_cannot_hold_stops_it(assetmill: Terminal) -> None:
    assert assetmill("migrate", "unknown", "--to", "gpt-image-2.5-flare", *SAME, *ART, "--budget", "9") == 2
    assert "no ceiling holds" in assetmill.err
    assert "gpt-image-2.5-flare" in assetmill.err


def test_the_pins_are_written_on_ones_word_alone(assetmill: Terminal, services: Services) -> None:
    told = assetmill.document("migrate", "scene", "--to", "gpt-image-2", *SAME, "--budget", "1")
    assert (told["written"], source(services)) == ([], SCENE)
    (row,) = told["rows"]
    assert row["after"]["checks"] == [
        {"check": "max_bytes", "state": "passed", "message": "5334 bytes of at most 100000"}
    ]
    page = Path(told["pages"]["html"]).read_text()
    assert "<b>bold</b>" not in page
    assert "max_bytes passed" in page
    assert "gpt-image-1-mini &rarr; gpt-image-2" in page
    assert "gpt-image-1-mini to gpt-image-2" in Path(told["pages"]["markdown"]).read_text()

    told = assetmill.document("migrate", "scene", "--to", "gpt-image-2", *SAME, "--yes")
    assert told["spent_usd"] == 0
    assert [Path(path).name for path in told["written"]] == ["scene.yaml"]
    assert source(services) == SCENE.replace("gpt-image-1-mini", "gpt-image-2")

    # The very same command once more: its answers are right, and not asked for.
    assert assetmill("migrate", "scene", "--to", "gpt-image-2", *SAME, "--yes") == 0
    assert assetmill.out == "nothing to migrate: no stage of scene would change for gpt-image-2\n"


def test_what_checks_refuse_is_shown_and_no_pin_is_written(assetmill: Terminal, services: Services) -> None:
    before = source(services, "refused")
    command = ("migrate", "refused", "--to", "gpt-image-2", *SAME, "--yes")
    assert assetmill(*command) == 1
    assert "no pin was written: hero has no picture that was accepted" in assetmill.out
    page = (services.settings.home / "out" / "migrate" / "gpt-image-2.html").read_text()
    assert page.count('<img src="data:image/webp') == 2
    assert "it is one colour all over" in page
    assert source(services, "refused") == before


def test_pages_go_where_they_are_asked_for(assetmill: Terminal, tmp_path: Path) -> None:
    paths = ["--html", str(tmp_path / "a.html"), "--markdown", str(tmp_path / "b.md")]
    told = assetmill.document("migrate", "scene", "--to", "gpt-image-2", *SAME, "--budget", "1", *paths)
    assert told["pages"] == {"html": paths[1], "markdown": paths[3]}
    assert "~~~~~~~~diff" in (tmp_path / "b.md").read_text()


def test_without_a_sample_pins_alone_are_written(assetmill: Terminal, services: Services) -> None:
    told = assetmill.document("migrate", "scene", "--to", "gpt-image-2", *SAME, "--sample", "0", "--yes")
    assert (told["rows"], told["spent_usd"]) == ([], 0)
    assert "gpt-image-2" in source(services)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--answer", "quality"], "write OPTION:WORD=NEW"),
        (["--answer", "size:1x1=2x2", *SAME], "nothing asks for it"),
        (["-p", "nobody=1", *SAME], "has a parameter 'nobody'"),
        (["--answer", "quality:low=best"], "choose one of low, medium, high"),
    ],
)
def test_what_is_typed_wrongly_is_said(assetmill: Terminal, arguments: list[str], says: str) -> None:
    assert assetmill("migrate", "scene", "--to", "gpt-image-2", "--dry", *arguments) == 2
    assert says in assetmill.err


def test_parameters_reach_the_sample(assetmill: Terminal) -> None:
    told = assetmill.document(
        "migrate", "scene", "--to", "gpt-image-2", *SAME, "--budget", "1", "-p", "subject=a cup"
    )
    assert "Draw a cup" in Path(told["pages"]["html"]).read_text()
    assert json.dumps(told["rows"])
