"""What `doctor --workers` makes of what workers say that they have installed."""

from __future__ import annotations

from pathlib import Path

from assetmill.batches.installed import differences, facts_of
from assetmill.cli.doctor_workers import compare
from tasks.asking import WorkerAnswers
from tests.batchworks import ONE
from tests.millworks import settings_in

OURS = {"assetmill": "0.1.0", "code": "abc", "store": "s3://a/b", "configs/pipelines/one.yaml": "1"}


def test_an_edited_a_new_and_a_missing_file_are_named(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, one=ONE)
    before = facts_of(settings)
    pipelines = settings.configs / "pipelines"
    (pipelines / "one.yaml").write_text(ONE + "# edited\n")
    (pipelines / "new.yaml").write_text(ONE)
    after = facts_of(settings)
    assert differences(before, after) == [
        "configs/pipelines/new.yaml is there alone",
        "configs/pipelines/one.yaml is another one",
    ]
    assert differences(after, before)[0] == "configs/pipelines/new.yaml is not there"
    assert differences(before, {**before, "code": "?", "assetmill": "0.0.9"}) == [
        f"assetmill is 0.0.9, here {before['assetmill']}",
        "code is another one",
    ]


def test_each_worker_has_its_finding() -> None:
    answers = WorkerAnswers(
        {"new": OURS, "stale": {**OURS, "configs/pipelines/one.yaml": "2", "store": "s3://c"}},
        {"old": "Process exited with status code: 1"},
        frozenset({"busy"}),
    )
    told = [(finding.state, finding.message) for finding in compare("p", OURS, answers)]
    assert told == [
        ("ok", "'new' has what is here: assetmill 0.1.0"),
        (
            "problem",
            "'stale' differs from here: configs/pipelines/one.yaml is another one; "
            "store is s3://c, here s3://a/b",
        ),
        ("problem", "'old' could not answer: Process exited with status code: 1"),
        ("warning", "'busy' has not answered within 90 s"),
    ]


def test_a_pool_without_workers_is_a_problem() -> None:
    (finding,) = compare("p", OURS, WorkerAnswers())
    assert (finding.state, finding.message) == ("problem", "'p' has none")
