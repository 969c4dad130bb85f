#!/usr/bin/env bash
# tomlkit 0.15.2: reading and writing a file that nobody changed changes every inline table that ends in a date.
#
# Seen: `{ usd = 1.5, seen = 2026-11-02 }` comes back as `{ usd = 1.5, seen = 2026-11-02}`: the space before the brace is
# gone. A table that ends in a number, a text or a boolean comes back byte for byte.
# The usual guess: tomlkit is the style-preserving library, so `dumps(parse(text)) == text` holds for every file, and a
# program that adds one row to a table of dated prices makes a change of one line. It rewrites every dated row.
# What follows: whoever writes dated rows for people to review compares what they did not touch with what was there.
# Source: what the package printed here; its documentation calls it style-preserving.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --disable-pip-version-check "tomlkit==0.15.2" 2>/dev/null
"$work/venv/bin/python" - <<'PYTHON'
import tomlkit

IS_KEPT = {
    "a = { usd = 1.5, seen = 2026-11-02 }\n": False,
    "a = { seen = 2026-11-02, usd = 1.5 }\n": True,
    "a = { usd = 1.5 }\n": True,
    "a = { unit = 'picture' }\n": True,
    "a = { listed = true }\n": True,
}
seen = {}
for text in IS_KEPT:
    again = tomlkit.dumps(tomlkit.parse(text))
    seen[text] = again == text
    print(f"{text.strip():<42} -> {again.strip():<42} {'the same' if seen[text] else 'changed'}")
assert seen == IS_KEPT, seen
PYTHON
