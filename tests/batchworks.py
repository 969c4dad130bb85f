"""A batch on doubles: a table written in place, planned and carried out without Prefect."""

from __future__ import annotations

import functools
import re
import time
import uuid
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assetmill.agents.gateway import ResponseRequest
from assetmill.batches.opening import Batch, BatchOrder, begin, prepare
from assetmill.batches.records import BatchManifest
from assetmill.batches.sealing import seal
from assetmill.batches.work import RowWorker
from assetmill.stage.services import Services
from assetmill.store.run_ids import make_run_id
from tests.doubles import Body, ScriptedGateway, image_item, png
from tests.millworks import PICTURE

CARD = f"""
name: card
parameters:
  product: {{title: Product, maxLength: 20}}
  colour: {{default: teal, enum: [teal, red, blue]}}
  count: {{type: integer, default: 1, minimum: 1, maximum: 9}}
# A model that does not reason: what a stage may cost is near what it does, and ceilings fit between.
defaults: {{model: gpt-4.1-mini}}
stages:
  - name: scene
    prompt: Draw {{{{ product }}}} in {{{{ colour }}}}.{PICTURE % "scene"}
  - name: room
    prompt: Draw a {{{{ colour }}}} room.{PICTURE % "room"}
  - name: poster
    prompt: Put {{{{ inputs | length }}}} pictures of {{{{ product }}}} together.{PICTURE % "poster"}
    inputs: [{{from: scene}}, {{from: room}}]
"""

ONE = f"""
name: one
parameters:
  product: {{title: Product}}
stages:
  - name: only
    prompt: Draw {{{{ product }}}}.{PICTURE % "only"}
"""


def write_rows(folder: Path, rows: Sequence[Mapping[str, Any]], name: str = "rows.csv") -> str:
    """Write a CSV with these rows and return its path."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [",".join(columns), *(",".join(str(row.get(c, "")) for c in columns) for row in rows)]
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def products(folder: Path, *names: str, **columns: str) -> str:
    return write_rows(folder, [{"product": name, **columns} for name in names])


def plan_batch(services: Services, rows: str, pipeline: str = "card", **order: Any) -> Batch:
    return prepare(BatchOrder(pipeline, rows, **order), services)


def work_on(batch: Batch) -> RowWorker:
    flow_run_id = str(uuid.uuid4())
    run_id = make_run_id(flow_run_id, time.time())
    return RowWorker(batch, run_id, flow_run_id, run_id)


def carry_out(batch: Batch, rows: slice | None = None, *, is_sealed: bool = True) -> BatchManifest | None:
    """Carry out the rows that are left, or a part of them as a process that dies does."""
    work = work_on(batch)
    started_at = time.time()
    if batch.to_do:
        begin(batch, work.run_id)
    try:
        work.carry_out([plan.row for plan in batch.to_do][rows or slice(None)])
    finally:
        work.close()
    if not is_sealed:
        return None
    return seal(
        batch,
        work.results,
        work.traces,
        run_id=work.run_id,
        flow_run_id=work.flow_run_id,
        started_at=started_at,
    )


def run_rows(services: Services, rows: str, pipeline: str = "card", **order: Any) -> BatchManifest:
    """Plan and carry out a batch, and return its manifest."""
    manifest = carry_out(plan_batch(services, rows, pipeline, **order))
    assert manifest is not None
    return manifest


def states(manifest: BatchManifest) -> list[str]:
    return [row.state for row in manifest.rows]


@functools.cache
def _painted(colour: str) -> Body:
    return image_item(png(1024, 1024, colour))


def colourful() -> ScriptedGateway:
    """A service that draws another picture for each text, always the same one, and is dear."""

    def script(request: ResponseRequest) -> Sequence[Body]:
        texts = re.findall(r"'text': [\"'](.*?)[\"']}", str(request.input))
        return (_painted(f"#{zlib.crc32(' '.join(texts).encode()) & 0xFFFFFF:06x}"),)

    gateway = ScriptedGateway(script)
    gateway.echo = {"usage": {"input_tokens": 100, "output_tokens": 8000}}
    return gateway
