"""Every key of the object store, built here and nowhere else; those of batches in `batch_layout`.

    v1/meta/store.json                  format and the probe's verdict
    v1/b/<aa>/<sha256>                  blob
    v1/b/<aa>/<sha256>.<plan>           the same, written while a collection's plan condemned the key above
    v1/i/<pipeline>/<fp>.<n>.<turn>     intent of attempt n's turn; the first one is also the lease
    v1/c/<pipeline>/<fp>.<n>.<turn>     receipt: the response ID
    v1/w/<pipeline>/<fp>.<n>.<turn>     raw terminal response, its pictures moved to blobs
    v1/f/<pipeline>/<fp>.<n>.<turn>     harvest: the files of a turn's containers
    v1/f/<pipeline>/<fp>.<n>.<turn>.<file>  one of them, recorded as soon as it was stored
    v1/o/<pipeline>/<fp>.<n>.<turn>     what a turn has cost that is not its attempt's last
    v1/x/<pipeline>/<fp>.<n>            verdict on a dead attempt
    v1/y/<pipeline>/<fp>.<n>.<turn>     replies: what a turn's calls were answered
    v1/a/<pipeline>/<fp>.<subject>      approval: what a person decided about something an agent asked for
    v1/s/<pipeline>/<fp>                stage record: the commit
    v1/u/<endpoint>/<what>.<n>          n-th handle at an endpoint: an uploaded file, a vector store
    v1/e/<endpoint>/<feature>           what an endpoint was seen to refuse, for good
    v1/e/<endpoint>/ability.<name>.<descending>  what it was seen to do or to refuse, newest first
    v1/r/<run>/start, /manifest         run start and sealed run manifest
    v1/r/<run>/cancel                   somebody has called it off
    v1/h/<pipeline>/<descending>        head: newest sorts first; names a run
    v1/k/<descending>                   compacted index: service ID -> asset
    v1/m/<scope>/<n>                    money: n-th reservation or settlement under a ceiling
    v1/m/<scope>/pages/<n>.<listed>     the lines from the n-th on in one object, as long as they list so
    v1/q/<sha256>.<nonce>               quarantine: bytes that did not match their digest
    v1/z/<pipeline>/<fp>                quarantine of a blocked prompt, until somebody asks to try again
    v1/g/plan/<n>, v1/g/done/<n>        garbage collection: what its n-th plan condemns; that it is over
    v1/t/<sha256>                       tombstone: these bytes were purged
    v1/p/<descending>.<nonce>           receipt of a purge, newest first
    v1/d/<sha256>/<ascending>.<nonce>   decision: what a reviewer said of these bytes, signed
    v1/v/<call>/call                    what a coding agent asked for, before anything of it was begun
    v1/v/<call>/begun.<n>, /ended.<n>   its n-th attempt began; what became of it
    v1/l/<key>.<nonce>                  set aside by a repair: unreadable, or lost; never collected
    v1/l/b.<sha256>                     these bytes are lost, and a person has said so
    v1/meta/probe/<nonce>               what two racing creators write at first use; deleted again

`<pipeline>` is eight hex digits of the name's SHA-256, `<fp>` 52 characters of base32.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from assetmill.fingerprint import Digest, Fingerprint, short_key

if TYPE_CHECKING:
    # Its models are not needed to build a key, and completion in a shell has no time for them.
    from assetmill.records import AssetId, RunId

_LAST_NS = 2**64 - 1
_DESCENDING = re.compile(r"(?<![0-9a-f])[0-9a-f]{16}$")

STORE_META = "v1/meta/store.json"
RUNS = "v1/r/"
INDEX = "v1/k/"
STAGES = "v1/s/"
VERDICTS = "v1/x/"
COSTS = "v1/o/"
BLOBS = "v1/b/"
PROBES = "v1/meta/probe/"
ROOT = "v1/"
INTENTS = "v1/i/"
RECEIPTS = "v1/c/"
RAW = "v1/w/"
HARVESTS = "v1/f/"
REPLIES = "v1/y/"
HEADS = "v1/h/"
QUARANTINE = "v1/q/"
COLLECTION = "v1/g/"
TOMBSTONES = "v1/t/"
PURGES = "v1/p/"
ASIDE = "v1/l/"
MONEY = "v1/m/"
BATCHES = "v1/n/"
BATCH_HEADS = "v1/j/"
BEGUN = "v1/begun/"
REVIEWS = "v1/d/"
AGENT_CALLS = "v1/v/"
PREFIXES = tuple(f"v1/{word}/" for word in (*"bicwfoxyasuerhkmqnjzgtpldv", "meta", "begun"))
"""Everything that is built here begins with one of these."""


def agent_call(call_id: str) -> str:
    """Return the key of what a coding agent asked for."""
    return f"{AGENT_CALLS}{call_id}/call"


def agent_call_begun(call_id: str, attempt: int) -> str:
    """Return the key of the note that an attempt at a call began."""
    return f"{AGENT_CALLS}{call_id}/begun.{attempt:06d}"


def agent_call_ended(call_id: str, attempt: int) -> str:
    """Return the key of what became of an attempt at a call."""
    return f"{AGENT_CALLS}{call_id}/ended.{attempt:06d}"


def blob(digest: Digest) -> str:
    """Return the key of a blob."""
    sha = digest.removeprefix("sha256:")
    return f"{BLOBS}{sha[:2]}/{sha}"


def blob_beside(digest: Digest, plan: int) -> str:
    """Return the key of a blob whose own key was condemned by a plan when it was written."""
    return f"{blob(digest)}.{plan:06d}"


def blobs_beside(digest: Digest) -> str:
    """Return the prefix of all such keys of a blob."""
    return f"{blob(digest)}."


def sha_of_blob(key: str) -> str:
    """Return the 64 hex digits that a blob's key holds."""
    return key.rpartition("/")[2].partition(".")[0]


