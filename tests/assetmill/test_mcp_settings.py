"""Headers of servers: named in the profile, held in the environment, shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.cli.main import call
from assetmill.errors import InvalidSettings
from assetmill.settings import Settings, load_settings

SECRET = "canary-9c1"


def settings(folder: Path, text: str, **variables: str) -> Settings:
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / "local.toml").write_text(text)
    return load_settings("local", {"ASSETMILL_CONFIGS": str(folder), **variables})


def test_a_header_takes_its_value_from_the_environment(tmp_path: Path) -> None:
    found = settings(tmp_path, '[mcp.docs.headers]\nX-Key = "env:DOCS_KEY"\n', DOCS_KEY=SECRET)
    assert found.mcp_headers("docs") == {"X-Key": SECRET}
    assert SECRET not in repr(found) + found.model_dump_json()


def test_a_variable_that_is_not_set_is_named_when_it_is_needed(tmp_path: Path) -> None:
    found = settings(tmp_path, '[mcp.docs.headers]\nX-Key = "env:DOCS_KEY"\n')
    with pytest.raises(InvalidSettings, match="DOCS_KEY"):
        found.mcp_headers("docs")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'[mcp.docs.headers]\nX-Key = "{SECRET}"\n', "write env:VARIABLE"),
        ('[mcp.docs.headers]\nX-Key = "env:"\n', "write env:VARIABLE"),
        ('[mcp]\ndocs = "x"\n', r"\[mcp.docs\] is not a table"),
        ("[mcp.docs]\nheaders = 1\n", r"\[mcp.docs.headers\] is not a table"),
        ("mcp = 1\n", r"\[mcp\] is not a table"),
        ('[mcp.docs]\nurl = "x"\n', "url"),
    ],
)
def test_a_secret_or_nonsense_in_the_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InvalidSettings, match=words) as refused:
        settings(tmp_path, text)
    assert SECRET not in str(refused.value)


def test_the_lint_command_says_where_and_fails_only_when_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("name: p\nstages:\n  - name: s\n    prompt: Draw a fox.\n    tools: [image_generation]\n")
    assert call(["lint", str(path)]) == 0
    assert f"{path}:4: stage 's': the prompt does not say in which style" in capsys.readouterr().out
    assert call(["lint", "--strict", str(path)]) == 1
    assert call(["lint", "no-such-pipeline"]) == 2
