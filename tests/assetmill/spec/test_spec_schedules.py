from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.errors import InvalidSpec
from assetmill.spec.loading import load_pipeline
from assetmill.spec.pipeline import LoadedPipeline
from tests.millworks import write_configs

HEAD = """
name: timed
parameters:
  product: {title: Product}
  count: {type: integer, default: 1, maximum: 3}
%s
stages:
  - name: slogan
    prompt: Write {{ count }} slogans for {{ product }}.
"""


def load(tmp_path: Path, text: str) -> LoadedPipeline:
    return load_pipeline("timed", write_configs(tmp_path / "configs", timed=HEAD % text))


def test_schedules_take_cron_lines_and_durations(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        """
schedules:
  - {cron: "0 6 * * 1-5", timezone: Europe/Oslo, parameters: {product: a mug}}
  - {every: 15m, parameters: {product: a lamp, count: 2}, active: false}
  - {every: 86400, batch: {rows: "s3://bucket/rows.csv", by: "06:00", budget_usd: 25}}
concurrency: 2
""",
    ).spec
    assert [(s.cron, s.every, s.active) for s in spec.schedules] == [
        ("0 6 * * 1-5", None, True),
        (None, 900.0, False),
        (None, 86400.0, True),
    ]
    assert spec.concurrency is not None
    assert (spec.concurrency.limit, spec.concurrency.collision) == (2, "enqueue")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schedules: [{}]", "exactly one of cron, every"),
        ("schedules: [{cron: daily}]", "no cron line"),
        ("schedules: [{every: soon}]", "schedules"),
        ("schedules: [{every: 0}]", "schedules"),
        ("schedules: [{every: 1h}]", "must give product"),
        ("schedules: [{every: 1h, timezone: Mars/Base, parameters: {product: x}}]", "no time zone"),
        ("schedules: [{every: 1h, parameters: {prodct: x, product: y}}]", "did you mean 'product'"),
        ("schedules: [{every: 1h, parameters: {product: x, count: 9}}]", "9 is above 3"),
        ("schedules: [{every: 1h, batch: {rows: a.csv, by: noon}}]", "is no hour"),
        ("concurrency: 0", "concurrency"),
        ("concurrency: {limit: 2, collison: enqueue}", "did you mean 'collision'"),
    ],
)
def test_a_schedule_that_could_not_run_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidSpec, match=message):
        load(tmp_path, text)
