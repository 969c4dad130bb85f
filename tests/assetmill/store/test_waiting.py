"""A store that is away is waited for, once for all, and never longer than was said."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from assetmill.errors import KeyExists, OutageTooLong, RunStopped, StoreAway, StoreUnavailable
from assetmill.outages import OutageNotice, Outages
from assetmill.store.backend import Backend
from assetmill.store.local import LocalStore
from assetmill.store.memory import MemoryStore
from assetmill.store.waiting import WaitingBackend

KEY = "v1/s/one"


class Flaky:
    """A store that is away for the next `away` requests; with `is_late` it carries them out all the same."""

    def __init__(self) -> None:
        self.inner, self.lock = MemoryStore(), threading.Lock()
        self.away, self.is_late, self.error = 0, False, StoreAway("nothing answers there")

    def __getattr__(self, verb: str) -> Any:
        found = getattr(self.inner, verb)

        def ask(*arguments: Any, **options: Any) -> Any:
            with self.lock:
                is_away = self.away > 0
                self.away -= is_away
            if not is_away:
                return found(*arguments, **options)
            if self.is_late:
                found(*arguments, **options)
            raise self.error

        return ask if callable(found) else found


class Clock:
    """Time that passes only in pauses."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Silent(Outages):
    """Outages whose pauses take no time."""

    def __init__(self, limit_s: float = 60.0) -> None:
        self.time = Clock()
        super().__init__(limit_s, clock=self.time)
        self.told: list[OutageNotice] = []
        self.listen(self.told.append)

    def pause(self, seconds: float) -> None:
        super().pause(0)
        self.time.now += seconds


@pytest.fixture
def flaky() -> Flaky:
    return Flaky()


@pytest.fixture
def outages() -> Silent:
    return Silent()


@pytest.fixture
def store(flaky: Flaky, outages: Silent) -> WaitingBackend:
    waiting = WaitingBackend(cast(Backend, flaky), outages)
    assert list(waiting.list("")) == []  # it was there once
    return waiting