def quarantined(digest: Digest) -> str:
    """Return the prefix of what was set aside under a digest."""
    return f"{QUARANTINE}{digest.removeprefix('sha256:')}."


def aside(key: str, nonce: str) -> str:
    """Return the key under which a repair sets an object aside."""
    return f"{ASIDE}{key.removeprefix(ROOT).replace('/', '.')}.{nonce}"


def lost(digest: Digest) -> str:
    """Return the key of the note that bytes are lost."""
    return f"{ASIDE}b.{digest.removeprefix('sha256:')}"


def tombstone(digest: Digest) -> str:
    """Return the key of the note that bytes were purged."""
    return f"{TOMBSTONES}{digest.removeprefix('sha256:')}"


def purge_receipt(time_ns: int, nonce: str) -> str:
    """Return the key of a purge's receipt; later ones sort first."""
    return f"{PURGES}{descending(time_ns)}.{nonce}"


def collection_plan(number: int) -> str:
    """Return the key of a collection's plan."""
    return f"{COLLECTION}plan/{number:06d}"


def collection_done(number: int) -> str:
    """Return the key of the note that a plan was carried out."""
    return f"{COLLECTION}done/{number:06d}"


def quarantine(digest: Digest, nonce: str) -> str:
    """Return the key under which damaged bytes are set aside."""
    return f"{quarantined(digest)}{nonce}"


def probe(nonce: str) -> str:
    """Return the key of one race of the probe at first use."""
    return f"{PROBES}{nonce}"


