"""The `assetmill` command: which commands there are, and how errors become exit codes.

A command's module is imported only when it is used: `assetmill plan` must not wait for Prefect or an SDK.
"""

from __future__ import annotations

import builtins
import gc
import importlib
import io
import json
import keyword
import os
import sys
import types
import warnings
from collections.abc import Mapping
from typing import Any

import click

from assetmill.cli import help_texts
from assetmill.cli.printing import fitted
from assetmill.cli.verbose import (
    color,
    log_file_option,
    log_format_option,
    quiet_option,
    say_warning,
    verbose_option,
    with_verbose,
)
from assetmill.errors import AssetmillError, RunStopped
from assetmill.redaction import redact
from assetmill.stage import interrupts

_SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Make": {
        "init": "assetmill.cli.init",
        "run": "assetmill.cli.run",
        "plan": "assetmill.cli.plan",
        "batch": "assetmill.cli.batch",
        "edit": "assetmill.cli.edit",
        "import": "assetmill.cli.import_",
    },
    "Look": {
        "show": "assetmill.cli.show",
        "assets": "assetmill.cli.assets",
        "open": "assetmill.cli.gallery",
        "gallery": "assetmill.cli.gallery",
        "contact-sheet": "assetmill.cli.batch",
        "export": "assetmill.cli.assets",
        "lineage": "assetmill.cli.lineage",
        "why": "assetmill.cli.lineage",
        "logs": "assetmill.cli.logs",
    },
    "Decide": {
        "approve": "assetmill.cli.approve",
        "accept": "assetmill.cli.accept",
        "resolve": "assetmill.cli.resolve",
        "cancel": "assetmill.cli.cancel",
        "review": "assetmill.cli.review",
        "reviewers": "assetmill.cli.review",
        "links": "assetmill.cli.links",
    },
    "Spend": {
        "spend": "assetmill.cli.spend",
        "prices": "assetmill.cli.prices",
        "migrate": "assetmill.cli.migrate",
        "localise": "assetmill.cli.localise",
    },
    "Write pipelines": {
        "pipelines": "assetmill.cli.pipelines",
        "schema": "assetmill.cli.pipelines",
        "lint": "assetmill.cli.lint",
        "fonts": "assetmill.cli.fonts",
    },
    "Keep pictures in git": {
        "lock": "assetmill.cli.lock",
        "check": "assetmill.cli.check",
        "sync": "assetmill.cli.lock",
        "update": "assetmill.cli.update",
        "diff": "assetmill.cli.diff",
        "provenance": "assetmill.cli.provenance",
    },
    "Serve": {
        "deploy": "assetmill.cli.deploy",
        "serve": "assetmill.cli.deploy",
        "mcp": "assetmill.cli.mcp",
        "emulator": "assetmill.cli.emulator",
        "stop": "assetmill.cli.setup",
    },
    "Look after the store": {
        "verify": "assetmill.cli.verify",
        "repair": "assetmill.cli.repair",
        "gc": "assetmill.cli.gc",
        "reap": "assetmill.cli.reap",
        "purge": "assetmill.cli.purge",
        "store": "assetmill.cli.store",
    },
    "Set up": {
        "doctor": "assetmill.cli.doctor",
        "completion": "assetmill.cli.completion",
        "man": "assetmill.cli.man",
        "setup": "assetmill.cli.setup",
    },
}
"""The module of each command, under what it is for."""

_COMMANDS = {name: module for section in _SECTIONS.values() for name, module in section.items()}

_COMPLETE = "_ASSETMILL_COMPLETE"
"""Set by the scripts of `assetmill completion`."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        # `import` is a word of Python's own, `open` a function.
        is_taken = keyword.iskeyword(cmd_name) or hasattr(builtins, cmd_name)
        name = f"{cmd_name}_" if is_taken else cmd_name.replace("-", "_")
        return with_verbose(getattr(importlib.import_module(module), name)) if module else None

    def sections(self) -> help_texts.Sections:
        """Return the commands' names under what they are for."""
        return [(title, list(section)) for title, section in _SECTIONS.items()]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Each command's own line, without its module.
        help_texts.write_commands(formatter, self.sections())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # for a slip alone: every command would wait for it

            near = " or ".join(map(repr, difflib.get_close_matches(args[0], _COMMANDS)))
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near}?", ctx) from error


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin in an empty folder with `assetmill init`, or with `assetmill run product-launch` to see an "
    "example; both run here, for nothing.\n\nExit codes: 0 done, 1 a stage failed, 2 bad input, 3 waits for "
    "people, 130 interrupted, 143 terminated.",
)
@click.version_option(package_name="assetmill", message="%(version)s")
@verbose_option
@quiet_option
@log_format_option
@log_file_option
def cli() -> None:
    """Run pipelines of agent stages; keep every file they make, and what it cost."""


