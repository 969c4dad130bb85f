from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from assetmill.agents.gateway import ResponseRequest
from assetmill.batches.records import BatchManifest, BatchRow, RowState
from assetmill.cli.batch_export import BIG, Choice, export_batch, folders_of, summary, unsettled
from assetmill.errors import NotFound
from assetmill.names import MAX_LENGTH
from assetmill.records import BlobRef
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.opening import open_store
from tests.assetmill.cli.terminal import Terminal
from tests.batchworks import carry_out, plan_batch, run_rows, write_rows
from tests.doubles import Body, ScriptedGateway, image_item, message_item, png
from tests.millworks import PICTURE, SQUARE, services_on, settings_in

TALE = f"""
name: tale
parameters:
  product: {{title: Product}}
stages:
  - name: words
    prompt: Tell of {{{{ product }}}}.
  - name: scene
    prompt: Draw {{{{ product }}}}.{PICTURE % "scene"}
  - name: poster
    prompt: Print {{{{ product }}}}.{PICTURE % "scene"}
    inputs: [{{from: scene}}]
"""

PRODUCTS = [{"row": "Mug", "product": "a mug"}, {"row": "mug", "product": "a lamp"}]


SECOND = image_item(png(1024, 1024, "red"), "ig_2")


def answer(request: ResponseRequest) -> Sequence[Body]:
    """Words when words are asked for; a lamp is red; of a poster a second one that nobody asked for."""
    asked = str(request.input)
    if "Tell of" in asked:
        return (message_item("=a tale"),)
    if "Print" in asked:
        return SQUARE, SECOND
    return (SECOND,) if "lamp" in asked else (SQUARE,)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    settings = settings_in(tmp_path, tale=TALE)
    monkeypatch.setenv("ASSETMILL_HOME", str(settings.home))
    monkeypatch.setenv("ASSETMILL_CONFIGS", str(settings.configs))
    services = services_on(settings, open_store(settings.store_url), ScriptedGateway(answer))
    yield services
    services.close()


@pytest.fixture
def manifest(services: Services, tmp_path: Path) -> BatchManifest:
    return run_rows(services, write_rows(tmp_path, PRODUCTS), "tale", name="spring")


def files_in(folder: Path) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not path.endswith(".assets.json"))


