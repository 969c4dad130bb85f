"""Which names there are to be completed in a shell: pipelines, profiles, stages, runs, batches, assets.

Read in a moment or not at all: no models, no service, and of a store that is a directory no more than its
newest few hundred names. A store elsewhere is not asked: a shell would hang on the network at each TAB.
"""

from __future__ import annotations

import heapq
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, cast

from assetmill.errors import AssetmillError
from assetmill.names import stage_label
from assetmill.project import find_configs, home_folder
from assetmill.store import layout
from assetmill.store.local import LocalStore

NEWEST = 200
"""Of runs, batches and stages: more is nothing that somebody picks from a list."""
LISTED = 20_000
"""Names of the store that are looked at to find the newest."""
_MOST_BYTES = 256 * 1024
_PLAIN = re.compile(r"[\w.@+:/=,\[\]-]+")
"""What every shell takes as one word, without quotes."""


class KnownNames:
    """The names of one project, for a command line as far as it has been typed.

    `typed` are the values given so far, by what they are: `PIPELINE`, `RUN`, `PROFILE`.
    """

    def __init__(self, typed: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> None:
        self._typed, self._environ = typed, environ

    def of(self, kind: str) -> list[str]:
        """Return the names of a kind, as `RUN`; none where they cannot be read."""
        kinds: Mapping[str, Callable[[], Iterable[str]]] = {
            "PIPELINE": self._pipelines,
            "PROFILE": self._profiles,
            "STAGE": self._stages,
            "RUN": self._runs,
            "BATCH": lambda: self._newest(layout.BATCHES),
            "ASSET": self._assets,
            "NAME=VALUE": self._parameters,
        }
        try:
            found = list(kinds[kind]()) if kind in kinds else []
        except (AssetmillError, OSError, ValueError):
            # Nobody has asked for anything yet: the command itself will say what is wrong.
            return []
        return [name for name in found if _PLAIN.fullmatch(name)]

    def _pipelines(self) -> list[str]:
        folder = find_configs(self._environ) / "pipelines"
        return sorted(path.stem for path in islice(folder.glob("*.y*ml"), LISTED))

    def _profiles(self) -> list[str]:
        return sorted(path.stem for path in (find_configs(self._environ) / "profiles").glob("*.toml"))

    def _runs(self) -> list[str]:
        newest = self._newest(layout.RUNS)
        return ["latest", *newest] if newest else []

    def _stages(self) -> list[str]:
        """Return the stages of the run that is named, else of the pipeline."""
        run = self._typed.get("RUN")
        if run is None:
            stages = cast("list[Any]", self._spec().get("stages") or [])
            return [str(cast("dict[str, Any]", one)["name"]) for one in stages if _has_name(one)]
        found = next((one for one in self._newest(layout.RUNS) if run in ("latest", one)), run)
        start = self._document(layout.run_start(cast("Any", found)))
        return [stage_label(name, variant) for name, variant in start["stages"]]

    def _parameters(self) -> list[str]:
        return [f"{name}=" for name in cast("dict[str, Any]", self._spec().get("parameters") or {})]

    def _assets(self) -> list[str]:
        """Return the assets of the newest stages; a stage's name in the store says nothing of its hour."""
        store = self._store()
        if store is None:
            return []
        entries = islice(store.list(layout.STAGES), LISTED)
        newest = heapq.nlargest(NEWEST // 4, entries, key=lambda entry: entry.modified_at)
        outputs = (one for entry in newest for one in self._document(entry.key)["outputs"])
        return [str(one["asset_id"]) for one in outputs]

    def _newest(self, prefix: str) -> list[str]:
        """Return the newest names right below a prefix; those of runs and batches begin with their time."""
        store = self._store()
        if store is None:
            return []
        names = {
            entry.key.removeprefix(prefix).partition("/")[0] for entry in islice(store.list(prefix), LISTED)
        }
        return sorted(names, reverse=True)[:NEWEST]

    def _spec(self) -> dict[str, Any]:
        # Not for runs and assets, which need no YAML.
        import yaml

        name = self._typed.get("PIPELINE", "")
        folder = find_configs(self._environ) / "pipelines"
        named = [Path(name), *(folder / f"{name}{suffix}" for suffix in (".yaml", ".yml"))]
        path = next((one for one in named if name and one.is_file()), None)
        if path is None:
            return {}
        try:
            spec = yaml.safe_load(_read(path))
        except yaml.YAMLError:
            return {}
        return cast("dict[str, Any]", spec) if isinstance(spec, dict) else {}

    def _document(self, key: str) -> dict[str, Any]:
        store = self._store()
        return json.loads(store.get(key)) if store else {}

    def _store(self) -> LocalStore | None:
        """Return the profile's store where it is a directory that is there."""
        root = self._store_folder()
        return LocalStore(root) if root and root.is_dir() else None

    def _store_folder(self) -> Path | None:
        url = self._environ.get("ASSETMILL_STORE_URL") or self._url_in_profile()
        if not url:
            return home_folder(self._environ) / "store"
        scheme, colon, rest = url.partition(":")
        if colon and scheme != "file":
            return None
        return Path(rest if colon else url).expanduser()

    def _url_in_profile(self) -> str:
        name = self._typed.get("PROFILE") or self._environ.get("ASSETMILL_PROFILE") or "local"
        path = find_configs(self._environ) / "profiles" / f"{name}.toml"
        if not path.is_file():
            return ""
        return str(tomllib.loads(_read(path)).get("store", {}).get("url", ""))


def _read(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.read(_MOST_BYTES)


def _has_name(stage: object) -> bool:
    return isinstance(stage, dict) and "name" in stage
