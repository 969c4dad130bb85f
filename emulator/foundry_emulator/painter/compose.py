"""Composition: from an understood prompt to one picture of a given size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from foundry_emulator.painter import backdrops, badge, book, colours, relations, subject_note
from foundry_emulator.painter.brief import Brief, Wanted
from foundry_emulator.painter.colours import RGB, distance, luminance, readable_on
from foundry_emulator.painter.finish import finished
from foundry_emulator.painter.ground import Ground, Mood, blurred, curve, dots, stamp
from foundry_emulator.painter.layout import Area, slots
from foundry_emulator.painter.lettering import Box, letter
from foundry_emulator.painter.pen import Inks, Manner, Tile, draw
from foundry_emulator.painter.placing import POSES, Pose, posed
from foundry_emulator.painter.regrade import at_hour

FLOOR_BACK = 0.76
BRIDGE_DECK = 0.475
LEVELS = {"low": 0, "medium": 1, "high": 2, "xhigh": 3, "max": 4}
MANNERS: dict[str | None, Manner] = {
    "flat": "flat",
    "isometric": "flat",
    "line": "line",
    "neon": "neon",
    "pixel": "flat",
}


@dataclass(frozen=True)
class Piece:
    """One drawn thing: which subject, its colours, where its square stands (pixels) and how large."""

    subject: book.Subject
    main: RGB
    accent: RGB
    left: float
    top: float
    side: float
    pose: Pose = POSES["standing"]
    is_raised: bool = False


def compose(
    brief: Brief, size: tuple[int, int], quality: str, rng: np.random.Generator, *, is_clear: bool
) -> Image.Image:
    """Paint the brief. `is_clear` leaves the backdrop out and returns a picture with alpha."""
    level = LEVELS[quality]
    mood = mood_of(brief, rng)
    setting = setting_of(brief)
    if is_clear:
        ground = Ground(Image.new("RGBA", size), rng, level, has_floor=False)
    else:
        ground = backdrops.paint(setting, size, mood, rng, level)
        if brief.hour and setting not in ("dusk", "night", "neon", "space", "underwater"):
            ground = _at_hour(ground, brief.hour)
        if brief.style == "photo" and setting not in ("studio", "plain"):
            ground.image.paste(blurred(ground.image, min(size) / 130))
    manner = MANNERS.get(brief.style, "shaded")
    pieces = list(_pieces(brief, ground, mood))
    outline = Image.new("L", size)
    for piece in pieces:
        corner, alpha = _place(ground, piece, manner, is_raised=brief.style == "isometric")
        stamp(outline, alpha, corner, alpha)
    if not pieces and (is_clear or brief.texts):
        badge.draw(ground, mood.main, mood.accent)
    _letter(ground, brief, mood, has_pieces=bool(pieces))
    return subject_note.attach(finished(ground.image, brief.style, level, rng), outline)


def _at_hour(ground: Ground, hour: str) -> Ground:
    late = at_hour(ground.image, hour, Image.new("L", ground.image.size))
    ground = replace(ground, image=late, shadow=(10, 8, 28))
    if hour == "night":
        dots(ground, (255, 250, 230), 40 + 30 * ground.level, (0, 0.36), (0.7, 2.2))
    return ground


def mood_of(brief: Brief, rng: np.random.Generator) -> Mood:
    """Choose the picture's colours: the prompt's first, then a palette that suits them."""
    own = [part for want in brief.wanted for part in want.colours]
    named = [*own, *brief.colours]
    palette = colours.palettes()[int(rng.integers(len(colours.palettes())))]
    if brief.has_palette and not own:
        return _palette_mood(brief, palette)
    main = named[0] if named else palette[0]
    others = [part for part in named[1:] if distance(part, main) > 40]
    accent = others[0] if others else _contrasting(main, palette)
    asked = brief.backdrop
    if asked is None and len(brief.colours) > 1 and not own:
        asked = brief.colours[-1] if distance(brief.colours[-1], main) > 40 else None
    return Mood(asked, main, accent, colours.backdrop_for(main) if named else palette[2])


def _palette_mood(brief: Brief, palette: tuple[RGB, RGB, RGB]) -> Mood:
    """Use colours given for the whole picture: the first is the ground, the second the subject's."""
    ground, *others = brief.colours
    main = others[0] if others else _contrasting(ground, palette)
    accent = others[1] if len(others) > 1 else colours.lighter(ground, 0.72)
    return Mood(brief.backdrop or ground, main, accent, ground)


