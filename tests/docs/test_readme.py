"""The README as a newcomer reads it: what it shows works, in its order, with the embedded services."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from PIL import Image

from assetmill.cli.main import cli
from assetmill.project import find_configs
from assetmill.spec.loading import load_pipeline
from tests.millworks import write_configs
from tests.pages import ROOT, Shell, blocks

README = "README.md"


def commands(block: str) -> list[str]:
    """Return what is typed in a console block."""
    typed = re.findall(r"^\$ (.*?)(?:\s+#.*)?$", block, re.MULTILINE)
    return [line.removeprefix(".venv/bin/") for line in typed]


@pytest.mark.server
@pytest.mark.xdist_group("prefect")
@pytest.mark.timeout(300)
def test_the_first_minutes_are_as_shown(shell: Shell) -> None:
    demo, again, other, plan, edit = commands(blocks(README, "console")[0])
    # In a tree of its own, `make demo` is what it runs after it has installed.
    assert demo == "make demo"
    makefile = (ROOT / "Makefile").read_text()
    drawn = next(line for line in makefile.splitlines() if "assetmill run" in line and "@" in line)
    said = shell(drawn.partition("/")[2])
    assert (shell.folder / ".assetmill/out/product-launch/hero-dusk.png").exists()
    assert "hero-dusk.png" in said
    # A painter that draws otherwise makes the picture of the page old, whatever the lock says of its inputs.
    sheet = "product-launch/contact-sheet.png"
    assert _pixels(shell.folder / ".assetmill/out" / sheet) == _pixels(ROOT / "docs" / sheet)
    bill = shell("assetmill emulator bill")
    assert "4 reused; spent $0.0000" in shell(again)
    assert shell("assetmill emulator bill") == bill, "the second run was charged"
    assert "Files:" in shell(other)
    assert "to run" in shell(plan)
    assert "hero" in shell(edit)
    (shell.folder / "script.py").write_text(blocks(README, "python")[0])
    assert "hero.png" in shell("python script.py")


def test_the_pipeline_that_it_shows_is_one(tmp_path: Path) -> None:
    configs = write_configs(tmp_path, poster=blocks(README, "yaml")[0])
    (configs / "knowledge").symlink_to(find_configs({}) / "knowledge")
    assert [stage.name for stage in load_pipeline("poster", configs).spec.stages] == ["hero", "square"]


@pytest.mark.parametrize(
    "page", [README, "deployments/README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
)
def test_every_command_and_option_that_a_page_names_exists(page: str) -> None:
    code = _code((ROOT / page).read_text(encoding="utf-8"))
    named = re.findall(r"\bassetmill ([a-z][a-z-]*)([^`\n]*)", code)
    assert named or "assetmill " not in code
    for name, rest in named:
        command = _command(name, rest)
        assert command is not None, f"{page}: assetmill {name}"
        known = {option for parameter in command.params for option in parameter.opts}
        for option in re.findall(r"(?<!\S)(--[a-z][a-z-]*)", rest):
            assert option in known | {"--help", "--version"}, f"{page}: assetmill {name}{rest}"


def _pixels(path: Path) -> bytes:
    """Return a picture as it is seen: a packer of PNGs may differ from machine to machine."""
    with Image.open(path) as picture:
        return picture.convert("RGBA").tobytes()


def _command(name: str, rest: str) -> click.Command | None:
    with click.Context(cli) as context:
        command = cli.get_command(context, name)
        words = rest.split()
        if isinstance(command, click.Group) and words:
            return command.get_command(context, words[0])
        return command


def _code(text: str) -> str:
    """Return what stands in code, in spans and in blocks."""
    fenced = re.findall(r"^ *```(?:console|bash|sh)?\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", text)
    return "\n".join([*fenced, *indented, *spans])
