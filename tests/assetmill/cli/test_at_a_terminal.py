"""What a shell offers at TAB, where the log goes, and what the records tell of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from assetmill.cli import completing
from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal
from tests.millworks import run_here


def offered(monkeypatch: pytest.MonkeyPatch, line: str) -> list[str]:
    """Return what bash is told to offer after a line."""
    words = line.split(" ")
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    return [one.removeprefix("plain,") for one in completing.answer("bash_complete").splitlines()]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("assetmill laun", []),
        ("assetmill ver", ["verify"]),
        ("assetmill emulator b", ["bill"]),
        ("assetmill run --pay", ["--pay-again"]),
        ("assetmill run c", ["chain"]),
        ("assetmill plan chain --profile a", ["azure"]),
        ("assetmill plan chain -p s", ["subject="]),
        ("assetmill lock chain --only f", ["first"]),
        ("assetmill spend --by p", ["pipeline"]),
        ("assetmill completion f", ["fish"]),
    ],
)
def test_a_shell_is_offered_what_fits(
    services: Services, monkeypatch: pytest.MonkeyPatch, line: str, told: list[str]
) -> None:
    assert offered(monkeypatch, line) == told


def test_a_shell_is_offered_what_the_store_has(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = run_here(services, "chain")
    assets = [asset.asset_id for asset in manifest.assets()]
    assert offered(monkeypatch, "assetmill show ") == ["latest", manifest.run_id]
    assert set(offered(monkeypatch, "assetmill lineage ast_")) == set(assets)
    assert offered(monkeypatch, "assetmill why latest s") == ["second"]


def test_a_store_elsewhere_is_not_asked(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    run_here(services, "chain")
    monkeypatch.setenv("ASSETMILL_STORE_URL", "s3://somewhere")
    assert offered(monkeypatch, "assetmill show ") == []


def test_names_that_a_shell_would_take_apart_are_not_offered(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(os.environ["ASSETMILL_CONFIGS"]) / "pipelines"
    for hostile in ("c;$(touch x)", "c*", "c d"):
        (folder / f"{hostile}.yaml").write_text("name: x")
    assert offered(monkeypatch, "assetmill run c") == ["chain"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(assetmill: Terminal, shell: str) -> None:
    assert assetmill("completion", shell) == 0
    assert f"{completing.VARIABLE}={shell}_complete" in assetmill.out
    assert assetmill.document("completion", shell)["shell"] == shell


def test_tab_imports_no_model_and_no_command(services: Services) -> None:
    run_here(services, "chain")
    program = (
        "import atexit, json, sys; from assetmill.cli import main; "
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr)); main.main()"
    )
    asked = {
        "COMP_WORDS": "assetmill\nwhy\nlatest\n",
        "COMP_CWORD": "3",
        completing.VARIABLE: "bash_complete",
    }
    told = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, check=True, timeout=60, env=os.environ | asked,
    )  # fmt: skip
    assert told.stdout.split() == ["plain,first", "plain,second"]
    loaded = set(json.loads(told.stderr.splitlines()[-1]))
    assert not loaded & {"pydantic", "prefect", "openai", "boto3", "PIL", "yaml", "assetmill.cli.why"}


def test_the_script_that_a_shell_reads_at_its_start_imports_no_model() -> None:
    """Whoever keeps `eval "$(assetmill completion bash)"` in a profile waits for it in every new terminal."""
    program = (
        "import atexit, json, sys; from assetmill.cli import main; "
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr)); main.main()"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, "completion", "bash"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    loaded = set(json.loads(told.stderr.splitlines()[-1]))
    assert not loaded & {"pydantic", "prefect", "yaml", "assetmill.cli.options", "assetmill.records"}


def test_the_records_tell_of_a_run(services: Services, assetmill: Terminal) -> None:
    manifest = run_here(services, "chain")
    told = assetmill.document("logs", "latest")
    assert told["run_id"] == manifest.run_id
    said = [(one["label"], one["message"].partition(" ")[0].rstrip(",")) for one in told["events"]]
    assert said[0] == ("chain", "begun")
    assert said[-1] == ("chain", "completed")
    assert said.index(("first", "done")) < said.index(("second", "attempt"))


def test_a_log_file_has_each_step_and_quiet_has_none(
    services: Services, assetmill: Terminal, tmp_path: Path
) -> None:
    run_here(services, "chain")
    log = tmp_path / "x.log"
    assert assetmill("-q", "--log-file", str(log), "show") == 0
    assert assetmill.err == ""
    assert log.is_file()
    assert assetmill("--log-file", str(tmp_path), "show") == 2
    assert "--log-file" in assetmill.err


@pytest.mark.parametrize(
    ("variables", "is_colored"),
    [({}, False), ({"CLICOLOR_FORCE": "1"}, True), ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False)],
)
def test_colours_are_as_the_environment_says(
    assetmill: Terminal, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], is_colored: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert assetmill("plan", "no-such-pipeline") == 2
    assert (click.unstyle(assetmill.err) != assetmill.err) == is_colored
