from __future__ import annotations

import json
import logging

import pytest

from assetmill.cli import json_log
from assetmill.cli.main import cli
from assetmill.cli.terminal import watched
from assetmill.progress import StageEvent, emit


def lines(told: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in told.splitlines()]


def test_progress_is_told_as_json_lines_with_fields(capsys: pytest.CaptureFixture[str]) -> None:
    with cli.make_context("assetmill", ["--log-format", "json", "pipelines"]), watched() as screen:
        screen.say("starting Prefect ...")
        emit(StageEvent("finished", "hero[locale=de]", "run_1", 1.5, 0.04, "resp_1"))
        emit(StageEvent("frame", "hero[locale=de]", "run_1"))
        logging.getLogger("assetmill.outages").warning("the store %s is away", "s3://b")
    said, step, logged = lines(capsys.readouterr().err)
    assert said["message"] == "starting Prefect ..."
    assert step["event"] == "finished"
    assert step["label"] == "hero[locale=de]"
    assert (step["run_id"], step["seconds"], step["cost_usd"]) == ("run_1", 1.5, 0.04)
    assert (logged["level"], logged["logger"]) == ("warning", "assetmill.outages")
    assert str(step["time"]).endswith("+00:00")


def test_without_it_nothing_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    with cli.make_context("assetmill", ["pipelines"]), watched() as screen:
        assert not json_log.is_json()
        screen.say("starting Prefect ...")
    assert capsys.readouterr().err == "starting Prefect ...\n"
