"""The table of foreign clients is what their scripts do, and the scripts' checks can fail."""

from __future__ import annotations

import importlib
import io
import re
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from benchmarks.foreign import clients, trying

PROGRAMS = Path(clients.__file__).with_name("programs")
DEFINED = {
    "python": re.compile(r"^@program\nasync def (\w+)\(", re.MULTILINE),
    "node": re.compile(r"^  async (\w+)\(", re.MULTILINE),
}
COMMON = {"text", "stream", "function", "image", "code_file", "file_search"}


@pytest.mark.parametrize("client", clients.load(), ids=lambda client: client.name)
def test_every_program_of_a_script_is_listed_once_and_every_package_pinned(client: clients.Client) -> None:
    script = (PROGRAMS / client.script).read_text("utf-8")
    assert list(client.programs) == DEFINED[client.runtime].findall(script)
    assert set(client.programs) >= COMMON
    assert not set(client.programs) & set(client.left_out)
    assert all(client.left_out.values())
    pinned, newest = client.wanted(newest=False), client.wanted(newest=True)
    assert all(one != other and one.startswith(other) for one, other in zip(pinned, newest, strict=True))


def test_the_words_are_coined_anew_for_each_seed_and_alike_for_one() -> None:
    words = trying.coined(7)
    assert trying.coined(7) == words
    assert not set(trying.coined(8).values()) & {words["person"], words["town"], words["product"]}


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name in ("FOUNDRY_PROJECT_ENDPOINT", "FOUNDRY_MODEL_NAME", "IMAGE_GENERATION_MODEL_DEPLOYMENT_NAME"):
        monkeypatch.setenv(name, "made-up")
    words = '{"person": "A", "town": "B", "product": "C", "degrees": "1", "weight": "2"}'
    monkeypatch.setenv("FOREIGN_WORDS", words)
    monkeypatch.syspath_prepend(str(PROGRAMS))
    return importlib.import_module("harness")


def png(mode: str = "RGBA") -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").rotate(30).resize((30, 20)).convert(mode).save(file, "PNG")
    return file.getvalue()


def test_a_whole_picture_of_the_size_passes(harness: ModuleType) -> None:
    for mode in ("RGBA", "RGB", "L", "P", "1"):
        harness.is_png(png(mode), 30, 20)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"GIF89a", "no PNG"),
        (png()[:-12], "ends with b'IDAT'"),
        (png()[:-14], "cut after"),
        (png()[:200], "cut after"),
        (png().replace(b"IDAT", b"IDAX"), "the sum of chunk b'IDAX'"),
        (png()[:60] + bytes(4) + png()[64:], "the sum of chunk b'IDAT'"),
    ],
)
def test_a_damaged_picture_does_not(harness: ModuleType, data: bytes, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        harness.is_png(data, 30, 20)


def test_a_picture_of_another_size_does_not(harness: ModuleType) -> None:
    with pytest.raises(AssertionError, match="30x20"):
        harness.is_png(png(), 20, 30)
