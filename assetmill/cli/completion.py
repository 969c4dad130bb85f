"""`assetmill completion`: what a shell reads to offer names at TAB."""

from __future__ import annotations

import click

from assetmill.cli import completing
from assetmill.cli.printing import json_option, print_json


@click.command()
@click.argument("shell", type=click.Choice(completing.SHELLS))
@json_option
def completion(shell: str, *, as_json: bool) -> None:
    """Print what a shell reads to complete commands.

    Options and names too, at TAB.

    bash: `eval "$(assetmill completion bash)"` in ~/.bashrc; zsh: the same with zsh in ~/.zshrc;
    fish: `assetmill completion fish > ~/.config/fish/completions/assetmill.fish`.
    """
    if as_json:
        return print_json({"shell": shell, "script": completing.script(shell)})
    return click.echo(completing.script(shell))
