"""Sprites packed into one picture, and the file by which engines find them there."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assetmill.errors import CannotMake
from assetmill.spec.gathering import AtlasSpec

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[int, int, int, int]
"""Left, upper, width, height."""


@dataclass(frozen=True)
class Sprite:
    """One sprite. `source` is where the trimmed picture lies in the whole one, `frame` where in the atlas."""

    name: str
    picture: Image.Image
    whole: tuple[int, int]
    source: Box
    frame: Box = (0, 0, 0, 0)

    @property
    def is_trimmed(self) -> bool:
        """Whether something transparent was left out."""
        return self.source != (0, 0, *self.whole)


def pack(pictures: Sequence[tuple[str, Image.Image]], spec: AtlasSpec) -> tuple[Image.Image, list[Sprite]]:
    """Return the atlas, and every sprite with its place in it.

    Raises:
        CannotMake: they do not all go into the longest side that is allowed.
    """
    from PIL import Image

    sprites = [_sprite(name, picture, spec) for name, picture in pictures]
    size, places = _packed(sprites, spec)
    atlas = Image.new("RGBA", size)
    placed: list[Sprite] = []
    for number, sprite in enumerate(sprites):
        left, top = places[number]
        atlas.paste(sprite.picture, (left, top))
        placed.append(Sprite(sprite.name, sprite.picture, sprite.whole, sprite.source,
                             (left, top, *sprite.picture.size)))  # fmt: skip
    return atlas, placed


def _sprite(name: str, picture: Image.Image, spec: AtlasSpec) -> Sprite:
    whole = picture.convert("RGBA")
    box = (whole.getchannel("A").getbbox() if spec.trim else None) or (0, 0, *whole.size)
    source = box[0], box[1], box[2] - box[0], box[3] - box[1]
    return Sprite(name, whole.crop(box), whole.size, source)


def _packed(sprites: Sequence[Sprite], spec: AtlasSpec) -> tuple[tuple[int, int], dict[int, tuple[int, int]]]:
    """Return the smallest atlas of powers of two that takes all sprites, and where each lies."""
    rectpack: Any = importlib.import_module("rectpack")
    area = sum((one.picture.width + spec.gap) * (one.picture.height + spec.gap) for one in sprites)
    sides = [2**power for power in range(4, 15) if 2**power <= spec.longest] or [spec.longest]
    sizes = sorted(
        (
            (width, height)
            for width in sides
            for height in sides
            if width * height >= area and height <= width
        ),
        key=lambda size: (size[0] * size[1], size[0]),
    )
    for width, height in sizes:
        packer = rectpack.newPacker(rotation=False, sort_algo=rectpack.SORT_LSIDE)
        # The gap lies between sprites: at the right and lower edge none is needed.
        packer.add_bin(width + spec.gap, height + spec.gap)
        for number, one in enumerate(sprites):
            packer.add_rect(one.picture.width + spec.gap, one.picture.height + spec.gap, rid=number)
        packer.pack()
        if len(places := packer.rect_list()) == len(sprites):
            # The packer counts from below.
            return (width, height), {
                rid: (x, height + spec.gap - y - high) for _, x, y, _, high, rid in places
            }
    raise CannotMake(
        f"{len(sprites)} sprites do not go into {spec.longest}x{spec.longest} pixels: allow a longer side, "
        "make them smaller, or make two atlases"
    )


def data_of(
    sprites: Sequence[Sprite], spec: AtlasSpec, image: str, size: tuple[int, int], scale: int
) -> bytes:
    """Return the file that says where each sprite is, in the form of an engine."""
    if spec.form == "godot":
        made = _godot(sprites, image, size)
    else:
        frames = {sprite.name: _frame(sprite, spec) for sprite in sprites}
        meta = {
            "app": "assetmill", "version": "1.0", "image": image, "format": "RGBA8888",
            "size": {"w": size[0], "h": size[1]}, "scale": str(scale),
        }  # fmt: skip
        if spec.form == "aseprite":
            meta = {**meta, "frameTags": [], "layers": [], "slices": []}
        is_list = spec.form == "texturepacker-array"
        listed = [{"filename": name, **frame} for name, frame in frames.items()]
        made = {"frames": listed if is_list else frames, "meta": meta}
    return (json.dumps(made, indent=1, ensure_ascii=False) + "\n").encode()


def _frame(sprite: Sprite, spec: AtlasSpec) -> dict[str, Any]:
    frame = {
        "frame": _box(sprite.frame),
        "rotated": False,
        "trimmed": sprite.is_trimmed,
        "spriteSourceSize": _box(sprite.source),
        "sourceSize": {"w": sprite.whole[0], "h": sprite.whole[1]},
    }
    return {**frame, "duration": spec.milliseconds} if spec.form == "aseprite" else frame


def _godot(sprites: Sequence[Sprite], image: str, size: tuple[int, int]) -> dict[str, Any]:
    listed = [
        {
            "filename": sprite.name,
            "region": _box(sprite.frame),
            # What was left out on the left and above, and on both sides together.
            "margin": _box((
                sprite.source[0], sprite.source[1],
                sprite.whole[0] - sprite.source[2], sprite.whole[1] - sprite.source[3],
            )),
        }
        for sprite in sprites
    ]  # fmt: skip
    return {"textures": [{"image": image, "size": {"w": size[0], "h": size[1]}, "sprites": listed}]}


def _box(box: Box) -> dict[str, int]:
    return dict(zip(("x", "y", "w", "h"), box, strict=True))
