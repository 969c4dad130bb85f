"""The money protocol as a small machine of which every interleaving is visited.

The simulation runs the real code along some paths; this visits all paths of an abstraction: workers that
crash, posts that arrive late or never, replies that are lost, lists that lag, conversations that are deleted,
and, where posts do not go in the background, responses that run on the line and are listed at their end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

from assetmill.records import Way

Verdict = Literal["", "refused", "fenced", "failed"]
ATTEMPTS = 3


class Attempt(NamedTuple):
    """What the store and the service hold of one attempt. `owner` is -1 before its intent."""

    owner: int = -1
    is_deleted: bool = False
    on_the_way: int = 0
    accepted: int = 0
    is_listed: bool = False
    has_receipt: bool = False
    verdict: Verdict = ""
    is_running: bool = False
    """On the line, and so listed by nobody."""
    is_gone: bool = False
    """It ended with its line, without a trace."""


class Worker(NamedTuple):
    """Where a worker stands, and the attempt it holds in memory."""

    at: str = "read"
    attempt: int = 0


class State(NamedTuple):
    """Everything, and what may still go wrong."""

    attempts: tuple[Attempt, ...]
    workers: tuple[Worker, ...]
    has_blobs: bool
    has_commit: bool
    crashes: int
    errors: int
    drops: int


@dataclass(frozen=True)
class Rules:
    """The protocol, or a variant that leaves something out."""

    policy: Literal["hold", "fence"] = "fence"
    deletes: bool = True
    settles: bool = True
    lists_again: bool = True
    lists_at_all: bool = True
    resends: bool = False
    blobs_first: bool = True
    own_conversation: bool = True
    intent_first: bool = True
    changes_lane_on_silence: bool = False
    deleted_refuse: bool = True
    way: Way = "background"
    waits_for_the_end: bool = True
    """Whether silence counts only after the longest that a response may run."""
    outlives_its_line: bool = True
    """The service's part: what is not in the background goes on when its caller leaves (A6)."""
    silence_refuses: bool = False


class Wrong(Exception):
    """A state that must not be reachable."""


def explore(rules: Rules, workers: int = 1, crashes: int = 2, errors: int = 2, drops: int = 1) -> int:
    """Visit every reachable state and return their number.

    Raises:
        Wrong: a state breaks a promise.
    """
    start = State((Attempt(),) * ATTEMPTS, (Worker(),) * workers, False, False, crashes, errors, drops)
    seen, waiting = {start}, deque([start])
    while waiting:
        state = waiting.popleft()
        check(state, rules)
        for following in moves(state, rules):
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return len(seen)


def check(state: State, rules: Rules) -> None:
    """Hold a state against the promises."""
    # What ended with its line and was found to be gone may be paid again: the service has lost it.
    paid = (a.accepted for a in state.attempts if not (a.is_gone and a.verdict == "failed"))
    if sum(paid) > 1:
        raise Wrong(f"paid twice: {state}")
    if state.has_commit and not state.has_blobs:
        raise Wrong(f"a commit without its blobs: {state}")
    if rules.policy == "hold" and any(attempt.verdict == "fenced" for attempt in state.attempts):
        raise Wrong(f"silence was taken for a refusal: {state}")
    is_quiet = not any(attempt.on_the_way for attempt in state.attempts)
    is_over = all(worker.at in {"done", "doubt", "stop"} for worker in state.workers)
    if is_quiet and is_over and any(a.accepted and not a.is_gone for a in state.attempts):
        _check_recovery(state, rules)


def _check_recovery(state: State, rules: Rules) -> None:
    """Run one more worker through a calm world: what was paid for must be committed."""
    listed = tuple(
        a._replace(is_listed=bool(a.accepted) and not a.is_gone, is_running=False) for a in state.attempts
    )
    state = state._replace(attempts=listed, workers=(Worker(),), crashes=0, errors=0, drops=0)
    for _ in range(100):
        if state.has_commit:
            return
        following = next(moves(state, rules), None)
        if following is None:
            break
        state = following
    raise Wrong(f"paid for and lost: {state}")


def moves(state: State, rules: Rules) -> Iterator[State]:
    """Yield every state that may come next."""
    for number, worker in enumerate(state.workers):
        yield from _work(state, rules, number, worker)
        if state.crashes and worker.at not in {"done", "doubt", "stop", "read"}:
            left = _cut(state._replace(crashes=state.crashes - 1), rules, number)
            yield _at(left, number, "read")
    yield from _network(state, rules)


def _network(state: State, rules: Rules) -> Iterator[State]:
    for n, attempt in enumerate(state.attempts):
        if attempt.on_the_way:
            left = attempt._replace(on_the_way=attempt.on_the_way - 1)
            if attempt.is_deleted and rules.deleted_refuse:
                yield _set(state, n, left)
            else:
                runs = rules.way != "background"
                yield _set(state, n, left._replace(accepted=attempt.accepted + 1, is_running=runs))
            if state.drops:
                yield _set(state._replace(drops=state.drops - 1), n, left)
        if attempt.is_running:
            yield _set(state, n, attempt._replace(is_running=False))
        elif attempt.accepted and not attempt.is_listed and not attempt.is_gone:
            yield _set(state, n, attempt._replace(is_listed=True))


