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


def test_what_is_no_batch_and_half_a_signature_are_refused(yard: Yard, assetmill: Terminal) -> None:
    assert assetmill("provenance", "report", "nowhere") == 2
    assert "batch or folder" in assetmill.err
    assert assetmill("provenance", "report", ".", "--sign", "ada") == 2
    assert assetmill("provenance", "one", "two") == 2
