"""A batch of 600 rows x 3 stages beside a plain script with the same calls, and a plan of 10,000 rows."""

from __future__ import annotations

import base64
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from assetmill.agents.connecting import EmulatorCredential
from assetmill.agents.foundry import FoundryGateway
from assetmill.agents.gateway import AgentDefinition, AgentVersion, ResponseRequest
from assetmill.agents.ready_file import read_ready_file
from assetmill.batches.opening import BatchOrder, prepare
from assetmill.cli.batch import run_batch_with
from assetmill.settings import load_settings
from assetmill.stage.services import Services, open_services
from benchmarks.bench import Control, cpu_seconds, fresh_home, headline

ROWS = int(os.environ.get("BENCH_ROWS", "600"))
STAGES = 3
LATENCY_S, WIDTH = 5.0, 100
PLANNED_ROWS = 10_000
MODEL = "gpt-4.1-mini"
TOOL: Mapping[str, Any] = {
    "type": "image_generation",
    "model": "gpt-image-1.5",
    "size": "1024x1024",
    "quality": "low",
}

PIPELINE = """
name: bench-batch
parameters:
  product: {title: Product}
stages:
  - name: scene
    prompt: Draw {{ product }}, flat style.
    tools: [{type: image_generation, size: 1024x1024, quality: low}]
    outputs: [{name: scene.png}]
  - name: variant
    prompt: Draw {{ product }} again, after {{ inputs[0] }}, at night.
    tools: [{type: image_generation, size: 1024x1024, quality: low}]
    inputs: [{from: scene}]
    outputs: [{name: night.png}]
  - name: caption
    prompt: Write one short caption for {{ stages.variant.outputs[0].name }} of {{ product }}.
"""


def write_rows(home: Path, count: int, mark: str = "") -> str:
    path = home / f"rows{count}{mark}.csv"
    lines = [f"{mark}mug number {number}" for number in range(count)]
    path.write_text("product\n" + "\n".join(lines) + "\n")
    return str(path)


class Memory:
    """Samples the memory of this process while a batch runs, and how long its threads wait for a core."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self._waited_ns: dict[str, int] = {}
        self._before_s = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Memory:
        self._note_waits()
        self._before_s = self.waited_s
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(1.0):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.samples.append(pages * resource.getpagesize() / 1024**2)
            self._note_waits()

    def _note_waits(self) -> None:
        for task in Path("/proc/self/task").iterdir():
            with suppress(OSError):  # a thread that has just ended
                self._waited_ns[task.name] = int((task / "schedstat").read_text().split()[1])

    @property
    def waited_s(self) -> float:
        """Return for how long all threads together had work and no core: others of the machine had them."""
        return sum(self._waited_ns.values()) / 1e9 - self._before_s

    def quarter(self, number: int) -> float:
        """Return the highest sample of a quarter of the time, 0 to 3."""
        size = max(len(self.samples) // 4, 1)
        return max(self.samples[number * size : (number + 1) * size] or [0.0])


class Script:
    """What somebody would write by hand for the same calls: threads, files, no record of anything."""

    def __init__(self, home: Path) -> None:
        ready = read_ready_file(home / "emulator" / "ready.json")
        credential = EmulatorCredential(ready.identity_endpoint, ready.identity_header)
        self.folder = home / "script"
        self.folder.mkdir(exist_ok=True)
        self.gateway = FoundryGateway(ready.endpoint, credential, wait=time.sleep, poll_s=2.0, ca=ready.ca)
        self.draw = self.gateway.ensure_agent(AgentDefinition("bench-draw", MODEL, "", (TOOL,)))
        self.write = self.gateway.ensure_agent(AgentDefinition("bench-write", MODEL, "", ()))

    def row(self, number: int) -> None:
        product = f"script mug number {number}"
        picture = self._picture(f"Draw {product}, flat style.", [])
        uploaded = self.gateway.upload_file("scene.png", picture, "image/png")
        part = {"type": "input_image", "file_id": uploaded.file_id}
        night = self._picture(f"Draw {product} again, after scene.png, at night.", [part])
        (self.folder / f"{number}.png").write_bytes(night)
        body = self._ask(self.write, f"Write one short caption for night.png of {product}.", [], None)
        (self.folder / f"{number}.txt").write_text(json.dumps(body["output"]))

    def _picture(self, prompt: str, parts: list[dict[str, Any]]) -> bytes:
        body = self._ask(self.draw, prompt, parts, "gpt-image-1.5")
        image = next(item for item in body["output"] if item["type"] == "image_generation_call")
        return base64.b64decode(image["result"])

    def _ask(
        self, agent: AgentVersion, prompt: str, parts: list[dict[str, Any]], deployment: str | None
    ) -> Mapping[str, Any]:
        text = {"type": "input_text", "text": prompt}
        request = ResponseRequest(
            agent=agent,
            conversation_id=self.gateway.create_conversation({}),
            input=({"type": "message", "role": "user", "content": [text, *parts]},),
            metadata={},
            image_deployment=deployment,
        )
        response = self.gateway.create_response(request, lambda _: None)
        return self.gateway.follow_response(response.response_id, deadline_s=120, on_frame=None).body


def measure_script(home: Path) -> tuple[float, float]:
    """Return wall and CPU seconds of the plain script."""
    script = Script(home)
    started, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(WIDTH) as pool:
        for done in [pool.submit(script.row, number) for number in range(ROWS)]:
            done.result()
    measured = time.perf_counter() - started, time.process_time() - cpu
    script.gateway.close()
    return measured


def measure_batch(services: Services, home: Path, pipeline: str) -> tuple[float, float, float, Memory]:
    """Return wall seconds, CPU seconds of this process, of Prefect's server, and the memory."""
    order = BatchOrder(pipeline, write_rows(home, ROWS))
    server = int(json.loads((home / "prefect" / "process.json").read_bytes())["pid"])
    started, cpu, server_cpu = time.perf_counter(), time.process_time(), cpu_seconds(server)
    with Memory() as memory:
        manifest = run_batch_with(prepare(order, services), services)
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    # The server works on after the run: what it still does is this batch's, too.
    time.sleep(5)
    assert manifest.status == "completed", manifest.reason
    return wall_s, cpu_s, cpu_seconds(server) - server_cpu, memory


