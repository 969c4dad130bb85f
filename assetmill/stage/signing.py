"""Manifests for what is derived here, with what it was made from as ingredients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from assetmill.fingerprint import digest
from assetmill.provenance.credentials import Ingredient, Making, sign
from assetmill.provenance.sources import SourceType, derived_source
from assetmill.records import AssetId, AssetRecord, AssetRole
from assetmill.stage.services import Services


@dataclass(frozen=True)
class Brought:
    """A picture that something was made from and no record tells of: a person's own file."""

    name: str
    media_type: str
    read: Callable[[], bytes]


def with_manifest(
    data: bytes,
    *,
    name: str,
    media_type: str,
    role: AssetRole,
    stage: str,
    parents: Sequence[AssetId | Brought],
    prompt: str,
    services: Services,
    actions: Sequence[str] = ("c2pa.edited",),
) -> bytes:
    """Return a derived file's bytes, signed when it is an output and the profile has a certificate.

    `actions` are what was done to it, in the words of content credentials.

    Raises:
        InvalidSettings, SigningFailed: see `provenance.credentials.sign`.
    """
    settings = services.settings.provenance
    if settings.certificate is None or role != "output":
        return data
    found = [services.ledger.read_asset(one) if isinstance(one, str) else one for one in parents]
    pictures = [one for one in found if one and _is_seen(one)]
    family = list(_family([one for one in pictures if isinstance(one, AssetRecord)], services))
    drawn = next((one.made_by for one in family if one.made_by), None)
    making = Making(
        name=name,
        stage=stage,
        actions=tuple(actions),
        source_type=_source_type(family, is_of_nothing=not pictures),
        prompt_digest=digest(prompt.encode()) if prompt else "",
        response_id=drawn.response_id if drawn else "",
    )
    return sign(data, media_type, making, [_ingredient(one, services) for one in pictures], settings)


def _is_seen(one: AssetRecord | Brought) -> bool:
    """Whether it is in the picture: a mask only says where."""
    if isinstance(one, Brought):
        return one.media_type.startswith("image/")
    return one.kind == "picture" and one.role != "mask"


def _ingredient(one: AssetRecord | Brought, services: Services) -> Ingredient:
    if isinstance(one, Brought):
        return Ingredient(one.name, one.media_type, one.read())
    return Ingredient(one.name, one.blob.media_type, services.blobs.get(one.blob))


def _family(pictures: Sequence[AssetRecord], services: Services) -> Iterator[AssetRecord]:
    """Yield pictures and all that they were made from, the nearest first."""
    waiting, seen = list(pictures), {one.asset_id for one in pictures}
    while waiting:
        yield (asset := waiting.pop(0))
        for parent in asset.derived_from:
            if parent not in seen and (found := services.ledger.read_asset(parent)):
                seen.add(parent)
                waiting.append(found)


def _source_type(family: Sequence[AssetRecord], *, is_of_nothing: bool) -> SourceType | None:
    """Return what a derivative is by what it was made of: a person's own file says nothing of that."""
    return "digitalCreation" if is_of_nothing else derived_source(family)
