"""What a shell offers at TAB: click's own completion over the kept help, so that no command is imported.

The kept help says which commands there are, which options they take and what their arguments are called;
`known_names.py` knows the names behind those words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import click
from click.shell_completion import CompletionItem, get_completion_class

from assetmill.cli import help_texts
from assetmill.cli.known_names import KnownNames

VARIABLE = "_ASSETMILL_COMPLETE"
"""Set by the script in the shell: to `bash_complete`, `zsh_complete` or `fish_complete`."""
SHELLS = ("bash", "zsh", "fish")
_WORDS = re.compile(r"[A-Z][A-Z=]+|[a-z]+")
_BY_OPTION: Mapping[str, str] = {"--profile": "PROFILE", "--stage": "STAGE", "--again": "BATCH"}
"""What an option's value is where its own word says it no better than `NAME`."""


def script(shell: str) -> str:
    """Return what a shell reads to offer names at TAB."""
    return _completion(shell).source()


def answer(instruction: str) -> str:
    """Return what a shell's script has asked for; nothing where the shell is unknown."""
    shell, _, asked = instruction.partition("_")
    if shell not in SHELLS or asked not in {"complete", "source"}:
        return ""
    completion = _completion(shell)
    return completion.source() if asked == "source" else completion.complete()


def _completion(shell: str) -> Any:
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell!r}: one of {', '.join(SHELLS)}")
    return kind(_Mirror(()), {}, "assetmill", VARIABLE)


class _Word(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - click's older stubs know none
    """A value that is one of some kinds, or one of some words."""

    name = "word"

    def __init__(self, said: str) -> None:
        self.kinds = _WORDS.findall(said)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return what may be typed here."""
        if "DIR" in self.kinds or "DIRECTORY" in self.kinds:
            return [CompletionItem(incomplete, type="dir")]
        known = KnownNames(_typed(ctx))
        names = [name for kind in self.kinds for name in ([kind] if kind.islower() else known.of(kind))]
        fitting = [CompletionItem(name) for name in dict.fromkeys(names) if name.startswith(incomplete)]
        return fitting or ([CompletionItem(incomplete, type="file")] if "FILE" in self.kinds else [])


def _typed(ctx: click.Context) -> dict[str, str]:
    """Return the values that were given so far, by their kinds."""
    found: dict[str, str] = {}
    for param in ctx.command.get_params(ctx):
        value: Any = ctx.params.get(param.name or "")
        one: Any = cast("tuple[Any, ...]", value)[-1:] if isinstance(value, tuple) else (value,)
        if isinstance(param.type, _Word) and one and isinstance(one[0], str):
            found |= dict.fromkeys(param.type.kinds, one[0])
    return found


class _Mirror(click.Group):
    """A command as the kept help describes it; `path` are the words after the program's name."""

    def __init__(self, path: Sequence[str]) -> None:
        told = help_texts.kept()[" ".join(path)]
        super().__init__(path[-1] if path else None, help=told["text"], params=_params(told))
        self._path = tuple(path)
        self._names = [name for _, names in told["commands"] for name in names]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return self._names

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        path = (*self._path, cmd_name)
        told = help_texts.kept().get(" ".join(path))
        if told is None:
            return None
        if told["commands"]:
            return _Mirror(path)
        return _Leaf(cmd_name, help=told["text"], params=_params(told), add_help_option=False)


class _Leaf(click.Command):
    """A command without others below it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Of a line that ends in an option without its value click reads nothing, not even what stands before.
        last = next((param for param in self.params if args and args[-1] in param.opts), None)
        is_open = isinstance(last, click.Option) and not last.is_flag
        return super().parse_args(ctx, args[:-1] if is_open else args)


def _params(told: help_texts.CommandHelp) -> list[click.Parameter]:
    arguments = [_argument(number, said) for number, said in enumerate(told["usage"]) if _is_argument(said)]
    return [*arguments, *(_option(names, said) for names, said in told["options"] if "--help" not in names)]


def _is_argument(said: str) -> bool:
    return said != "[OPTIONS]" and not said.startswith("COMMAND")


def _argument(number: int, said: str) -> click.Argument:
    many = -1 if said.endswith("...") else 1
    return click.Argument([f"argument_{number}"], type=_Word(said), nargs=many, required=False)


def _option(record: str, said: str) -> click.Option:
    """Return an option from its record, as `-p, --param NAME=VALUE`."""
    names = re.findall(r"(?<!\S)--?[a-z][a-z-]*", record)
    word = re.split(r"\s", record.rpartition(names[-1])[2].strip(), maxsplit=1)[0]
    if not word:
        return click.Option(names, is_flag=True, help=said)
    kind = next((_BY_OPTION[name] for name in names if name in _BY_OPTION), word)
    return click.Option(names, type=_Word(kind), multiple=True, help=said)
