"""Let a client that others wrote call the tools of `assetmill mcp`, and print what was said.

    python -m benchmarks.agent_hosts [--sdk VERSION]

Installs the SDK for Node in a temporary folder, makes a project there, and runs `node_client.mjs`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.bench import ASSETMILL, CONFIGS

SDK = "1.32.2"
_PIPELINE = """
name: card
stages:
  - name: pic
    prompt: Draw a red mug.
    tools: [{type: image_generation, size: 1024x1024, quality: low}]
    outputs: [{name: pic.png}]
"""


def main() -> int:
    """Return 0 when the client paid once and was refused what it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sdk", default=SDK, help="version of @modelcontextprotocol/sdk")
    version = parser.parse_args().sdk
    with tempfile.TemporaryDirectory(prefix="agent-hosts-") as place:
        folder = Path(place)
        project = folder / "project"
        shutil.copytree(CONFIGS, project / "configs")
        (project / "configs" / "pipelines" / "card.yaml").write_text(_PIPELINE)
        (folder / "package.json").write_text('{"private": true}')
        shutil.copy(Path(__file__).with_name("node_client.mjs"), folder)
        quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(
            ["npm", "install", *quiet, f"@modelcontextprotocol/sdk@{version}"], cwd=folder, check=True
        )
        try:
            done = subprocess.run(
                ["node", "node_client.mjs", str(ASSETMILL), str(project)], cwd=folder, check=False
            )
            bill = subprocess.run(
                [str(ASSETMILL), "emulator", "bill", "--json"],
                cwd=project,
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ},
            )
        finally:
            subprocess.run([str(ASSETMILL), "stop"], cwd=project, check=False, capture_output=True)
    pictures = [charge for charge in json.loads(bill.stdout)["charges"] if charge["kind"] == "image"]
    print(
        f"@modelcontextprotocol/sdk {version}: exit code {done.returncode}, {len(pictures)} picture(s) paid"
    )
    return 0 if done.returncode == 0 and len(pictures) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
