"""Which files a knowledge set has: the names and globs of the pipeline file, found on disk."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from assetmill.spec.pipeline import LoadedPipeline
from assetmill.spec.reading import Problems

MAX_FILES = 1000


def knowledge_files(
    pipeline: LoadedPipeline, name: str, patterns: Sequence[str], problems: Problems
) -> tuple[Path, ...]:
    """Return a set's files, each once, sorted by name; what cannot be read is noted as a problem."""
    where = ("knowledge", name)
    found: dict[str, Path] = {}
    for pattern in patterns:
        matches = _matches(pipeline, pattern)
        if not matches:
            problems.add(
                where, f"knowledge {name!r}: no file {pattern!r}", f"looked in {pipeline.path.parent}"
            )
        for path in matches:
            if not path.is_file() or not os.access(path, os.R_OK):
                problems.add(where, f"knowledge {name!r}: cannot read {str(path)!r}")
            elif found.setdefault(path.name, path).resolve() != path.resolve():
                problems.add(where, f"knowledge {name!r}: two files are called {path.name!r}")
    if not patterns:
        problems.add(where, f"knowledge {name!r} names no files")
    if len(found) > MAX_FILES:
        problems.add(where, f"knowledge {name!r} has more than {MAX_FILES} files")
    return tuple(found[key] for key in sorted(found))


def _matches(pipeline: LoadedPipeline, pattern: str) -> list[Path]:
    if not glob.has_magic(pattern):
        path = pipeline.find_file(pattern)
        return [path] if os.path.exists(path) else []
    for base in (pipeline.path.parent, Path()):
        try:
            found = sorted(glob.glob(str(base / pattern), recursive=True))
        except (OSError, ValueError):
            continue
        if found:
            return [Path(entry) for entry in found if not Path(entry).is_dir()]
    return []
