"""What a command says of itself on stderr: with `-v` where it works; and warnings, as a line each."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TextIO

import click

from assetmill.errors import InvalidSettings
from assetmill.project import Borrowed, find_configs, home_folder, project_root

_KEY, _QUIET = "assetmill.verbose", "assetmill.quiet"


def _note(context: click.Context, _: click.Parameter, value: int) -> None:
    root = context.find_root()
    before = int(root.meta.get(_KEY, 0))
    root.meta[_KEY] = max(value, before)
    if value > 1 >= before:
        from assetmill.cli import logging_lines  # only whoever asks for it waits for it

        logging_lines.to_stderr(root)


def _note_quiet(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.find_root().meta[_QUIET] = True


def _note_file(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        from assetmill.cli import logging_lines

        logging_lines.to_file(context.find_root(), value)


def is_quiet() -> bool:
    """Whether the command that runs was asked to say nothing but its result and its errors."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().meta.get(_QUIET))


def color() -> bool | None:
    """Return whether colours are wanted; None where it is the terminal that decides.

    `NO_COLOR` with any value wins over `CLICOLOR_FORCE` with any but 0.
    """
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("CLICOLOR_FORCE", "0") not in {"", "0"} else None


def _note_format(context: click.Context, _: click.Parameter, value: str) -> None:
    if value == "json":
        # Every other command would wait for it.
        from assetmill.cli import json_log

        json_log.begin(context.find_root())


log_format_option = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    expose_value=False,
    callback=_note_format,
    help="How progress is told on stderr.",
)

verbose_option = click.option(
    "-v", "--verbose", count=True, expose_value=False, callback=_note,
    help="Say which project is used; -vv: and log each step.",
)  # fmt: skip

quiet_option = click.option(
    "-q", "--quiet", is_flag=True, expose_value=False, callback=_note_quiet, help="No progress on stderr."
)

log_file_option = click.option(
    "--log-file", metavar="FILE", expose_value=False, callback=_note_file, help="Append each step to a file."
)


def with_verbose(command: click.Command) -> click.Command:
    """Let a command take `-v` and `-q` too, and say where it works once its options are read."""
    if any(parameter.name == "verbose" for parameter in command.params):
        return command
    callback = command.callback
    if callback is not None:
        command.callback = _saying(callback)
    verbose_option(command)
    if not any(set(parameter.opts) & {"-q", "--quiet"} for parameter in command.params):
        quiet_option(command)
    return command


def _saying(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def told(*arguments: Any, **options: Any) -> Any:
        if click.get_current_context().find_root().meta.get(_KEY):
            for line in where():
                click.echo(line, err=True)
        return callback(*arguments, **options)

    return told


def where() -> list[str]:
    """Return which project was chosen, and what follows from it, as lines."""
    root = project_root()
    try:
        configs = str(find_configs())
    except InvalidSettings as error:
        configs = str(error)
    return [f"project  {root.told()}", f"configs  {configs}", f"home     {home_folder()}"]


def say_warning(  # noqa: PLR0917 - as Python calls it
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show what is said to the person who typed the command; a library's warning as Python shows it."""
    if issubclass(category, Borrowed):
        click.echo(f"{click.style('note', fg='yellow')}: {message}", err=True)
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))
