"""A stage with `make`: carried out here, for nothing, and recorded like one that was paid for."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, lru_cache, partial
from pathlib import Path

from assetmill.errors import CannotMake, StageFailed
from assetmill.fingerprint import Digest, digest
from assetmill.making.carrying_out import FreshFile, Read, carry_out
from assetmill.making.versions import made_with
from assetmill.plan.calls import BoundInput, StageCall
from assetmill.progress import ProgressReporter
from assetmill.records import RunId, StageRecord
from assetmill.spec.file_kinds import kind_of
from assetmill.stage.derived import Facts, LocalFile, LocalStage, carry_out_local
from assetmill.stage.services import Services
from assetmill.stage.signing import Brought


@cache
def _hands() -> ThreadPoolExecutor:
    """Return the threads that work on pictures, one for each core.

    More would hold pictures in memory and be no faster. Their own, because the C library keeps what a thread
    has freed for that thread: pictures that passed through all threads of a batch would be kept by each.
    """
    return ThreadPoolExecutor(os.cpu_count() or 1, "making")


def run_making(call: StageCall, services: Services, run_id: RunId) -> StageRecord:
    """Return the stage's commit, doing its work only when no earlier run has.

    Raises:
        StageFailed: what is asked for cannot be made from what is given.
        StoreError, RunStopped: as a paid stage's.
    """
    parents = tuple(one.asset_id for one in call.inputs if one.asset_id)
    local = LocalStage(call.pipeline, call.stage, call.variant, {}, parents)

    def work() -> tuple[list[LocalFile], Facts]:
        services.wait(0)
        ProgressReporter(call.label, run_id).report("started")
        return _files(call, services), {}

    def make() -> tuple[list[LocalFile], Facts]:
        return _hands().submit(copy_context().run, work).result()

    with services.alone(call.fingerprint):
        try:
            return carry_out_local(
                local, call.deciding(), services, run_id, make, made_with=made_with(call.making)
            )
        except CannotMake as error:
            raise StageFailed(call.label, str(error)) from error


def _files(call: StageCall, services: Services) -> list[LocalFile]:
    given = {one.name: one for one in call.inputs}

    def read(name: str) -> bytes:
        return _bytes_of(given[name], services)

    return [_file(made, given, read) for made in carry_out(call.making, read, Path(call.folder or "."))]


@lru_cache(maxsize=32)
def _font(path: str, wanted: Digest) -> bytes:
    return _checked(path, wanted)


def _bytes_of(entry: BoundInput, services: Services) -> bytes:
    """Return an input's bytes: those that were planned with, and no others."""
    if entry.path is None:
        return services.blobs.get(entry.blob)
    # Fonts are the same for every row of a batch, and some have many megabytes.
    return (_font if entry.role == "font" else _checked)(entry.path, entry.blob.digest)


def _checked(path: str, wanted: Digest) -> bytes:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CannotMake(f"{path!r} cannot be read: {error.strerror}") from error
    if digest(data) != wanted:
        raise CannotMake(f"{path!r} was changed since the run was planned: run it again")
    return data


def _file(made: FreshFile, given: dict[str, BoundInput], read: Read) -> LocalFile:
    of = tuple(dict.fromkeys(name for name in made.of if name in given))
    width, height = made.size or (None, None)
    return LocalFile(
        made.name,
        made.data,
        made.media_type,
        kind_of(made.media_type),
        "output",
        width,
        height,
        parents=tuple(dict.fromkeys(one for name in of if (one := given[name].asset_id))),
        actions=made.actions or ("c2pa.edited",),
        shown=tuple(
            given[name].asset_id or Brought(name, given[name].blob.media_type, partial(read, name))
            for name in of
        ),
    )
