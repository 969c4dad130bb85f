"""`foundry-emulator`: serve a project, look into what it keeps, and tell a running one what to do."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from foundry_emulator.at_rest import EXPIRABLES, NoSuchState, expire, read_bill
from foundry_emulator.jsons import Json

if TYPE_CHECKING:
    # A server loads a web framework; reading a bill does not.
    from foundry_emulator.server import Ready

DEFAULT_STATE = Path(".foundry-emulator")
_READY = "ready.json"
_CONTROL_TIMEOUT_S = 30.0
_REFUSED = 2


class CommandFailed(Exception):
    """What was asked cannot be done; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Flags without a command are `serve`'s, as programs that start an emulator have always given them.
    if given and given[0].startswith("--") and given[0] != "--help":
        given.insert(0, "serve")
    options = _parser().parse_args(given)
    try:
        return int(options.carry_out(options))
    except (CommandFailed, NoSuchState, ValueError) as problem:
        sys.stderr.write(f"{problem}\n")
        return _REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="foundry-emulator", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands)
    bill = _command(commands, "bill", _bill, "show what a real service would have charged")
    bill.add_argument("--json", action="store_true", dest="as_json", help="as JSON")
    expiring = _command(commands, "expire", _expire, "make the service forget, as the real one does")
    expiring.add_argument("kinds", nargs="+", choices=("all", *EXPIRABLES), help="what expires")
    faults = _command(commands, "faults", _faults, "show, plan or clear the faults of a running emulator")
    faults.add_argument("plan", nargs="?", help="file with a JSON list of faults, `-` for standard input")
    faults.add_argument("--clear", action="store_true", help="drop the plan")
    _command(commands, "reset", _reset, "make a running emulator forget everything but its secrets")
    clock = _command(commands, "clock", _clock, "move the clock of a running emulator forwards")
    clock.add_argument("advance_s", type=float, metavar="SECONDS", help="how far")
    _add_compare(commands)
    words = "run Python of standard input (JSON: code, files, timeout_s) in the code interpreter's sandbox"
    commands.add_parser("run-code", help=words, description=words).set_defaults(carry_out=_run_code)
    return parser


def _command(commands: Any, name: str, carry_out: object, words: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=words, description=words)
    command.add_argument("--state", type=Path, default=DEFAULT_STATE, help="directory that holds everything")
    command.set_defaults(carry_out=carry_out)
    return command


def _add_serve(commands: Any) -> None:
    serve = _command(commands, "serve", _serve, "serve a project until told to stop")
    serve.add_argument("--port", type=int, default=0, help="port of the project endpoint; 0 chooses one")
    serve.add_argument("--ready-file", type=Path, help="JSON written once the service answers")
    serve.add_argument("--idle-timeout", type=float, help="end after that many seconds without a request")
    serve.add_argument(
        "--unsafe-code-interpreter",
        action="store_true",
        help="run code interpreter programs with limits only where no sandbox holds",
    )
    serve.add_argument("--allow-mcp-host", action="append", default=[], help="MCP host besides loopback")


def _add_compare(commands: Any) -> None:
    words = "send recorded exchanges again and say what differs; 1 when a difference is new"
    compare = commands.add_parser("compare", help=words, description=words)
    compare.add_argument("folder", type=Path, help="exchanges as JSON files")
    compare.add_argument("--verdicts", type=Path, help="TOML of accepted differences, besides our own")
    compare.add_argument("--all", action="store_true", dest="everything", help="show accepted ones too")
    compare.add_argument("--json", action="store_true", dest="as_json", help="as JSON")
    compare.set_defaults(carry_out=_compare)


def _say(ready: Ready) -> None:
    lines = [f"export {name}={value}" for name, value in ready.environment().items()]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _serve(options: argparse.Namespace) -> int:
    from foundry_emulator.server import StateInUse, serve

    # Keys, prompts and answers are among what it writes.
    os.umask(0o077)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        serve(
            options.state,
            options.port,
            options.ready_file,
            options.idle_timeout,
            unsafe_code_interpreter=options.unsafe_code_interpreter,
            mcp_hosts=frozenset(options.allow_mcp_host),
            on_ready=_say,
        )
    except StateInUse as problem:
        raise CommandFailed(str(problem)) from problem
    except OSError as problem:
        message = f"cannot serve on port {options.port}: {problem.strerror or problem}"
        raise CommandFailed(message) from problem
    return 0


