"""What a reviewer said of a picture, as an in-toto statement over its bytes.

The subject is the SHA-256 of the bytes: a name, a path or an ID can be given to another picture, a digest
cannot.
https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

import datetime
import json
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from assetmill.records import Stored

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:assetmill:review:v1"
LONGEST_REASON = 4000

ReviewKind = Literal["approved", "rejected", "commented", "withdrawn"]
"""`withdrawn` takes back what the same reviewer said of the same bytes before."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Review(Stored):
    """One word of one reviewer on one picture. `point` is where, in shares of width and height.

    `created_at` is in Unix seconds; a statement says it to the microsecond.
    """

    kind: ReviewKind
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    name: Annotated[str, Field(min_length=1, max_length=1000)]
    asset_id: Annotated[str, Field(max_length=200)]
    fingerprint: Annotated[str, Field(max_length=100)] = ""
    reviewer: Annotated[str, Field(min_length=1, max_length=120)]
    reason: Annotated[str, Field(max_length=LONGEST_REASON)] = ""
    point: tuple[Share, Share] | None = None
    created_at: Annotated[float, Field(ge=0, le=4_000_000_000)]


def statement_of(review: Review) -> bytes:
    """Return the statement's bytes: the same review always has the same."""
    said: dict[str, Any] = {
        "decision": review.kind,
        "reviewer": review.reviewer,
        "assetId": review.asset_id,
        "fingerprint": review.fingerprint,
        "reason": review.reason,
        "decidedOn": _timestamp(review.created_at),
    }
    if review.point:
        said["point"] = list(review.point)
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": review.name, "digest": {"sha256": review.sha256}}],
        "predicateType": PREDICATE,
        "predicate": said,
    }
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()


def review_in(statement: bytes) -> Review:
    """Read a statement.

    Raises:
        ValueError: it is no review, is not of one picture, or holds more than this version understands.
    """
    try:
        whole = json.loads(statement)
        (subject,) = whole["subject"]
        said = dict(whole["predicate"])
        review = Review(
            kind=said["decision"],
            sha256=subject["digest"]["sha256"],
            name=subject["name"],
            asset_id=said["assetId"],
            fingerprint=said["fingerprint"],
            reviewer=said["reviewer"],
            reason=said["reason"],
            point=tuple(said["point"]) if "point" in said else None,  # pyright: ignore[reportArgumentType]
            created_at=_seconds(said["decidedOn"]),
        )
    except (KeyError, TypeError, ValueError, RecursionError, ValidationError) as error:
        raise ValueError("it is no review of one picture") from error
    # What is read is all that was signed: a field that is not understood could take everything back.
    if statement_of(review) != statement:
        raise ValueError("it says more than a review does, or says it in another form")
    return review


def _timestamp(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="microseconds")


def _seconds(timestamp: str) -> float:
    return datetime.datetime.fromisoformat(timestamp).timestamp()
