"""The commands as a person types them: exit codes, what is on stdout, what is on stderr."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic_core import SchemaError

from assetmill.records import RunManifest
from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal
from tests.millworks import CHAIN, run_here

BROKEN = "name: broken\nstages:\n  - name: a\n    prompt: hello\n    promt: twice\n"


@pytest.fixture
def pipelines() -> dict[str, str]:
    return {"chain": CHAIN, "broken": BROKEN}


@pytest.fixture
def done(services: Services) -> RunManifest:
    return run_here(services, "chain")


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "nope"], "no pipeline 'nope'"),
        (["plan", "broken"], "broken.yaml:5: unknown key 'promt'"),
        (["plan", "/nowhere/x.yaml"], "no pipeline file"),
        (["plan", "chain", "-p", "subjct=x"], "unknown parameter 'subjct'"),
        (["plan", "chain", "-p", "subject"], "write name=value"),
        (["plan", "chain", "--params", "/nowhere"], "/nowhere: no such file"),
        (["plan", "chain", "--profile", "../etc"], "no profile '../etc'"),
        (["run", "broken"], "broken.yaml:5"),
        (["run", "chain", "-p", f"subject={'x' * 600_000}"], "larger than 512 KiB"),
        (["show", "run_nope"], "no run 'run_nope'"),
        (["assets", "--run", "x"], "no run 'x'"),
        (["export", "ast_no_such_asset", "out"], "no asset"),
        (["emulator", "bill"], "no emulator state"),
        (["emulator", "expire"], "say what expires"),
        (["nonsense"], "No such command"),
        (["run"], "Missing argument"),
    ],
)
def test_bad_input_is_named_on_stderr_with_exit_code_2(
    assetmill: Terminal, arguments: list[str], said: str
) -> None:
    assert assetmill(*arguments) == 2
    assert said in assetmill.err
    assert assetmill.out == ""
    assert "Traceback" not in assetmill.err


@pytest.mark.usefixtures("services")
def test_json_stays_one_document_when_the_input_is_bad(assetmill: Terminal) -> None:
    assert assetmill("run", "broken", "--json") == 2
    told = json.loads(assetmill.out)
    assert (told["status"], told["error"]["kind"]) == ("error", "InvalidSpec")


@pytest.mark.usefixtures("services")
def test_a_bug_is_one_line_with_its_traceback_in_a_file(
    assetmill: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr("assetmill.cli.plan.plan_pipeline", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert assetmill("plan", "chain") == 1
    assert "LookupError: a bug" in assetmill.err
    assert "Traceback" in next(tmp_path.glob("assetmill-*.traceback")).read_text()


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.usefixtures("services")
def test_an_interruption_that_a_library_made_an_error_of_is_one(
    is_named: bool, assetmill: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal in the moment in which pydantic compiles a model comes as an error about that model."""

    def interrupted(*_: object, **__: object) -> None:
        if is_named:
            raise SchemaError('Error building "model" validator:\n  KeyboardInterrupt: ')
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise LookupError("a parser gave up") from error

    monkeypatch.setattr("assetmill.cli.plan.plan_pipeline", interrupted)
    assert assetmill("plan", "chain") == 130
    assert assetmill.err == "stopped; run it again to go on\n"


