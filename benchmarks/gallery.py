"""The gallery at 10,000 pictures in a real Chromium: long tasks, elements, the memory of the server.

The store is in memory and synthetic: a record for each picture, of which two hundred are different ones.
"""

from __future__ import annotations

import io
import shutil
import statistics
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import uvicorn
from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from assetmill.fingerprint import Fingerprint, fingerprint
from assetmill.gallery.details import Details
from assetmill.gallery.serving import Gallery
from assetmill.gallery.site import Site
from assetmill.gallery.thumbnails import ThumbnailStore
from assetmill.gallery.walls import Walls
from assetmill.local.gallery_server import listening
from assetmill.local.guard import Guard
from assetmill.records import AssetRecord, BlobRef, RunId, StageRecord, make_asset_id
from assetmill.store.blobs import Blobs
from assetmill.store.ledger import Ledger
from assetmill.store.memory import MemoryStore

PICTURES = 10_000
DIFFERENT = 200
ROUNDS = 5
STEPS = 40
_WATCH = """
window.longTasks = [];
new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((one) => one.duration)))
  .observe({ type: "longtask", buffered: true });
"""


class Round(NamedTuple):
    longest_ms: float
    images: int
    first_bytes: int
    server_mb: float


def main() -> None:
    print(f"gallery of {PICTURES} pictures, {ROUNDS} times through all of it")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium on this machine: not measured")
        return
    with tempfile.TemporaryDirectory(prefix="assetmill-bench-") as folder, sync_playwright() as playwright:
        site = _site(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        rounds = [_round(browser, site) for _ in range(ROUNDS)]
        browser.close()
    print(f"longest task      {statistics.median(one.longest_ms for one in rounds):.0f} ms, median")
    print(f"image elements    {max(one.images for one in rounds)} at most")
    print(f"before scrolling  {max(one.first_bytes for one in rounds) / 1000:.0f} KB")
    first, last = rounds[0].server_mb, rounds[-1].server_mb
    print(f"server's memory   {first:.0f} MB after the first time, {last:.0f} MB after the last")


def _round(browser: Browser, site: Site) -> Round:
    with _serving(site) as link:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(_WATCH)
        sizes: list[int] = []
        # By what the server says: to ask the browser for sizes while a page closes is to wait for ever.
        page.on("response", lambda reply: sizes.append(int(reply.headers.get("content-length", 0))))
        page.goto(link)
        page.locator("#wall img").first.wait_for()
        page.wait_for_load_state("networkidle")
        first_bytes, images = sum(sizes), 0
        for step in range(1, STEPS + 1):
            page.evaluate(
                "part => window.scrollTo(0, document.documentElement.scrollHeight * part)", step / STEPS
            )
            page.wait_for_load_state("networkidle")
            images = max(images, page.locator("img").count())
        page.locator("#filters [type=search]").fill("card 9999")
        expect(page.locator("#count")).to_have_text(f"1 of {PICTURES} tiles", timeout=60_000)
        longest = max(page.evaluate("window.longTasks"), default=0.0)
        page.close()
    return Round(longest, images, first_bytes, _resident_mb())


def _site(folder: Path) -> Site:
    backend = MemoryStore()
    ledger, blobs = Ledger(backend), Blobs(backend)
    pictures = [blobs.put(_picture(number), "image/png") for number in range(DIFFERENT)]
    for number in range(PICTURES):
        ledger.commit(_record(number, pictures[number % DIFFERENT]))
    return Site(Walls(backend).find("cards"), Details(ledger), ThumbnailStore(folder, blobs), blobs)


def _picture(number: int) -> bytes:
    data = io.BytesIO()
    colour = (number * 37 % 256, number * 91 % 256, number * 151 % 256)
    picture = Image.effect_noise((512, 512), 60).convert("RGB")
    Image.blend(picture, Image.new("RGB", picture.size, colour), 0.7).save(data, "PNG")
    return data.getvalue()


def _record(number: int, blob: BlobRef) -> StageRecord:
    fp: Fingerprint = fingerprint({"number": number})
    asset = AssetRecord(
        asset_id=make_asset_id("cards", fp, 1),
        name=f"card-{number}.png",
        kind="picture",
        blob=blob,
        stage="card",
        variant="",
        prompt=f"Draw card {number} in the house style, with calm space in its lower third.",
        width=512,
        height=512,
        created_at=float(number),
    )
    return StageRecord(
        pipeline="cards",
        stage="card",
        variant="",
        fingerprint=fp,
        deciding={"number": number},
        attempt=1,
        run_id=RunId("run_0000000000_00000000"),
        made_by=(),
        outputs=(asset,),
        cost_usd=0.01,
        started_at=float(number),
        finished_at=float(number),
    )


@contextmanager
def _serving(site: Site) -> Generator[str]:
    gallery = Gallery(site)
    with listening(0) as listener:
        port = listener.getsockname()[1]
        guard = Guard(gallery.app, port)  # pyright: ignore[reportArgumentType]
        config = uvicorn.Config(guard, log_level="error", lifespan="off", timeout_graceful_shutdown=1)  # pyright: ignore[reportArgumentType]
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}{gallery.entrance}"
        finally:
            server.should_exit = True
            thread.join()


def _resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    line = next(one for one in status.splitlines() if one.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