def _contrasting(main: RGB, palette: tuple[RGB, RGB, RGB]) -> RGB:
    return max(palette[:2], key=lambda part: distance(part, main))


def setting_of(brief: Brief) -> str:
    """Choose where the picture is set: what the prompt says, else where its subjects are at home."""
    subjects = [book.subjects()[want.subject] for want in brief.wanted]
    if brief.style == "neon":
        return "neon"
    if brief.setting and not (brief.setting == "sky" and any(one.place == "ground" for one in subjects)):
        return brief.setting
    if not subjects:
        return brief.hour or "abstract"
    if brief.setting == "sky":
        return brief.hour or "meadow"
    return _home(brief, subjects)


def _home(brief: Brief, subjects: list[book.Subject]) -> str:
    is_plain = brief.style in ("minimal", "line", "isometric")
    if brief.backdrop or is_plain:
        return "plain" if is_plain or brief.style == "flat" else "studio"
    if any(subject.name == "bridge" for subject in subjects):
        return "river"
    if relations.pair_of(brief.wanted):
        # What stands on the ground says where both are.
        subjects = [subject for subject in subjects if subject.place == "ground"] or subjects
    homes = [subject.home for subject in subjects if subject.home != "studio"]
    if homes and brief.style != "photo":
        return homes[0]
    return brief.hour or "studio"


def _pieces(brief: Brief, ground: Ground, mood: Mood) -> Iterator[Piece]:
    """Lay the subjects out: ground things in rows on the floor, air things above them."""
    subjects = book.subjects()
    wanted = [want for want in brief.wanted if not _is_shown_by_setting(subjects[want.subject], brief)]
    pair = relations.pair_of(wanted)
    low_pair = pair if pair and pair[0].relation != "above" else ()
    high = [
        want
        for want in wanted
        if len(wanted) > 1
        and want not in low_pair
        and (_hangs(subjects[want.subject], ground) or (pair and not low_pair and want is pair[0]))
    ]
    low = [want for want in wanted if want not in high]
    if not low:
        low, high = high, []
    top, bottom = _text_margins(brief, has_pieces=bool(wanted))
    # What crosses a bridge stands on it; what is said to be under it does not cross it.
    crosses = len(low) > 1 and not (pair and pair[0].relation == "under")
    bridge = next((want for want in low if want.subject == "bridge" and crosses), None)
    if bridge:
        deck = _bridge(bridge, ground, mood, brief)
        yield deck
        low = [want for want in low if want is not bridge]
        span = (max(top, 0.1), (deck.top + deck.side * BRIDGE_DECK) / ground.height)
        yield from _group(low, ground, mood, brief, span)
        return
    if high:
        yield from _group(high, ground, mood, brief, (max(top, 0.04), 0.36))
    if low:
        foot = min(ground.floor, 1 - bottom) if ground.has_floor else 1 - max(bottom, 0.07)
        yield from _group(low, ground, mood, brief, (max(top, 0.33 if high else 0.07), foot))


def _bridge(want: Wanted, ground: Ground, mood: Mood, brief: Brief) -> Piece:
    """Return a bridge right across the picture, for what crosses it."""
    subject = book.subjects()[want.subject]
    side = ground.width / 1.04
    main = _colour_of(want, 0, subject, mood, brief)
    top = max(ground.height * 0.93 - side * 0.95, ground.height * 0.6 - side * BRIDGE_DECK)
    return Piece(subject, main, mood.accent, ground.width * 0.02, top, side)


def _hangs(subject: book.Subject, ground: Ground) -> bool:
    return subject.place == "air" and subject.home != "studio" and ground.has_floor


def _is_shown_by_setting(subject: book.Subject, brief: Brief) -> bool:
    return subject.place == "scene" and subject.home == setting_of(brief)


