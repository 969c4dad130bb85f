"""`verify`, `gc` and `purge` as a person types them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assetmill.cli import main
from assetmill.records import AssetRecord
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.opening import open_store
from tests.assetmill.checks.pictures import encoded, scene
from tests.doubles import Body, ScriptedGateway, image_item
from tests.millworks import CHAIN, run_here, services_on, settings_in

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    settings = settings_in(tmp_path, chain=CHAIN)
    monkeypatch.setenv("ASSETMILL_HOME", str(settings.home))
    monkeypatch.setenv("ASSETMILL_CONFIGS", str(settings.configs))
    left = [encoded(scene(number).resize((1024, 1024))) for number in range(2)]

    def draw(_: object) -> list[Body]:
        return [image_item(left.pop(0), f"ig_{len(left)}")]

    services = services_on(settings, open_store(settings.store_url), ScriptedGateway(draw))
    yield services
    services.close()


@pytest.fixture
def asset(services: Services) -> AssetRecord:
    """The first of two pictures, of which the second was made from it."""
    return run_here(services, "chain").assets()[0]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    def type_it(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["assetmill", *arguments])
        code = main.call(list(arguments))
        out, err = capsys.readouterr()
        return code, out, err

    return type_it


def document(typed: Typed, *arguments: str) -> dict[str, Any]:
    return json.loads(typed(*arguments, "--json")[1])


def test_verify_says_what_it_looked_at(typed: Typed, asset: AssetRecord) -> None:
    code, out, _ = typed("verify")
    assert code == 0
    assert "3 blobs" in out  # one is the partial picture that was seen on the way
    assert "all there and whole" in out
    assert document(typed, "verify")["status"] == "whole"


def test_verify_fails_with_a_list(typed: Typed, asset: AssetRecord, services: Services) -> None:
    services.backend.delete(layout.blob(asset.blob.digest))
    code, out, _ = typed("verify", "--sizes")
    assert code == 1
    assert f"missing    {asset.name}" in out
    assert [one["kind"] for one in document(typed, "verify")["problems"]] == ["missing"]


def test_gc_says_what_it_would_do(typed: Typed, asset: AssetRecord, services: Services) -> None:
    assert typed("gc", "--older-than", "90d")[1] == "nothing to collect\n"
    services.blobs.put(b"orphan", "text/plain")
    found = document(typed, "gc", "--older-than", "0s", "--dry-run")
    assert (found["phase"], found["objects"], found["size_bytes"]) == ("would_plan", 1, 6)
    assert "nothing is deleted yet" in typed("gc", "--older-than", "0s")[1]
    assert document(typed, "gc", "--older-than", "0s")["phase"] == "waiting"


@pytest.mark.parametrize("arguments", [["--older-than", "soon"], ["--older-than", "1d", "--grace", "1m"], []])
def test_gc_refuses_what_it_cannot_mean(typed: Typed, services: Services, arguments: list[str]) -> None:
    assert typed("gc", *arguments)[0] == 2


def test_purge_removes_the_bytes_and_says_so(typed: Typed, asset: AssetRecord, services: Services) -> None:
    code, out, _ = typed("purge", asset.asset_id, "--yes")
    assert (code, out.splitlines()[0]) == (
        0,
        f"purged 1 files, {asset.blob.size_bytes} bytes; the records stay",
    )
    assert services.blobs.find(asset.blob) is None
    assert "1 purged on purpose" in typed("verify")[1]
    code, _, err = typed("export", asset.asset_id, str(services.settings.home / "out"))
    assert code == 1
    assert "these bytes were purged" in err


def test_purge_takes_derivatives_along(typed: Typed, asset: AssetRecord) -> None:
    found = document(typed, "purge", asset.asset_id, "--derivatives", "--yes")
    assert (found["complete"], len(found["digests"])) == (True, 2)


def test_purge_asks_first(
    typed: Typed, asset: AssetRecord, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decline(*_: object, **__: object) -> str:
        return "n"

    monkeypatch.setattr("click.termui.visible_prompt_func", decline)
    assert typed("purge", asset.asset_id)[0] == 130
    assert typed("purge", asset.asset_id, "--json")[0] == 2
    assert services.blobs.find(asset.blob)


def test_purge_of_nothing_known_is_refused(typed: Typed, asset: AssetRecord) -> None:
    assert typed("purge", "ast_nope", "--yes")[0] == 2


def test_repair_says_what_is_lost_and_mends_it_from_a_copy(
    typed: Typed, asset: AssetRecord, services: Services, tmp_path: Path
) -> None:
    data = services.blobs.get(asset.blob)
    services.backend.delete(layout.blob(asset.blob.digest))
    code, out, _ = typed("repair", "--offline")
    assert code == 1
    assert "assetmill import" in out
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "kept.png").write_bytes(data)
    told = document(typed, "repair", "--offline", "--from", str(tmp_path / "copies"))
    assert (told["status"], told["counts"]) == ("whole", {"mended": 1})
    assert services.blobs.get(asset.blob) == data
    assert "nothing to mend" in typed("repair", "--offline")[1]


def test_a_damaged_mark_of_the_store_names_its_way_out_which_works(typed: Typed, services: Services) -> None:
    services.backend.put(layout.STORE_META, b"\x00damaged")
    code, _, err = typed("verify")
    assert code == 2
    assert "assetmill repair" in err
    told = document(typed, "repair", "--offline")
    assert [one["key"] for one in told["objects"]] == [layout.STORE_META]
    assert typed("verify")[0] == 0
