"""A file beside an exported asset that says where it comes from: JSON for programs, XMP for picture tools."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

from assetmill.fingerprint import digest
from assetmill.history.lineage import Family, as_json
from assetmill.provenance.credentials import Credential
from assetmill.provenance.sources import IPTC, SourceType, source_type
from assetmill.records import AssetRecord

SidecarKind = Literal["json", "xmp"]

_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "assetmill": "https://assetmill.invalid/ns/1/",
}


def sidecar(kind: SidecarKind, asset: AssetRecord, family: Family, credential: Credential) -> bytes:
    """Return what goes beside an asset. `family` holds its ancestors."""
    source = source_type(asset, [one.asset for one in family.members.values() if one.asset])
    if kind == "json":
        return json.dumps(_document(asset, family, credential, source), indent=1, ensure_ascii=False).encode()
    return _xmp(asset, family, source).encode()


def _document(
    asset: AssetRecord, family: Family, credential: Credential, source: SourceType | None
) -> Mapping[str, Any]:
    made_by = asset.made_by
    return {
        "asset_id": asset.asset_id,
        "name": asset.name,
        "digest": asset.blob.digest,
        "media_type": asset.blob.media_type,
        "digital_source_type": IPTC + source if source else None,
        "created_at": _time(asset.created_at),
        "stage": asset.stage,
        "prompt": asset.prompt,
        "prompt_digest": digest(asset.prompt.encode()),
        "revised_prompt": asset.revised_prompt,
        "made_by": made_by.model_dump(mode="json") if made_by else None,
        "c2pa": {
            "state": credential.state,
            "is_trusted": credential.is_trusted,
            "signer": credential.signer,
            "generator": credential.generator,
            "problems": list(credential.problems),
        },
        "lineage": as_json(family),
    }


def _xmp(asset: AssetRecord, family: Family, source: SourceType | None) -> str:
    """XMP holds no prompt: pictures are published with it."""
    fields = {
        "xmp:CreateDate": _time(asset.created_at),
        "xmp:CreatorTool": "assetmill",
        "xmpMM:DocumentID": f"assetmill:{asset.asset_id}",
        "assetmill:Digest": asset.blob.digest,
        "assetmill:Stage": asset.stage,
        "assetmill:PromptDigest": digest(asset.prompt.encode()),
    }
    if source:
        fields["Iptc4xmpExt:DigitalSourceType"] = IPTC + source
    if asset.made_by:
        fields["assetmill:Response"] = asset.made_by.response_id
        fields["assetmill:Model"] = asset.made_by.image_model or asset.made_by.model
    names = "".join(f"\n    xmlns:{prefix}={quoteattr(url)}" for prefix, url in _NAMESPACES.items())
    attributes = "".join(f"\n    {name}={quoteattr(_plain(value))}" for name, value in fields.items())
    parents = "".join(
        f"\n      <rdf:li>{escape(_plain(parent))}</rdf:li>"
        for parent in family.parents.get(asset.asset_id, ())
    )
    title = escape(_plain(asset.name))
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'  <rdf:Description rdf:about=""{names}{attributes}>\n'
        f'   <dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>\n'
        f"   <assetmill:DerivedFrom><rdf:Seq>{parents}</rdf:Seq></assetmill:DerivedFrom>\n"
        "  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n"
        '<?xpacket end="w"?>\n'
    )


def _plain(text: str) -> str:
    """Drop what XML cannot hold at all."""
    return "".join(letter for letter in text if letter >= " " and letter not in "\ufffe\uffff")


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
