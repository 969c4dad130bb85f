"""The same inputs are the same bytes in another process, whatever the order of its hashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.lettering import SAMPLES, needs_fonts

PROGRAM = """
import hashlib, io, json, sys
from pathlib import Path
from PIL import Image
from assetmill.making.carrying_out import carry_out
from assetmill.spec.making import MakeSpec

font = Path(sys.argv[1]).read_bytes()
out = io.BytesIO()
Image.effect_mandelbrot((96, 64), (-2, -1, 1, 1), 40).convert("RGB").save(out, "PNG")
files = {"a": out.getvalue(), "b": out.getvalue(), "Sans#0": font}
names = ["a", "b"]
text = {"text": "Light, 49.90", "font": ["Sans#0"], "size": "8..20", "outline": "white", "shadow": "black"}
wanted = [
    {"from": ["a"], "resize": "64x64", "focus": "entropy", "layers": [text], "save": f"one.{suffix}"}
    for suffix in ("png", "jpg", "webp", "avif")
]
wanted += [
    {"from": ["a"], "palette": 8, "save": "few.png"},
    {"from": names, "atlas": {"scales": [1, 2]}, "save": "atlas.png"},
    *({"from": names, "animation": True, "save": f"moving.{suffix}"} for suffix in ("png", "webp", "gif")),
    {"from": names, "pdf": {"dpi": 36}, "save": "pages.pdf"},
    {"from": ["a"], "srcset": {"widths": [32, 64]}, "save": "all.html"},
]
entries = [MakeSpec.model_validate(one).bound({"a": ["a"], "b": ["b"]}) for one in wanted]
made = {one.name: hashlib.sha256(one.data).hexdigest() for one in carry_out(entries, files.__getitem__)}
print(json.dumps(made))
"""


@needs_fonts
def test_two_processes_make_the_same_bytes() -> None:
    first, second = (
        json.loads(
            subprocess.run(
                [sys.executable, "-c", PROGRAM, str(SAMPLES[0].font)],
                env={**os.environ, "PYTHONHASHSEED": seed},
                check=True,
                capture_output=True,
            ).stdout
        )
        for seed in ("1", "2")
    )
    assert len(first) == 20
    assert first == second
