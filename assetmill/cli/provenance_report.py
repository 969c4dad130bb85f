"""`assetmill provenance report`: for each file whether it is marked, by whom, what was lost on the way."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import click

from assetmill.batches.ledger import BatchLedger
from assetmill.cli.exports import INDEX
from assetmill.cli.options import print_json
from assetmill.cli.written import write_text
from assetmill.errors import InvalidInput, InvalidSettings, NotFound
from assetmill.fingerprint import digest
from assetmill.markdown import one_line
from assetmill.provenance.marks import media_type_of, read_marks
from assetmill.provenance.verdicts import SAYS, FileVerdict, judge
from assetmill.records import AssetId
from assetmill.reviews.envelope import sign_statement
from assetmill.reviews.reviewers import key_of, read_reviewers
from assetmill.settings import Provenance, Settings
from assetmill.stage.services import Services, open_services

PREDICATE = "urn:assetmill:provenance-report:v1"


def report(what: str, settings: Settings, signer: str | None, out: Path | None, *, as_json: bool) -> int:
    """Print the report on a folder or a batch; return the exit code.

    Raises:
        NotFound: no such folder or batch, or the signer's key is not here.
        InvalidInput: a file cannot be read or written, or only one of --sign and --out is given.
    """
    if bool(signer) != bool(out):
        raise InvalidInput("--sign NAME and --out FILE go together")
    folder = Path(what)
    found = _of_folder(folder, settings.provenance) if folder.is_dir() else _of_batch(what, settings)
    document = _document(what, found, settings.provenance)
    if signer and out:
        key = key_of(signer, read_reviewers(settings.configs), settings.home)
        write_text(out, sign_statement(_statement(document, signer), key) + "\n")
    if as_json:
        print_json(document)
    else:
        _print(found, document)
    return 0 if all(one.verdict == "marked" for one in found) else 1


def _of_folder(folder: Path, settings: Provenance) -> list[FileVerdict]:
    known = _exported(folder)
    found: list[FileVerdict] = []
    try:
        for path in sorted(one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()):
            with path.open("rb") as file:
                if media_type_of(file.read(16)) is None:
                    continue
            data, beside = path.read_bytes(), path.with_name(path.name + ".xmp")
            xmp = beside.read_bytes() if beside.is_file() else b""
            name = path.relative_to(folder).as_posix()
            one = judge(name, digest(data), data, settings, beside=xmp)
            was = known.get(name)
            found.append(_changed(one) if was and was != one.digest else one)
    except OSError as error:
        raise InvalidInput(f"cannot read {error.filename}: {error.strerror or error}") from error
    return found


def _changed(one: FileVerdict) -> FileVerdict:
    by = ", ".join(one.tools) or "a tool that left no trace"
    return replace(one, lost=("the bytes that were exported",), by=by)


def _exported(folder: Path) -> dict[str, str]:
    """Return the digests that an export wrote down, by path."""
    found: dict[str, str] = {}
    for index in folder.rglob(INDEX):
        try:
            entries = cast(dict[str, Any], json.loads(index.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
        below = index.parent.relative_to(folder)
        found |= {(below / name).as_posix(): str(value) for name, value in entries.items()}
    return found


def _of_batch(batch_id: str, settings: Settings) -> list[FileVerdict]:
    with open_services(settings) as services:
        manifest = BatchLedger(services.backend).find(batch_id)
        if manifest is None:
            raise NotFound("batch or folder", batch_id, "`assetmill batch` prints the ID of each")
        wanted = [
            (f"{row.name}/{asset.name}", asset.asset_id)
            for row in manifest.rows
            for asset in row.assets
            if asset.media_type.startswith("image/")
        ]
        return [_of_asset(name, asset_id, services) for name, asset_id in wanted]


def _of_asset(name: str, asset_id: AssetId, services: Services) -> FileVerdict:
    asset = services.ledger.read_asset(asset_id)
    data = services.blobs.find(asset.blob) if asset else None
    if asset is None or data is None:
        gone = ("its bytes: the store has lost them, or they were purged",)
        return FileVerdict(name, asset.blob.digest if asset else "", "unread", lost=gone, by="the store")
    one = judge(name, asset.blob.digest, data, services.settings.provenance)
    if one.where == "embedded":
        return one
    lost = tuple(f"the manifest of {parent}" for parent in _signed_parents(asset.derived_from, services))
    return replace(one, lost=lost, by=f"stage {asset.stage}" if lost else "")


def _signed_parents(parents: tuple[AssetId, ...], services: Services) -> Iterator[str]:
    for parent in parents:
        asset = services.ledger.read_asset(parent)
        data = services.blobs.find(asset.blob) if asset and asset.kind == "picture" else None
        if asset and data and read_marks(data).has_manifest:
            yield asset.name


def _document(what: str, found: list[FileVerdict], settings: Provenance) -> dict[str, Any]:
    return {
        "what": what,
        "reported_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "trust_list": _trust_list(settings),
        "counts": dict(sorted(Counter(one.verdict for one in found).items())),
        "files": [asdict(one) for one in found],
    }


def _trust_list(settings: Provenance) -> dict[str, str] | None:
    if settings.trust is None:
        return None
    try:
        data = Path(settings.trust).read_bytes()
    except OSError as error:
        raise InvalidSettings(f"[provenance] cannot read {settings.trust}: {error.strerror}") from error
    dated = settings.trust_dated.isoformat() if settings.trust_dated else ""
    return {"path": settings.trust, "sha256": hashlib.sha256(data).hexdigest(), "dated": dated}


def _statement(document: dict[str, Any], signer: str) -> bytes:
    files = cast(list[dict[str, Any]], document["files"])
    subject = [
        {"name": one["name"], "digest": {"sha256": str(one["digest"]).removeprefix("sha256:")}}
        for one in files
    ]
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": PREDICATE,
        "predicate": {**document, "signer": signer},
    }
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()


def _print(found: list[FileVerdict], document: dict[str, Any]) -> None:
    for one in found:
        source = one.source_type.rpartition("/")[2]
        facts = [one.verdict, one.where, source, one.signer, *one.problems]
        facts += [f"at {one.remote}"] if one.remote else []
        facts += [f"lost {', '.join(one.lost)} by {one.by}"] if one.lost else []
        click.echo(one_line(f"{one.name}  {'; '.join(filter(None, facts))}"))
    for verdict, count in document["counts"].items():
        click.echo(f"{count} {verdict}: {SAYS[verdict]}")
    listed = document["trust_list"]
    dated = f"dated {listed['dated'] or 'unknown'}, SHA-256 {listed['sha256']}" if listed else "none given"
    click.echo(f"trust list: {dated}")
