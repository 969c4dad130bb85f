"""Functions that do to their process what nobody should: the engine goes on, and the agent is told."""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assetmill.agents.function_pool import FunctionPool, FunctionProcess
from assetmill.agents.functions import Limits, load_function, start_function
from assetmill.errors import InvalidInput, RunStopped
from assetmill.records import RunId
from assetmill.stage.engine import run_stage
from tests.assetmill.agents.workshop import Shop, by_turn, function_call, function_tool
from tests.doubles import message_item, stage_call

BEASTS = textwrap.dedent(
    """
    import os, re, sys, threading, time
    from pathlib import Path

    HERE = Path(__file__).parent

    def pid() -> int:
        return os.getpid()

    def regex() -> bool:
        (HERE / "begun").touch()
        return bool(re.fullmatch(r"(a+)+b", "a" * 64))

    def sleep() -> None:
        (HERE / "begun").touch()
        time.sleep(600)

    def endless() -> object:
        return iter(lambda: "x" * 100_000, "")

    def hoard() -> int:
        return len(bytearray(4 << 30))

    def leave() -> str:
        raise SystemExit("bye")

    def interrupt() -> str:
        raise KeyboardInterrupt

    def surrogate() -> str:
        return "price: \\ud800"

    def surrogate_error() -> str:
        raise ValueError("\\ud800")

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")
        __repr__ = __str__

    def mute() -> str:
        raise Mute

    class Sly(str):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def sly() -> str:
        return Sly("text")

    def vanish() -> str:
        os._exit(0)

    def crash() -> str:
        os.kill(os.getpid(), 11)
        return ""

    def close() -> str:
        os.close(int(sys.argv[2]))
        return "closed"

    def scribble() -> str:
        os.write(int(sys.argv[2]), b"not json\\n")
        return "scribbled"

    def noisy() -> str:
        print("on stdout")
        print("on stderr", file=sys.stderr)
        os.system("echo from a shell")
        return "quiet"

    def flood() -> str:
        for _ in range(20_000):
            print("x" * 99)
        return "done"

    def asks() -> str:
        return input("name? ")

    def variables() -> list[str]:
        return sorted(os.environ)

    def recursion() -> object:
        inner = []
        inner.append(inner)
        return inner

    def deep() -> int:
        return deep()
    """
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "beasts.py").write_text(BEASTS)
    return tmp_path


def called(folder: Path, name: str, **limits: Any) -> Any:
    taken = replace(Limits(timeout_s=60.0), **limits)
    output = start_function(load_function(f"beasts:{name}", folder, taken), "{}", taken).output()
    assert output is not None
    output.encode()
    return json.loads(output) if output[:1] in "[{" else output


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("endless", "MemoryError|died|output_too_long", ""),
        ("hoard", "MemoryError", "more memory"),
        ("leave", "SystemExit", "bye"),
        ("interrupt", "KeyboardInterrupt", ""),
        ("surrogate", "UnicodeEncodeError", "surrogates not allowed"),
        ("surrogate_error", "ValueError", r"\ud800"),
        ("mute", "Mute", "whose text cannot be had: RuntimeError"),
        ("sly", "RuntimeError", "no text"),
        ("vanish", "died", "ended its process with exit code 0"),
        ("crash", "died", "ended its process by signal SIGSEGV"),
        ("close", "died", "process"),
        ("scribble", "died", "wrote over its process's answers"),
        ("asks", "EOFError", "EOF"),
        ("recursion", "TypeError", "not JSON"),
        ("deep", "RecursionError", "recursion"),
    ],
)
def test_every_ending_is_told_and_the_next_call_works(folder: Path, name: str, kind: str, words: str) -> None:
    error = called(folder, name, memory_mb=256)["error"]
    assert error["type"] in kind.split("|"), error
    assert words in error["message"]
    assert int(called(folder, "pid")) != os.getpid()


def test_a_regular_expression_without_end_is_ended(folder: Path) -> None:
    """It holds the interpreter's lock: in the engine's own process nothing else would run."""
    error = called(folder, "regex", timeout_s=0.5)["error"]
    assert error == {"type": "timeout", "message": "the function gave no result within 0.5 s"}


