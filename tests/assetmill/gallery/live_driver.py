"""Runs a pipeline of twelve pictures whose service waits for a line on stdin before each thing that it sends.

It says its run's ID first. Whoever drives it sees every step from outside, and kills it where he wants.
"""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

from assetmill.agents.gateway import Frame, OnFrame, Response
from assetmill.runs.run import begin_run
from assetmill.settings import load_settings
from assetmill.stage.engine import run_stage
from assetmill.stage.services import open_services
from tests.doubles import ScriptedGateway, image_item, png

COLOURS = ("teal", "gold", "pink", "navy", "lime", "plum", "coral", "olive", "khaki", "peru", "tan", "gray")
PIPELINE = "name: twelve\nstages:\n" + "\n".join(
    f"  - name: {colour}\n    prompt: Draw {colour}.\n"
    "    tools: [{type: image_generation, quality: low, partial_images: 2}]\n"
    f"    outputs: [{{name: {colour}.png}}]"
    for colour in COLOURS
)


class Stepwise(ScriptedGateway):
    """A service of which every partial picture and every end comes at a sign."""

    def follow_response(self, response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        for number in (1, 2):
            sys.stdin.readline()
            if on_frame:
                on_frame(Frame(number, png(64 * number, 64 * number, self.colour)))
        sys.stdin.readline()
        return super().follow_response(response_id, deadline_s=deadline_s, on_frame=None)

    colour = ""


def main(home: str, configs: str) -> None:
    settings = load_settings("local", {"ASSETMILL_HOME": home, "ASSETMILL_CONFIGS": configs})
    (Path(configs) / "pipelines" / "twelve.yaml").write_text(PIPELINE)
    gateway = Stepwise(lambda _request: [image_item(png(1024, 1024, gateway.colour))])
    with open_services(settings) as services:
        services.open_gateway = lambda _settings, _wait: gateway
        run = begin_run("twelve", {}, services, str(uuid.uuid4()))
        sys.stdout.write(f"{run.run_id}\n")
        sys.stdout.flush()
        for label in run.stages:
            gateway.colour = label
            call = run.begin(label)
            assert call is not None
            run.end(label, run_stage(call, services, run.run_id))
        run.seal()


if __name__ == "__main__":
    main(*sys.argv[1:])
