"""Whether a file is marked as generated, in a way that others can check: a verdict and what is behind it.

"Valid" is not enough: the reference library calls a manifest valid, or trusted, that names a made-up source
type or a parent that was changed after it was signed, and one whose signer signed their own certificate. Each
is told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from assetmill.provenance.credentials import ManifestReport, UnreadManifest, is_installed, read_report
from assetmill.provenance.marks import FileMarks, read_marks
from assetmill.provenance.vocabulary import is_known
from assetmill.settings import Provenance

Verdict = Literal[
    "marked",
    "untrusted",
    "self_signed",
    "unknown_source",
    "undeclared",
    "broken_parent",
    "invalid",
    "remote",
    "not_validated",
    "declared",
    "absent",
    "unread",
]

SAYS: Mapping[Verdict, str] = {
    "marked": "signed by somebody on the trust list, whole, and says what kind of source it has",
    "untrusted": "signed and whole, by somebody who is not on the trust list",
    "self_signed": "signed with a certificate that its owner issued to themselves",
    "unknown_source": "the digital source type that it names is none of IPTC's",
    "undeclared": "signed and whole, but does not say what kind of source it has",
    "broken_parent": "what it was made from had been changed after it was signed",
    "invalid": "changed after it was signed, or not signed at all",
    "remote": "its manifest lies elsewhere and was not fetched",
    "not_validated": "has a manifest; install assetmill[provenance] to validate it",
    "declared": "names its digital source type, which nobody signed",
    "absent": "carries no mark that this program reads",
    "unread": "a kind of file that this program reads no marks of",
}


@dataclass(frozen=True)
class FileVerdict:
    """What can be said of a file. `lost` is what it had or should have and does not; `by` what took it."""

    name: str
    digest: str
    verdict: Verdict
    media_type: str = ""
    where: Literal["", "embedded", "remote", "metadata", "sidecar"] = ""
    source_type: str = ""
    signer: str = ""
    issuer: str = ""
    problems: tuple[str, ...] = ()
    remote: str = ""
    tools: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    by: str = ""


def judge(name: str, digest: str, data: bytes, settings: Provenance, *, beside: bytes = b"") -> FileVerdict:
    """Return the verdict on a file; `beside` is the XMP file that lies beside it."""
    marks = read_marks(data, beside)
    media_type = marks.media_type or ""
    blank = FileVerdict(name, digest, "absent", media_type, remote=marks.remote, tools=marks.tools)
    if not marks.media_type:
        return replace(blank, verdict="unread")
    if marks.has_manifest:
        return _embedded(replace(blank, where="embedded"), data, marks, settings)
    if marks.remote:
        return replace(blank, verdict="remote", where="remote", source_type=marks.source_type)
    if marks.source_type:
        where = "metadata" if read_marks(data).source_type else "sidecar"
        verdict: Verdict = "declared" if is_known(marks.source_type) else "unknown_source"
        return replace(blank, verdict=verdict, where=where, source_type=marks.source_type)
    return blank


def _embedded(blank: FileVerdict, data: bytes, marks: FileMarks, settings: Provenance) -> FileVerdict:
    if not is_installed():
        return replace(blank, verdict="not_validated", source_type=marks.source_type)
    try:
        found = read_report(data, blank.media_type, settings)
    except UnreadManifest as error:
        return replace(blank, verdict="invalid", source_type=marks.source_type, problems=(str(error),))
    sources = tuple(_sources(found))
    verdict, problems = _verdict(found, sources)
    return replace(
        blank,
        verdict=verdict,
        source_type=", ".join(sources) or marks.source_type,
        signer=_named(found.subject),
        issuer=_named(found.issuer),
        problems=problems,
    )


def _verdict(found: ManifestReport, sources: tuple[str, ...]) -> tuple[Verdict, tuple[str, ...]]:
    """Return the worst that is true: what breaks the proof goes before what weakens it."""
    results = _mapping(found.report, "validation_results")
    failures = tuple(_codes(_mapping(results, "activeManifest"), "failure"))
    state = str(found.report.get("validation_state") or "Invalid")
    if state not in {"Valid", "Trusted"}:
        return "invalid", failures
    if broken := tuple(_broken_parents(found)):
        return "broken_parent", broken
    if made_up := tuple(one for one in sources if not is_known(one)):
        return "unknown_source", made_up
    if found.subject and found.subject == found.issuer:
        return "self_signed", failures
    if state != "Trusted":
        return "untrusted", failures
    return ("marked" if sources else "undeclared"), failures


def _broken_parents(found: ManifestReport) -> Iterator[str]:
    """Yield what is wrong with an ingredient of any manifest of the file, by its title.

    An ingredient's signer who is on nobody's list is no break.
    """
    manifests = cast(Mapping[str, Mapping[str, Any]], found.report.get("manifests") or {})
    for manifest in manifests.values():
        for one in cast(list[Mapping[str, Any]], manifest.get("ingredients") or []):
            results = _mapping(one, "validation_results")
            codes = set(_codes(_mapping(results, "activeManifest"), "failure"))
            codes |= set(_codes(one, "validation_status"))
            for code in sorted(codes - {"signingCredential.untrusted"}):
                yield f"{one.get('title') or 'an ingredient'}: {code}"


def _sources(found: ManifestReport) -> Iterator[str]:
    """Yield the source types that the file's own manifest names, each once."""
    manifests = cast(Mapping[str, Mapping[str, Any]], found.report.get("manifests") or {})
    active = manifests.get(str(found.report.get("active_manifest"))) or {}
    seen: set[str] = set()
    for assertion in cast(list[Mapping[str, Any]], active.get("assertions") or []):
        if str(assertion.get("label")).startswith("c2pa.actions"):
            for action in cast(list[Mapping[str, Any]], _mapping(assertion, "data").get("actions") or []):
                said = str(action.get("digitalSourceType") or "")
                if said and said not in seen:
                    seen.add(said)
                    yield said


def _codes(results: Mapping[str, Any], kind: str) -> Iterator[str]:
    for one in cast(list[Mapping[str, Any]], results.get(kind) or []):
        yield str(one.get("code"))


def _mapping(of: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], of.get(key) or {})


def _named(name: Mapping[str, str]) -> str:
    return ", ".join(filter(None, (str(name.get("CN") or ""), str(name.get("O") or ""))))
