"""A stage whose checks took none of its draws: what a person can say about it."""

from __future__ import annotations

import pytest

from assetmill.records import RunManifest
from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal
from tests.doubles import ScriptedGateway, always, image_item, png
from tests.millworks import run_here

CHECKED = """
name: checked
stages:
  - name: hero
    prompt: Draw a mug.
    tools: [{type: image_generation, quality: low}]
    outputs: [{name: hero.png, checks: {not_blank: true}}]
"""


@pytest.fixture
def pipelines() -> dict[str, str]:
    return {"checked": CHECKED}


@pytest.fixture(autouse=True)
def drawn_blank(services: Services) -> None:
    gateway_of(services).script = always(image_item(png(1024, 1024)))


def gateway_of(services: Services) -> ScriptedGateway:
    gateway = services.gateway
    assert isinstance(gateway, ScriptedGateway)
    return gateway


def posts(services: Services) -> int:
    return len(gateway_of(services).posts)


def failed(services: Services) -> RunManifest:
    manifest = run_here(services, "checked")
    assert manifest.status == "failed"
    return manifest


def test_a_retry_lets_runs_draw_again_that_would_not_any_more(
    services: Services, assetmill: Terminal
) -> None:
    runs = [failed(services) for _ in range(3)]
    assert posts(services) == 2  # the third is told to ask a person
    error = runs[-1].stages[0].error or ""
    assert f"`assetmill resolve {runs[1].run_id} hero --retry`; --give-up draws no more" in error
    assert assetmill("resolve", "latest", "hero", "--retry") == 0
    assert "hero: noted" in assetmill.out
    assert "draws again" in assetmill.out
    failed(services)
    assert posts(services) == 3
    failed(services)
    assert posts(services) == 3  # one word, one run


def test_what_is_given_up_is_drawn_no_more_until_it_changes(services: Services, assetmill: Terminal) -> None:
    failed(services)
    assert assetmill("resolve", "latest", "hero", "--give-up") == 0
    (entry,) = failed(services).stages
    assert "given up, says" in (entry.error or "")
    assert posts(services) == 1
    assert assetmill("resolve", "latest", "hero", "--retry") == 2
    assert "decided otherwise before" in assetmill.err


def test_the_other_ways_say_what_to_do(services: Services, assetmill: Terminal) -> None:
    failed(services)
    assert assetmill("resolve", "latest", "hero", "--wait") == 2
    assert "--retry draws again, --give-up never does, `assetmill accept` takes one" in assetmill.err
    (listed,) = assetmill.document("assets", "--all")["assets"]
    assert assetmill("resolve", "latest", "hero", "--accept-partial") == 2
    assert f"assetmill accept {listed['asset_id']}    hero.png: hero.png: not_blank" in assetmill.err
