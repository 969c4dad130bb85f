"""The examples go over to another model on the emulator: killed twice, paid once, written on one's word."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assetmill.money.prices import expected_image_usd
from assetmill.project import find_configs

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("migrate"), pytest.mark.timeout(300)]

SAME = [word for q in ("low", "medium", "high") for word in ("--answer", f"quality:{q}={q}")]
MIGRATE = ["migrate", "product-launch", "og-images", "--to", "gpt-image-2", *SAME, "--budget", "2"]


class Examples:
    """A project with the examples, drawn with a model that ends, and commands in processes of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(find_configs({}), root / "configs")
        local = root / "configs" / "profiles" / "local.toml"
        local.write_text(local.read_text().replace("gpt-image-2", "gpt-image-1.5"))
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "before")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout

    def __call__(self, *arguments: str, failpoint: str = "") -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "ASSETMILL_FAILPOINT": failpoint}
        command = [sys.executable, "-m", "assetmill.cli.main", *arguments]
        return subprocess.run(
            command,
            cwd=self.root,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def document(self, *arguments: str) -> dict[str, Any]:
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def listed(model: str) -> float:
    """What the sample costs by the price list: a hero with two partial pictures, a dusk, four motifs."""
    hero, dusk = (expected_image_usd(model, "1536x1024", "medium", partial_images=shown) for shown in (2, 0))
    motif = expected_image_usd(model, "1536x1024", "low")
    assert hero
    assert dusk
    assert motif
    return hero.ceiling + dusk.expected + 4 * motif.expected


@pytest.fixture
def examples(tmp_path: Path) -> Iterator[Examples]:
    examples = Examples(tmp_path)
    yield examples
    examples("stop")


def test_the_examples_go_over_and_nothing_is_paid_twice(examples: Examples) -> None:
    planned = examples.document(*MIGRATE, "--dry")
    assert [one["sample"] for one in planned["pipelines"]] == [
        ["hero", "dusk"],
        ["motif[page=quickstart]", "motif[page=pipelines]", "motif[page=storage]", "motif[page=scheduling]"],
    ]
    assert not (examples.root / ".assetmill").exists()
    for failpoint in ("gateway.create_response.accepted:3", "store.create.s.before:4"):
        killed = examples(*MIGRATE, failpoint=failpoint)
        assert killed.returncode == -9, killed.stderr
    assert examples.git("status", "--short") == ""

    done = examples(*MIGRATE)
    assert done.returncode == 0, done.stderr
    assert "no pin was written" in done.stdout
    page = (examples.root / ".assetmill/out/migrate/gpt-image-2.html").read_text()
    assert page.count('<img src="data:image/webp') == 12
    bill = examples.document("emulator", "bill")["charges"]
    pictures = Counter(line["model"] for line in bill if line["kind"] == "image")
    assert pictures == {"gpt-image-1.5": 6, "gpt-image-2": 6}
    spent = examples.document("spend")["total_usd"]
    # Input that the service does not tell from what it wrote into its cache counts at the dearer price.
    assert 0 <= spent - sum(line["usd"] for line in bill) < 0.0002
    # What an agent says nobody can know before; what a picture costs is in the list.
    drawn = sum(line["usd"] for line in bill if line["kind"] == "image")
    # What the tool reads comes to it: less than a cent for all twelve.
    assert 0 <= drawn - listed("gpt-image-1.5") - listed("gpt-image-2") < 0.01
    low, most = (planned["sample_cost"]["cost_usd"][name] for name in ("low", "ceiling"))
    assert low <= spent <= most

    written = examples(*MIGRATE, "--yes")
    assert written.returncode == 0, written.stderr
    assert "spent $0.0000" in written.stdout
    assert examples.document("emulator", "bill")["charges"] == bill
    assert examples.git("diff", "--stat").count("| 2 ++") == 2
    plan = {stage["label"]: stage["status"] for stage in examples.document("plan", "og-images")["stages"]}
    assert [label for label, status in plan.items() if status == "reuse"] == planned["pipelines"][1]["sample"]

    again = examples(*MIGRATE[:5], "--yes")
    assert again.stdout.startswith("nothing to migrate: no stage of product-launch, og-images")
    examples.git("checkout", "-q", ".")
    assert examples.document(*MIGRATE, "--dry")["files"] == planned["files"]
