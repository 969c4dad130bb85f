"""A few verses and jokes kept ready: what small talk asks for most."""

from __future__ import annotations

from foundry_emulator.model.words import content_words, has

_HAIKU = "{} at first light,\nquiet work on a wide page,\nmorning finds it done."
_POEM = (
    "We taught a lamp to look for words,\nit found them, one by one;\n"
    "it knows of {}, it knows of birds,\nand never saw the sun."
)
JOKES = (
    "Why do programmers prefer dark mode? Because light attracts bugs.",
    "Why did the computer go to the doctor? It had caught a virus, and would not stop coughing up cookies.",
    "There are 10 kinds of people: those who read binary and those who do not.",
)


def verse(text: str) -> str | None:
    """Return a haiku or a poem about what the request names, or None when it asks for neither."""
    names = set("write short haiku poem joke txt about poetry".split())  # noqa: SIM905 reads as a sentence
    subjects = [word for word in content_words(text) if word not in names]
    subject = subjects[0] if subjects else "one small word"
    if has(text, "haikus?"):
        return _HAIKU.format(subject.capitalize())
    return _POEM.format(subject) if has(text, "poems?", "verses?", "rhymes?", "poetry") else None


def joke(text: str) -> str | None:
    """Return a joke when the request asks for one; computers get theirs."""
    if not has(text, "jokes?", "another one", "make me laugh"):
        return None
    return JOKES[1] if has(text, "computers?", "doctors?") else JOKES[2] if has(text, "another") else JOKES[0]