@pytest.mark.usefixtures("services")
def test_a_bug_is_said_where_its_traceback_cannot_be_kept(
    assetmill: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr("assetmill.cli.plan.plan_pipeline", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert assetmill("plan", "chain") == 1
    assert "LookupError: a bug" in assetmill.err
    assert "the traceback cannot be kept: " in assetmill.err


@pytest.mark.usefixtures("done")
def test_a_plan_tells_what_is_reused_and_what_it_costs(assetmill: Terminal) -> None:
    told = assetmill.document("plan", "chain")
    assert [stage["status"] for stage in told["stages"]] == ["reuse", "reuse"]
    told = assetmill.document("plan", "chain", "-p", "subject=a red mug")
    assert [stage["status"] for stage in told["stages"]] == ["run", "after_upstream"]
    assert 0 < told["cost_usd"]["expected"] <= told["cost_usd"]["ceiling"]
    assert assetmill("plan", "chain") == 0
    assert "0 to run, 2 to reuse" in assetmill.out


@pytest.mark.usefixtures("services")
def test_parameters_come_from_a_file_and_the_command_line_wins(assetmill: Terminal, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("subject: from a file\n")
    params = ("--params", str(tmp_path / "params.yaml"))
    assert assetmill.document("plan", "chain", *params)["parameters"] == {"subject": "from a file"}
    told = assetmill.document("plan", "chain", *params, "-p", "subject=a=b")
    assert told["parameters"] == {"subject": "a=b"}


def test_a_plan_writes_nothing(services: Services, assetmill: Terminal) -> None:
    assert assetmill("plan", "chain") == 0
    assert list(services.backend.list("")) == []


def test_assets_are_listed_with_their_ids(done: RunManifest, assetmill: Terminal) -> None:
    told = assetmill.document("assets", "--run", done.run_id)["assets"]
    assert [(asset["stage"], asset["name"]) for asset in told] == [
        ("first", "first.png"),
        ("second", "second.png"),
    ]
    assert {asset["run_id"] for asset in told} == {done.run_id}
    assert told[0]["media_type"] == "image/png"
    assert told[0]["kind"] == "picture"
    assert assetmill.document("assets")["assets"] == told


def test_show_names_the_runs_and_what_one_made(done: RunManifest, assetmill: Terminal) -> None:
    runs = assetmill.document("show")["runs"]
    assert [run["run_id"] for run in runs] == [done.run_id]
    told = assetmill.document("show", "latest")
    assert told["run_id"] == done.run_id
    assert told["status"] == "completed"
    assert told["spent_usd"] == done.spent_usd
    assert [stage["status"] for stage in told["stages"]] == ["done", "done"]
    assert assetmill("show", done.run_id[:14]) == 0
    assert "first.png" in assetmill.out


def test_a_run_that_was_killed_can_still_be_shown_and_exported(
    services: Services, assetmill: Terminal, tmp_path: Path
) -> None:
    def die_at_second(call: Any, services: Services, run: Any) -> Any:
        from assetmill.stage.engine import run_stage

        if call.stage == "second":
            raise SystemExit
        return run_stage(call, services, run.run_id)

    with pytest.raises(SystemExit):
        run_here(services, "chain", die_at_second)
    assert assetmill.document("show", "latest")["stages_done"] == ["first"]
    assert assetmill("show") == 0
    assert "open" in assetmill.out
    assert assetmill("export", "latest", str(tmp_path / "out")) == 1
    assert "missing: second: the run was killed" in assetmill.err
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["first.png"]


def test_an_export_of_a_run_that_failed_names_what_is_missing(
    services: Services, assetmill: Terminal, tmp_path: Path
) -> None:
    def fail_at_second(call: Any, services: Services, run: Any) -> Any:
        from assetmill.errors import StageFailed
        from assetmill.stage.engine import run_stage

        if call.stage == "second":
            raise StageFailed(call.label, "no paint")
        return run_stage(call, services, run.run_id)

    assert run_here(services, "chain", fail_at_second).status == "failed"
    assert assetmill("export", "latest", str(tmp_path / "out")) == 1
    assert assetmill.err.splitlines()[-1] == "missing: second: no paint"
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["first.png"]


def test_export_takes_a_run_or_an_asset(done: RunManifest, assetmill: Terminal, tmp_path: Path) -> None:
    assert assetmill("export", done.run_id, str(tmp_path / "run")) == 0
    assert sorted(path.name for path in (tmp_path / "run").glob("*.png")) == ["first.png", "second.png"]
    assert assetmill("export", done.assets()[1].asset_id, str(tmp_path / "asset")) == 0
    assert assetmill.out.split() == [str(tmp_path / "asset" / "second.png")]


@pytest.mark.usefixtures("services")
def test_a_broken_pipeline_does_not_hide_the_others(assetmill: Terminal) -> None:
    told = assetmill.document("pipelines")["pipelines"]
    assert [entry["name"] for entry in told] == ["broken", "chain"]
    assert "unknown key" in told[0]["error"]
    assert told[1]["parameters"]["subject"]["default"] == "a teal mug"


def test_the_printed_schema_takes_what_people_write(assetmill: Terminal) -> None:
    assert assetmill("schema") == 0
    schema = json.loads(assetmill.out)
    assert {"for_each", "inputs", "outputs", "prompt", "tools"} <= set(
        schema["$defs"]["StageSpec"]["properties"]
    )
    pipeline = {"name": "p", "stages": [{"name": "s", "prompt": "x", "tools": ["code_interpreter"]}]}
    jsonschema.validate(pipeline, schema)


@pytest.mark.usefixtures("done")
def test_a_plan_imports_no_prefect_no_sdk_and_no_picture_library() -> None:
    heavy = (
        "{'prefect', 'azure', 'openai', 'boto3', 'PIL', 'rich', 'httpx', 'asyncio', 'jinja2', "
        "'mimetypes', 'importlib.metadata', 'assetmill.plan.local_calls', 'assetmill.spec.making', "
        "'assetmill.spec.output_checks', 'assetmill.spec.schedules', 'assetmill.looking'}"
    )
    code = (
        "import sys; from assetmill.cli.main import call, start_light; start_light(); "
        "code = call(['plan', 'chain']); "
        f"print(code, sorted({heavy} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "0 []"


def test_a_pydantic_that_asks_its_loader_for_more_than_plugins_gets_it() -> None:
    code = (
        "from assetmill.cli.main import start_light; start_light(); "
        "from pydantic.plugin._loader import get_plugins, PYDANTIC_ENTRY_POINT_GROUP; "
        "print(tuple(get_plugins()), PYDANTIC_ENTRY_POINT_GROUP)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "() pydantic\n"


@pytest.mark.usefixtures("done")
def test_what_only_reads_records_imports_no_prefect_no_sdk_and_no_picture_library() -> None:
    heavy = "{'prefect', 'azure', 'openai', 'boto3', 'PIL', 'numpy', 'httpx', 'asyncio'}"
    code = (
        "import sys; from assetmill.cli.main import call; "
        "codes = [call([word]) for word in ('show', 'assets', 'spend', 'pipelines')]; "
        f"print(codes, sorted({heavy} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[0, 0, 0, 0] []"


@pytest.mark.parametrize("command", ["plan", "lint"])
def test_a_cron_line_that_prefect_refuses_is_refused_before(
    services: Services, assetmill: Terminal, command: str
) -> None:
    path = services.settings.configs / "pipelines" / "chain.yaml"
    path.write_text(f"{path.read_text()}schedules: [{{cron: 61 * * * *}}]\n")
    assert assetmill(command, "chain") == 2
    assert "'61 * * * *' is no cron line for Prefect" in assetmill.err
