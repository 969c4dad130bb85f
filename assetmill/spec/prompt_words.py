"""What prompts are searched for when they are checked: patterns, and nothing else."""

from __future__ import annotations

import re

LONG_TEXT_WORDS = 3
"""Up to so many words are drawn right most of the time; longer lettering comes out misspelt."""

TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
WORD = re.compile(r"[A-Za-z][A-Za-z'-]+")

STYLE = re.compile(
    r"""styles?\b|\b(
    photo|illustrat|watercolou?r|gouache|oil\ paint|acrylic|pastel|ink\b|pencil|charcoal|sketch|line\ art|
    vector|flat\b|minimal|isometric|3d\b|render|clay\b|pixel\ art|low.?poly|cartoon|comic|anime|manga|
    realis|impressionis|expressionis|art\ deco|art\ nouveau|bauhaus|swiss\ design|retro|vintage|cinematic|
    editorial|engraving|woodcut|linocut|screen.?print|risograph|collage|mosaic|stained\ glass|origami|
    paper.?cut|blueprint|infographic|icon\b|logo\b|sticker|palette|monochrome|black\ and\ white|sepia)""",
    re.IGNORECASE | re.VERBOSE,
)

EMPTY = frozenset(
    re.findall(
        r"\w+",
        """a an and are as at be by can do draw drawing for from generate create make paint sketch render
        design show edit me my of on or our please so some something that the this to us we with you it its
        in into is nice beautiful pretty good great cool amazing stunning new picture pictures image images
        photo illustration graphic visual artwork one two three few variant variants version hero banner
        cover poster square wide""",
    )
)
"""Words that name nothing to see."""

_OPEN, _CLOSE = "\"\u201c'\u2018", "\"\u201d'\u2019"
LETTERING = re.compile(
    r"\b(text|title|words?|caption|headline|slogan|lettering|label|sign|quote|says?|saying|reads?|written)\b"
    rf"[^.\n{_OPEN}]{{0,40}}[{_OPEN}]([^\n{_CLOSE}]{{4,}})[{_CLOSE}]",
    re.IGNORECASE,
)

SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(wide|panoram\w*|banner|landscape format|letterbox|16:9)\b", re.IGNORECASE), "wide"),
    (re.compile(r"\b(tall|portrait format|vertical|phone wallpaper|9:16)\b", re.IGNORECASE), "tall"),
    (re.compile(r"\bsquare (picture|image|format|crop|photo)\b|\b1:1\b", re.IGNORECASE), "square"),
)
SIZE = re.compile(r"\b([1-9][0-9]{2,4}) ?[x\u00d7] ?([1-9][0-9]{2,4})\b")
CLEAR = re.compile(r"\btransparent (background|png)|\b(no|without( a)?) background\b", re.IGNORECASE)
FORMAT = re.compile(r"\b(?:as|a|an) (png|jpe?g|webp|svg|gif)\b", re.IGNORECASE)
NOT = re.compile(r"\b(no|not|without|never|avoid)\W+(\w+\W+){0,3}$", re.IGNORECASE)
