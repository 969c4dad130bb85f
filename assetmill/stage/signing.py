"""Manifests for what is derived here, with what it was made from as ingredients."""

from __future__ import annotations

from collections.abc import Sequence

from assetmill.fingerprint import digest
from assetmill.provenance.credentials import Ingredient, Making, sign
from assetmill.records import AssetId, AssetRole
from assetmill.stage.services import Services


def with_manifest(
    data: bytes,
    *,
    name: str,
    media_type: str,
    role: AssetRole,
    stage: str,
    parents: Sequence[AssetId],
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
    found = [services.ledger.read_asset(parent) for parent in parents]
    pictures = [one for one in found if one and one.kind == "picture" and one.role != "mask"]
    ingredients = [
        Ingredient(one.name, one.blob.media_type, services.blobs.get(one.blob)) for one in pictures
    ]
    drawn = next((one.made_by for one in pictures if one.made_by), None)
    making = Making(
        name=name,
        stage=stage,
        actions=tuple(actions),
        source_type="compositeWithTrainedAlgorithmicMedia",
        prompt_digest=digest(prompt.encode()) if prompt else "",
        response_id=drawn.response_id if drawn else "",
    )
    return sign(data, media_type, making, ingredients, settings)
