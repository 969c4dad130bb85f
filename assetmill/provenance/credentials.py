"""C2PA manifests: read and validated where the extra `provenance` is installed, and made for what we derive.

The only module that imports `c2pa`. Nothing is fetched from anywhere, and no thumbnails are made: they grew a
WebP of 5 MB by 1.8 MB at every edit (measured).
"""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from assetmill.errors import AssetmillError, InvalidSettings
from assetmill.pictures import MEDIA_TYPES, sniff
from assetmill.provenance.detecting import has_manifest
from assetmill.provenance.sources import IPTC, SourceType
from assetmill.settings import Provenance

CredentialState = Literal["absent", "detected", "valid", "invalid"]
"""`detected`: a manifest is there and nobody has validated it."""

_SIGNABLE = frozenset({"image/png", "image/jpeg", "image/webp"})


class SigningFailed(AssetmillError):
    """A manifest could not be made; nothing unsigned is stored in its place."""


class UnreadManifest(AssetmillError):
    """A manifest cannot be read: the library's own words."""


@dataclass(frozen=True)
class Credential:
    """What a file's manifest says of it. `is_trusted`: its signer is one of those that the profile trusts."""

    state: CredentialState
    is_trusted: bool = False
    signer: str = ""
    generator: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ingredient:
    """Something that a derivative was made from. The first one is its parent, others are components."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True)
class Making:
    """How a derivative was made, as its manifest tells it: no prompt, only its digest."""

    name: str
    stage: str
    actions: tuple[str, ...]
    source_type: SourceType | None
    prompt_digest: str = ""
    response_id: str = ""


def is_installed() -> bool:
    """Say whether manifests can be validated and made here."""
    return importlib.util.find_spec("c2pa") is not None


def read_credential(data: bytes, settings: Provenance) -> Credential:
    """Return what a file's own manifest says, as far as it can be told here."""
    if not has_manifest(data):
        return Credential("absent")
    if not is_installed():
        return Credential("detected", problems=("not validated: install assetmill[provenance]",))
    import c2pa

    media_type = MEDIA_TYPES[sniff(data) or "PNG"]
    try:
        with (
            _context(settings) as context,
            c2pa.Reader(media_type, io.BytesIO(data), context=context) as reader,
        ):
            report = cast(dict[str, Any], json.loads(reader.json()))
    except c2pa.C2paError as error:
        return Credential("invalid", problems=(str(error)[:300],))
    return _credential(report)


@dataclass(frozen=True)
class ManifestReport:
    """What the library says of a manifest, and who is named in the certificate of its signature."""

    report: Mapping[str, Any]
    subject: Mapping[str, str]
    issuer: Mapping[str, str]


def read_report(data: bytes, media_type: str, settings: Provenance) -> ManifestReport:
    """Return all that a manifest tells; nothing is fetched.

    Raises:
        UnreadManifest: there is none, it lies elsewhere, or it is no manifest.
    """
    import c2pa

    try:
        with (
            _context(settings) as context,
            c2pa.Reader(media_type, io.BytesIO(data), context=context) as reader,
        ):
            report = cast(dict[str, Any], json.loads(reader.json()))
            listed = cast(dict[str, Any], json.loads(reader.crjson()))
    except c2pa.C2paError as error:
        raise UnreadManifest(str(error)[:300]) from error
    manifests = cast(list[Mapping[str, Any]], listed.get("manifests") or [])
    nothing: Mapping[str, Any] = {}
    label = report.get("active_manifest")
    active = next((one for one in manifests if one.get("label") == label), nothing)
    signature = cast(Mapping[str, Any], active.get("signature") or {})
    named = cast(Mapping[str, Mapping[str, str]], signature.get("certificateInfo") or {})
    return ManifestReport(report, named.get("subject") or {}, named.get("issuer") or {})


