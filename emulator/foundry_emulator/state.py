"""The emulator's memory: JSON documents and a bill in SQLite, bytes in files, all under one directory.

Documents are small. Pictures and other large text stay outside them: the document holds a marker, and
`render` puts the text back in without parsing anything, so that polling a response never decodes a picture.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from foundry_emulator.jsons import Json, compact

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS doc(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, parent TEXT NOT NULL, id TEXT NOT NULL,
    body TEXT NOT NULL, extra TEXT NOT NULL DEFAULT '{}', UNIQUE(kind, parent, id));
CREATE INDEX IF NOT EXISTS doc_order ON doc(kind, parent, seq);
CREATE INDEX IF NOT EXISTS doc_item ON doc(id) WHERE kind IN ('item', 'output_item');
CREATE INDEX IF NOT EXISTS doc_conversation ON doc(json_extract(body, '$.conversation.id'))
    WHERE kind = 'response';
CREATE TABLE IF NOT EXISTS event(response_id TEXT, n INTEGER, frame TEXT, PRIMARY KEY(response_id, n));
CREATE TABLE IF NOT EXISTS bill(seq INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT NOT NULL);
"""
DATABASE_NAME = "emulator.sqlite3"
_LARGE_TEXT = 2048
# What goes back into JSON text unparsed may hold nothing that JSON would have to escape.
_VERBATIM = re.compile(r"[A-Za-z0-9+/=:;,._-]*")

Kind = Literal[
    "agent",
    "version",
    "conversation",
    "item",
    "output_item",
    "file",
    "vector_store",
    "vector_store_file",
    "file_batch",
    "container",
    "container_file",
    "response",
    "input_items",
]


@dataclass(frozen=True)
class Doc:
    """A stored document: its wire body, and what the emulator remembers beside it."""

    seq: int
    id: str
    parent: str
    body: Json
    extra: Json