def _work(state: State, rules: Rules, number: int, worker: Worker) -> Iterator[State]:
    n, attempt = worker.attempt, state.attempts[worker.attempt]
    if worker.at == "read":
        yield _read(state, number)
    elif worker.at == "begin":
        if not rules.intent_first:
            yield _at(_set(state, n, attempt._replace(on_the_way=attempt.on_the_way + 1)), number, "late", n)
        elif attempt.owner < 0:
            yield _at(_set(state, n, attempt._replace(owner=number)), number, "post", n)
        else:
            yield _at(state, number, "read")
    elif worker.at == "late":
        yield _at(_set(state, n, attempt._replace(owner=number)), number, "wait", n)
    elif worker.at == "post":
        to = n if rules.own_conversation else _newest(state)
        sent = state.attempts[to]._replace(on_the_way=state.attempts[to].on_the_way + 1)
        yield _at(_set(state, to, sent), number, "wait", n)
    elif worker.at == "wait":
        yield from _hear(state, rules, number, worker)
    else:
        yield from _recover(state, rules, number, worker)


def _hear(state: State, rules: Rules, number: int, worker: Worker) -> Iterator[State]:
    """Everything that a post's sender may hear."""
    n, attempt = worker.attempt, state.attempts[worker.attempt]
    is_told = rules.way != "foreground" or not attempt.is_running
    if attempt.accepted and not attempt.is_gone and is_told:
        yield _at(state, number, "receipt", n)
    if attempt.on_the_way and not attempt.accepted:
        # A refusal by quota, or by a lane without room: in the service's own words, so it was not accepted
        # and never will be.
        refused = attempt._replace(on_the_way=attempt.on_the_way - 1)
        if state.errors:
            yield _at(_set(state._replace(errors=state.errors - 1), n, refused), number, "refused", n)
    is_gone = not attempt.on_the_way and not attempt.accepted
    if is_gone or state.errors:
        left = state if is_gone else _cut(state._replace(errors=state.errors - 1), rules, number)
        yield _at(left, number, "judge refused" if rules.silence_refuses else "list", n)
        if rules.resends:
            yield _at(left, number, "post", n)
        if rules.changes_lane_on_silence:
            yield _at(left, number, "judge refused", n)


def _recover(state: State, rules: Rules, number: int, worker: Worker) -> Iterator[State]:
    n, attempt = worker.attempt, state.attempts[worker.attempt]
    if worker.at in {"list", "refused", "relist"} and attempt.is_listed and rules.lists_at_all:
        yield _at(state, number, "receipt", n)
    elif worker.at == "refused":
        gone = _set(state, n, attempt._replace(is_deleted=True))
        yield _at(gone, number, "judge refused", n)
    elif worker.at == "list":
        if rules.policy == "hold":
            yield _at(state, number, "doubt", n)
        else:
            yield _at(state, number, "delete", n)
            if attempt.owner != number:
                yield _at(state, number, "read")  # the owner's lease is fresh: wait
    elif worker.at == "delete":
        after = _set(state, n, attempt._replace(is_deleted=True)) if rules.deletes else state
        yield _at(after, number, "settle" if rules.lists_again else "judge fenced", n)
    elif worker.at == "settle":
        after = _set(state, n, _settled(attempt, rules)) if rules.settles else state
        yield _at(after, number, "relist", n)
    elif worker.at == "relist":
        yield _at(state, number, "judge fenced", n)
    elif worker.at.startswith("judge "):
        kind = cast(Verdict, worker.at.removeprefix("judge "))
        first = attempt.verdict or kind
        yield _at(_set(state, n, attempt._replace(verdict=first)), number, "read")
    else:
        yield from _close(state, rules, number, worker)


def _settled(attempt: Attempt, rules: Rules) -> Attempt:
    """Return an attempt after the wait of a fence: what was accepted is listed now, unless it still runs."""
    if attempt.is_gone or not attempt.accepted or (attempt.is_running and not rules.waits_for_the_end):
        return attempt
    return attempt._replace(is_listed=True, is_running=False)


def _cut(state: State, rules: Rules, number: int) -> State:
    """Return a state in which a worker's line is cut: what ran on it goes on, or is gone."""
    n = state.workers[number].attempt
    attempt = state.attempts[n]
    if rules.outlives_its_line or not attempt.is_running or attempt.owner != number:
        return state
    return _set(state, n, attempt._replace(is_running=False, is_gone=True))


def _close(state: State, rules: Rules, number: int, worker: Worker) -> Iterator[State]:
    n, attempt = worker.attempt, state.attempts[worker.attempt]
    first, second = ("blobs", "commit") if rules.blobs_first else ("commit", "blobs")
    if worker.at == "receipt":
        yield _at(_set(state, n, attempt._replace(has_receipt=True)), number, first, n)
    elif worker.at == first and attempt.is_gone:
        yield _at(state, number, "judge failed", n)
    elif worker.at == first and attempt.is_running:
        return  # it is waited for
    elif worker.at in {"blobs", "commit"}:
        after = state._replace(has_blobs=True) if worker.at == "blobs" else state._replace(has_commit=True)
        yield _at(after, number, second if worker.at == first else "done", n)


def _read(state: State, number: int) -> State:
    if state.has_commit:
        return _at(state, number, "done")
    n = _newest(state)
    if n < 0:
        return _at(state, number, "begin", 0)
    attempt = state.attempts[n]
    if attempt.verdict:
        return _at(state, number, "begin", n + 1) if n + 1 < ATTEMPTS else _at(state, number, "stop")
    return _at(state, number, "blobs" if attempt.has_receipt else "list", n)


def _newest(state: State) -> int:
    return max((n for n, attempt in enumerate(state.attempts) if attempt.owner >= 0), default=-1)


def _set(state: State, n: int, attempt: Attempt) -> State:
    return state._replace(attempts=(*state.attempts[:n], attempt, *state.attempts[n + 1 :]))


def _at(state: State, number: int, at: str, attempt: int = 0) -> State:
    moved = Worker(at, attempt)
    return state._replace(workers=(*state.workers[:number], moved, *state.workers[number + 1 :]))