def intent(pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> str:
    """Return the key of an attempt's intent for one turn."""
    return f"{INTENTS}{_turn(pipeline, fp, attempt, turn)}"


def intents(pipeline: str, fp: Fingerprint) -> str:
    """Return the prefix of all intents for a stage."""
    return f"{INTENTS}{short_key(pipeline)}/{fp}."


def intents_of(pipeline: str) -> str:
    """Return the prefix of all intents of a pipeline."""
    return f"{INTENTS}{short_key(pipeline)}/"


def receipt(pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> str:
    """Return the key of a turn's receipt."""
    return f"{RECEIPTS}{_turn(pipeline, fp, attempt, turn)}"


def raw(pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> str:
    """Return the key of a turn's raw terminal response."""
    return f"{RAW}{_turn(pipeline, fp, attempt, turn)}"


def harvest(pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> str:
    """Return the key of what a turn's containers held."""
    return f"{HARVESTS}{_turn(pipeline, fp, attempt, turn)}"


def kept_files(pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> str:
    """Return the prefix of the container files of a turn that were stored one by one."""
    return f"{harvest(pipeline, fp, attempt, turn)}."


def kept_file(pipeline: str, fp: Fingerprint, attempt: int, turn: int, file_id: str) -> str:
    """Return the key of one container file that was stored."""
    named = hashlib.sha256(file_id.encode()).hexdigest()[:24]
    return f"{kept_files(pipeline, fp, attempt, turn)}{named}"


def turn_cost(pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> str:
    """Return the key of what a turn has cost."""
    return f"{COSTS}{_turn(pipeline, fp, attempt, turn)}"


def verdict(pipeline: str, fp: Fingerprint, attempt: int) -> str:
    """Return the key of the verdict on an attempt."""
    return f"{VERDICTS}{short_key(pipeline)}/{fp}.{attempt:03d}"


def replies(pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> str:
    """Return the key of what a turn's calls were answered."""
    return f"{REPLIES}{_turn(pipeline, fp, attempt, turn)}"


def approval(pipeline: str, fp: Fingerprint, subject: str) -> str:
    """Return the key of the decision about what an agent of this stage asked for."""
    return f"v1/a/{short_key(pipeline)}/{fp}{subject_of(subject)}"


def subject_of(subject: str) -> str:
    """Return the end of the key of a decision about `subject`."""
    return f".{hashlib.sha256(subject.encode()).hexdigest()[:32]}"


def stage(pipeline: str, fp: Fingerprint) -> str:
    """Return the key of a stage record."""
    return f"{STAGES}{short_key(pipeline)}/{fp}"


def stage_of(asset_id: AssetId) -> str:
    """Return the key of the stage record that holds an asset.

    Raises:
        ValueError: the text is not an asset ID.
    """
    prefix, pipeline, fp, _ = asset_id.split("_")
    if prefix != "ast" or len(pipeline) != 8 or len(fp) != 52:
        raise ValueError(asset_id)
    return f"{STAGES}{pipeline}/{fp}"


def attempt_of(asset_id: AssetId, attempt: int) -> str:
    """Return `<pipeline>/<fp>.<n>` of an attempt at the stage that an asset's ID names.

    Raises:
        ValueError: the text is not an asset ID.
    """
    return f"{stage_of(asset_id).removeprefix(STAGES)}.{attempt:03d}"


def handle(endpoint: str, what: str, number: int) -> str:
    """Return the key of the `number`-th handle of `what` (a blob or a knowledge set) at an endpoint."""
    return f"{handles(endpoint, what)}{number:06d}"


def handles(endpoint: str, what: str) -> str:
    """Return the prefix of all handles of `what` at an endpoint."""
    return f"{uploads(endpoint)}{hashlib.sha256(what.encode()).hexdigest()}."


def uploads(endpoint: str) -> str:
    """Return the prefix of everything that was uploaded to an endpoint."""
    return f"v1/u/{_place(endpoint)}/"


def intent_of_verdict(key: str) -> str:
    """Return the key of the first intent of the attempt that a verdict's key names."""
    return f"{INTENTS}{key.removeprefix(VERDICTS)}.001"


def refusal(endpoint: str, feature: str) -> str:
    """Return the key of an endpoint's refusal of a form of input."""
    return f"v1/e/{_place(endpoint)}/{feature}"


def endpoint_probes(endpoint: str) -> str:
    """Return the prefix of an endpoint's probes, newest first."""
    return f"v1/e/{_place(endpoint)}/probe."


def endpoint_probe(endpoint: str, time_ns: int) -> str:
    """Return the key of a probe made at `time_ns`."""
    return f"{endpoint_probes(endpoint)}{descending(time_ns)}"


def abilities(endpoint: str, ability: str = "") -> str:
    """Return the prefix of what an endpoint was seen to do; of one ability, newest first."""
    return f"v1/e/{_place(endpoint)}/ability.{ability + '.' if ability else ''}"


def ability(endpoint: str, name: str, time_ns: int) -> str:
    """Return the key of what was seen of an ability at `time_ns`."""
    return f"{abilities(endpoint, name)}{descending(time_ns)}"


def index_page(time_ns: int) -> str:
    """Return the key of a compacted index made at `time_ns`; later ones sort first."""
    return f"{INDEX}{descending(time_ns)}"


def run_start(run_id: RunId) -> str:
    """Return the key of a run's start record."""
    return f"{RUNS}{run_id}/start"


def run_cancel(run_id: RunId) -> str:
    """Return the key that calls a run off."""
    return f"{RUNS}{run_id}/cancel"


def run_manifest(run_id: RunId) -> str:
    """Return the key of a run's manifest."""
    return f"{RUNS}{run_id}/manifest"


def money(scope: str) -> str:
    """Return the prefix of a budget scope's history: `run/<id>`, `day/<date>` or `project`."""
    return f"{MONEY}{scope}/"


def money_entry(scope: str, number: int) -> str:
    """Return the key of the `number`-th line of a budget scope's history, from 1 on."""
    return f"{money(scope)}{number:08d}"


def money_page(scope: str, first: int, listed: str) -> str:
    """Return the key of a copy of some lines; `listed` stands for what a listing tells of them."""
    return f"{money(scope)}pages/{first:08d}.{listed}"


def heads(pipeline: str) -> str:
    """Return the prefix under which a pipeline's heads lie, newest first."""
    return f"{HEADS}{short_key(pipeline)}/"


def head(pipeline: str, time_ns: int) -> str:
    """Return the key of a head written at `time_ns`; later heads sort first."""
    return f"{heads(pipeline)}{descending(time_ns)}"


def blocked(pipeline: str, fp: Fingerprint) -> str:
    """Return the key of a blocked prompt's quarantine."""
    return f"{blocked_all(pipeline)}{fp}"


def blocked_all(pipeline: str) -> str:
    """Return the prefix of a pipeline's blocked prompts."""
    return f"v1/z/{short_key(pipeline)}/"


def stages_of(pipeline: str) -> str:
    """Return the prefix of all stage records of a pipeline."""
    return f"{STAGES}{short_key(pipeline)}/"


def reviews(picture: Digest) -> str:
    """Return the prefix of what reviewers said of a picture, oldest first."""
    return f"{REVIEWS}{picture.removeprefix('sha256:')}/"


def review(picture: Digest, time_ns: int, nonce: str) -> str:
    """Return the key of what a reviewer said of a picture at `time_ns`."""
    return f"{reviews(picture)}{time_ns:016x}.{nonce}"


def _turn(pipeline: str, fp: Fingerprint, attempt: int, turn: int) -> str:
    return f"{short_key(pipeline)}/{fp}.{attempt:03d}.{turn:03d}"


def _place(endpoint: str) -> str:
    return hashlib.sha256(endpoint.encode()).hexdigest()[:16]


def descending(time_ns: int) -> str:
    """Return 16 hex digits that sort the later time first."""
    return f"{_LAST_NS - time_ns:016x}"


def time_of(key: str) -> int | None:
    """Return the time in nanoseconds that the last 16 hex digits of a key stand for, None without such."""
    digits = _DESCENDING.search(key)
    return _LAST_NS - int(digits[0], 16) if digits else None
