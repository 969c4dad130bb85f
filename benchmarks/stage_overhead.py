"""What orchestration adds to a stage, beside a plain script that makes the same SDK calls."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from assetmill.agents.connecting import EmulatorCredential
from assetmill.agents.foundry import FoundryGateway
from assetmill.agents.gateway import AgentDefinition, AgentVersion, ResponseRequest
from assetmill.agents.ready_file import read_ready_file
from assetmill.api import run_with
from assetmill.settings import load_settings
from assetmill.stage.services import open_services
from benchmarks.bench import Control, cpu_seconds, fresh_home, headline, write_pipeline

STAGES, WIDTH, ROUNDS = 60, 8, 3
TOOL: Mapping[str, Any] = {
    "type": "image_generation",
    "model": "gpt-image-1.5",
    "size": "1024x1024",
    "quality": "low",
}


def script_stage(gateway: FoundryGateway, agent: AgentVersion, number: int, folder: Path) -> None:
    """What somebody would write by hand: conversation, response, wait, picture to a file."""
    request = ResponseRequest(
        agent=agent,
        conversation_id=gateway.create_conversation({}),
        input=(
            {"type": "message", "role": "user", "content": f"Draw script picture {number} of a teal mug."},
        ),
        metadata={},
        image_deployment="gpt-image-1.5",
    )
    response = gateway.create_response(request, lambda _: None)
    body = gateway.follow_response(response.response_id, deadline_s=60, on_frame=None).body
    image = next(item for item in body["output"] if item["type"] == "image_generation_call")
    (folder / f"{number}.png").write_bytes(base64.b64decode(image["result"]))


def measure_script(home: Path, first: int) -> tuple[float, float]:
    """Return wall and CPU seconds of the plain script."""
    ready = read_ready_file(home / "emulator" / "ready.json")
    credential = EmulatorCredential(ready.identity_endpoint, ready.identity_header)
    gateway = FoundryGateway(ready.endpoint, credential, wait=time.sleep, poll_s=0.25, ca=ready.ca)
    agent = gateway.ensure_agent(AgentDefinition("bench-script", "gpt-4.1-mini", "", (TOOL,)))
    started, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(WIDTH) as pool:
        for done in [pool.submit(script_stage, gateway, agent, first + n, home) for n in range(STAGES)]:
            done.result()
    measured = time.perf_counter() - started, time.process_time() - cpu
    gateway.close()
    return measured


def measure_run(home: Path, number: int) -> tuple[float, float]:
    """Return wall seconds, and CPU seconds of this process and Prefect's server together."""
    pipeline = home / f"round-{number}.yaml"
    pipeline.write_text(write_pipeline(home, STAGES).read_text().replace("teal mug", f"teal mug {number}"))
    server = int(json.loads((home / "prefect" / "process.json").read_bytes())["pid"])
    with open_services(load_settings("local")) as services:
        started, cpu, server_cpu = time.perf_counter(), time.process_time(), cpu_seconds(server)
        manifest = run_with(services, str(pipeline), {}, say=lambda _: None)
        wall_s = time.perf_counter() - started
        # The server works on after the run: what it still does is this run's, too.
        time.sleep(3)
        used = time.process_time() - cpu + cpu_seconds(server) - server_cpu
    assert manifest.status == "completed", manifest.status
    return wall_s, used


def main() -> None:
    os.environ["ASSETMILL_CONCURRENCY"] = str(WIDTH)
    with fresh_home() as home:
        with open_services(load_settings("local")) as services:
            run_with(services, str(write_pipeline(home, 2)), {}, say=lambda _: None)
        Control(home).ask("POST", "/settings", {"canned_pictures": True})
        script, run = list[tuple[float, float]](), list[tuple[float, float]]()
        for number in range(ROUNDS):
            script.append(measure_script(home, number * STAGES))
            run.append(measure_run(home, number))
    script_wall, script_cpu = (min(column) / STAGES * 1000 for column in zip(*script, strict=True))
    run_wall, run_cpu = (min(column) / STAGES * 1000 for column in zip(*run, strict=True))
    print(f"{STAGES} one-picture stages, {WIDTH} at once, canned pictures, best of {ROUNDS}; per stage")
    print("                            wall       CPU (the emulator's left out)")
    print(f"  plain script           {script_wall:6.0f} ms {script_cpu:6.0f} ms")
    print(f"  assetmill run          {run_wall:6.0f} ms {run_cpu:6.0f} ms (Prefect's server included)")
    wall_ms, cpu_ms = run_wall - script_wall, run_cpu - script_cpu
    print(f"  orchestration adds     {wall_ms:6.0f} ms {cpu_ms:6.0f} ms   target: under 100 ms of CPU")


if __name__ == "__main__":
    print(headline())
    main()