VERBS: dict[str, Callable[[Backend], object]] = {
    "put": lambda store: store.put(KEY, b"x"),
    "create": lambda store: store.create(KEY, b"x"),
    "get": lambda store: store.get("v1/b/there"),
    "get_range": lambda store: store.get_range("v1/b/there", 0, 2),
    "head": lambda store: store.head("v1/b/there"),
    "list": lambda store: list(store.list("v1/b/")),
    "delete": lambda store: store.delete("v1/b/there"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_waits_until_the_store_is_back(
    store: WaitingBackend, flaky: Flaky, outages: Silent, verb: str
) -> None:
    store.put("v1/b/there", b"there")
    flaky.away = 3
    VERBS[verb](store)
    assert [notice.kind for notice in outages.told] == ["away", "back"]
    away, back = outages.told
    assert "the store memory: is away since" in str(away)
    assert "until" in str(away)
    assert "is back after" in str(back)


def test_all_who_wait_tell_of_one_outage(flaky: Flaky) -> None:
    # Every one of the eight moves the one clock on when it pauses: none may see the end of its time in that.
    outages = Silent(limit_s=1e9)
    store = WaitingBackend(cast(Backend, flaky), outages)
    store.put("v1/b/there", b"there")
    flaky.away = 16
    threads = [threading.Thread(target=store.get, args=("v1/b/there",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kinds = [notice.kind for notice in outages.told]
    assert kinds == ["away", "back"] * (len(kinds) // 2)


def test_a_create_whose_answer_was_lost_is_ones_own(store: WaitingBackend, flaky: Flaky) -> None:
    flaky.away, flaky.is_late = 1, True
    store.create(KEY, b"mine")
    assert store.get(KEY) == b"mine"


def test_a_create_that_another_has_won_meanwhile_is_lost(store: WaitingBackend, flaky: Flaky) -> None:
    flaky.inner.create(KEY, b"theirs")
    flaky.away = 1
    with pytest.raises(KeyExists):
        store.create(KEY, b"mine")


def test_the_same_bytes_at_the_first_try_are_anothers(store: WaitingBackend) -> None:
    store.create(KEY, b"same")
    with pytest.raises(KeyExists):
        store.create(KEY, b"same")


def test_a_listing_that_is_cut_tells_every_object_once(store: WaitingBackend, flaky: Flaky) -> None:
    keys = [f"v1/b/{n}" for n in range(6)]
    for key in keys:
        store.put(key, b"x")
    whole, cuts = flaky.inner.list, [4, 2]

    def cut(prefix: str, limit: int | None = None) -> Iterator[Any]:
        left = cuts.pop() if cuts else 99
        for head in whole(prefix, limit):
            if left == 0:
                raise StoreAway("cut")
            left -= 1
            yield head

    flaky.inner.list = cut  # pyright: ignore[reportAttributeAccessIssue]
    assert [head.key for head in store.list("v1/b/")] == keys
    cuts[:] = [4, 2]
    assert [head.key for head in store.list("v1/b/", limit=5)] == keys[:5]


def test_it_is_given_up_at_the_moment_that_was_told(
    store: WaitingBackend, flaky: Flaky, outages: Silent
) -> None:
    flaky.away = 10_000
    with pytest.raises(OutageTooLong, match=r"waited for since .* \(60 s\).*run the same again") as error:
        store.get(KEY)
    assert not error.value.retryable
    assert 60.0 <= outages.time.now - 1000.0 < 70.0
    asked = flaky.away
    with pytest.raises(OutageTooLong):
        store.get(KEY)
    assert flaky.away == asked - 1, "what has been waited for in vain is not waited for again"


def test_what_was_never_reached_is_not_waited_for_unless_nobody_could_set_it_right(
    flaky: Flaky, outages: Silent
) -> None:
    flaky.away = 1
    with pytest.raises(StoreAway):
        WaitingBackend(cast(Backend, flaky), outages).head(KEY)
    assert outages.told == []
    flaky.away, outages.is_unattended = 1, True
    assert WaitingBackend(cast(Backend, flaky), outages).head(KEY) is None


def test_a_refusal_is_no_outage(store: WaitingBackend, flaky: Flaky, outages: Silent) -> None:
    flaky.away, flaky.error = 1, StoreUnavailable("access is refused")  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(StoreUnavailable, match="access is refused"):
        store.get(KEY)
    assert outages.told == []


def test_an_order_to_stop_ends_the_wait_at_once(flaky: Flaky) -> None:
    stop = threading.Event()
    outages = Outages(600.0, stop, seals_within_s=0.0)
    outages.listen(lambda _: stop.set())
    store = WaitingBackend(cast(Backend, flaky), outages)
    store.head(KEY)
    flaky.away = 10_000
    with pytest.raises(RunStopped, match="run it again"):
        store.get(KEY)
    assert flaky.away == 10_000 - 1


def test_what_was_begun_is_sealed_though_the_store_stumbles(flaky: Flaky) -> None:
    stop = threading.Event()
    store = WaitingBackend(cast(Backend, flaky), Outages(600.0, stop))
    store.head(KEY)
    stop.set()
    flaky.away = 2
    store.create(KEY, b"sealed")
    assert flaky.inner.get(KEY) == b"sealed"


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOSPC, errno.ENOTCONN])
def test_a_directory_behind_which_nothing_answers_is_away(tmp_path: Path, number: int) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(StoreAway):
        LocalStore(tmp_path, flush=fail).create(KEY, b"x")


def test_a_directory_that_refuses_is_not_away(tmp_path: Path) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with pytest.raises(StoreUnavailable, match="read-only") as error:
        LocalStore(tmp_path, flush=fail).create(KEY, b"x")
    assert not isinstance(error.value, StoreAway)