def connect(state_dir: Path) -> sqlite3.Connection:
    """Open the database of a state directory; the caller closes it."""
    connection = sqlite3.connect(
        state_dir / DATABASE_NAME, isolation_level=None, check_same_thread=False, timeout=30
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


class State:
    """Documents by kind, parent and ID; safe to use from several threads."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir
        self.blobs = state_dir / "blobs"
        self.containers = state_dir / "containers"
        for folder in (state_dir, self.blobs, self.containers):
            folder.mkdir(parents=True, exist_ok=True)
        state_dir.chmod(0o700)
        # One connection for all threads: without the lock two threads would mix their transactions.
        self._lock = threading.RLock()
        self._db = connect(state_dir)
        self._db.executescript(_SCHEMA)
        self._mark = self.secret("blob_mark")
        self._marker = re.compile(f"blob:{self._mark}:([A-Za-z0-9_.-]+)")

    def close(self) -> None:
        """Close the database; the state stays on disk."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Make what is written inside visible at once, or not at all."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def meta(self, key: str) -> str | None:
        """Return a setting of the state itself."""
        with self._lock:
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def set_meta(self, key: str, value: str) -> None:
        """Remember a setting of the state itself."""
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def secret(self, key: str) -> str:
        """Return a random secret that stays the same for the life of the state."""
        known = self.meta(f"secret_{key}")
        if known is None:
            known = secrets.token_hex(16)
            self.set_meta(f"secret_{key}", known)
        return known

    def put(
        self, kind: Kind, doc_id: str, body: Json, *, parent: str = "", extra: Json | None = None
    ) -> None:
        """Store a document; one that is there keeps its place, and its extra if none is given."""
        with self._lock:
            self._db.execute(
                "INSERT INTO doc(kind, parent, id, body, extra) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT(kind, parent, id) DO UPDATE SET body = excluded.body, "
                "extra = CASE WHEN ? THEN excluded.extra ELSE extra END",
                (kind, parent, doc_id, compact(body), compact(extra or {}), extra is not None),
            )

    def get(self, kind: Kind, doc_id: str, parent: str = "") -> Doc | None:
        """Return a document, or None."""
        with self._lock:
            row = self._db.execute(
                "SELECT seq, id, parent, body, extra FROM doc WHERE kind = ? AND parent = ? AND id = ?",
                (kind, parent, doc_id),
            ).fetchone()
        return _doc(row) if row else None

    def all(self, kind: Kind, parent: str | None = "") -> list[Doc]:
        """Return the documents of a kind, oldest first; `parent=None` looks under every parent."""
        where, values = ("", ()) if parent is None else ("AND parent = ?", (parent,))
        with self._lock:
            rows = self._db.execute(
                f"SELECT seq, id, parent, body, extra FROM doc WHERE kind = ? {where} ORDER BY seq",  # noqa: S608 - constant text
                (kind, *values),
            ).fetchall()
        return [_doc(row) for row in rows]

    def responses_of(self, conversation_id: str) -> list[Doc]:
        """Return the responses made in a conversation, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT seq, id, parent, body, extra FROM doc WHERE kind = 'response' "
                "AND json_extract(body, '$.conversation.id') = ? ORDER BY seq",
                (conversation_id,),
            ).fetchall()
        return [_doc(row) for row in rows]

    def find_item(self, item_id: str) -> Json | None:
        """Return an item by its ID, from a conversation or from the output of a stored response."""
        with self._lock:
            row = self._db.execute(
                "SELECT body FROM doc WHERE kind IN ('item', 'output_item') AND id = ?", (item_id,)
            ).fetchone()
        return json.loads(row[0]) if row else None

    def delete(self, kind: Kind, doc_id: str, parent: str = "") -> bool:
        """Remove a document; says whether it was there."""
        with self._lock:
            done = self._db.execute(
                "DELETE FROM doc WHERE kind = ? AND parent = ? AND id = ?", (kind, parent, doc_id)
            )
            return done.rowcount > 0

    def delete_under(self, kind: Kind, parent: str) -> None:
        """Remove every document of a kind under one parent."""
        with self._lock:
            self._db.execute("DELETE FROM doc WHERE kind = ? AND parent = ?", (kind, parent))

    def add_event(self, response_id: str, number: int, frame: str) -> None:
        """Keep an event of a stream for a later replay."""
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO event VALUES (?, ?, ?)", (response_id, number, frame))

    def events(self, response_id: str) -> list[str]:
        """Return the kept events of a response in order."""
        with self._lock:
            rows = self._db.execute(
                "SELECT frame FROM event WHERE response_id = ? ORDER BY n", (response_id,)
            ).fetchall()
        return [row[0] for row in rows]

    def drop_events(self, response_id: str) -> None:
        """Forget the events of a response."""
        with self._lock:
            self._db.execute("DELETE FROM event WHERE response_id = ?", (response_id,))

    def charge(self, line: Json) -> None:
        """Write a line of the bill; it is on disk when this returns."""
        with self._lock:
            self._db.execute("INSERT INTO bill(line) VALUES (?)", (compact(line),))

    def bill(self) -> list[Json]:
        """Return the lines of the bill, oldest first."""
        with self._lock:
            return [json.loads(row[0]) for row in self._db.execute("SELECT line FROM bill ORDER BY seq")]

    def write_blob(self, name: str, data: bytes) -> None:
        """Keep bytes under a name that is one of our own IDs."""
        scratch = self.blobs / f".{name}.{secrets.token_hex(4)}"
        scratch.write_bytes(data)
        scratch.replace(self.blobs / name)

    def read_blob(self, name: str) -> bytes | None:
        """Return the bytes kept under a name, or None."""
        try:
            return (self.blobs / name).read_bytes()
        except (FileNotFoundError, ValueError):
            return None

    def drop_blob(self, name: str) -> None:
        """Forget bytes; repeating it is harmless."""
        (self.blobs / name).unlink(missing_ok=True)

    def outsource(self, text: str, name: str) -> str:
        """Move a large text out of a document and return the marker that stands for it."""
        if len(text) < _LARGE_TEXT or not _VERBATIM.fullmatch(text):
            return text
        self.write_blob(f"{name}.txt", text.encode())
        return f"blob:{self._mark}:{name}.txt"

    def insourced(self, text: str) -> str:
        """Return the text that a marker stands for, and any other text as it is."""
        match = self._marker.fullmatch(text)
        data = self.read_blob(match[1]) if match else None
        return text if data is None else data.decode()

    def render(self, text: str, damage: Callable[[bytes], bytes] | None = None) -> bytes:
        """Put outsourced texts back into JSON text; `damage` spoils each of them on the way out."""
        pieces = self._marker.split(text)
        if len(pieces) == 1:
            return text.encode()
        whole: list[bytes] = []
        for index, piece in enumerate(pieces):
            data = piece.encode() if index % 2 == 0 else (self.read_blob(piece) or b"")
            whole.append(damage(data) if damage and index % 2 else data)
        return b"".join(whole)

    def store_picture(self, item_id: str, data: bytes, damage: Callable[[bytes], bytes] | None = None) -> str:
        """Keep a picture as the base64 text it is sent as, and return the marker for it."""
        text = base64.b64encode(data)
        self.write_blob(f"{item_id}.txt", damage(text) if damage else text)
        return f"blob:{self._mark}:{item_id}.txt"

    def container_dir(self, container_id: str) -> Path:
        """Return the directory that appears as `/mnt/data` in that container."""
        return self.containers / container_id

    def drop_container_dir(self, container_id: str) -> None:
        """Remove a container's directory and all in it."""
        shutil.rmtree(self.container_dir(container_id), ignore_errors=True)

    def reset(self, keep: Sequence[str] = ("secret_",)) -> None:
        """Forget everything but the state's own secrets."""
        with self.transaction():
            for table in ("doc", "event", "bill"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - constant names
            kept = " AND ".join("key NOT LIKE ?" for _ in keep)
            self._db.execute(f"DELETE FROM meta WHERE {kept}", [f"{prefix}%" for prefix in keep])  # noqa: S608
        for folder in (self.blobs, self.containers):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)


def _doc(row: tuple[int, str, str, str, str]) -> Doc:
    return Doc(row[0], row[1], row[2], json.loads(row[3]), json.loads(row[4]))
