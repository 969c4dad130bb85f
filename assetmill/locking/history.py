"""What git remembers of the tree: a file as it was in a commit."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from assetmill.children import child_environment
from assetmill.errors import InvalidInput, NotFound

_TIMEOUT_S = 60


def resolve_commit(root: Path, ref: str) -> str | None:
    """Return the commit that a name means; None when the tree has no history at all yet.

    Raises:
        InvalidInput: git is not there, or the tree is not one of its work trees.
        NotFound: git knows no such commit.
    """
    done = _git(root, "rev-parse", "--is-inside-work-tree")
    if done.returncode:
        raise InvalidInput(f"{root} is not in a git work tree: {_said(done)}")
    done = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if done.returncode == 0:
        return done.stdout.decode().strip()
    if ref == "HEAD":
        return None
    raise NotFound("commit", ref, "in a shallow clone, fetch it first")


def file_at(root: Path, commit: str, path: str) -> bytes | None:
    """Return a file's bytes as committed, None when the commit does not have it."""
    done = _git(root, "cat-file", "blob", f"{commit}:./{path}")
    return done.stdout if done.returncode == 0 else None


def lfs_object(root: Path, sha256: str) -> bytes | None:
    """Return what git-lfs keeps beside the commits under a digest; nothing is fetched."""
    done = _git(root, "rev-parse", "--git-common-dir")
    folder = root / done.stdout.decode(errors="surrogateescape").strip() / "lfs" / "objects"
    try:
        return (folder / sha256[:2] / sha256[2:4] / sha256).read_bytes()
    except OSError:
        return None


def newest_versions(root: Path, path: str, count: int) -> Iterator[bytes]:
    """Yield a file's bytes as committed last, and in the commits before that changed it.

    Raises:
        InvalidInput: git is not there, or the tree is not one of its work trees.
    """
    if resolve_commit(root, "HEAD") is None:
        return
    done = _git(
        root, "log", f"--max-count={count}", "--format=%H", "--end-of-options", "HEAD", "--", f"./{path}"
    )
    for commit in done.stdout.decode().split():
        if (data := file_at(root, commit, path)) is not None:
            yield data


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    git = shutil.which("git")
    if git is None:
        raise InvalidInput("git is not installed: without it nothing is known of the lock as it was")
    try:
        # No shell; the arguments are ours but for a ref, which stands after --end-of-options.
        return subprocess.run(  # noqa: S603
            [git, "-C", str(root), *arguments],
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            env=child_environment(beginnings=("GIT_",)),
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise InvalidInput(f"git {arguments[0]} did not work: {error}") from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join(done.stderr.decode(errors="replace").split())[:200]
