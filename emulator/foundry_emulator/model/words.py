"""What can be read off the words of a request: names, sizes, counts, numbers, quoted text, clauses."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from foundry_emulator.stems import split_names, word_set, words

STOP_WORDS = word_set("""

    a about above after again all also am an and any are as at be because been before being below between
    both but by can could did do does doing down during each few for from further had has have having he her
    here hers him his how i if in into is it its itself just let me more most my no nor not now of off on
    once only or other our ours out over own please same she should so some such than that the their theirs
    them then there these they this those through to too under until up us use using very was we were what
    when where which while who whom why will with would you your yours tell give show find make create
    generate draw want need like get provide search document documents file files mention mentioned say says
    thing things detail details specific answer question
""")
NUMBER_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "twenty": 20, "couple": 2, "pair": 2, "dozen": 12,
}  # fmt: skip
_FILE_NAME = re.compile(
    r"(?<![\w/.@-])([\w][\w.-]*\.(?:png|jpe?g|webp|gif|svg|bmp|tiff?|pdf|csv|tsv|json|txt|md|html|zip|py|xlsx))\b",
    re.IGNORECASE,
)
_SIZE = re.compile(r"(?<![\w#])(\d{2,5})\s?(?:px)?\s?[x\u00d7]\s?(\d{2,5})(?:\s?px)?(?!\w)", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]{0,17}(?:\.\d{1,12})?(?!\d)")


def content_words(text: str) -> list[str]:
    """List the words that carry the meaning of `text`, in order, each once."""
    return list(dict.fromkeys(word for raw in content_terms(text) for word in words(raw)))


def content_terms(text: str) -> list[str]:
    """List the same words as they are written, each once; single capitals stay, as in "Widget B"."""
    found = re.findall(r"#?[^\W_]+(?:['\u2019-][^\W_]+)*", split_names(text))
    kept = [word for word in found if not {word.lower(), *words(word)} & STOP_WORDS]
    return list(dict.fromkeys(word for word in kept if len(word) > 1 or word.isupper()))


def has(text: str, *patterns: str) -> bool:
    """Say whether any of the regular expressions stands in `text` as whole words, whatever the case."""
    return any(re.search(rf"\b(?:{pattern})\b", text, re.IGNORECASE) for pattern in patterns)


def file_names(text: str) -> list[str]:
    """List the file names in `text`, in order, each once."""
    return list(dict.fromkeys(match.group(1) for match in _FILE_NAME.finditer(text)))


def sizes(text: str) -> list[tuple[int, int]]:
    """List the `WIDTHxHEIGHT` sizes in `text`, in order, each once."""
    found = [(int(match.group(1)), int(match.group(2))) for match in _SIZE.finditer(text)]
    return list(dict.fromkeys(size for size in found if min(size) > 0 and max(size) <= 10_000))


def names_and_sizes(text: str) -> list[str | tuple[int, int]]:
    """List file names and sizes in the order in which they stand in `text`."""
    marks: list[tuple[int, str | tuple[int, int]]] = [
        (m.start(), m.group(1)) for m in _FILE_NAME.finditer(text)
    ]
    bare = _FILE_NAME.sub(lambda match: " " * len(match.group(0)), text)
    marks += [(m.start(), (int(m.group(1)), int(m.group(2)))) for m in _SIZE.finditer(bare)]
    return [mark for _, mark in sorted(marks, key=lambda pair: pair[0])]


def numbers(text: str) -> list[float]:
    """List the numbers in `text`, in order, thousands separators removed."""
    return [float(match.group(0).replace(",", "")) for match in _NUMBER.finditer(text)]


def quoted(text: str) -> list[str]:
    """List the parts of `text` that stand in quotation marks, apostrophes excepted."""
    pattern = r"\"([^\"\n]+)\"|\u201c([^\u201d\n]+)\u201d|(?<!\w)'([^'\n]+(?:'\w[^'\n]*)*)'(?!\w)|`([^`\n]+)`"
    return [next(part for part in match.groups() if part) for match in re.finditer(pattern, text)]


def count_before(text: str, *nouns: str) -> int | None:
    """Return N of "N red variants", where N is a figure or a word and the noun is one of `nouns`."""
    number = rf"(\d{{1,2}}|{'|'.join(NUMBER_WORDS)})"
    match = re.search(rf"\b{number}\s+(?:[a-z-]+\s+){{0,3}}?(?:{'|'.join(nouns)})\b", text, re.IGNORECASE)
    if match is None:
        return None
    value = match.group(1).lower()
    return NUMBER_WORDS.get(value) or int(value)


def sentences(text: str) -> list[str]:
    """Split prose into sentences and lists into lines; drops empty ones and Markdown rules."""
    parts = re.split(r"(?<=[a-z)\"'\u201d0-9%][.!?])(?<!\b[0-9][.])\s+(?=[\"'(A-Z0-9*#])|\n+", text)
    return [part.strip() for part in parts if re.search(r"\w", part)]


def clauses(text: str) -> list[str]:
    """Split a request into the things it asks for, one after the other."""
    parts = re.split(
        r"(?<=[.!?;])\s+|\n+|,?\s+(?:and\s+)?then\s+|,\s+and\s+(?=[a-z]+\s+(?:a|an|the|it|them)\b)", text
    )
    return [part.strip() for part in parts if part.strip()]


def likeness(left: str, right: str) -> float:
    """Say how alike two short names are, 0 to 1, by shared words first and spelling second."""
    a, b = set(words(left)), set(words(right))
    if not a or not b:
        return 0.0
    shared = len(a & b) / min(len(a), len(b)) * (0.8 + 0.2 * len(a & b) / max(len(a), len(b)))
    return max(shared, 0.9 * SequenceMatcher(None, left.lower(), right.lower()).ratio())


def capitalised(text: str) -> list[str]:
    """List the proper names in `text`: runs of capitalised words that do not merely open a sentence."""
    found: list[str] = []
    for match in re.finditer(r"\b[A-Z][\w&]*(?:[ -][A-Z][\w&]*)*", text):
        name = match.group(0)
        opens = match.start() == 0 or text[: match.start()].rstrip().endswith((".", "!", "?", ":", "\n"))
        if opens and " " in name and name.split()[0].lower() in STOP_WORDS:
            name, opens = name.split(" ", 1)[1], False
        if not (opens and name.lower() in STOP_WORDS | {"what", "hello", "hi"}) and len(name) > 1:
            found.append(name)
    return list(dict.fromkeys(found))


def shorten(text: str, limit: int) -> str:
    """Cut `text` at a word so that it has at most `limit` characters."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    return text[: limit - 1].rsplit(" ", 1)[0].rstrip(",;:") + "\u2026"
