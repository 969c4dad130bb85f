from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assetmill.care.local_copies import local_copies
from assetmill.errors import InvalidInput, NotFound
from assetmill.gallery.folder import write_folder
from assetmill.gallery.site import CHUNK, Site
from assetmill.gallery.tiles import Tile
from assetmill.gallery.walls import Walls
from assetmill.private import thumbnail_path
from assetmill.stage.services import Services
from assetmill.store import layout
from tests.assetmill.gallery.conftest import picture, ref_of, site_of, site_on, wall_of
from tests.batchworks import products, run_rows
from tests.doubles import png
from tests.millworks import run_here


def said(site: Site, path: str) -> Any:
    """What a script of data tells the page."""
    found = site.read(path)
    assert found is not None
    call = found.data.decode("ascii")
    return json.loads(f"[{call[call.index('(') + 1 : call.rindex(')')]}]")[-1]


def tiles_in(site: Site) -> list[dict[str, Any]]:
    return said(site, "tiles/0000.js")


def nobody(_files: int) -> None:
    pass


def test_a_run_hangs_with_all_that_its_records_say(services: Services) -> None:
    manifest = run_here(services, "chain")
    site = site_of(services, manifest.run_id)
    first, second = tiles_in(site)
    assert (first["name"], first["stage"], first["state"]) == ("first.png", "first", "output")
    assert first["prompt"] == "Draw a teal mug."
    assert first["run"] == manifest.run_id
    assert first["cost"] == manifest.stages[0].spent_usd
    assert "before" not in first
    assert second["before"]["file"] == first["file"]


def test_every_path_that_is_named_can_be_read_and_no_other(services: Services, tmp_path: Path) -> None:
    run_here(services, "chain")
    site = site_of(services)
    written = write_folder(site, tmp_path / "wall", nobody)
    assert written.lost == []
    paths = {str(path.relative_to(tmp_path / "wall")) for path in (tmp_path / "wall").rglob("*.*")}
    named = {tile[key] for tile in tiles_in(site) for key in ("file", "thumbnail")}
    assert named < paths
    assert len(paths) == written.files
    for other in ("tiles/0001.js", "tiles/0.js", "../page/index.html", "files/x", "page/../index.html", ""):
        assert site.read(other) is None


def test_bytes_of_the_store_that_hang_nowhere_are_not_given(services: Services) -> None:
    other = services.blobs.put(b"a secret of another run", "text/plain")
    run_here(services, "chain")
    assert site_of(services).read(f"files/{other.digest.removeprefix('sha256:')}.txt") is None


def test_a_thumbnail_is_made_once_and_shows_the_picture(services: Services) -> None:
    tile = picture(services, "a.png")
    site = site_on(services, wall_of([tile]))
    path = tiles_in(site)[0]["thumbnail"]
    data = site.read(path)
    assert data is not None
    with Image.open(io.BytesIO(data.data)) as seen:
        assert (seen.format, seen.size) == ("WEBP", (64, 48))
    kept = thumbnail_path(services.settings.home, ref_of(tile).digest.removeprefix("sha256:"))
    kept.write_bytes(b"kept")
    again = site.read(path)
    assert again is not None
    assert again.data == b"kept"


def test_a_purge_finds_thumbnails(services: Services) -> None:
    tile = picture(services, "a.png")
    site = site_on(services, wall_of([tile]))
    site.read(tiles_in(site)[0]["thumbnail"])
    blob = ref_of(tile)
    site.read(tiles_in(site)[0]["small"])
    found = list(local_copies([(blob.digest, blob.size_bytes)], services.settings))
    sha256, home = blob.digest.removeprefix("sha256:"), services.settings.home
    assert found == [thumbnail_path(home, sha256), thumbnail_path(home, sha256, is_small=True)]


def test_a_common_screen_is_given_a_quarter_of_the_pixels(services: Services) -> None:
    blob = services.blobs.put(png(1200, 800, "teal"), "image/png")
    tile = replace(picture(services, "a.png"), blob=blob)
    site = site_on(services, wall_of([tile]))
    sizes: list[tuple[int, int]] = []
    for name in ("thumbnail", "small"):
        found = site.read(tiles_in(site)[0][name])
        assert found is not None
        with Image.open(io.BytesIO(found.data)) as seen:
            sizes.append(seen.size)
    assert sizes == [(480, 320), (256, 171)]