def table_in(folder: Path) -> list[dict[str, str]]:
    with (folder / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def rows_called(*names: str, state: RowState = "done") -> list[BatchRow]:
    return [BatchRow(number=n, name=name, key="", state=state) for n, name in enumerate(names, start=1)]


@pytest.mark.parametrize("by_id", [True, False])
def test_a_batch_is_a_folder_for_each_row(
    services: Services, assetmill: Terminal, tmp_path: Path, by_id: bool
) -> None:
    order = {} if by_id else {"name": "spring"}
    manifest = run_rows(services, write_rows(tmp_path, PRODUCTS), "tale", **order)
    out = tmp_path / "out"
    assert assetmill("export", manifest.batch_id, str(out)) == 0, assetmill.err
    names = [f"{row}/{name}" for row in ("Mug", "mug-2") for name in ("scene-2.png", "scene.png")]
    assert files_in(out) == [*names, "rows.csv"]
    for row, folder in zip(manifest.rows, ("Mug", "mug-2"), strict=True):
        for asset, name in zip(row.assets, ("scene.png", "scene-2.png"), strict=True):
            data = (out / folder / name).read_bytes()
            assert f"sha256:{hashlib.sha256(data).hexdigest()}" == asset.digest
    assert assetmill.out.splitlines()[-1].startswith(f"4 files of 2 rows in {out}, 4 of them new")


def test_the_table_names_files_costs_and_answers(
    services: Services, manifest: BatchManifest, tmp_path: Path
) -> None:
    export_batch(manifest, tmp_path / "out", Choice(), services)
    first, second = table_in(tmp_path / "out")
    assert list(first) == [
        *("row", "name", "state", "reason", "spent_usd", "scene.png", "scene.png-2", "words text")
    ]
    assert [first["row"], first["name"], first["state"], first["reason"]] == ["2", "Mug", "done", ""]
    assert float(first["spent_usd"]) == pytest.approx(manifest.rows[0].spent_usd)
    assert [second["scene.png"], second["scene.png-2"]] == ["mug-2/scene.png", "mug-2/scene-2.png"]
    assert first["words text"] == "'=a tale"


def test_what_is_there_unchanged_is_not_written_again(
    services: Services, manifest: BatchManifest, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert export_batch(manifest, out, Choice(), services).written == 4
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    (out / "Mug" / "scene.png").write_bytes(b"cut")
    told = export_batch(manifest, out, Choice(), services)
    assert (told.files, told.written, told.rows) == (4, 1, 2)
    assert [path for path, time in times.items() if path.stat().st_mtime_ns != time] == [
        out / "Mug" / "scene.png"
    ]


def test_names_stay_whatever_stages_are_wanted(
    services: Services, manifest: BatchManifest, assetmill: Terminal, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert assetmill("export", "spring", str(out), "--stage", "poster") == 0, assetmill.err
    assert files_in(out) == ["Mug/scene-2.png", "mug-2/scene-2.png", "rows.csv"]
    assert list(table_in(out)[0])[5:] == ["scene.png"]
    with pytest.raises(NotFound, match="did you mean 'poster'"):
        export_batch(manifest, out, Choice(stages=("postr",)), services)


def test_candidates_and_sidecars_are_written_when_they_are_wanted(
    services: Services, manifest: BatchManifest, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export_batch(manifest, out, Choice(everything=True, sidecars=("json", "xmp")), services)
    pictures = [name for name in files_in(out / "Mug") if name.endswith(".png")]
    assert len(pictures) == 3
    assert files_in(out / "Mug") == sorted(
        [*pictures, *(f"{name}.{kind}" for name in pictures for kind in ("json", "xmp"))]
    )


def test_a_lost_blob_is_named_and_keeps_no_other_file_away(
    services: Services, manifest: BatchManifest, assetmill: Terminal, tmp_path: Path
) -> None:
    asset = manifest.rows[1].assets[0]
    ref = BlobRef(digest=asset.digest, size_bytes=asset.size_bytes, media_type=asset.media_type)
    services.backend.delete(layout.blob(ref.digest))
    out = tmp_path / "out"
    assert assetmill("export", "spring", str(out)) == 1
    assert "1 file could not be read from the store:\n  mug-2/scene.png: " in assetmill.out
    assert "\n3 files of 2 rows in " in assetmill.out
    assert files_in(out) == ["Mug/scene-2.png", "Mug/scene.png", "mug-2/scene-2.png", "rows.csv"]
    assert [row["scene.png"] for row in table_in(out)] == ["Mug/scene.png", ""]
    assert "Traceback" not in assetmill.err


def test_rows_that_are_not_done_are_counted_by_state(
    services: Services, tmp_path: Path, assetmill: Terminal
) -> None:
    planned = plan_batch(services, write_rows(tmp_path, PRODUCTS), "tale", name="spring", budget_usd=1e-9)
    assert carry_out(planned)
    assert assetmill("export", "spring", str(tmp_path / "out")) == 1
    assert assetmill.out.startswith(
        "not done: 2 over_budget (Mug, mug)\n"
        "missing, 6 times:\n"
        "  Mug (row 2), stage words\n"
        "  Mug (row 2), stage scene: scene.png\n"
    )
    assert "\n0 files of 0 rows in " in assetmill.out
    assert [row["state"] for row in table_in(tmp_path / "out")] == ["over_budget"] * 2
    assert files_in(tmp_path / "out") == ["rows.csv"]


def test_only_the_first_rows_of_a_state_are_named() -> None:
    rows = [
        *rows_called(*"abcdefg", state="failed"),
        *rows_called("x\x1b[2J", state="late"),
        *rows_called("y"),
    ]
    assert unsettled(rows) == "7 failed (a, b, c, d, e, ...); 1 late (x?[2J)"


def test_a_folder_that_cannot_be_written_is_the_persons_business(
    manifest: BatchManifest, assetmill: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    assert assetmill("export", manifest.batch_id, str(tmp_path / "file" / "below")) == 2
    assert "cannot write to" in assetmill.err


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "batch_none", "out"], "no batch 'batch_none'"),
        (["export", "../../x", "out"], "no run '../../x'"),
        (["export", "latest", "out", "--stage", "s"], "--stage is for a batch"),
    ],
)
def test_what_is_no_batch_is_refused(assetmill: Terminal, arguments: list[str], said: str) -> None:
    assert assetmill(*arguments) == 2
    assert said in assetmill.err


def test_hostile_and_equal_names_have_folders_of_their_own() -> None:
    names = [
        "../../x",
        "..",
        "CON",
        "\N{PARTY POPPER}",
        "n" * 300,
        "Mug",
        "mug",
        "MUG",
        "rows.csv",
        "AB/12",
        "",
    ]
    folders = folders_of(rows_called(*names, "CD\\12", "/etc", "nul.txt", "1.5", "1.5"))
    assert len({folder.lower() for folder in folders}) == len(folders)
    assert folders[0] == "x"
    assert folders[2:4] == ["row-3-CON", "row-4"]
    assert folders[5:] == [
        *("Mug", "mug-2", "MUG-3", "rows.csv-2", "AB-12", "row-11", "CD-12", "etc", "row-14-nul.txt"),
        *("1.5", "1.5-2"),
    ]
    assert all(len(folder) <= MAX_LENGTH and folder.strip(".") == folder for folder in folders)
    assert not any({"/", "\\"} & set(folder) for folder in folders)


def test_ten_thousand_rows_of_one_name_are_told_apart_at_once() -> None:
    folders = folders_of(rows_called(*["Mug"] * 10_000))
    assert (len(set(folders)), folders[-1]) == (10_000, "Mug-10000")


def test_a_big_batch_says_how_far_it_is(
    services: Services,
    manifest: BatchManifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("assetmill.cli.batch_export._PLAIN_S", 0.0)
    rows = tuple(manifest.rows[0].model_copy(update={"number": n}) for n in range(BIG))
    told = export_batch(manifest.model_copy(update={"rows": rows}), tmp_path / "out", Choice(), services)
    assert (told.files, told.rows) == (2 * BIG, BIG)
    assert capsys.readouterr().err.splitlines()[-1] == f"{BIG} of {BIG} rows, {2 * BIG} files"
    export_batch(manifest, tmp_path / "small", Choice(), services)
    assert capsys.readouterr().err == ""
    assert list(summary(manifest, tmp_path, told))[-1].startswith("200 files of 100 rows")
