"""A fresh clone without a network, a store or a private key: approvals hold, and each forgery is named."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from assetmill.locking.lockfile import read_lock, write_lock
from assetmill.reviews.envelope import opened, sign
from assetmill.reviews.reviewers import NAME, find_key, key_id, read_reviewers
from tests.assetmill.cli.terminal import Terminal
from tests.lockyard import FOLDER, Yard, git

HERO = f"{FOLDER}/beach.png"
OTHER = f"{FOLDER}/forest.png"


class Clone:
    """What somebody has who cloned the project, and may change in it what they like."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root, self.home = root, home
        self.configs = root / "configs"
        self.mallory = Ed25519PrivateKey.generate()

    @property
    def reviews(self) -> list[str]:
        return list(read_lock(self.root / "assets.lock").asset[HERO].reviews)

    def lock(self, path: str = HERO, **fields: object) -> None:
        lock = read_lock(self.root / "assets.lock")
        asset = lock.asset[path].model_copy(update=fields)
        write_lock(self.root / "assets.lock", lock.changed(asset={**lock.asset, path: asset}))

    def say(self, kind: str, key: Ed25519PrivateKey, **fields: object) -> str:
        before = opened(self.reviews[0], read_reviewers(self.configs))
        later = {"kind": kind, "created_at": before.created_at + 60, "reason": "no"}
        return sign(before.model_copy(update={**later, **fields}), key)


