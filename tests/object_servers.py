"""Real object servers for the contract suite: SeaweedFS (S3) and Azurite (Azure Blob), on loopback only."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import boto3.session
import botocore.exceptions
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient
from botocore.config import Config

START_TIMEOUT_S = 90.0
BUCKET = "contract"
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's documented key, the same in every installation."""


@dataclass(frozen=True)
class ObjectServer:
    """A running server with one empty bucket."""

    endpoint_url: str
    access_key: str
    secret: str

    def session(self) -> boto3.session.Session:
        return boto3.session.Session(self.access_key, self.secret, region_name="us-east-1")


def find_weed() -> str | None:
    """Return SeaweedFS as the wheel installs it beside this interpreter, or from PATH."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


def find_azurite() -> str | None:
    """Return Azurite's blob server: named by a variable, installed in the working tree, or on PATH."""
    if shutil.which("node") is None:
        return None
    named = os.environ.get("ASSETMILL_TEST_AZURITE")
    root = Path(__file__).parents[1]
    for path in (named, root / "node_modules/.bin/azurite-blob", shutil.which("azurite-blob")):
        if path and Path(path).is_file():
            # The variable may name `azurite`, which would start queues and tables as well.
            beside = Path(path).with_name("azurite-blob")
            return str(beside if beside.exists() else path)
    return None


class MortalServer:
    """An object server that can be killed and started again where it was, with what it had stored."""

    def __init__(self, weed: str, folder: Path) -> None:
        self._folder = folder
        self.server, self._command, self._environment = _seaweedfs(weed, folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """On which port it is."""
        return int(self.server.endpoint_url.rpartition(":")[2])

    def start(self) -> None:
        """Start it and return when it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=output, env=self._environment, cwd=self._folder
            )
        _wait_until(lambda: _make_bucket(self.server), self._process, log)

    def send(self, number: int) -> None:
        """Signal it."""
        if self._process:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL it, as a machine that dies does."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def seaweedfs(weed: str, folder: Path) -> Generator[ObjectServer]:
    server, command, environment = _seaweedfs(weed, folder)
    with _running(command, folder, environment, lambda: _make_bucket(server)):
        yield server


def _seaweedfs(weed: str, folder: Path) -> tuple[ObjectServer, list[str], dict[str, str]]:
    s3, master, volume, filer = (_free_port() for _ in range(4))
    server = ObjectServer(f"http://127.0.0.1:{s3}", "contract-access", "contract-secret")
    command = [weed, "-logtostderr=true", "mini", f"-dir={folder / 'data'}", "-ip=127.0.0.1"]
    command += ["-ip.bind=127.0.0.1", f"-s3.port={s3}", f"-master.port={master}", f"-volume.port={volume}"]
    command += [f"-filer.port={filer}", f"-filer.localSocket={folder / 'f.sock'}", "-s3.port.iceberg=0"]
    command += ["-s3.port.lance=0", "-s3.autoCreateBucket=false", "-admin.ui=false", "-webdav=false"]
    command += ["-master.telemetry=false"]
    keys = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret}
    return server, command, {**os.environ, **keys}


@contextmanager
def azurite(command: str, folder: Path) -> Generator[ObjectServer]:
    port = _free_port()
    server = ObjectServer(f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}", AZURITE_ACCOUNT, AZURITE_KEY)
    arguments = [command, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
    arguments += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    with _running(arguments, folder, dict(os.environ), lambda: _make_container(server)):
        yield server


def _make_bucket(server: ObjectServer) -> None:
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5)
    client = cast("Any", server.session().client("s3", endpoint_url=server.endpoint_url, config=once))
    try:
        # An earlier try may have made it and failed at the next step.
        with suppress(botocore.exceptions.ClientError):
            client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="ready", Body=b"yes")
        client.get_object(Bucket=BUCKET, Key="ready")["Body"].read()
    finally:
        client.close()


def _make_container(server: ObjectServer) -> None:
    with BlobServiceClient(server.endpoint_url, credential=server.secret, retry_total=0) as client:
        client.create_container(BUCKET)


@contextmanager
def _running(
    command: list[str], folder: Path, environment: dict[str, str], is_ready: Callable[[], None]
) -> Generator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
    try:
        _wait_until(is_ready, process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until(is_ready: Callable[[], None], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return is_ready()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, AzureError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{process.args!r} did not start: {tail}") from error
            time.sleep(0.2)


def _free_port() -> int:
    """Return a port that is free, with the one 10,000 above it, where SeaweedFS puts its gRPC."""
    while True:
        port = random.randint(12_000, 32_000)
        try:
            for candidate in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", candidate))
        except OSError:
            continue
        return port
