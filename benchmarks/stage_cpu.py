"""CPU of one stage, beside a plain script that makes the same calls by the SDK's own methods.

One stage after the other, script and engine in turn, so that what else the machine does is in both. The
emulator is another process and not counted; neither is Prefect, which sees one task for many rows.
"""

from __future__ import annotations

import os
import ssl
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import openai
from azure.ai.projects import AIProjectClient

from assetmill.agents.connecting import EmulatorCredential
from assetmill.agents.ready_file import ReadyFile, read_ready_file
from assetmill.local.services import local_services
from assetmill.records import RunId
from assetmill.runs.planning import plan_pipeline
from assetmill.settings import Settings, load_settings
from assetmill.stage.engine import run_stage
from assetmill.stage.services import open_services
from benchmarks.bench import VARIANTS, Control, fresh_home, headline
from benchmarks.peers.programs.by_hand import DEFINITION, picture

STAGES, ROUNDS = int(os.environ.get("BENCH_STAGES", "40")), 5
LATENCY_S, POLL_S = 0.5, 0.25
AGENT = "bench-plain"


class Script:
    """What somebody would write by hand: a conversation, a response, waiting for it, a picture to a file."""

    def __init__(self, ready: ReadyFile, folder: Path) -> None:
        credential = EmulatorCredential(ready.identity_endpoint, ready.identity_header)
        self._project = AIProjectClient(ready.endpoint, credential, connection_verify=ready.ca)
        http = openai.DefaultHttpxClient(verify=ssl.create_default_context(cafile=ready.ca))
        self._client = self._project.get_openai_client(max_retries=0, http_client=http)
        self._folder = folder
        self._project.agents.create_version(AGENT, definition=DEFINITION)

    def stage(self, number: int) -> None:
        """Make one picture."""
        drawn = picture(self._client, AGENT, f"Draw script picture {number} of a teal mug.", POLL_S)
        (self._folder / f"{number}.png").write_bytes(drawn)

    def close(self) -> None:
        """Let connections go."""
        self._client.close()
        self._project.close()


def each_ms(work: Callable[[int], object], first: int) -> float:
    """Return the CPU of this process for one call, in milliseconds."""
    started = time.process_time()
    for number in range(first, first + STAGES):
        work(number)
    return (time.process_time() - started) * 1000 / STAGES


def engine_ms(settings: Settings, home: Path, first: int) -> float:
    """Return the CPU of one stage in the engine; opening what stages share is not counted."""
    numbers = range(first, first + STAGES + 1)
    path = home / f"stages-{first}.yaml"
    path.write_text(VARIANTS.format(stages=len(numbers), numbers=", ".join(map(str, numbers))))
    with open_services(settings) as services:
        plan = plan_pipeline(str(path), {}, settings, services.ledger)
        calls = [stage.call for stage in plan.stages if stage.call]
        run_stage(calls[0], services, RunId("run-bench"))
        return each_ms(
            lambda number: run_stage(calls[number - first], services, RunId("run-bench")), first + 1
        )


def main() -> None:
    with fresh_home() as home:
        settings = load_settings("local")
        with local_services(settings, prefect=False) as local:
            local.wait_for_emulator()
            Control(home).ask("POST", "/settings", {"canned_pictures": True, "latency_s": LATENCY_S})
            script = Script(read_ready_file(settings.emulator_home / "ready.json"), home)
            script.stage(0)
            engine_ms(settings, home, 0)
            plain, ours = list[float](), list[float]()
            for number in range(1, ROUNDS + 1):
                plain.append(each_ms(script.stage, number * 1000))
                ours.append(engine_ms(settings, home, number * 1000))
            script.close()
    ratio = statistics.median(each / base for each, base in zip(ours, plain, strict=True))
    print(f"CPU of a one-picture stage of {LATENCY_S} s, medians of {ROUNDS} rounds of {STAGES}")
    print(f"  plain script                       {statistics.median(plain):6.1f} ms")
    print(f"  engine, a store in a directory     {statistics.median(ours):6.1f} ms")
    print(f"  ratio                              {ratio:6.2f}       target: at most 1.3")


if __name__ == "__main__":
    print(headline())
    main()