def _compare(options: argparse.Namespace) -> int:
    from foundry_emulator.comparing import report
    from foundry_emulator.comparing.exchange import UnreadableExchange, read_exchanges
    from foundry_emulator.comparing.run import compare
    from foundry_emulator.comparing.verdicts import OWN, UnreadableVerdicts, read_accepted

    try:
        exchanges = list(read_exchanges(options.folder))
        given = read_accepted(options.verdicts) if options.verdicts else ()
        accepted = [*given, *read_accepted(OWN)]
    except (UnreadableExchange, UnreadableVerdicts) as problem:
        raise CommandFailed(str(problem)) from problem
    comparison = compare(exchanges, accepted)
    if options.as_json:
        _print_json(report.as_json(comparison))
    else:
        for line in report.lines(comparison, everything=options.everything):
            sys.stdout.write(line + "\n")
    return 1 if comparison.new else 0


def _run_code(_options: argparse.Namespace) -> int:
    from foundry_emulator.interpreter.errand import UnreadableErrand, run

    try:
        _print_json(run(sys.stdin.buffer.read()))
    except UnreadableErrand as problem:
        raise CommandFailed(str(problem)) from problem
    return 0


def _bill(options: argparse.Namespace) -> int:
    charges = read_bill(options.state)
    if options.as_json:
        _print_json({"charges": charges})
        return 0
    for charge in charges:
        parts = (f"{charge['usd']:10.6f}", charge["kind"], charge["model"], charge["response_id"])
        sys.stdout.write("  ".join(str(part) for part in parts) + "\n")
    total = sum(float(charge["usd"]) for charge in charges)
    sys.stdout.write(f"{total:10.6f}  USD in all, {len(charges)} charges\n")
    return 0


def _expire(options: argparse.Namespace) -> int:
    for kind, count in expire(options.state, options.kinds).items():
        sys.stdout.write(f"{kind}: {count} expired\n")
    return 0


def _faults(options: argparse.Namespace) -> int:
    if options.clear:
        _print_json(_told(options.state, "DELETE", "faults"))
    elif options.plan is None:
        _print_json(_told(options.state, "GET", "faults"))
    else:
        _print_json(_told(options.state, "POST", "faults", {"faults": _plan(options.plan)}))
    return 0


def _plan(source: str) -> list[object]:
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        plan = json.loads(text)
    except (OSError, ValueError) as problem:
        raise CommandFailed(f"cannot read faults from {source!r}: {problem}") from problem
    if not isinstance(plan, list):
        raise CommandFailed(f"{source!r} holds no list of faults: see COVERAGE.md for their form")
    return cast("list[object]", plan)


def _reset(options: argparse.Namespace) -> int:
    _told(options.state, "POST", "reset", {})
    return 0


def _clock(options: argparse.Namespace) -> int:
    _print_json(_told(options.state, "POST", "clock", {"advance_s": options.advance_s}))
    return 0


def _told(state_dir: Path, method: str, path: str, body: Json | None = None) -> Json:
    """Tell the control API of the emulator that runs on a state directory something."""
    try:
        ready = json.loads((state_dir / _READY).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        message = f"no emulator runs on {str(state_dir)!r}: start one with `foundry-emulator serve --state`"
        raise CommandFailed(message) from problem
    request = urllib.request.Request(  # noqa: S310 - the emulator's own ready file names loopback only
        f"{ready['control']}/{path}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {ready['token']}", "Content-Type": "application/json"},
        method=method,
    )
    # Loopback is never reached through a proxy, whatever the environment says.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_CONTROL_TIMEOUT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as problem:
        said = problem.read().decode("utf-8", "replace")
        raise CommandFailed(f"the emulator refused: {said}") from problem
    except OSError as problem:
        raise CommandFailed(f"the emulator on {str(state_dir)!r} does not answer: {problem}") from problem


def _print_json(body: Json) -> None:
    sys.stdout.write(json.dumps(body, indent=2) + "\n")
