"""Which asset a person means: by its ID or the service's, by an exported file, or by its place in a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from assetmill.errors import InvalidInput, NotFound
from assetmill.fingerprint import Digest
from assetmill.plan.localfiles import blob_of_file
from assetmill.records import AssetId, AssetRecord, RunManifest, StageEntry
from assetmill.store.index import Index
from assetmill.store.ledger import Ledger

FORMS = "an asset ID, a service ID, a file, or RUN/STAGE/NAME"
_WHOLE_ID = re.compile(r"ast_[0-9a-f]{8}_[a-z2-7]{52}_[0-9]{2,}")


@dataclass(frozen=True)
class AssetFinder:
    """Finds the assets of one store."""

    ledger: Ledger
    index: Index

    def find(self, reference: str) -> AssetRecord:
        """Return the asset that a reference means.

        Raises:
            NotFound: none, or several that differ.
            InvalidInput: a file that cannot be read.
        """
        if _WHOLE_ID.fullmatch(reference):
            return self._read(AssetId(reference), reference)
        if reference.startswith("ast_"):
            found = self.index.with_prefix(reference)
            return self._only(
                found or self._kept(lambda asset: asset.asset_id.startswith(reference)), reference
            )
        path = local_file(reference)
        if path is not None:
            return self._with_digest(digest_of(path), reference)
        if reference.startswith(("/", ".", "~")):
            raise NotFound("file", reference[:200])
        if "/" in reference:
            return self._in_run(reference)
        found = self.index.with_service_id(reference)
        return self._only(found or self._kept(lambda asset: reference in _service_ids(asset)), reference)

    def _run_with(self, label: str) -> RunManifest | None:
        """Return the newest sealed run that has made or reused a stage of its own pipeline.

        Edits and dead runs may be newer, and so may a migration's sample, whose pictures are another model's.
        """
        manifests = (self.ledger.read_manifest(run_id) for run_id in self.ledger.newest_runs())
        return next((found for found in manifests if found and _has(found, label)), None)

    def with_digest(self, digest: Digest) -> AssetRecord | None:
        """Return the newest asset with these bytes, None when the store has none."""
        found = self.index.with_digest(digest) or self._kept(lambda asset: asset.blob.digest == digest)
        return self.ledger.read_asset(found[0]) if found else None

    def _kept(self, is_meant: Callable[[AssetRecord], bool]) -> tuple[AssetId, ...]:
        """Look among what is no stage's result, of which there is no index: there is little of it."""
        return tuple(asset.asset_id for asset in self._all_kept if is_meant(asset))

    @cached_property
    def _all_kept(self) -> tuple[AssetRecord, ...]:
        return tuple(one.asset for one in self.ledger.kept.all())

    def _with_digest(self, digest: Digest, reference: str) -> AssetRecord:
        asset = self.with_digest(digest)
        if asset is None:
            raise NotFound("asset", reference, "this file is none of the store's: `assetmill import` it")
        return asset

    def _read(self, asset_id: AssetId, reference: str) -> AssetRecord:
        asset = self.ledger.read_asset(asset_id)
        if asset is None:
            raise NotFound("asset", reference, "this store does not have it")
        return asset

    def _only(self, found: tuple[AssetId, ...], reference: str) -> AssetRecord:
        if not found:
            raise NotFound("asset", reference[:200], f"give {FORMS}: `assetmill assets` lists them")
        assets = [self._read(asset_id, reference) for asset_id in found[:50]]
        wanted = [asset for asset in assets if asset.role == "output"] or assets
        if len({asset.blob.digest for asset in wanted}) > 1:
            names = ", ".join(f"{asset.name} ({asset.asset_id})" for asset in wanted[:4])
            raise NotFound("asset", reference[:200], f"{len(found)} assets match: {names}")
        return wanted[0]

    def _in_run(self, reference: str) -> AssetRecord:
        run, _, rest = reference.partition("/")
        label, _, name = rest.rpartition("/") if "/" in rest else (rest, "", "")
        manifest = self._run_with(label) if run == "latest" else None
        manifest = manifest or self.ledger.read_manifest(self.ledger.find_run(run))
        if manifest is None:
            raise NotFound("run", run, "it is not sealed: it still runs, or was killed; run it again")
        entry = _entry(manifest, label)
        assets = entry.record.outputs if entry.record else self._left_by(manifest, entry)
        found = [asset for asset in assets if asset.name == name] if name else list(assets)
        outputs = [asset for asset in found if asset.role == "output"] or found
        if len(outputs) != 1:
            names = ", ".join(asset.name for asset in assets) or "nothing"
            raise NotFound("asset", reference[:200], f"stage {label!r} made {names}")
        return outputs[0]

    def _left_by(self, manifest: RunManifest, entry: StageEntry) -> tuple[AssetRecord, ...]:
        """Return what a stage that is not done has kept."""
        if entry.fingerprint is None:
            return ()
        kept = self.ledger.kept.of_stage(manifest.pipeline, entry.fingerprint)
        return tuple(one.asset for one in kept)


def _service_ids(asset: AssetRecord) -> set[str]:
    made_by = {asset.made_by.response_id} if asset.made_by else set[str]()
    return {handle.id for handle in asset.handles} | made_by


def _has(manifest: RunManifest, label: str) -> bool:
    return any(
        entry.label == label and entry.is_done
        for entry in manifest.stages
        if entry.record is None or entry.record.pipeline == manifest.pipeline
    )


def local_file(reference: str) -> Path | None:
    """Return the local file of that name, None when there is none."""
    try:
        path = Path(reference)
        return path if path.is_file() else None
    except (OSError, ValueError):
        return None


def digest_of(path: Path) -> Digest:
    """Return a local file's digest.

    Raises:
        InvalidInput: it cannot be read, or is too large for the service.
    """
    try:
        return blob_of_file(path).digest
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InvalidInput(f"cannot read {str(path)!r}: {reason}") from error


def _entry(manifest: RunManifest, label: str) -> StageEntry:
    for entry in manifest.stages:
        if entry.label == label:
            return entry
    known = ", ".join(entry.label for entry in manifest.stages[:12])
    raise NotFound("stage", label[:200], f"run {manifest.run_id} has {known}")