def _group(
    wanted: list[Wanted], ground: Ground, mood: Mood, brief: Brief, span: tuple[float, float]
) -> Iterator[Piece]:
    """Place one group between two heights (shares of the picture's height)."""
    is_on_floor = ground.has_floor and span[1] > 0.5
    flies = all(book.subjects()[want.subject].place == "air" for want in wanted)
    is_open = not is_on_floor or flies or setting_of(brief) in ("studio", "plain")
    left, wide = {"left": (0.4, 0.57), "right": (0.03, 0.57)}.get(brief.free or "", (0.04, 0.92))
    if brief.free in ("above", "top"):
        span = (max(span[0], min(0.34, span[1] - 0.3)), span[1])
    sides = (wanted[0].side or "").split() if len(wanted) == 1 else []
    if "left" in sides or "right" in sides:
        left, wide = (0.03, 0.5) if "left" in sides else (0.47, 0.5)
    if "top" in sides or "bottom" in sides:
        is_on_floor = is_on_floor and "bottom" in sides
        span = (0.03, 0.5) if "top" in sides else (max(span[0], 0.46), span[1])
    area = Area(
        ground.width * left,
        ground.height * span[0],
        ground.width * wide,
        ground.height * span[1],
        is_on_floor,
        is_on_floor and setting_of(brief) in ("studio", "plain", "neon"),
        ground.height * (1.0 if is_open else max(0.04, span[1] - FLOOR_BACK)),
    )
    zoom = {"close": 1.25, "wide": 0.62}.get(brief.framing, 1.0) * (
        0.74 if brief.style == "minimal" else 0.94
    )
    zoom, aside = _another_take(ground, zoom)
    for slot in slots(wanted, area, zoom):
        subject = book.subjects()[slot.want.subject]
        main = _colour_of(slot.want, slot.copy, subject, mood, brief)
        accent = subject.accent or _accent_of(slot.want, mood, main)
        poses = slot.want.poses
        pose = POSES[poses[slot.copy % len(poses)]] if poses else Pose()
        yield Piece(subject, main, accent, slot.left + aside, slot.top, slot.side, pose, slot.is_raised)


def _another_take(ground: Ground, zoom: float) -> tuple[float, float]:
    """Return the zoom and the step aside of this picture: two of one prompt are never the same.

    Only the roughest pictures have no grain that would tell them apart.
    """
    if ground.level > 0:
        return zoom, 0.0
    chance = ground.rng.spawn(1)[0]  # what else is random stays as it is
    return zoom * float(chance.uniform(0.95, 1.0)), ground.width * float(chance.uniform(-0.015, 0.015))


def _colour_of(want: Wanted, copy: int, subject: book.Subject, mood: Mood, brief: Brief) -> RGB:
    if want.colours:
        return want.colours[copy % len(want.colours)]
    if subject.colour and (brief.has_palette or not brief.colours):
        return subject.colour
    if want.count > 1 and len(brief.colours) > 1 and not brief.has_palette:
        return brief.colours[copy % len(brief.colours)]
    return mood.main


def _accent_of(want: Wanted, mood: Mood, main: RGB) -> RGB:
    if want.count == 1 and len(want.colours) > 1:
        return want.colours[1]
    return mood.accent if distance(mood.accent, main) > 50 else colours.lighter(main, 0.6)


