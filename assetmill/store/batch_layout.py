"""Every key of the object store that belongs to a batch, built here and nowhere else.

v1/n/<batch>/start.<content>        what a batch is made of: pipeline, rows
v1/n/<batch>/p/<ascending>.<nonce>  page: what became of a group of its rows
v1/n/<batch>/m/<descending>         manifest of a batch, newest first
v1/n/<batch>/halt.<run>             the account is blocked, or a call-off: whoever works for it stops
v1/n/<batch>/live.<flow run>.<n>    a shard's newest heartbeat
v1/n/<batch>/w/<run>/<piece>.<n>    lease of some rows: who has them in hand; .end: they are over
v1/n/<batch>/s/<run>/<deployment>.<part>.<n>  lease of a part of a quota
v1/n/<batch>/halt.all.<time>        somebody has called off all runs that had begun by then
v1/j/<pipeline>/<descending>        batch head: newest first; names a batch and its manifest
v1/begun/<pipeline>/<batch>         mark: a run of it was begun and is not sealed; names its start
"""

from __future__ import annotations

from assetmill.fingerprint import short_key
from assetmill.store.layout import BATCH_HEADS, BATCHES, BEGUN, descending

ALL_RUNS = "all."
"""In the place of a run's ID: no ID begins so."""


def prefix(batch_id: str) -> str:
    """Return the prefix of everything of a batch."""
    return f"{BATCHES}{batch_id}/"


def start(batch_id: str, content: str) -> str:
    """Return the key of what a batch is made of; one that a person named may change its rows."""
    return f"{prefix(batch_id)}start.{content}"


def pages(batch_id: str) -> str:
    """Return the prefix of a batch's pages, in the order in which they were written."""
    return f"{prefix(batch_id)}p/"


def page(batch_id: str, time_ns: int, nonce: str) -> str:
    """Return the key of a page written at `time_ns`."""
    return f"{pages(batch_id)}{time_ns:016x}.{nonce}"


def page_time_ns(key: str) -> int:
    """Return when a page was written."""
    return int(key.rpartition("/")[2].partition(".")[0], 16)


def manifests(batch_id: str) -> str:
    """Return the prefix of a batch's manifests, newest first."""
    return f"{prefix(batch_id)}m/"


def manifest(batch_id: str, time_ns: int) -> str:
    """Return the key of a batch's manifest sealed at `time_ns`."""
    return f"{manifests(batch_id)}{descending(time_ns)}"


def halt(batch_id: str, run: str) -> str:
    """Return the key that stops whoever works for one run of a batch."""
    return f"{halts(batch_id)}{run}"


def halts(batch_id: str) -> str:
    """Return the prefix of everything that stops runs of a batch."""
    return f"{prefix(batch_id)}halt."


def cancel(batch_id: str, time_ns: int) -> str:
    """Return the key that stops all runs of a batch that began before it was written."""
    return f"{halts(batch_id)}{ALL_RUNS}{time_ns:016x}"


def beats(batch_id: str) -> str:
    """Return the prefix of the heartbeats of a batch's shards."""
    return f"{prefix(batch_id)}live."


def beat(batch_id: str, flow_run_id: str, number: int) -> str:
    """Return the key of the `number`-th heartbeat of a shard's flow run; the ones before are deleted."""
    return f"{beats(batch_id)}{flow_run_id}.{number:08d}"


def piece_leases(batch_id: str, run: str) -> str:
    """Return the prefix under which the pieces of a run of a batch are leased."""
    return f"{_pieces(batch_id)}{run}/"


def quota_leases(batch_id: str, run: str) -> str:
    """Return the prefix under which the parts of quotas are leased in a run of a batch."""
    return f"{_quotas(batch_id)}{run}/"


def batch_of(key: str) -> str:
    """Return the batch that an object belongs to, by its key."""
    return key.split("/", 3)[2]


def is_beat(key: str) -> bool:
    """Whether a key is a heartbeat's."""
    return key.startswith(beats(batch_of(key)))


def is_passing(key: str) -> bool:
    """Whether a batch needs an object only while somebody is at work at it: a lease, a heartbeat."""
    batch_id = batch_of(key)
    return is_beat(key) or key.startswith((_pieces(batch_id), _quotas(batch_id)))


def heads(pipeline: str) -> str:
    """Return the prefix under which a pipeline's batch heads lie, newest first."""
    return f"{BATCH_HEADS}{short_key(pipeline)}/"


def head(pipeline: str, time_ns: int) -> str:
    """Return the key of a batch head written at `time_ns`."""
    return f"{heads(pipeline)}{descending(time_ns)}"


def marks(pipeline: str) -> str:
    """Return the prefix of the marks of a pipeline's begun batches."""
    return f"{BEGUN}{short_key(pipeline)}/"


def begun(pipeline: str, batch_id: str) -> str:
    """Return the key of the mark that a batch was begun and is not sealed."""
    return f"{marks(pipeline)}{batch_id}"


def _pieces(batch_id: str) -> str:
    return f"{prefix(batch_id)}w/"


def _quotas(batch_id: str) -> str:
    return f"{prefix(batch_id)}s/"
