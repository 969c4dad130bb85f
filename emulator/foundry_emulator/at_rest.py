"""Reads the bill and expires things in a state, whether or not a server runs on it. No web framework."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Literal, cast, get_args

from foundry_emulator.jsons import Json
from foundry_emulator.state import DATABASE_NAME, State

Expirable = Literal["files", "containers", "responses", "vector_stores"]
EXPIRABLES: tuple[Expirable, ...] = get_args(Expirable)


class NoSuchState(Exception):
    """The directory holds no emulator state."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir)
        self.state_dir = state_dir

    def __str__(self) -> str:
        return f"no emulator state in {str(self.state_dir)!r}: was the emulator ever started on it?"


def _opened(state_dir: Path) -> State:
    if not (state_dir / DATABASE_NAME).is_file():
        raise NoSuchState(state_dir)
    return State(state_dir)


def read_bill(state_dir: Path) -> list[Json]:
    """Return every charge, oldest first.

    Raises:
        NoSuchState: there is no state in that directory.
    """
    with closing(_opened(state_dir)) as state:
        return state.bill()


def expire(state_dir: Path, kinds: Iterable[str]) -> dict[str, int]:
    """Expire everything of these kinds (`all` for every kind) and say how much of each there was.

    Raises:
        NoSuchState: there is no state in that directory.
        ValueError: a kind is unknown.
    """
    with closing(_opened(state_dir)) as state:
        return expire_in(state, kinds)


def named_kinds(kinds: Iterable[str]) -> tuple[Expirable, ...]:
    """Check names of kinds and spell out `all`.

    Raises:
        ValueError: a kind is unknown.
    """
    given = tuple(kind.replace("-", "_") for kind in kinds)
    unknown = [kind for kind in given if kind not in (*EXPIRABLES, "all")]
    if unknown:
        raise ValueError(f"cannot expire {unknown[0]!r}: choose from all, {', '.join(EXPIRABLES)}")
    return EXPIRABLES if "all" in given else tuple(cast(Expirable, kind) for kind in given)


def expire_in(state: State, kinds: Iterable[str]) -> dict[str, int]:
    """Expire everything of these kinds in an open state."""
    actions = {
        "files": _expire_files,
        "containers": _expire_containers,
        "responses": _expire_responses,
        "vector_stores": _expire_vector_stores,
    }
    return {kind: actions[kind](state) for kind in named_kinds(kinds)}


def _expire_files(state: State) -> int:
    files = state.all("file")
    for doc in files:
        state.delete("file", doc.id)
        state.drop_blob(doc.id)
    return len(files)


def expire_container(state: State, container_id: str, body: Json) -> None:
    """End a container: its files are gone for good, later calls fail."""
    state.put("container", container_id, {**body, "status": "expired"})
    state.delete_under("container_file", container_id)
    state.drop_container_dir(container_id)


def _expire_containers(state: State) -> int:
    live = [doc for doc in state.all("container") if doc.body["status"] != "expired"]
    for doc in live:
        expire_container(state, doc.id, doc.body)
    return len(live)


def _expire_responses(state: State) -> int:
    done = [doc for doc in state.all("response") if doc.body["status"] not in ("queued", "in_progress")]
    for doc in done:
        forget_response(state, doc.id)
    return len(done)


def forget_response(state: State, response_id: str) -> bool:
    """Remove a response with its input items and events; says whether it was there."""
    state.delete("input_items", response_id)
    state.delete_under("output_item", response_id)
    state.drop_events(response_id)
    return state.delete("response", response_id)


def _expire_vector_stores(state: State) -> int:
    live = [doc for doc in state.all("vector_store") if doc.body["status"] != "expired"]
    for doc in live:
        state.put("vector_store", doc.id, {**doc.body, "status": "expired"})
    return len(live)
