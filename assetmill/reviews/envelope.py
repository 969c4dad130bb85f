"""A statement in its signed envelope: DSSE with Ed25519, one signature, a line of JSON.

https://github.com/secure-systems-lab/dsse/blob/master/envelope.md
Read strictly: an envelope that could be written in two ways could be counted twice.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from assetmill.reviews.review import Review, review_in, statement_of
from assetmill.reviews.reviewers import Reviewers, key_id

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_LONGEST = 64 * 1024
_LONGEST_STATEMENT = 256 * 1024 * 1024


class Forged(ValueError):
    """An envelope that says nothing: what is wrong with it."""


def sign(review: Review, key: Ed25519PrivateKey) -> str:
    """Return a review's envelope."""
    return sign_statement(statement_of(review), key)


def sign_statement(statement: bytes, key: Ed25519PrivateKey) -> str:
    """Return the envelope of any in-toto statement, signed with a reviewer's key."""
    return _written(statement, key_id(key.public_key()), key.sign(_signed_bytes(statement)))


def opened(envelope: str, reviewers: Reviewers) -> Review:
    """Return the review in an envelope that its reviewer has signed with the key that the project knows.

    Raises:
        Forged: it is not.
    """
    payload, said_key, signature = _read(envelope, _LONGEST)
    try:
        review = review_in(payload)
    except ValueError as error:
        raise Forged(str(error)) from error
    _check(review.reviewer, payload, said_key, signature, reviewers)
    return review


def opened_statement(envelope: str, reviewers: Reviewers, signer_of: Callable[[bytes], str]) -> bytes:
    """Return the statement in an envelope that the reviewer whom it names has signed.

    `signer_of` reads the name from the statement, or raises a ValueError.

    Raises:
        Forged: nobody whom the project knows has signed it so.
    """
    payload, said_key, signature = _read(envelope, _LONGEST_STATEMENT)
    try:
        name = signer_of(payload)
    except ValueError as error:
        raise Forged(str(error)) from error
    _check(name, payload, said_key, signature, reviewers)
    return payload


def _check(name: str, payload: bytes, said_key: str, signature: bytes, reviewers: Reviewers) -> None:
    from cryptography.exceptions import InvalidSignature

    reviewer = reviewers.get(name)
    if reviewer is None:
        raise Forged(f"{name!r} is no reviewer of this project")
    if said_key != key_id(reviewer.key):
        raise Forged(f"it is not signed with the key of {name!r}")
    try:
        reviewer.key.verify(signature, _signed_bytes(payload))
    except InvalidSignature as error:
        raise Forged(f"the signature of {name!r} does not fit what it says") from error


def _read(envelope: str, longest: int) -> tuple[bytes, str, bytes]:
    try:
        if len(envelope) > longest:
            raise ValueError("too long")
        whole = json.loads(envelope)
        (signature,) = whole["signatures"]
        payload = base64.b64decode(whole["payload"], validate=True)
        found = payload, str(signature["keyid"]), base64.b64decode(signature["sig"], validate=True)
        is_ours = whole["payloadType"] == PAYLOAD_TYPE and envelope == _written(*found)
    except (KeyError, TypeError, ValueError, RecursionError, binascii.Error) as error:
        raise Forged("it is no envelope of one signature") from error
    if not is_ours:
        raise Forged("it is no envelope of a review, or is written in another way")
    return found


def _written(payload: bytes, keyid: str, signature: bytes) -> str:
    whole = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": keyid, "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(whole, separators=(",", ":"))


def _signed_bytes(payload: bytes) -> bytes:
    """Return what is signed: the type with the payload, each with its length, so that neither can move."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
