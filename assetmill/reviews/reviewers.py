"""Who may review: names and public keys in the project, private keys each in its owner's home.

`configs/reviewers.toml` is for git, so that a word can be checked wherever the project is:

    [ada]
    key = "ssh-ed25519 AAAA..."
    groups = ["brand"]
"""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from assetmill.errors import InvalidInput, InvalidSpec, NotFound
from assetmill.holding import held
from assetmill.private import make_folder, write_private
from assetmill.project import REVIEWERS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NAME = REVIEWERS
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")


@dataclass(frozen=True)
class Reviewer:
    """Somebody whose word counts, and for which groups."""

    name: str
    key: Ed25519PublicKey
    groups: frozenset[str] = frozenset()


Reviewers = Mapping[str, Reviewer]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    key: Annotated[str, Field(pattern=r"^ssh-ed25519 [A-Za-z0-9+/=]+( .*)?$")]
    groups: list[Annotated[str, Field(pattern=_WORD.pattern)]] = []


def read_reviewers(configs: Path) -> Reviewers:
    """Return the reviewers of a project by name; none where it has no such file.

    Raises:
        InvalidSpec: the file is not valid, or two reviewers have one key.
    """
    path = configs / NAME
    if not path.is_file():
        return {}
    import tomli

    try:
        entries = TypeAdapter(dict[str, _Entry]).validate_python(tomli.loads(path.read_text("utf-8")))
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSpec(str(path), None, str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidSpec(str(path), None, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    found = {
        name: Reviewer(name, _public(entry.key, path, name), frozenset(entry.groups))
        for name, entry in entries.items()
    }
    _check_distinct(found, path)
    return found


def add_reviewer(name: str, groups: tuple[str, ...], configs: Path, home: Path) -> str:
    """Make a key for a reviewer, keep the private part in the home and name the public one in the project.

    Return the public key's line. A reviewer who has a key in this home keeps it.

    Raises:
        InvalidInput: the name or a group is not a plain word, or the project knows another key by that name.
    """
    for word in (name, *groups):
        if not _WORD.fullmatch(word):
            raise InvalidInput(
                f"{word[:80]!r}: a reviewer or a group is letters, digits, '.', '_', '@' and '-'"
            )
    key = find_key(name, home) or _make_key(name, home)
    line = _line(key.public_key())
    listed = ", ".join(f'"{group}"' for group in groups)
    block = f'\n["{name}"]\nkey = "{line}"\n' + (f"groups = [{listed}]\n" if groups else "")
    with held(configs):
        _name_in_project(name, line, block, configs)
    return line


def _name_in_project(name: str, line: str, block: str, configs: Path) -> None:
    known, path = read_reviewers(configs).get(name), configs / NAME
    if known is None:
        before = path.read_text("utf-8") if path.is_file() else _HEAD
        write_private(path, (before + block).encode())
        path.chmod(0o644)
    elif _line(known.key) != line:
        raise InvalidInput(f"{path} has another key for {name}: remove it there to replace it")


_HEAD = "# Whose word on a picture counts. `assetmill reviewers add NAME` writes here; keep it in git.\n"


def find_key(name: str, home: Path) -> Ed25519PrivateKey | None:
    """Return a reviewer's private key, None when this home does not have it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = _key_path(name, home)
    if not _WORD.fullmatch(name) or not path.is_file():
        return None
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput(f"{path} is no Ed25519 key")
    return key


def key_of(name: str, reviewers: Reviewers, home: Path) -> Ed25519PrivateKey:
    """Return the key with which somebody signs here.

    Raises:
        NotFound: the project does not know them, or their key is not in this home, or is another one.
    """
    hint = f"`assetmill reviewers add {shlex.quote(name)}` makes a key here and names it in the project"
    if name not in reviewers:
        raise NotFound("reviewer", name, hint)
    key = find_key(name, home)
    if key is None or key_id(key.public_key()) != key_id(reviewers[name].key):
        raise NotFound("private key of reviewer", name, f"it is not in {home / 'reviewers'}")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """Return a public key's fingerprint, as OpenSSH writes it."""
    blob = base64.b64decode(_line(key).split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _make_key(name: str, home: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    path = _key_path(name, home)
    make_folder(path.parent)
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def _key_path(name: str, home: Path) -> Path:
    return home / "reviewers" / f"{name}.pem"


def _line(key: Ed25519PublicKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _public(line: str, path: Path, name: str) -> Ed25519PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        key = load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidSpec(str(path), None, f"{name}.key is no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidSpec(str(path), None, f"{name}.key is no Ed25519 key")
    return key


def _check_distinct(found: Reviewers, path: Path) -> None:
    """One person with two names could stand for two."""
    seen: dict[str, str] = {}
    for name, reviewer in found.items():
        other = seen.setdefault(_line(reviewer.key), name)
        if other != name:
            raise InvalidSpec(
                str(path), None, f"{other} and {name} have the same key: one person is one reviewer"
            )