@pytest.fixture
def clone(locked: Yard, assetmill: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    for name, group in (("ada", "brand"), ("grace", "legal")):
        assert assetmill("reviewers", "add", name, "--group", group) == 0, assetmill.err
        assert assetmill("lock", "posters", "--approve", name) == 0, assetmill.err
    git(locked.root, "add", "-A")
    git(locked.root, "commit", "-q", "-m", "approved")
    git(tmp_path, "clone", "-q", str(locked.root), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    monkeypatch.setenv("ASSETMILL_HOME", str(tmp_path / "empty"))

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("it asked the network")

    monkeypatch.setattr(socket, "socket", refused)
    return Clone(tmp_path / "clone", locked.settings.home)


def ada(clone: Clone) -> Ed25519PrivateKey:
    key = find_key("ada", clone.home)
    assert key
    return key


def payload_of(envelope: str) -> dict[str, Any]:
    return json.loads(base64.b64decode(json.loads(envelope)["payload"]))


def rewritten(envelope: str, change: Callable[[dict[str, Any]], None]) -> str:
    """The envelope with another statement in it, under the old signature."""
    whole, statement = json.loads(envelope), payload_of(envelope)
    change(statement)
    said = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    return json.dumps({**whole, "payload": base64.b64encode(said).decode()}, separators=(",", ":"))


def another_byte(clone: Clone) -> None:
    path = clone.root / HERO
    path.write_bytes(path.read_bytes() + b"\0")


def another_picture(clone: Clone) -> None:
    data = (clone.root / OTHER).read_bytes()
    (clone.root / HERO).write_bytes(data)
    clone.lock(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


def another_name(clone: Clone) -> None:
    clone.lock(output="logo.png")


def a_rejection_turned_round(clone: Clone) -> None:
    rejected = clone.say("rejected", ada(clone))

    def turn(statement: dict[str, Any]) -> None:
        statement["predicate"]["decision"] = "approved"

    clone.lock(reviews=[rewritten(rejected, turn), clone.reviews[1]])


def another_fingerprint(clone: Clone) -> None:
    def swap(statement: dict[str, Any]) -> None:
        statement["predicate"]["fingerprint"] = "b" * 52

    clone.lock(reviews=[rewritten(clone.reviews[0], swap), clone.reviews[1]])


def a_key_of_ones_own(clone: Clone) -> None:
    clone.lock(reviews=[clone.say("approved", clone.mallory), clone.reviews[1]])


def a_key_said_to_be_adas(clone: Clone) -> None:
    whole = json.loads(clone.say("approved", clone.mallory))
    whole["signatures"][0]["keyid"] = key_id(ada(clone).public_key())
    clone.lock(reviews=[json.dumps(whole, separators=(",", ":")), clone.reviews[1]])


def a_stranger(clone: Clone) -> None:
    clone.lock(reviews=[clone.say("approved", clone.mallory, reviewer="mallory"), clone.reviews[1]])


def words_of_another_file(clone: Clone) -> None:
    clone.lock(reviews=list(read_lock(clone.root / "assets.lock").asset[OTHER].reviews))


def a_second_signature(clone: Clone) -> None:
    whole = json.loads(clone.reviews[0])
    whole["signatures"] *= 2
    clone.lock(reviews=[json.dumps(whole, separators=(",", ":")), clone.reviews[1]])


def a_reviewers_key_exchanged(clone: Clone) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    path = clone.configs / NAME
    line = tomllib.loads(path.read_text())["ada"]["key"]
    mine = clone.mallory.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    path.write_text(path.read_text().replace(line, mine))


def one_approval_twice(clone: Clone) -> None:
    clone.lock(reviews=[clone.reviews[0], clone.reviews[0]])


def an_approval_withdrawn(clone: Clone) -> None:
    clone.lock(reviews=[*clone.reviews, clone.say("withdrawn", ada(clone), reason="")])


def a_rejection(clone: Clone) -> None:
    clone.lock(reviews=[*clone.reviews, clone.say("rejected", ada(clone))])


FORGERIES = [
    (another_byte, f"altered +{HERO}"),
    (another_picture, f"unapproved {HERO}: 'ada' said it of another picture"),
    (another_name, f"unapproved {HERO}: approved by nobody"),
    (a_rejection_turned_round, "the signature of 'ada' does not fit what it says"),
    (another_fingerprint, "the signature of 'ada' does not fit what it says"),
    (a_key_of_ones_own, "it is not signed with the key of 'ada'"),
    (a_key_said_to_be_adas, "the signature of 'ada' does not fit what it says"),
    (a_stranger, "'mallory' is no reviewer of this project"),
    (words_of_another_file, f"unapproved {HERO}: 'ada' said it of another picture"),
    (a_second_signature, "it is no envelope of one signature"),
    (a_reviewers_key_exchanged, "it is not signed with the key of 'ada'"),
    (one_approval_twice, f"unapproved {HERO}: approved by ada; 2 are needed"),
    (an_approval_withdrawn, f"unapproved {HERO}: approved by grace; 2 are needed"),
    (a_rejection, f"unapproved {HERO}: rejected by ada"),
]


@pytest.mark.usefixtures("clone")
def test_approvals_hold_in_a_clone(assetmill: Terminal) -> None:
    assert assetmill("check", "--approvals", "2") == 0, assetmill.out


@pytest.mark.parametrize(("plant", "named"), FORGERIES, ids=lambda one: getattr(one, "__name__", ""))
def test_a_forgery_is_named(
    clone: Clone, assetmill: Terminal, plant: Callable[[Clone], None], named: str
) -> None:
    plant(clone)
    assert assetmill("check", "--approvals", "2") == 1, assetmill.out
    assert re.search(named, assetmill.out), assetmill.out


def test_who_a_pipeline_asks_for_must_have_approved(clone: Clone, assetmill: Terminal) -> None:
    path = clone.configs / "pipelines" / "posters.yaml"
    text = path.read_text().replace("  - name: poster\n", "  - name: poster\n    approval: {by: [legal]}\n")
    path.write_text(text)
    assert assetmill("check", "--approved") == 0, assetmill.out
    clone.lock(reviews=[clone.reviews[0]])
    assert assetmill("check", "--approved") == 1
    assert f"unapproved {HERO}: approved by nobody; 1 of legal are needed" in assetmill.out