def run_and_compare() -> None:
    os.environ["ASSETMILL_CONCURRENCY"] = str(WIDTH)
    with fresh_home() as home:
        pipeline = home / "bench-batch.yaml"
        pipeline.write_text(PIPELINE)
        settings = load_settings("local")
        settings = settings.model_copy(
            update={"foundry": settings.foundry.model_copy(update={"poll_s": 2.0})}
        )
        with open_services(settings) as services:
            warm = prepare(BatchOrder(str(pipeline), write_rows(home, 2, "warm ")), services)
            run_batch_with(warm, services)
        control = Control(home)
        control.ask("POST", "/settings", {"canned_pictures": True, "latency_s": LATENCY_S})
        script_wall, script_cpu = measure_script(home)
        with open_services(settings) as services:
            wall, cpu, server_cpu, memory = measure_batch(services, home, str(pipeline))
        count = ROWS * STAGES
        ideal = -(-count // WIDTH) * LATENCY_S
        added = (cpu + server_cpu - script_cpu) / count * 1000
        print(f"{ROWS} rows x {STAGES} stages of {LATENCY_S:.0f} s, {WIDTH} at once, canned pictures")
        print(f"  ideal                  {ideal:7.1f} s")
        print(f"  plain script           {script_wall:7.1f} s  CPU {script_cpu:6.1f} s")
        print(
            f"  assetmill batch        {wall:7.1f} s  CPU {cpu:6.1f} s, Prefect's server {server_cpu:.1f} s"
        )
        print(f"  to the ideal           {wall / ideal:7.2f}      target: at most 1.25")
        print(f"  orchestration adds     {added:7.1f} ms of CPU a stage   target: under 30")
        quarters = ", ".join(f"{memory.quarter(n):.0f}" for n in range(4))
        print(f"  memory, by quarters    {quarters} MB")
        measure_again(settings, str(pipeline), home, control)


def measure_again(settings: Any, pipeline: str, home: Path, control: Control) -> None:
    posts = control.posts()
    with open_services(settings) as services:
        before, started = services.backend.requests, time.perf_counter()
        manifest = run_batch_with(prepare(BatchOrder(pipeline, write_rows(home, ROWS)), services), services)
        wall = time.perf_counter() - started
        requests = services.backend.requests - before
    assert manifest.count("reused") == ROWS, "something ran again"
    print("the same batch again")
    print(f"  responses asked for    {control.posts() - posts:7d}      target: 0")
    print(f"  object-store requests  {requests:7d}")
    print(f"  wall                   {wall:7.2f} s    target: at most 5")


def plan_many(count: int) -> None:
    """Plan so many rows; in a process of its own, because its memory is what counts."""
    with fresh_home() as home:
        pipeline = home / "bench-batch.yaml"
        pipeline.write_text(PIPELINE)
        rows = write_rows(home, count)
        with open_services(load_settings("local")) as services:
            started, cpu = time.perf_counter(), time.process_time()
            batch = prepare(BatchOrder(str(pipeline), rows), services)
            wall, used = time.perf_counter() - started, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"a plan of {len(batch.plans)} rows, {batch.totals.to_run} stages")
        print(f"  wall                   {wall:7.2f} s    target: under 10")
        print(f"  CPU                    {used:7.2f} s")
        print(f"  memory of the process  {peak:7.0f} MB   target: under 1024")


def main() -> None:
    import subprocess

    plan = [sys.executable, "-m", "benchmarks.batch", "plan"]
    subprocess.run([*plan, str(PLANNED_ROWS)], check=True)
    run_and_compare()


if __name__ == "__main__":
    if sys.argv[1:2] == ["plan"]:
        plan_many(int(sys.argv[2]))
    else:
        print(headline())
        main()
