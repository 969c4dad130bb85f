"""Whatever a service hands out ends as a stored asset with a safe name, or in a refusal that names it."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from assetmill.cli.exports import export_assets
from assetmill.errors import OutputUnusable
from assetmill.plan.calls import Acceptance, ExpectedOutput, StageCall
from assetmill.records import RunId
from assetmill.settings import Settings
from assetmill.spec.output_checks import ChecksSpec
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store.local import LocalStore
from tests.assetmill.checks.pictures import encoded, scene
from tests.doubles import ScriptedGateway, always, image_item, message_item, stage_call

CODE = {"type": "code_interpreter_call", "container_id": "cntr_1"}
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(2)</script></svg>"
GOOD = encoded(scene())


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture
def services(gateway: ScriptedGateway, tmp_path: Path) -> Iterator[Services]:
    settings = Settings(profile="test", home=tmp_path / "home", configs=tmp_path)
    services = Services(settings, LocalStore(tmp_path / "store"), lambda _settings, _wait: gateway)
    services.wait = lambda seconds: None
    yield services
    services.close()


def png_bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises far more pixels than its bytes hold."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\\0" * 1000)), (b"IEND", b"")]
    body = b"".join(
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


DAMAGED = {
    "bomb by header": png_bomb(60_000, 60_000),
    "bomb that unpacks": encoded(Image.new("1", (9000, 9000))),
    "header without pixels": png_bomb(100, 100),
    "cut PNG": GOOD[:-30],
    "PNG with a page behind it": GOOD + b"<html><script>alert(1)</script>",
    "PNG with a flipped byte": GOOD[:60] + bytes([GOOD[60] ^ 1]) + GOOD[61:],
    "cut JPEG": encoded(scene(), "JPEG")[:-30],
    "JPEG with a page behind it": encoded(scene(), "JPEG") + b"<html>",
    "cut WebP": encoded(scene(), "WEBP")[:-30],
    "WebP with more than it says": encoded(scene(), "WEBP") + b"RIFF",
    "signature alone": b"\x89PNG\r\n\x1a\n",
    "SVG": SVG,
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n(ls) system",
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_drawn_picture_that_is_none_is_refused_by_name_and_kept(
    services: Services, gateway: ScriptedGateway, data: bytes
) -> None:
    gateway.script = always(image_item(data))
    with pytest.raises(OutputUnusable, match="image-1"):
        run_stage(stage_call(), services, RunId("run_1"))
    call = stage_call()
    attempt = services.ledger.newest_attempt(call.pipeline, call.fingerprint)
    assert attempt is not None
    assert attempt.verdict is not None
    assert services.blobs.get(attempt.verdict.kept[0].blob) == data
    assert attempt.verdict.kept[0].blob.media_type == "application/octet-stream"


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_checks_refuse_it_too_wherever_it_comes_from(
    services: Services, gateway: ScriptedGateway, data: bytes
) -> None:
    gateway.script = always(CODE)
    gateway.containers["cntr_1"]["cfile_1"] = ("hero.png", data)
    asked = ChecksSpec.model_validate({"decodes": True, "not_blank": True, "palette": "#fff"})
    call = coded("hero.png", kind="picture", acceptance=Acceptance((asked,)))
    with pytest.raises(OutputUnusable):
        run_stage(call, services, RunId("run_1"))


def coded(*names: str, kind: str = "document", **changes: object) -> StageCall:
    outputs = tuple(ExpectedOutput(kind, name) for name in names)  # type: ignore[arg-type]
    return stage_call(tools=({"type": "code_interpreter"},), outputs=outputs, **changes)


NAMES = [
    "../../etc/passwd",
    "..\\..\\windows\\system32\\x.dll",
    "/etc/shadow",
    "CON",
    "con.csv",
    "NUL.txt",
    "x" * 300,
    "x" * 300 + ".csv",
    "🦊🦊.csv",
    "\uff0e\uff0e\uff0fx",
    "\u202egnp.exe",
    "a\x00b.csv",
    "a\nb.csv",
    ".hidden",
    "-rf",
    " ",
    "",
    "名前.csv",
    "A.csv",
    "a.csv",
    "a.csv",
    "<img src=x onerror=alert(1)>.csv",
    "x'; DROP TABLE assets; --.csv",
]


def test_hostile_names_from_a_container_become_safe_ones(
    services: Services, gateway: ScriptedGateway, tmp_path: Path
) -> None:
    gateway.script = always(CODE, message_item("done"))
    for number, name in enumerate(NAMES):
        gateway.containers["cntr_1"][f"cfile_{number:03d}"] = (name, f"{number},x\n".encode())
    record = run_stage(coded(), services, RunId("run_1"))
    made = [asset for asset in record.outputs if asset.role != "frame"]
    names = [asset.name for asset in made]
    assert len(names) == len(NAMES)
    assert all(SAFE.fullmatch(name) for name in names), names
    assert len({name.lower() for name in names}) == len(names)
    paths = export_assets(made, services.blobs, tmp_path / "out")
    assert {path.resolve().parent for path in paths} == {(tmp_path / "out").resolve()}
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {"store", "out"}


def test_the_same_bytes_under_several_names_are_one_blob(
    services: Services, gateway: ScriptedGateway
) -> None:
    gateway.script = always(CODE)
    for number in range(5):
        gateway.containers["cntr_1"][f"cfile_{number}"] = ("same.csv", b"a,b\n")
    record = run_stage(coded("same.csv"), services, RunId("run_1"))
    assert len({asset.blob.digest for asset in record.outputs}) == 1
    assert [asset.name for asset in record.outputs if asset.role == "output"] == ["same.csv"]


def test_a_drawing_with_a_script_is_kept_as_bytes_and_never_as_a_picture(
    services: Services, gateway: ScriptedGateway
) -> None:
    gateway.script = always(CODE)
    gateway.containers["cntr_1"]["cfile_1"] = ("logo.svg", SVG)
    (asset,) = run_stage(coded(), services, RunId("run_1")).outputs
    assert services.blobs.get(asset.blob) == SVG
    assert asset.width is None


GROWTH = """
import os, sys, tempfile
from pathlib import Path
from assetmill.plan.calls import Acceptance
from assetmill.stage.engine import run_stage
from assetmill.records import RunId
from assetmill.stage.services import Services
from assetmill.settings import Settings
from assetmill.spec.output_checks import ChecksSpec
from assetmill.store.local import LocalStore
from PIL import Image
from tests.assetmill.checks.pictures import encoded
from tests.doubles import ScriptedGateway, image_item, stage_call

