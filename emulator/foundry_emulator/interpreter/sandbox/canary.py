"""Find out whether a tier holds on this machine by trying to break out of it, not by asking for versions."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from foundry_emulator.interpreter.sandbox.cage import Cage

_TIMEOUT_S = 20.0
_FORKS = 300
_REPORT = "canary.json"

_ATTEMPTS = """
import importlib.util, json, os, posix, socket, time

escaped = []
def attempt(name, action):
    try:
        action()
    except OSError:
        return
    escaped.append(name)

# posix and not os: where names are translated, only these ask for the very path.
def read(path):
    if not posix.read(posix.open(path, os.O_RDONLY), 1):
        raise OSError

def write(path):
    posix.write(posix.open(path, os.O_WRONLY), b"x")

def connect():
    with socket.socket() as caller:
        caller.settimeout(2)
        caller.connect(("127.0.0.1", PORT))

def fork_many():
    for _ in range(FORKS):
        if os.fork() == 0:
            # They must go on living, or the limit on processes is never met.
            time.sleep(60)
            os._exit(0)

attempt("read a file outside", lambda: read(SECRET))
attempt("write a file outside", lambda: write(SECRET))
attempt("connect to this machine", connect)
for process in {EMULATOR, os.getppid(), 1}:
    attempt("read another process's environment", lambda: read(f"/proc/{process}/environ"))
for name in PACKAGES:
    importlib.util.find_spec(name).loader.get_data(importlib.util.find_spec(name).origin)
attempt("start processes without end", fork_many)
with open("/mnt/data/canary.json", "w") as report:
    json.dump(escaped, report)
"""


@dataclass(frozen=True)
class ProbedTier:
    """The tier that holds here, and why the better ones do not."""

    tier: Literal["strong", "landlock", "refused"]
    bubblewrap: str | None
    reasons: tuple[str, ...]


def probe(bubblewrap: str | None) -> ProbedTier:
    """Try the tiers from the best down and return the first that nothing escapes from."""
    if not sys.platform.startswith("linux"):
        return ProbedTier("refused", None, (f"there is no sandbox for {sys.platform}",))
    reasons: list[str] = []
    if bubblewrap is None:
        reasons.append("strong: bubblewrap is not installed")
    else:
        failure = why_not(Cage("strong", bubblewrap))
        if failure is None:
            return ProbedTier("strong", bubblewrap, ())
        reasons.append(f"strong: {failure}")
    failure = why_not(Cage("landlock"))
    if failure is None:
        return ProbedTier("landlock", None, tuple(reasons))
    return ProbedTier("refused", None, (*reasons, f"landlock: {failure}"))


def why_not(cage: Cage) -> str | None:
    """Return what escaped from the cage or why it cannot be built; None if it holds."""
    with (
        tempfile.TemporaryDirectory(prefix="canary-") as place,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        root = Path(place)
        # Open to everyone, so that only the sandbox can be what keeps the attempts out.
        root.chmod(0o755)
        secret = root / "secret"
        secret.write_bytes(b"secret")
        secret.chmod(0o666)
        work = root / "work"
        work.mkdir()
        values = {
            "SECRET": str(secret),
            "PORT": listener.getsockname()[1],
            "EMULATOR": os.getpid(),
            "FORKS": _FORKS,
            "PACKAGES": [name for name in ("PIL", "numpy") if importlib.util.find_spec(name) is not None],
        }
        lines = [f"{name} = {value!r}" for name, value in values.items()]
        outcome = cage.run("\n".join([*lines, _ATTEMPTS]), work, _TIMEOUT_S)
    if outcome.error is not None:
        return " ".join([outcome.error, *outcome.logs.splitlines()[-1:]])
    report = dict(outcome.files).get(_REPORT)
    if report is None:
        return "the work directory cannot be written"
    escaped = cast("list[str]", json.loads(report))
    return f"code inside could {', '.join(escaped)}" if escaped else None


def remembered(cache: Path, bubblewrap: str | None) -> ProbedTier | None:
    """Return the verdict found since this machine was started, None if there is none that still applies."""
    try:
        stored = cast("dict[str, object]", json.loads(cache.read_text(encoding="utf-8")))
        if stored["conditions"] != _conditions(bubblewrap):
            return None
        tier = cast("Literal['strong', 'landlock', 'refused']", stored["tier"])
        reasons = tuple(cast("list[str]", stored["reasons"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ProbedTier(tier, bubblewrap if tier == "strong" else None, reasons)


def remember(cache: Path, bubblewrap: str | None, verdict: ProbedTier) -> None:
    """Keep the verdict for the next start. A refusal is not kept: it may be mended at any time."""
    if verdict.tier == "refused":
        return
    stored = {"conditions": _conditions(bubblewrap), "tier": verdict.tier, "reasons": verdict.reasons}
    cache.parent.mkdir(parents=True, exist_ok=True)
    fresh = cache.with_name(f"{cache.name}.{os.getpid()}")
    fresh.write_text(json.dumps(stored), encoding="utf-8")
    fresh.replace(cache)


def _conditions(bubblewrap: str | None) -> str:
    """Digest what the verdict depends on: this boot, this user, this interpreter, this sandbox's own code."""
    digest = hashlib.sha256()
    boot = Path("/proc/sys/kernel/random/boot_id")
    digest.update(boot.read_bytes() if boot.exists() else b"")
    digest.update(repr((os.getuid(), sys.prefix, sys.base_prefix, bubblewrap, sys.version)).encode())
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        info = source.stat()
        digest.update(repr((source.name, info.st_size, info.st_mtime_ns)).encode())
    return digest.hexdigest()
