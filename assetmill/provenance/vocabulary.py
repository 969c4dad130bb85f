"""IPTC's digital source types, told apart by what the law asks.

https://cv.iptc.org/newscodes/digitalsourcetype/ and, for C2PA's own, its technical specification.
"""

from __future__ import annotations

from assetmill.provenance.sources import IPTC

C2PA = "http://c2pa.org/digitalsourcetype/"

GENERATED = frozenset(
    IPTC + word
    for word in (
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "compositeSynthetic",
        "algorithmicMedia",
    )
)
"""Types that say: not simply taken or drawn by somebody."""

OTHERS = frozenset(
    [
        *(
            IPTC + word
            for word in (
                "digitalCapture",
                "computationalCapture",
                "negativeFilm",
                "positiveFilm",
                "print",
                "minorHumanEdits",
                "humanEdits",
                "compositeCapture",
                "algorithmicallyEnhanced",
                "softwareImage",
                "digitalArt",
                "digitalCreation",
                "dataDrivenMedia",
                "virtualRecording",
                "composite",
                "screenCapture",
            )
        ),
        C2PA + "empty",
        C2PA + "trainedAlgorithmicData",
    ]
)


def is_known(source_type: str) -> bool:
    """Say whether a source type stands in the vocabulary; `https` is read as `http`."""
    return plain(source_type) in GENERATED | OTHERS


def plain(source_type: str) -> str:
    """Return a source type as the vocabulary writes it."""
    return source_type.replace("https://", "http://", 1)