def call(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code; errors are said on stderr, never as a traceback."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = say_warning
            outcome = cli.main(arguments, prog_name="assetmill", standalone_mode=False, color=color())
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        shown.write(_where_to_find(error))
        click.echo(redact(shown.getvalue()), nl=False, err=True)
        _say_as_json(error, redact(error.format_message()))
        return 2
    except (KeyboardInterrupt, click.Abort):
        return _stopped()
    except AssetmillError as error:
        said = fitted(f"error: {error}").removeprefix("error")
        click.echo(f"{click.style('error', fg='red')}{said}", err=True, color=color())
        _say_as_json(error, str(error))
        return interrupts.exit_code() if isinstance(error, RunStopped) else error.exit_code
    except BrokenPipeError:
        # The reader of our output went away (`| head`); what was to be done is done.
        sys.stderr.close()
        return 0
    except Exception as error:
        # The edge of the command line: nothing further out could still say it in words.
        return _stopped() if _is_interruption(error) else _unexpected(error)
    return outcome if isinstance(outcome, int) else 0


def _stopped() -> int:
    click.echo("stopped; run it again to go on", err=True)
    return interrupts.exit_code()


def _is_interruption(error: BaseException) -> bool:
    """Whether a library has made an error of its own of an interruption, as pydantic's compiler does."""
    cause = error.__cause__ or error.__context__
    is_named = isinstance(error, KeyboardInterrupt) or KeyboardInterrupt.__name__ in str(error)
    return is_named or (cause is not None and _is_interruption(cause))


_LISTED_BY: Mapping[str, str] = {
    "PIPELINE": "assetmill pipelines",
    "RUN": "assetmill show",
    "ASSET": "assetmill assets",
    "BATCH": "assetmill show",
    "STAGE": "assetmill show latest",
}


def _where_to_find(error: click.ClickException) -> str:
    """Return a line that says where the names are from which somebody has to choose one."""
    param = error.param if isinstance(error, click.MissingParameter) else None
    word = (
        param.make_metavar(error.ctx) if param and isinstance(error, click.UsageError) and error.ctx else ""
    )
    if word == "INSTRUCTION":
        return 'Say what is to change: "make the sky dusk".\n'
    listed = next((by for kind, by in _LISTED_BY.items() if kind in word.split("|")), "")
    return f"`{listed}` lists what there is.\n" if listed else ""


def _unexpected(error: Exception) -> int:
    """Say an error that is none of ours; it is a bug here or in a vendor's package."""
    # Needed only here, and every command would wait for them.
    import tempfile
    import traceback

    name, said = f"{type(error).__module__}.{type(error).__name__}", redact(str(error))
    click.echo(f"{click.style('unexpected error', fg='red')}: {name}: {said}", err=True, color=color())
    _say_as_json(error, said)
    trace = redact("".join(traceback.format_exception(error)))
    try:
        with tempfile.NamedTemporaryFile("w", prefix="assetmill-", suffix=".traceback", delete=False) as file:
            file.write(trace)
    except OSError as full:
        click.echo(f"the traceback cannot be kept: {full}", err=True)
    else:
        click.echo(f"the traceback is in {file.name}", err=True)
    return 1


def _say_as_json(error: Exception, message: str) -> None:
    """Keep the promise of `--json` when nothing came of the command: one document on stdout."""
    if "--json" in sys.argv:
        document = {"status": "error", "error": {"kind": type(error).__name__, "message": message}}
        click.echo(json.dumps(document, indent=2))


def main() -> None:
    """Run the command line."""
    start_light()
    if instruction := os.environ.get(_COMPLETE):
        # A shell asks at each TAB; nobody else has to wait for what answers it.
        from assetmill.cli import completing

        click.echo(completing.answer(instruction))
        sys.exit(0)
    interrupts.stop_at_signals()
    if (told := help_texts.find(sys.argv[1:], "assetmill")) is not None:
        click.echo(told)
        sys.exit(0)
    exit_code = call()
    # Python looks through all objects for garbage when it ends: the process takes them with it anyway.
    gc.freeze()
    sys.exit(exit_code)


def start_light() -> None:
    """Spare every command what Python and pydantic do at a start for other kinds of programs."""
    # Modules leave no garbage behind, and Python would look for it after every 700 objects.
    gc.set_threshold(100_000, 10, 10)
    # At its first model pydantic opens the metadata of every installed distribution to look for plugins, a
    # tenth of what `assetmill plan` takes. Whoever wants theirs sets the variable to an empty text.
    if os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__") == "__all__":
        _leave_out_plugins()


_LOADER = "pydantic.plugin._loader"


def _leave_out_plugins() -> None:
    """Answer for pydantic that there are no plugins: to find none it imports what reads metadata, 16 ms."""
    loader = types.ModuleType(_LOADER)
    vars(loader).update(get_plugins=tuple[()], __getattr__=_of_the_real_loader)
    sys.modules[_LOADER] = loader


def _of_the_real_loader(name: str) -> Any:
    """Return what a newer pydantic wants of its module beside."""
    if name.startswith("__"):
        raise AttributeError(name)
    del sys.modules[_LOADER]
    return getattr(importlib.import_module(_LOADER), name)


if __name__ == "__main__":
    main()
