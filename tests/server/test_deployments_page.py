"""Every command of deployments/README.md, with Prefect on PostgreSQL and a store on SeaweedFS."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.project import find_configs
from tests.object_servers import BUCKET, ObjectServer, find_weed, seaweedfs
from tests.pages import blocks
from tests.server.stack import Stack

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("server"), pytest.mark.timeout(420)]

PAGE = "deployments/README.md"


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectServer]:
    weed = find_weed()
    if weed is None:
        pytest.skip("SeaweedFS (`weed`) is not installed")
    with seaweedfs(weed, tmp_path / "weed") as server:
        yield server


def put(server: ObjectServer, key: str, text: str) -> None:
    client = server.session().client("s3", endpoint_url=server.endpoint_url)  # pyright: ignore
    client.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
    client.close()


def test_the_page_keeps_its_word(world: Stack, bucket: ObjectServer) -> None:
    exported = {
        "ASSETMILL_CONFIGS": str(find_configs({})),
        "ASSETMILL_STORE_URL": f"s3://{BUCKET}/mill",
        "ASSETMILL_STORE_ENDPOINT_URL": bucket.endpoint_url,
        "AWS_ACCESS_KEY_ID": bucket.access_key,
        "AWS_SECRET_ACCESS_KEY": bucket.secret,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    pools, batches = blocks(PAGE, "bash")
    create, deploy, work = pools.splitlines()
    for command in (create, deploy):
        done = world.run(*command.split(), environment=exported)
        assert done.returncode == 0, done.stderr + done.stdout
    assert "product-launch/assetmill" in done.stdout
    world.start("page-worker", work.split(), **exported)
    put(bucket, "rows.csv", "product,quality\nFjord lamp,low\nFjord chair,low\n")
    # At five to six in the morning, the hour that the page names would be too near.
    in_two_hours = datetime.datetime.now().astimezone() + datetime.timedelta(hours=2)
    batch = batches.replace("06:00", f"{in_two_hours:%H:%M}").replace("s3://bucket/", f"s3://{BUCKET}/")
    pictures = world.pictures()
    world.wait_until(lambda: world.api("POST", "/work_pools/assetmill/workers/filter", {}), "the worker")
    done = world.run(*batch.split(), "--json", environment=exported)
    assert done.returncode == 0, f"{done.stderr}\n{done.stdout[-2000:]}\n{world.logs()}"
    told = json.loads(done.stdout)
    assert Counter(row["state"] for row in told["rows"]) == {"done": 2}
    assert world.pictures() - pictures >= 2
    assert told["spent_usd"] > 0
    world.kill("page-worker")