stages, side = int(sys.argv[1]), int(sys.argv[2])
current = [b""]

def draw(request):
    return [image_item(current[0], "ig")]

def peak_kb():
    # Not getrusage: its maximum is taken over from the process that started this one.
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

with tempfile.TemporaryDirectory() as folder:
    settings = Settings(profile="test", home=Path(folder), configs=Path(folder))
    gateway = ScriptedGateway(draw)
    services = Services(settings, LocalStore(Path(folder) / "store"), lambda s, w: gateway)
    checks = ChecksSpec.model_validate({"decodes": True, "not_blank": True})
    peaks, sizes = [], set()
    for number in range(stages):
        picture = Image.frombytes("RGB", (side, side), os.urandom(side * side * 3))
        current[0] = encoded(picture)
        del picture
        call = stage_call(prompt=f"draw {number}", acceptance=Acceptance((checks,)))
        record = run_stage(call, services, RunId("run-1"))
        sizes.add(record.outputs[0].blob.size_bytes)
        # The double remembers what a service would; the worker must not.
        gateway.conversations.clear()
        gateway._responses = {}
        gateway.posts.clear()
        peaks.append(peak_kb())
    services.close()
warm = max(stages // 5, 3)
print(min(sizes), peaks[warm], peaks[-1])
"""


def growth(stages: int, side: int) -> tuple[int, float]:
    """Return the smallest picture's bytes, and by what factor the peak grew after the first fifth."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, str(stages), str(side)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert done.returncode == 0, done.stderr
    size, before, after = map(int, done.stdout.split())
    return size, after / before


@pytest.mark.server
def test_many_large_stages_do_not_grow_a_worker() -> None:
    size, factor = growth(30, 600)
    assert size > 1_000_000
    assert factor < 1.1


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_hundred_stages_of_twenty_megabytes_do_not_grow_a_worker() -> None:
    size, factor = growth(100, 2650)
    assert size > 20_000_000
    assert factor < 1.1
