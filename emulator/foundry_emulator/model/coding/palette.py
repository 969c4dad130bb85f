"""The colours of a picture: how much of it each covers, as JSON and as a strip of swatches."""

from __future__ import annotations

from foundry_emulator.model.coding.request import PICTURES, CodeRequest, script
from foundry_emulator.model.words import count_before, has

TEMPLATE = """
import json
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SOURCE = $source
COUNT = $count

with Image.open(SOURCE) as opened:
    picture = opened.convert("RGB")
picture.thumbnail((256, 256))
reduced = picture.quantize(colors=COUNT, method=Image.Quantize.MEDIANCUT)
flat = reduced.getpalette()
counted = sorted(reduced.getcolors(), reverse=True)
palette = []
for pixels, index in counted:
    red, green, blue = flat[3 * index : 3 * index + 3]
    share = pixels / (picture.width * picture.height)
    code = f"#{red:02x}{green:02x}{blue:02x}"
    palette.append({"hex": code, "rgb": [red, green, blue], "share": round(share, 4)})
for colour in palette:
    print(f"{colour['hex']}: {colour['share']:.1%}")
document = {"source": Path(SOURCE).name, "palette": palette}
Path($json_result).write_text(json.dumps(document, indent=2), encoding="utf-8")
if $swatches:
    strip = Image.new("RGB", (160 * len(palette), 200), "white")
    pen = ImageDraw.Draw(strip)
    font = ImageFont.load_default(20)
    for place, colour in enumerate(palette):
        pen.rectangle((160 * place, 0, 160 * place + 159, 159), fill=colour["hex"])
        pen.text((160 * place + 80, 180), colour["hex"], fill="black", font=font, anchor="mm")
    strip.save($swatches)
"""


def write(request: CodeRequest) -> str | None:
    """Write the code that takes a palette from a picture, if the request asks for it."""
    source = request.one_picture()
    asks = has(
        request.text,
        "palette",
        r"(?:dominant|main|key|top) colou?rs?",
        r"(?:extract|find|list) .{0,20}colou?rs?",
    )
    if source is None or not asks:
        return None
    pictures = request.new_names(*PICTURES)
    swatches = f"/mnt/data/{pictures[0]}" if pictures else "/mnt/data/palette.png"
    return script(
        TEMPLATE,
        source=source.path,
        count=max(2, min(32, count_before(request.text, "colou?rs?", "swatch\\w*") or 6)),
        json_result=request.target("palette.json", ".json"),
        swatches=swatches if pictures or not request.new_names(".json") else None,
    )
