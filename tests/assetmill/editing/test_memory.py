"""A picture as large as any that is drawn goes through an edit in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_MB = 400

SCRIPT = """
import sys, uuid
from pathlib import Path
from PIL import Image
from assetmill.editing.orders import EditOrder
from assetmill.editing.run import begin_edit, carry_out_all
from assetmill.editing.retouch.canvas import save_png
from assetmill.store.local import LocalStore
from tests.doubles import ScriptedGateway, image_item
from tests.millworks import services_on, settings_in

folder = Path(sys.argv[1])
size = (3840, 2160)
noise = Image.effect_noise(size, 40)
picture = Image.merge("RGB", (noise, noise.point(lambda v: v // 2), noise.point(lambda v: 255 - v)))
(folder / "large.png").write_bytes(save_png(picture))
del noise
data = save_png(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
del picture
gateway = ScriptedGateway(lambda _: [image_item(data)])
services = services_on(settings_in(folder), LocalStore(folder / "store"), gateway)
order = EditOrder(str(folder / "large.png"), "turn it", box="100,100,3000,1500", model="gpt-image-2")
run = begin_edit(order, services, str(uuid.uuid4()))
manifest = carry_out_all(run)
assert manifest.status == "completed", [entry.error for entry in manifest.stages]
assert manifest.stages[-1].record.data["largest_difference_outside"] == 0
services.close()
# Not getrusage: its maximum is taken over from the process that started this one.
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


@pytest.mark.timeout(120)
def test_a_large_picture_is_edited_in_less_than_400_mb(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < LIMIT_MB
