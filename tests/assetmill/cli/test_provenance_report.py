"""`assetmill provenance report` as CI types it: table, exit code, JSON, signed summary."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from assetmill.cli.exports import INDEX
from assetmill.provenance.credentials import Making, sign
from tests.assetmill.checks.pictures import encoded, scene
from tests.assetmill.cli.terminal import Terminal
from tests.assetmill.provenance.authority import make_authority
from tests.lockyard import Yard

MAKING = Making("hero.png", "composite", ("c2pa.edited",), "trainedAlgorithmicMedia")


def test_a_folder_is_reported_fails_ci_and_is_signed(yard: Yard, assetmill: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "below").mkdir(parents=True)
    (folder / "a.png").write_bytes(sign(encoded(scene()), "image/png", MAKING, (), make_authority(tmp_path)))
    (folder / "below" / "b.jpg").write_bytes(encoded(scene(), "JPEG"))
    (folder / "below" / INDEX).write_text(json.dumps({"b.jpg": "sha256:" + "0" * 64}))
    assert assetmill("provenance", "report", str(folder), "--json") == 1
    shown = json.loads(assetmill.out)
    assert [(one["name"], one["verdict"]) for one in shown["files"]] == [
        ("a.png", "untrusted"),
        ("below/b.jpg", "absent"),
    ]
    assert shown["files"][1]["lost"] == ["the bytes that were exported"]
    assert shown["files"][1]["by"] == "a tool that left no trace"
    assert assetmill("provenance", "report", str(folder)) == 1
    assert "1 absent: " in assetmill.out
    assert "trust list: none given" in assetmill.out
    assert assetmill("reviewers", "add", "ada") == 0
    out = tmp_path / "summary.json"
    assert assetmill("provenance", "report", str(folder), "--sign", "ada", "--out", str(out)) == 1
    envelope = json.loads(out.read_text())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert [one["name"] for one in statement["subject"]] == ["a.png", "below/b.jpg"]
    assert statement["predicate"]["counts"] == {"absent": 1, "untrusted": 1}


def test_a_signed_summary_is_verified_and_tampering_is_told(
    yard: Yard, assetmill: Terminal, tmp_path: Path
) -> None:
    folder, out = tmp_path / "files", tmp_path / "summary.json"
    folder.mkdir()
    for number, name in enumerate(("a.png", "b.png", "c.png")):
        (folder / name).write_bytes(encoded(scene(number)))
    assert assetmill("reviewers", "add", "ada") == 0
    assert assetmill("provenance", "report", str(folder), "--sign", "ada", "--out", str(out)) == 1
    assert assetmill("provenance", "verify", str(out), str(folder)) == 0, assetmill.out
    assert assetmill.out.startswith("signed by ada on a report of ")
    signed = out.read_text()
    (folder / "a.png").write_bytes(encoded(scene(7)))
    (folder / "b.png").rename(folder / "d.png")
    assert assetmill("provenance", "verify", str(out)) == 0, "the summary itself is whole"
    assert assetmill("provenance", "verify", str(out), str(folder), "--json") == 1
    told = json.loads(assetmill.out)
    assert (told["status"], told["signer"], told["files"]) == ("differs", "ada", 3)
    assert told["problems"] == ["changed: a.png", "missing: b.png", "not in the summary: d.png"]
    envelope = json.loads(signed)
    payload = base64.b64decode(envelope["payload"])
    for forged in (
        payload.replace(b'"absent":3', b'"marked":3'),
        payload.replace(b'"signer":"ada"', b'"signer":"eve"'),
        payload.replace(b"urn:assetmill:provenance-report:v1", b"urn:assetmill:review:v1"),
    ):
        assert forged != payload
        envelope["payload"] = base64.b64encode(forged).decode()
        out.write_text(json.dumps(envelope, separators=(",", ":")))
        assert assetmill("provenance", "verify", str(out), str(folder)) == 1
        assert "the summary is not what a reviewer of this project signed" in assetmill.out
    assert assetmill("provenance", "verify", str(tmp_path / "no.json")) == 2


def test_what_is_no_batch_and_half_a_signature_are_refused(yard: Yard, assetmill: Terminal) -> None:
    assert assetmill("provenance", "report", "nowhere") == 2
    assert "batch or folder" in assetmill.err
    assert assetmill("provenance", "report", ".", "--sign", "ada") == 2
    assert assetmill("provenance", "one", "two") == 2
