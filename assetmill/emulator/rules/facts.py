"""A small table of well-known answers, so that ordinary sample questions get a sensible one."""

from __future__ import annotations

import re

from assetmill.emulator.rules.words import has

FACTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("size|area|square miles|how (?:big|large)", "france"), "France covers about 248,573 square miles (643,801 square kilometres) with its overseas regions; metropolitan France about 213,000 square miles."),
    (("capital", "france"), "The capital of France is Paris. It lies on the Seine, has about 2.1 million inhabitants, and is known for the Eiffel Tower, the Louvre and Notre-Dame."),
    (("population|inhabitants|people", "france"), "France has about 68 million inhabitants."),
    (("capital", "germany"), "The capital of Germany is Berlin."),
    (("capital", "italy"), "The capital of Italy is Rome."),
    (("capital", "spain"), "The capital of Spain is Madrid."),
    (("capital", "japan"), "The capital of Japan is Tokyo."),
    (("capital", "(?:united kingdom|uk|england|britain)"), "The capital of the United Kingdom is London."),
    (("capital", "(?:united states|usa|us|america)"), "The capital of the United States is Washington, D.C."),
    (("capital", "canada"), "The capital of Canada is Ottawa."),
    (("capital", "australia"), "The capital of Australia is Canberra."),
    (("capital", "brazil"), "The capital of Brazil is Brasília."),
    (("capital", "india"), "The capital of India is New Delhi."),
    (("feet", "miles?"), "There are 5,280 feet in a mile."),
    (("met(?:er|re)s?", "miles?"), "A mile is 1,609.344 metres, about 1,609 meters."),
    (("kilomet(?:er|re)s?|km", "miles?"), "A mile is about 1.609 kilometres."),
    (("inches", "foot|feet"), "There are 12 inches in a foot."),
    (("sky", "blue"), "The sky appears blue because air scatters short wavelengths of sunlight more than long ones. This is called Rayleigh scattering. Blue light therefore reaches the eye from all over the sky."),
    (("planets",), "The solar system has eight planets: Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus and Neptune."),
    (("largest|biggest", "planet"), "Jupiter is the largest planet of the solar system."),
    (("speed", "light"), "Light travels at 299,792,458 metres per second in a vacuum."),
    (("distance|far", "moon"), "The Moon is about 384,400 kilometres (238,900 miles) away."),
    (("boil\\w*", "water"), "Water boils at 100 °C (212 °F) at sea level."),
    (("tallest|highest", "mountain"), "Mount Everest is the highest mountain above sea level, at 8,849 metres (29,032 feet)."),
    (("longest", "river"), "The Nile is usually given as the longest river, at about 6,650 kilometres."),
    (("largest|biggest", "ocean"), "The Pacific is the largest ocean."),
    (("who", "(?:romeo and juliet|hamlet|macbeth)"), "William Shakespeare wrote it."),
    (("machine learning",), "Machine learning is the part of artificial intelligence in which programs find patterns in data and use them to predict or decide, rather than following rules written by hand."),
    (("what is (?:ai|artificial intelligence)|define ai",), "Artificial intelligence is the field that builds systems which do what usually takes human intelligence: recognising, reasoning, planning and using language."),
    (("python", "who|creat\\w*|invent\\w*"), "Python was created by Guido van Rossum and first released in 1991."),
    (("days", "year"), "A year has 365 days, a leap year 366."),
    (("colou?rs", "rainbow"), "The colours of the rainbow are red, orange, yellow, green, blue, indigo and violet."),
)  # fmt: skip
"""Patterns that must all stand in the question, and the answer; the first row that fits is taken."""


def known_fact(text: str, context: str) -> str | None:
    """Answer a question from the table; `context` fills in what a follow-up leaves unsaid."""
    for patterns, answer in FACTS:
        if all(has(text, pattern) for pattern in patterns):
            return answer
    if not context:
        return None
    for patterns, answer in FACTS:
        said = [has(text, pattern) for pattern in patterns]
        if any(said) and len(patterns) > 1 and all(has(f"{text} {context}", pattern) for pattern in patterns):
            return answer
    return None


def converted(text: str, said: str) -> str | None:
    """Convert or compare the temperature that was spoken of last, when the request asks for that."""
    match = re.search(
        r"(-?\d+(?:\.\d+)?)\s*°?\s*(?:degrees?\s*)?(fahrenheit|celsius|f|c)\b", said, re.IGNORECASE
    )
    bare = re.search(r"temperature\D{0,20}(-?\d+(?:\.\d+)?)", said, re.IGNORECASE)
    if match is None and bare is None:
        return None
    value = float((match or bare).group(1)) if (match or bare) else 0.0
    unit = (
        match.group(2)[0].lower()
        if match
        else "f"
        if re.search(r"unit\W{1,4}f", said, re.IGNORECASE)
        else "c"
    )
    celsius = (value - 32) * 5 / 9 if unit == "f" else value
    if has(text, "in celsius", "to celsius", "in °?c"):
        return f"{value:g}°{unit.upper()} is {celsius:.1f}°C in Celsius."
    if has(text, "in fahrenheit", "to fahrenheit"):
        return f"{value:g}°{unit.upper()} is {celsius * 9 / 5 + 32:.1f}°F in Fahrenheit."
    other = re.search(r"(-?\d+(?:\.\d+)?)\s*°?\s*([CF])\b", text)
    if other is None or not has(text, "warmer", "colder", "hotter", "cooler", "higher", "lower"):
        return None
    than = float(other.group(1)) if other.group(2) == "C" else (float(other.group(1)) - 32) * 5 / 9
    word = "colder" if celsius < than else "warmer" if celsius > than else "the same"
    return f"{celsius:.1f}°C is {word} {'as' if word == 'the same' else 'than'} {than:g}°C."
