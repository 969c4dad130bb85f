"""`gallery` and `open` as they are typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal
from tests.millworks import run_here


def test_a_gallery_is_written_for_a_run(services: Services, assetmill: Terminal, tmp_path: Path) -> None:
    run = run_here(services, "chain")
    told = assetmill.document("gallery", str(tmp_path / "wall"), run.run_id)
    assert told["lost"] == []
    assert Path(told["page"]).is_file()
    drawn = {asset.blob.digest for asset in run.assets()}
    assert len(list((tmp_path / "wall" / "thumbnails").iterdir())) == 2 * len(drawn)  # a small one of each
    assert assetmill("gallery", str(tmp_path / "wall"), "nothing") == 2
    assert "no run, batch, pipeline or asset 'nothing'" in assetmill.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_page_is_served_until_a_signal(services: Services, number: int) -> None:
    run_here(services, "chain")
    command = [sys.executable, "-m", "assetmill.cli.main", "open", "latest", "--no-browser", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        told = ""
        while not told.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, "it ended before it answered"
            told += line
        link = json.loads(told)["url"]
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(link.partition("/enter/")[0], timeout=30)  # noqa: S310
        process.send_signal(number)
        assert process.wait(30) == 128 + number


def test_who_is_no_reviewer_cannot_open_as_one(services: Services, assetmill: Terminal) -> None:
    run_here(services, "chain")
    assert assetmill("open", "latest", "--no-browser", "--as", "eve") == 2
    assert "no reviewer 'eve'" in assetmill.err
