"""A run, a batch, its shards and its rows as spans: one trace, on however many machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Literal

from assetmill.errors import AssetmillError
from assetmill.traces import switch, words
from assetmill.traces.context import below, captured, continued
from assetmill.traces.sending import flush, observe, opened
from assetmill.traces.turns import fail

_SOUND = frozenset({"completed", "done", "reused", "waiting"})
"""What becomes of a run, a batch or a row of which nothing is wrong."""

Tell = Callable[[str], None]
"""Says what became of what a span is about."""


@contextmanager
def traced_run(pipeline: str, run_id: str, parent: str = "") -> Generator[Tell]:
    """Make what happens inside one trace, below the caller's own, or `parent`, where there is one."""
    if not switch.is_on():
        yield _tell_nobody
        return
    told = _workflow(pipeline) | {"assetmill.run.id": run_id}
    with _rooted("run", pipeline, told, parent) as tell:
        yield tell


@contextmanager
def traced_batch(
    pipeline: str, batch_id: str, run_id: str, *, rows: int, left: Callable[[], int], parent: str = ""
) -> Generator[Tell]:
    """Make a run of a batch one trace; `left` says how many of its rows are not over."""
    if not switch.is_on():
        yield _tell_nobody
        return
    told = _workflow(pipeline) | {
        "assetmill.run.id": run_id,
        "assetmill.batch.id": batch_id,
        "assetmill.rows": rows,
    }
    end = observe("assetmill.rows.left", lambda: [(left(), {"assetmill.pipeline": pipeline})])
    try:
        with _rooted("batch", pipeline, told, parent) as tell:
            yield tell
    finally:
        end()


@contextmanager
def traced_shard(number: int, batch_id: str, run_id: str, parent: str = "") -> Generator[None]:
    """Make a worker's part of a batch a span of the batch's trace, which `parent` names."""
    if not switch.is_on():
        yield
        return
    told = {"assetmill.batch.id": batch_id, "assetmill.run.id": run_id}
    try:
        with below(parent), _span(f"shard {number}", told):
            yield
    finally:
        flush()


class RowSpan:
    """One row of a batch: other threads begin its stages, so its context is handed to them."""

    def __init__(self, number: int, batch_id: str) -> None:
        self._span: Any = None
        self._context: Any = None
        self._over_ns: int | None = None
        if switch.is_on():
            from opentelemetry.trace import set_span_in_context

            told = {"assetmill.row": number, "assetmill.batch.id": batch_id}
            self._span = opened().tracer.start_span(f"row {number}", attributes=told)
            self._context = set_span_in_context(self._span, captured())

    @contextmanager
    def inside(self) -> Generator[None]:
        """Make what is begun here part of the row."""
        with continued(self._context):
            yield

    def over(self) -> None:
        """Note that the last of it has just ended: others, with which it is told, may take longer."""
        self._over_ns = time.time_ns()

    def end(self, state: str) -> None:
        """Close the row with what has become of it."""
        if self._span is not None:
            _conclude(self._span, state)
            self._span.end(self._over_ns)


def carried(work: Callable[..., Any]) -> Callable[..., Any]:
    """Return `work` as it is to be called in another thread: as part of what happens here."""
    held = captured()
    if held is None:
        return work

    def inside(*given: Any) -> Any:
        with continued(held):
            return work(*given)

    return inside


def tell_shared(fingerprint: str) -> None:
    """Note on the row that is current that another one has begun its stage."""
    if switch.is_on():
        from opentelemetry.trace import get_current_span

        get_current_span().add_event("assetmill.shared", {"assetmill.fingerprint": fingerprint})


def _workflow(pipeline: str) -> dict[str, Any]:
    told = {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": pipeline}
    return {"assetmill.pipeline": pipeline} | (told if switch.convention() == words.NEWEST else {})


@contextmanager
def _rooted(
    kind: Literal["run", "batch"], pipeline: str, told: dict[str, Any], parent: str
) -> Generator[Tell]:
    name = words.workflow(kind, pipeline, switch.convention())
    try:
        with below(parent), _span(name, told) as span:
            yield lambda state: _conclude(span, state)
    finally:
        flush()


def _tell_nobody(_: str) -> None:
    """Take what is said where nothing is on."""


def _conclude(span: Any, state: str) -> None:
    from opentelemetry.trace import StatusCode

    span.set_attribute("assetmill.outcome", state)
    if state not in _SOUND:
        span.set_status(StatusCode.ERROR)


@contextmanager
def _span(name: str, told: dict[str, Any]) -> Generator[Any]:
    with opened().tracer.start_as_current_span(
        name,
        attributes=words.told(told, switch.convention()),
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except AssetmillError as error:
            fail(span, type(error).__name__)
            raise
