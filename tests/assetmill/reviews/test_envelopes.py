from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.errors import InvalidInput, InvalidSpec
from assetmill.reviews.envelope import Forged, opened, sign
from assetmill.reviews.review import Review, ReviewKind, review_in, statement_of
from assetmill.reviews.reviewers import NAME, Reviewers, add_reviewer, find_key, key_of, read_reviewers
from assetmill.reviews.standing import standing_of

SHA, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def reviewers(tmp_path: Path, home: Path) -> Reviewers:
    (tmp_path / "configs").mkdir()
    for name in ("ada", "grace"):
        add_reviewer(name, ("brand",), tmp_path / "configs", home)
    return read_reviewers(tmp_path / "configs")


def review(
    kind: ReviewKind = "approved", reviewer: str = "ada", at: float = 1.0, sha256: str = SHA
) -> Review:
    return Review(
        kind=kind,
        sha256=sha256,
        name="hero.png",
        asset_id="ast_1",
        fingerprint="f",
        reviewer=reviewer,
        reason="too dark",
        created_at=at,
    )


def signed(home: Path, *reviews: Review) -> list[str]:
    envelopes: list[str] = []
    for one in reviews:
        key = find_key(one.reviewer, home)
        assert key is not None
        envelopes.append(sign(one, key))
    return envelopes


def test_what_was_signed_is_what_is_read(reviewers: Reviewers, home: Path) -> None:
    said = review().model_copy(update={"point": (0.25, 1.0)})
    (envelope,) = signed(home, said)
    assert opened(envelope, reviewers) == said
    payload = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    assert payload["_type"] == "https://in-toto.io/Statement/v1"
    assert payload["subject"] == [{"name": "hero.png", "digest": {"sha256": SHA}}]


def payload_with(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], None]:
    def apply(whole: dict[str, Any]) -> None:
        payload = json.loads(base64.b64decode(str(whole["payload"])))
        change(payload)
        data = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()
        whole["payload"] = base64.b64encode(data).decode()

    return apply


FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "other bytes": payload_with(
        lambda p: p.update(subject=[{"name": "hero.png", "digest": {"sha256": OTHER}}])
    ),
    "other name": payload_with(lambda p: p.update(subject=[{"name": "x.png", "digest": {"sha256": SHA}}])),
    "other decision": payload_with(lambda p: p["predicate"].update(decision="rejected")),
    "other reviewer": payload_with(lambda p: p["predicate"].update(reviewer="grace")),
    "unknown reviewer": payload_with(lambda p: p["predicate"].update(reviewer="eve")),
    "other time": payload_with(lambda p: p["predicate"].update(decidedOn="2030-01-01T00:00:00.000000+00:00")),
    "a field more": payload_with(lambda p: p.update(more=1)),
    "other predicate": payload_with(lambda p: p.update(predicateType="urn:other")),
    "two subjects": payload_with(lambda p: p.update(subject=[*p["subject"], *p["subject"]])),
    "no signature": lambda whole: whole.update(signatures=[]),
    "other signature": lambda whole: whole["signatures"][0].update(sig=base64.b64encode(b"x" * 64).decode()),
    "other key": lambda whole: whole["signatures"][0].update(keyid="SHA256:x"),
    "two signatures": lambda whole: whole.update(signatures=[*whole["signatures"], *whole["signatures"]]),
    "other type": lambda whole: whole.update(payloadType="application/json"),
    "a field in the envelope": lambda whole: whole.update(more=1),
}


@pytest.mark.parametrize("how", FORGERIES)
def test_every_forgery_is_named(reviewers: Reviewers, home: Path, how: str) -> None:
    (envelope,) = signed(home, review())
    whole = json.loads(envelope)
    FORGERIES[how](whole)
    forged = json.dumps(whole, separators=(",", ":"))
    assert forged != envelope
    with pytest.raises(Forged):
        opened(forged, reviewers)
    standing = standing_of(SHA, [forged], reviewers)
    assert standing.approvers == ()
    assert standing.forged[0]


