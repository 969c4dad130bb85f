"""What is said of each kind of file: signed, re-saved by named tools, stripped, and what only looks valid."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import cast

import c2pa
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from assetmill.provenance import credentials, verdicts
from assetmill.provenance.credentials import Ingredient, Making, sign
from assetmill.provenance.sources import IPTC
from assetmill.provenance.verdicts import FileVerdict, judge
from assetmill.settings import Provenance
from tests.assetmill.checks.pictures import encoded, scene
from tests.assetmill.provenance.authority import make_authority, make_self_signed

MAKING = Making("hero.png", "composite", ("c2pa.edited",), "trainedAlgorithmicMedia")
REMOTE = "https://manifests.example/1.c2pa"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Provenance:
    return make_authority(tmp_path_factory.mktemp("authority"))


def signed(authority: Provenance, kind: str = "PNG", *parents: Ingredient) -> bytes:
    return sign(encoded(scene(), kind), f"image/{kind.lower()}", MAKING, parents, authority)


def built(authority: Provenance, kind: str, *, source: str = "", remote: bool = False) -> bytes:
    """Sign what our own signing never makes: other kinds, other words, a manifest that lies elsewhere."""
    definition = credentials._definition(MAKING, f"image/{kind.lower()}", ())  # pyright: ignore[reportPrivateUsage]
    if source:
        definition["assertions"][0]["data"]["actions"][0]["digitalSourceType"] = source
    certificate, key = (Path(str(path)).read_bytes() for path in (authority.certificate, authority.key))
    picture = encoded(scene().convert("P") if kind == "GIF" else scene(), kind)
    out = io.BytesIO()
    with c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", certificate, key, None)) as signer:
        builder = c2pa.Builder(json.dumps(definition))
        if remote:
            builder.set_no_embed()
            builder.set_remote_url(REMOTE)
        builder.sign(signer, f"image/{kind.lower()}", io.BytesIO(picture), out)
    return out.getvalue()


def verdict(data: bytes, settings: Provenance, beside: bytes = b"") -> FileVerdict:
    return judge("a", "sha256:0", data, settings, beside=beside)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF", "TIFF"])
def test_what_a_trusted_signer_made_is_marked(kind: str, authority: Provenance) -> None:
    found = verdict(built(authority, kind), authority)
    assert (found.verdict, found.where, found.signer) == ("marked", "embedded", "assetmill test signer, Test")
    assert found.source_type == IPTC + "trainedAlgorithmicMedia"
    assert verdict(built(authority, kind), Provenance()).verdict == "untrusted"
    assert verdict(encoded(scene(), kind), authority).verdict == "absent"


def test_a_certificate_that_its_owner_issued_is_told_even_where_the_list_has_it(tmp_path: Path) -> None:
    own = make_self_signed(tmp_path, str(tmp_path / "self.pem"))
    data = signed(own)
    assert credentials.read_credential(data, own).is_trusted
    assert verdict(data, own).verdict == "self_signed"


def test_a_made_up_source_type_is_told(authority: Provenance) -> None:
    found = verdict(built(authority, "PNG", source=IPTC + "madeByElves"), authority)
    assert (found.verdict, found.problems) == ("unknown_source", (IPTC + "madeByElves",))


def test_a_signature_that_names_no_source_declares_nothing(authority: Provenance) -> None:
    """It was opened and signed, and nothing was said of what it is."""
    parent = Ingredient("parent.png", "image/png", encoded(scene()))
    opened = Making("hero.png", "composite", (), "trainedAlgorithmicMedia")
    found = verdict(sign(encoded(scene()), "image/png", opened, [parent], authority), authority)
    assert (found.verdict, found.source_type) == ("undeclared", "")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_what_was_changed_after_it_was_signed_is_invalid(kind: str, authority: Provenance) -> None:
    changed = bytearray(built(authority, kind))
    changed[-20] ^= 1
    assert verdict(bytes(changed), authority).verdict == "invalid"


def test_what_was_stripped_is_absent_until_the_tool_that_did_it_is_told(authority: Provenance) -> None:
    """A signed file out of which the manifest alone was cut: every pixel is as it was."""
    png, jpeg = signed(authority), signed(authority, "JPEG")
    at = png.index(b"caBX") - 4
    bare = png[:at] + png[at + 12 + int.from_bytes(png[at : at + 4], "big") :]
    assert verdict(png, authority).verdict == "marked"
    assert verdict(bare, authority).verdict == "absent"
    at = jpeg.index(b"\xff\xeb")
    assert verdict(
        jpeg[:at] + jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") :], authority
    ).verdict == ("absent")


def test_without_the_library_a_manifest_is_told_and_not_believed(
    authority: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "is_installed", lambda: False)
    assert verdict(signed(authority), authority).verdict == "not_validated"
    assert verdict(built(authority, "PNG", remote=True), authority).verdict == "remote"


def test_a_parent_that_was_changed_is_told(authority: Provenance) -> None:
    parent = bytearray(signed(authority))
    parent[-40] ^= 1
    data = signed(authority, "PNG", Ingredient("parent.png", "image/png", bytes(parent)))
    assert credentials.read_credential(data, authority).is_trusted
    found = verdict(data, authority)
    assert (found.verdict, found.problems) == ("broken_parent", ("parent.png: assertion.dataHash.mismatch",))
    whole = signed(authority, "PNG", Ingredient("parent.png", "image/png", signed(authority)))
    assert verdict(whole, authority).verdict == "marked"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_manifest_that_lies_elsewhere_is_not_absent(kind: str, authority: Provenance) -> None:
    found = verdict(built(authority, kind, remote=True), authority)
    assert (found.verdict, found.remote) == ("remote", REMOTE)


def test_a_jpeg_with_two_manifests_does_not_count(authority: Provenance) -> None:
    data = signed(authority, "JPEG")
    at = data.index(b"\xff\xeb")
    length = int.from_bytes(data[at + 2 : at + 4], "big") + 2
    assert verdict(data[:at] + data[at : at + length] + data[at:], authority).verdict == "invalid"


def test_words_without_a_signature_are_a_declaration(authority: Provenance) -> None:
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description '
        f'Iptc4xmpExt:DigitalSourceType="{IPTC}trainedAlgorithmicMedia"/></rdf:RDF></x:xmpmeta>'
    )
    beside = verdict(encoded(scene()), authority, xmp.encode())
    assert (beside.verdict, beside.where) == ("declared", "sidecar")
    text, out = PngInfo(), io.BytesIO()
    text.add_itxt("XML:com.adobe.xmp", xmp, zip=True)
    scene().save(out, "PNG", pnginfo=text)
    inside = verdict(out.getvalue(), authority)
    assert (inside.verdict, inside.where) == ("declared", "metadata")
    assert (
        verdict(encoded(scene()), authority, xmp.replace("Media", "Elf").encode()).verdict == "unknown_source"
    )


def test_what_is_no_picture_is_not_called_absent(authority: Provenance) -> None:
    assert verdict(b"%PDF-1.7", authority).verdict == "unread"


def by_pillow(data: bytes, _: Path) -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as picture:
        picture.save(out, "JPEG")
    return out.getvalue()


def by_vips(data: bytes, _: Path) -> bytes:
    vips = pytest.importorskip("pyvips", reason="a development dependency")
    return cast(bytes, vips.Image.new_from_buffer(data, "").jpegsave_buffer())


def by_oxipng(data: bytes, _: Path) -> bytes:
    return cast(
        bytes, pytest.importorskip("oxipng", reason="a development dependency").optimize_from_memory(data)
    )


def by_ffmpeg(data: bytes, folder: Path) -> bytes:
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="a development dependency").get_ffmpeg_exe()
    return by_program(data, folder, ffmpeg, "-loglevel", "error", "-i", "in.png", "out.jpg")


def by_exiftool(data: bytes, folder: Path) -> bytes:
    if not shutil.which("exiftool"):
        pytest.skip("exiftool is not installed: Debian's libimage-exiftool-perl")
    return by_program(data, folder, "exiftool", "-XMP-dc:Title=x", "-o", "out.png", "in.png")


def by_program(data: bytes, folder: Path, *command: str) -> bytes:
    (folder / "in.png").write_bytes(data)
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return next(folder.glob("out.*")).read_bytes()


@pytest.mark.parametrize(
    ("tool", "expected", "trace"),
    [
        (by_pillow, "absent", ""),
        (by_vips, "absent", ""),
        (by_ffmpeg, "absent", "FFmpeg"),
        (by_oxipng, "absent", ""),
        (by_exiftool, "invalid", "ExifTool"),
    ],
)
def test_what_a_tool_saved_again_is_no_longer_marked(
    tool: Callable[[bytes, Path], bytes], expected: str, trace: str, authority: Provenance, tmp_path: Path
) -> None:
    found = verdict(tool(signed(authority), tmp_path), authority)
    assert (found.verdict, bool(found.tools)) == (expected, bool(trace))
    assert trace in " ".join(found.tools)
