"""The first hour of docs/azure.md: every command in its order, before an emulator as before any endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from foundry_emulator.server import Ready, running

from tests.pages import Shell, blocks

PAGE = "docs/azure.md"


def prepared(shell: Shell) -> None:
    """Write the files that the page shows, and use a store of the test's own."""
    (profile,) = blocks(PAGE, "toml")
    (pipeline,) = blocks(PAGE, "yaml")
    with (shell.folder / "configs/profiles/azure.toml").open("a") as file:
        file.write(f"\n{unindented(profile)}")
    (shell.folder / "first.yaml").write_text(unindented(pipeline))
    shell.environ["ASSETMILL_STORE_URL"] = f"file:{shell.folder.parent / 'store'}"


def unindented(block: str) -> str:
    """Return a block as it is copied from under a list's entry."""
    return "".join(line.removeprefix("   ") for line in block.splitlines(keepends=True))


def commands() -> list[str]:
    return [unindented(block) for block in blocks(PAGE, "bash")]


def find(shell: Shell, ready: Ready) -> None:
    """Let the commands find an endpoint as a person's would."""
    told = ready.environment()
    told["AZURE_AI_PROJECT_ENDPOINT"] = told.pop("FOUNDRY_PROJECT_ENDPOINT")
    shell.environ |= told


@pytest.mark.server
@pytest.mark.timeout(60)
def test_the_first_picture_is_planned_as_the_page_says(shell: Shell) -> None:
    prepared(shell)
    said = shell("assetmill plan first.yaml --profile azure")
    assert "1 to run, 0 to reuse; about $0.0087, at most $0.0427" in said
    assert "quota of gpt-image-2: 6 images a minute (from the profile)" in said


@pytest.mark.soak
@pytest.mark.server
@pytest.mark.timeout(900)
def test_the_hour_goes_as_the_page_says(shell: Shell, tmp_path: Path) -> None:
    look, live, first, again, edit, batch = commands()
    prepared(shell)
    with running(tmp_path / "service") as ready:
        find(shell, ready)
        assert "no problems" in shell(look)
        said = shell(live)
        assert 'policy = "fence" may be used' in said
        assert "0 new differences" in said
        assert "1 done; spent $0.0059" in shell(first)
        assert "1 reused; spent $0.0000" in shell(again)
        said = shell(edit)
        assert "edit completed" in said
        assert "image_file: works" in said
        said = shell(batch)
        assert "5 done" in said
        assert "$0.0" in said.splitlines()[-1]