def _place(
    ground: Ground, piece: Piece, manner: Manner, *, is_raised: bool
) -> tuple[tuple[int, int], Image.Image]:
    """Draw the piece with its shadow, and return where it stands and which shape it has."""
    inks = Inks(piece.main, piece.accent, ground.level, manner)
    tile = posed(draw(piece.subject, max(8, round(piece.side)), inks), piece.pose)
    corner = (round(piece.left) + tile.left, round(piece.top) + tile.top)
    # No leap goes out of the picture.
    lift = max(0, min(round(piece.pose.lift * piece.side), corner[1] - ground.height // 50))
    if ground.image.mode == "RGB" and manner != "neon":
        if piece.is_raised:
            pass  # what it stands on throws the shadow of both
        elif piece.subject.place != "air" and ground.has_floor:
            _contact_shadow(ground, tile, corner)
        elif not ground.has_floor or piece.subject.home == "studio":
            _drop_shadow(ground, tile, corner)
    corner = (corner[0], corner[1] - lift)
    if manner == "neon":
        _halo(ground, tile, corner)
    if is_raised:
        _extrude(ground, tile, corner, piece.main)
    alpha = tile.image.getchannel("A")
    stamp(ground.image, tile.image.convert("RGB"), corner, alpha)
    return corner, alpha


def _contact_shadow(ground: Ground, tile: Tile, corner: tuple[int, int]) -> None:
    """Lay a dark pool under the thing and a long soft shadow to the right of it."""
    width, height = tile.image.size
    alpha = tile.image.getchannel("A")
    small = (max(4, width // 8), max(4, height // 40))
    for stretch, lift, darkness in ((1.5, 0.5, 90), (1.06, 0.62, 165)):
        span = (int(width * stretch) + 16, max(12, int(width * 0.13 * stretch)))
        foot = alpha.crop((0, int(height * 0.8), width, height)).resize(small, Image.Resampling.BOX)
        pad = Image.new("L", (small[0] * 2, small[1] * 5))
        pad.paste(curve(foot, lambda value: min(255, value * 2)), (small[0] // 2, small[1] * 2))
        pool = pad.filter(ImageFilter.GaussianBlur(max(1.0, small[0] * 0.055))).resize(
            (span[0] * 2, span[1] * 2), Image.Resampling.BICUBIC
        )
        pool = curve(pool, lambda value, dark=darkness: value * dark // 255)
        shift = width * 0.1 * (stretch - 1)
        at = (int(corner[0] + width / 2 - span[0] + shift), int(corner[1] + height - span[1] * 2 * lift))
        stamp(ground.image, ground.shadow, at, pool)


def _drop_shadow(ground: Ground, tile: Tile, corner: tuple[int, int]) -> None:
    reach = max(4, tile.image.width // 16)
    wide = Image.new("L", (tile.image.width + 2 * reach, tile.image.height + 2 * reach))
    wide.paste(tile.image.getchannel("A"), (reach, reach))
    soft = curve(blurred(wide, reach / 2), lambda value: value * 80 // 255)
    stamp(ground.image, ground.shadow, (corner[0] - reach, corner[1] - reach // 2 + reach // 4), soft)


def _halo(ground: Ground, tile: Tile, corner: tuple[int, int]) -> None:
    reach = max(8, tile.image.width // 12)
    wide = Image.new("RGBA", (tile.image.width + 2 * reach, tile.image.height + 2 * reach))
    wide.paste(tile.image, (reach, reach))
    bright = Image.new("RGB", wide.size)
    bright.paste(wide.convert("RGB"), (0, 0), wide.getchannel("A"))
    soft = blurred(bright, reach / 2.4)
    strength = np.asarray(soft).max(axis=2)
    mask = Image.fromarray(np.minimum(255, strength.astype(np.int16) * 2).astype(np.uint8))
    peak = np.maximum(strength, 1)[..., None].astype(np.float32)
    colour = Image.fromarray((np.asarray(soft) / peak * 255).astype(np.uint8))
    stamp(ground.image, colour, (corner[0] - reach, corner[1] - reach), mask)


def _extrude(ground: Ground, tile: Tile, corner: tuple[int, int], main: RGB) -> None:
    """Give a flat drawing thickness towards the lower right."""
    alpha = tile.image.getchannel("A")
    depth = max(3, tile.image.width // 14)
    step = max(1, depth // 24)
    for offset in range(depth, 0, -step):
        shade = colours.darker(main, 0.34 + 0.14 * offset / depth)
        stamp(ground.image, shade, (corner[0] + offset, corner[1] + offset // 2), alpha)


def _text_margins(brief: Brief, *, has_pieces: bool) -> tuple[float, float]:
    """Return the shares of the height kept free for text at the top and at the bottom."""
    if not brief.texts or not has_pieces:
        return 0.0, 0.0
    return 0.23, 0.15 if len(brief.texts) > 1 else 0.0


def _letter(ground: Ground, brief: Brief, mood: Mood, *, has_pieces: bool) -> None:
    if not brief.texts:
        return
    face = {"pixel": "mono", "vintage": "serif", "watercolour": "serif"}.get(brief.style or "", "sans")
    width, height = ground.width, ground.height
    boxes = [Box(int(width * 0.07), int(height * 0.035), int(width * 0.86), int(height * 0.18))]
    if not has_pieces:
        boxes = [Box(int(width * 0.16), int(height * 0.3), int(width * 0.68), int(height * 0.4))]
    boxes.append(Box(int(width * 0.12), int(height * 0.88), int(width * 0.76), int(height * 0.085)))
    boxes.append(Box(int(width * 0.12), int(height * 0.8), int(width * 0.76), int(height * 0.075)))
    for text, box in zip(brief.texts, boxes, strict=False):
        letter(ground.image, text, box, _text_colour(ground, box, mood), face=face)


def _text_colour(ground: Ground, box: Box, mood: Mood) -> RGB:
    """Return the prompt's own colour where it reads well on what is behind, else ink or white."""
    behind = ground.image.crop((box.left, box.top, box.left + box.width, box.top + box.height)).convert("RGB")
    mean = np.asarray(behind.resize((8, 8), Image.Resampling.BOX)).reshape(-1, 3).mean(axis=0)
    under = (int(mean[0]), int(mean[1]), int(mean[2]))
    if ground.image.mode == "RGBA":
        return mood.main
    deep = colours.darker(mood.main, 0.3) if luminance(under) > 0.5 else colours.lighter(mood.main, 0.5)
    return deep if abs(luminance(deep) - luminance(under)) > 0.42 else readable_on(under)