def test_an_envelope_in_another_form_is_not_counted_twice(reviewers: Reviewers, home: Path) -> None:
    (envelope,) = signed(home, review())
    standing = standing_of(SHA, [envelope, envelope, json.dumps(json.loads(envelope))], reviewers)
    assert standing.approvers == ("ada",)
    assert standing.stand(count=2) == "open"
    assert len(standing.forged) == 1


def test_a_word_on_other_bytes_counts_for_nothing(reviewers: Reviewers, home: Path) -> None:
    standing = standing_of(SHA, signed(home, review(sha256=OTHER)), reviewers)
    assert standing.stand() == "open"
    assert "another picture" in standing.forged[0]


@pytest.mark.parametrize(
    "garbage", ["", "{}", "[]", "null", "{" * 10_000, "x" * 100_000, '{"payload": 1}', "\0"]
)
def test_garbage_is_no_envelope(reviewers: Reviewers, garbage: str) -> None:
    with pytest.raises(Forged):
        opened(garbage, reviewers)


def test_the_newest_word_of_each_reviewer_counts(reviewers: Reviewers, home: Path) -> None:
    said = [review(), review("rejected", "grace", 2.0), review("commented", "grace", 3.0)]
    assert standing_of(SHA, signed(home, *said), reviewers).stand() == "rejected"
    said.append(review("withdrawn", "grace", 4.0))
    assert standing_of(SHA, signed(home, *said), reviewers).stand() == "approved"
    assert standing_of(SHA, signed(home, *said), reviewers).stand(count=2) == "open"
    said.append(review("approved", "grace", 5.0))
    # In whatever order they are read.
    assert standing_of(SHA, signed(home, *reversed(said)), reviewers).stand(count=2) == "approved"


def test_a_reviewer_who_left_the_project_counts_no_more(reviewers: Reviewers, home: Path) -> None:
    left = {name: one for name, one in reviewers.items() if name != "ada"}
    assert standing_of(SHA, signed(home, review()), left).stand() == "open"


def test_another_key_by_the_same_name_is_told(reviewers: Reviewers, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "other").mkdir()
    add_reviewer("ada", (), tmp_path / "other", elsewhere)
    with pytest.raises(Forged, match="not signed with the key of 'ada'"):
        opened(signed(elsewhere, review())[0], reviewers)
    with pytest.raises(InvalidInput, match="another key"):
        add_reviewer("ada", (), tmp_path / "configs", elsewhere)


def test_who_has_no_key_cannot_sign(reviewers: Reviewers, home: Path, tmp_path: Path) -> None:
    for name, place in (("eve", home), ("ada", tmp_path / "elsewhere"), ("../ada", home)):
        with pytest.raises(InvalidInput):
            key_of(name, reviewers, place)


def test_a_private_key_is_its_owners_alone(reviewers: Reviewers, home: Path) -> None:
    assert (home / "reviewers" / "ada.pem").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "text",
    [
        "[ada]\nkey = 1\n",
        '[ada]\nkey = "ssh-rsa AAAA"\n',
        '[ada]\nkey = "ssh-ed25519 AAAA"\n',
        '[ada]\nkey = "ssh-ed25519 AAAA"\nmore = 1\n',
        "[ada\n",
        "\udcff",
    ],
)
def test_bad_reviewers_are_refused_with_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InvalidSpec, match=NAME):
        read_reviewers(tmp_path)


def test_one_person_is_one_reviewer(reviewers: Reviewers, tmp_path: Path) -> None:
    path = tmp_path / "configs" / NAME
    block = path.read_text().split('["grace"]')[0].replace('["ada"]', '["eve"]')
    path.write_text(path.read_text() + block)
    with pytest.raises(InvalidSpec, match="same key"):
        read_reviewers(tmp_path / "configs")


@given(st.text(max_size=300), st.text(min_size=1, max_size=80), st.floats(0, 4e9))
def test_any_words_come_back_as_they_were(reason: str, name: str, at: float) -> None:
    said = review().model_copy(update={"reason": reason, "name": name, "created_at": round(at, 6)})
    again = review_in(statement_of(said))
    assert again.model_copy(update={"created_at": said.created_at}) == said
    assert again.created_at == pytest.approx(said.created_at, abs=2e-6)
