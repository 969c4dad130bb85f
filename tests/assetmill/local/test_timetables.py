from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.errors import InvalidSpec
from assetmill.local.timetables import check_schedules
from assetmill.spec.loading import load_pipeline
from tests.millworks import CHAIN, write_configs


def scheduled(folder: Path, *crons: str) -> str:
    lines = "".join(f"  - {{cron: {cron!r}}}\n" for cron in crons)
    configs = write_configs(folder / "configs", chain=f"{CHAIN}schedules:\n{lines}")
    return str(configs / "pipelines" / "chain.yaml")


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("61 * * * *", "out of range"),
        ("0 6 * * 9", "out of range"),
        ("*/0 * * * *", "is no cron line for Prefect"),
        ("H * * * *", "by chance"),
        ("0 0 30 2 *", "a time that never comes"),
    ],
)
def test_what_prefect_would_refuse_is_refused_with_its_line(tmp_path: Path, cron: str, said: str) -> None:
    path = scheduled(tmp_path, "0 6 * * MON-FRI", cron)
    loaded = load_pipeline(path, tmp_path / "configs")
    with pytest.raises(InvalidSpec, match=said) as refused:
        check_schedules(loaded)
    assert refused.value.line == loaded.document.line(("schedules", 1, "cron"))


def test_what_prefect_takes_passes(tmp_path: Path) -> None:
    loaded = load_pipeline(
        scheduled(tmp_path, "@daily", "0 6 * * 1-5", "*/5 8-18 * * *"), tmp_path / "configs"
    )
    assert check_schedules(loaded) is loaded