def test_lost_bytes_are_told_and_the_rest_is_written(services: Services, tmp_path: Path) -> None:
    whole, lost = picture(services, "a.png"), picture(services, "b.png", colour="red")
    services.backend.delete(layout.blob(ref_of(lost).digest))
    written = write_folder(site_on(services, wall_of([whole, lost])), tmp_path / "wall", nobody)
    sha = ref_of(lost).digest.removeprefix("sha256:")
    assert written.lost == [f"files/{sha}.png", f"thumbnails/{sha}-small.webp", f"thumbnails/{sha}.webp"]
    assert (tmp_path / "wall" / "files" / f"{ref_of(whole).digest.removeprefix('sha256:')}.png").is_file()


def test_a_record_that_is_damaged_costs_its_own_tile_its_facts(services: Services) -> None:
    manifest = run_here(services, "chain")
    tiles = Walls(services.backend).find(manifest.run_id)
    fp = manifest.stages[0].fingerprint
    assert fp is not None
    services.backend.delete(layout.stage("chain", fp))
    first, second = tiles_in(site_on(services, tiles))
    assert first["problem"]
    assert first["file"]
    assert second["prompt"] == "Draw it again."


def test_what_is_missing_hangs_with_its_reason(services: Services, tmp_path: Path) -> None:
    rows = products(tmp_path, "mug", "lamp")
    manifest = run_rows(services, rows, budget_usd=0.0001)
    tiles = tiles_in(site_of(services, manifest.batch_id))
    assert {tile["row"] for tile in tiles} == {row.name for row in manifest.rows}
    assert all("file" not in tile and tile["reason"] for tile in tiles)
    assert {tile["state"] for tile in tiles} <= {"over_budget", "skipped"}


def test_hostile_words_stay_data(services: Services) -> None:
    evil = '</script><img src=x onerror=alert(1)>\u2028"); alert(1); ("'
    site = site_on(services, wall_of([picture(services, f"{evil}.png", evil)]))
    assert tiles_in(site)[0]["row"] == evil
    found = site.read("tiles/0000.js")
    assert found is not None
    assert found.data.count(b"\n") == 1


def test_a_page_that_an_agent_wrote_is_never_shown(services: Services) -> None:
    blob = services.blobs.put(b"<script>alert(1)</script>", "image/svg+xml")
    site = site_on(services, wall_of([Tile("logo.svg", "scene", "output", blob=blob)]))
    (tile,) = tiles_in(site)
    assert "thumbnail" not in tile
    found = site.read(tile["file"])
    assert found is not None
    assert not found.is_shown


def test_ten_thousand_tiles_read_as_many_records_as_are_seen(services: Services) -> None:
    tile = picture(services, "a.png")
    site = site_on(services, wall_of([tile] * 10_000))
    summary = site.read("wall.js")
    assert summary is not None
    assert len(summary.data) < 200_000
    assert len(said(site, "tiles/0099.js")) == CHUNK
    assert site.read("tiles/0100.js") is None


def test_a_folder_that_is_no_gallery_is_left_alone(services: Services, tmp_path: Path) -> None:
    run_here(services, "chain")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidInput, match="no gallery"):
        write_folder(site_of(services), tmp_path / "mine", nobody)
    write_folder(site_of(services), tmp_path / "wall", nobody)
    assert write_folder(site_of(services), tmp_path / "wall", nobody).lost == []


def test_what_is_nothing_here_is_refused(services: Services) -> None:
    for what in ("ast_nothing", "run_nothing", "nothing", "latest"):
        with pytest.raises(NotFound):
            Walls(services.backend).find(what)


def test_an_asset_is_shown_among_those_of_its_run(services: Services) -> None:
    manifest = run_here(services, "chain")
    asset = manifest.assets()[1]
    wall = Walls(services.backend).find(asset.asset_id)
    assert [tile.asset_id for tile in wall.tiles] == [one.asset_id for one in manifest.assets()]
    assert said(site_on(services, wall), "wall.js")["at"] == 1