def test_a_run_that_is_stopped_ends_its_functions(shop: Shop) -> None:
    (shop.folder / "beasts.py").write_text(BEASTS)
    services = shop.process()

    def stop_when_begun(seconds: float) -> None:
        if (shop.folder / "begun").exists():
            raise RunStopped("stopped by a test")

    services.wait = stop_when_begun
    own = {"function": "beasts:regex", "timeout_s": 600.0}
    tool = {"type": "function", "name": "regex", "assetmill": own}
    shop.gateway.script = by_turn([function_call("regex", {})], [message_item("done")])
    before = set(threading.enumerate())
    with pytest.raises(RunStopped):
        run_stage(stage_call(tools=(tool,), outputs=(), folder=str(shop.folder)), services, RunId("run-1"))
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()


def test_a_process_is_kept_between_calls(folder: Path) -> None:
    assert called(folder, "pid") == called(folder, "pid")


def test_what_a_function_prints_goes_to_the_log(
    folder: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "assetmill.functions")
    pool = FunctionPool()
    with pool.process(()) as process:
        source = load_function("beasts:noisy", folder).source
        request = {"source": {**source._asdict(), "path": str(source.path)}, "arguments": ""}
        limits = {"timeout_s": 60.0, "memory_bytes": 1 << 30, "most_chars": 1000}
        process.ask({"do": "call", **request, **limits}, "beasts:noisy")
        assert process.answer(60.0) == {"begun": True}
        assert process.answer(60.0) == {"text": "quiet"}
    pool.close()
    assert set(caplog.messages) == {
        f"beasts:noisy: {line}" for line in ("on stdout", "on stderr", "from a shell")
    }
    assert capfd.readouterr() == ("", "")


def test_a_flood_of_words_is_cut_in_the_log(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "assetmill.functions")
    assert called(folder, "flood") == "done"
    assert sum(map(len, caplog.messages)) < 2 * 64 * 1024


def test_a_function_sees_the_variables_that_it_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SHOP_TOKEN", "AZURE_CLIENT_SECRET", "ASSETMILL_PROFILE"):
        monkeypatch.setenv(name, "canary")
    plain = called(folder, "variables")
    assert "PATH" in plain
    assert not {"SHOP_TOKEN", "AZURE_CLIENT_SECRET", "ASSETMILL_PROFILE"} & set(plain)
    assert "SHOP_TOKEN" in called(folder, "variables", variables=("SHOP_TOKEN",))
    monkeypatch.delenv("SHOP_TOKEN")
    with pytest.raises(InvalidInput, match="variable SHOP_TOKEN: set it"):
        load_function("beasts:variables", folder, Limits(variables=("SHOP_TOKEN",)))


def test_a_module_that_ends_its_process_is_named_before_any_spend(shop: Shop) -> None:
    (shop.folder / "fatal.py").write_text("import os\nos._exit(7)\ndef f() -> int: return 1\n")
    tool = {"type": "function", "name": "f", "assetmill": {"function": "fatal:f", "timeout_s": 1}}
    with pytest.raises(InvalidInput, match=r"cannot import 'fatal:f' .* with exit code 7"):
        run_stage(
            stage_call(tools=(tool,), outputs=(), folder=str(shop.folder)), shop.process(), RunId("run-1")
        )
    assert shop.gateway.conversations == {}


def test_no_more_processes_than_there_is_room_for_are_kept() -> None:
    pool = FunctionPool(most=2)
    lent: list[FunctionProcess] = []
    for name in ("A", "B", "C"):
        with pool.process((name,)) as process:
            lent.append(process)
    assert [process.is_running for process in lent] == [False, True, True]
    pool.close()
    assert not any(process.is_running for process in lent)


def test_a_process_ends_with_its_engine(folder: Path) -> None:
    """Its pipe closes, which is all that a killed engine can do for it."""
    script = (
        "import sys, time; from pathlib import Path\n"
        "from assetmill.agents.functions import load_function, start_function\n"
        "folder = Path(sys.argv[1])\n"
        "print(start_function(load_function('beasts:pid', folder), '{}').output(), flush=True)\n"
        "start_function(load_function('beasts:sleep', folder), '{}')\n"
        "while not (folder / 'begun').exists(): time.sleep(0.01)\n"
        "import os; os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        child = int(engine.stdout.readline())
        with os.fdopen(os.pidfd_open(child)) as ends:
            assert select.select([ends], [], [], 60)[0], "the function's process lives on"


def test_a_tool_says_what_its_function_may_take(shop: Shop) -> None:
    tool = function_tool("stock")
    assert Limits.of(tool["assetmill"]) == Limits(timeout_s=5.0)
    own = {"function": "shop:stock", "timeout_s": 2, "memory_mb": 64, "env": ["A"]}
    assert Limits.of(own) == Limits(2.0, 64, ("A",))