def sign(
    data: bytes, media_type: str, making: Making, ingredients: Sequence[Ingredient], settings: Provenance
) -> bytes:
    """Return a derivative with a manifest that names what it was made from; unchanged where nobody signs.

    Without a certificate in the profile, and for files that carry no manifest, the bytes are returned as they
    are: whatever manifest the original had is gone with its encoding, so none is broken.

    Raises:
        InvalidSettings: the certificate or key cannot be read, or the extra is not installed.
        SigningFailed: the manifest could not be made.
    """
    if settings.certificate is None or media_type not in _SIGNABLE:
        return data
    certificate, key = _keys(settings)
    import c2pa

    try:
        info = c2pa.C2paSignerInfo(settings.algorithm.encode(), certificate, key, None)
        with c2pa.Signer.from_info(info) as signer, _context(settings) as context:
            builder = c2pa.Builder(json.dumps(_definition(making, media_type, ingredients)), context)
            for number, one in enumerate(ingredients):
                builder.add_ingredient(
                    json.dumps(_ingredient(number, one)), one.media_type, io.BytesIO(one.data)
                )
            signed = io.BytesIO()
            builder.sign(signer, media_type, io.BytesIO(data), signed)
    except c2pa.C2paError as error:
        raise SigningFailed(f"{making.name!r} cannot be signed: {error}") from error
    return signed.getvalue()


def _keys(settings: Provenance) -> tuple[bytes, bytes]:
    if not is_installed():
        raise InvalidSettings("[provenance] certificate needs the extra: pip install 'assetmill[provenance]'")
    if settings.certificate is None or settings.key is None:
        raise InvalidSettings("[provenance] needs both certificate and key")
    try:
        return Path(settings.certificate).read_bytes(), Path(settings.key).read_bytes()
    except OSError as error:
        raise InvalidSettings(f"[provenance] cannot read {error.filename}: {error.strerror}") from error


def _context(settings: Provenance) -> Any:
    import c2pa

    config: dict[str, Any] = {
        "builder": {"thumbnail": {"enabled": False}},
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
    }
    if settings.trust is not None:
        try:
            config["trust"] = {"trust_anchors": Path(settings.trust).read_text(encoding="utf-8")}
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSettings(f"[provenance] cannot read {settings.trust}: {error}") from error
    return c2pa.Context(c2pa.Settings.from_dict(config))


def _definition(making: Making, media_type: str, ingredients: Sequence[Ingredient]) -> dict[str, Any]:
    names = [_instance(number) for number in range(len(ingredients))]
    opened = [{"action": "c2pa.opened", "parameters": {"ingredientIds": names[:1]}}] if names else []
    placed = [{"action": "c2pa.placed", "parameters": {"ingredientIds": [name]}} for name in names[1:]]
    source = {"digitalSourceType": IPTC + making.source_type} if making.source_type else {}
    told = {
        **source,
        "parameters": {
            "com.assetmill.stage": making.stage,
            "com.assetmill.prompt_digest": making.prompt_digest,
            "com.assetmill.response_id": making.response_id,
        },
    }
    # A manifest begins with what was opened, or created out of nothing.
    made_of_nothing = (one for one in making.actions if one != "c2pa.edited")
    done = making.actions if names else ("c2pa.created", *made_of_nothing)
    made = [{"action": action, **told} for action in done]
    return {
        "title": making.name,
        "format": media_type,
        "claim_generator_info": [{"name": "assetmill"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [*opened, *placed, *made]}}],
    }


def _ingredient(number: int, one: Ingredient) -> dict[str, Any]:
    relationship = "componentOf" if number else "parentOf"
    return {"title": one.name, "relationship": relationship, "label": _instance(number)}


def _instance(number: int) -> str:
    return f"ingredient-{number}"


def _credential(report: Mapping[str, Any]) -> Credential:
    manifests = cast(Mapping[str, Any], report.get("manifests") or {})
    active = cast(Mapping[str, Any], manifests.get(str(report.get("active_manifest"))) or {})
    signature = cast(Mapping[str, Any], active.get("signature_info") or {})
    generators = cast(list[Mapping[str, Any]], active.get("claim_generator_info") or [{}])
    state = str(report.get("validation_state") or "Invalid")
    problems = [
        str(one.get("code")) for one in cast(list[Mapping[str, Any]], report.get("validation_status") or [])
    ]
    return Credential(
        "valid" if state in {"Valid", "Trusted"} else "invalid",
        is_trusted=state == "Trusted",
        signer=str(signature.get("issuer") or signature.get("common_name") or ""),
        generator=str(generators[0].get("name") or ""),
        problems=tuple(dict.fromkeys(problems)),
    )
