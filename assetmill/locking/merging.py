"""What git leaves of a lock file when both branches changed the same assets.

`merge=union` writes the lines of both sides into one block, a conflict writes them between markers. A block
that has a value twice is taken out: neither side of it is believed, and what it said is looked up again.
"""

from __future__ import annotations

import re

_MARKER = re.compile(r"(<{7}|={7}|>{7}|\|{7})( |$)")
_HEADER = re.compile(r"\[(?:given|stage|asset)\.")


def without_doubles(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a lock file's text without markers and doubled blocks, and the headers of those blocks.

    Doubled folders stay, because only a person knows which parameters are meant.
    """
    blocks: dict[str, list[str]] = {"": []}
    doubled: dict[str, None] = {}
    header, is_base = "", False
    for line in text.split("\n"):
        if _MARKER.match(line):
            # Between these two stands what neither side wants.
            is_base = line.startswith("|")
        elif not is_base:
            if line.startswith("["):
                header = line
                if line in blocks and _HEADER.match(line):
                    doubled[line] = None
            blocks.setdefault(header, []).append(line)
    doubled |= {name: None for name, lines in blocks.items() if _HEADER.match(name) and _has_twice(lines)}
    kept = [line for name, lines in blocks.items() if name not in doubled for line in lines]
    return "\n".join(kept), tuple(doubled)


def _has_twice(lines: list[str]) -> bool:
    names = [line.partition(" = ")[0] for line in lines if " = " in line]
    return len(names) > len(set(names))
