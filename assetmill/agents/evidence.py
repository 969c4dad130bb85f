"""An exchange with a service as it may be shown to anybody: what is not known to be harmless is left out.

Not what looks secret is taken away; what is known to be none is kept. Of texts those are the words of
`evidence_words` and short numbers, but of what a person or a model says not even those. An ID becomes another
one of the same form, the same everywhere in one recording; a picture becomes its measures. Fields keep their
names, but where the caller has given them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import string
import urllib.parse
from collections.abc import Mapping
from typing import Any, cast

from assetmill.agents.evidence_words import WORDS
from assetmill.agents.streaming import decoded
from assetmill.pictures import PictureDamaged, examine, sniff
from assetmill.redaction import MARK, redact

_PREFIXES = (
    "asst assistant batch call cfile ci cmp cntr conv conversation cu fc file fs ig item mcp mcpa mcpl mcpr "
    "msg req resp rs run step thread vs vsfb vsfile ws wsc"
)
ID_PREFIXES = frozenset(_PREFIXES.split())
"""How the IDs of services begin."""

_ID = re.compile(r"\b([a-z]{2,12})([_-])([A-Za-z0-9]{16,80})(?![A-Za-z0-9])")
_HEX = re.compile(r"\b[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\b", re.IGNORECASE)
_LONG_HEX = re.compile(r"[0-9a-f]+")
_KNOWN = re.compile(r"\x00(\d+)\x00")
_WORD = re.compile(r"[^\W_]+")
_HUMPS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_NUMBER = re.compile(r"\d{1,4}(?:x\d{1,4})?")
_COUNT = re.compile(r"-?\d{1,12}(?:\.\d{1,6})?(?:ms|s|m)?")
_COUNTING = ("x-ratelimit-", "retry-after", "openai-processing-ms", "x-ms-aoai-", "content-length", "age")
_FIELD = re.compile(r"[A-Za-z_$@][A-Za-z0-9_.$@]{0,47}")
_CALLERS = frozenset({"metadata", "structured_inputs", "headers", "properties", "attributes", "parameters"})
"""Objects whose fields the caller has named."""
_SPOKEN = frozenset(
    {"text", "delta", "instructions", "program", "arguments", "revised_prompt", "logs", "output", "content"}
)
"""Fields of which the words are a person's or a model's."""
_OURS = "assetmill"
_PARTITION_CHARS = 18
"""So many characters of long IDs are the same along one conversation."""
_DATA_URL = re.compile(r"data:([a-z]+/[a-z0-9.+-]+);base64,")
_NAMED_SHORTEST = 4


class Redactor:
    """Redacts what belongs to one recording; `names` are known ones, such as the project's own."""

    def __init__(self, key: bytes, names: tuple[str, ...] = ()) -> None:
        self._key = key
        known = (name for name in names if len(name) >= _NAMED_SHORTEST and name.lower() not in WORDS)
        self._names = sorted(known, key=len, reverse=True)

    def json(self, value: Any, field: str = "") -> Any:
        """Return a JSON value with every text in it redacted."""
        if isinstance(value, str):
            return self._value(value, field)
        if isinstance(value, list):
            return [self.json(item, field) for item in cast("list[Any]", value)]
        if isinstance(value, dict):
            return self._object(cast("dict[str, Any]", value), field)
        return value

    def _object(self, fields: Mapping[str, Any], name: str) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for number, (field, value) in enumerate(fields.items(), 1):
            is_callers = name in _CALLERS and not field.startswith(_OURS)
            is_named = not is_callers and bool(_FIELD.fullmatch(field)) and not self._is_told(field)
            # An error's code is a word of the service; a code interpreter's is what a model wrote.
            is_program = field == "code" and "code_interpreter" in str(fields.get("type"))
            name_of_value = "program" if is_program else field
            shown[field if is_named else f"field_{number}"] = self.json(value, name_of_value)
        return shown

    def _is_told(self, field: str) -> bool:
        low = field.lower()
        return redact(field) != field or any(name.lower() in low for name in self._names)

    def _value(self, text: str, field: str) -> Any:
        if match := _DATA_URL.match(text):
            return {"data_url_of": {**_measures(text[match.end() :]), "length": len(text)}}
        is_picture = field in ("result", "partial_image_b64", "b64_json") or len(text) > 1000
        if is_picture and (data := decoded(text)) is not None and (len(data) > 64 or sniff(data)):
            return {"base64_of": _measures(text)}
        if field in _SPOKEN:
            return MARK if text else ""
        return self.text(text)

    def text(self, text: str) -> str:
        """Return a text of which only known words, short numbers and the forms of IDs are left."""
        kept: list[str] = []

        def hold(pseudonym: str) -> str:
            kept.append(pseudonym)
            return f"\x00{len(kept) - 1}\x00"

        text = redact(text.replace("\x00", ""))
        text = _HEX.sub(lambda match: hold(self._like(match[0])), text)
        text = _ID.sub(lambda match: hold(self._id(match)) if match[1] in ID_PREFIXES else match[0], text)
        for name in self._names:
            text = re.sub(re.escape(name), lambda _: hold(MARK), text, flags=re.IGNORECASE)
        parts = _KNOWN.split(text)
        # Every second part is the number of something that is redacted already.
        return "".join(
            kept[int(part)] if number % 2 else _WORD.sub(lambda match: _word(match[0]), part)
            for number, part in enumerate(parts)
        )

    def header(self, name: str, value: str) -> str:
        """Return a header's value; numbers that count something are kept whole."""
        if name.lower().startswith(_COUNTING) and _COUNT.fullmatch(value):
            return value
        return self.text(value)

    def path(self, url: str, endpoint: str) -> str:
        """Return a URL's path below the project endpoint, and its query."""
        parts = urllib.parse.urlsplit(url)
        below = parts.path.removeprefix(urllib.parse.urlsplit(endpoint).path.rstrip("/"))
        query = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
        shown = "&".join(f"{self.text(name)}={self.text(value)}" for name, value in query)
        return "/".join(self.text(urllib.parse.unquote(part)) for part in below.split("/")) + (
            f"?{shown}" if shown else ""
        )

    def _id(self, match: re.Match[str]) -> str:
        return f"{match[1]}{match[2]}{self._long(match[3])}"

    def _long(self, text: str) -> str:
        if len(text) < 2 * _PARTITION_CHARS:
            return self._like(text)
        partition = self._like(text[:_PARTITION_CHARS], in_=text)
        return partition + self._like(text)[_PARTITION_CHARS:]

    def _like(self, text: str, in_: str = "") -> str:
        """Return other characters of the same kinds, always the same ones for the same text."""
        is_hex = bool(_LONG_HEX.fullmatch((in_ or text).replace("-", "").lower()))
        letters = "0123456789abcdef" if is_hex else string.digits + string.ascii_letters
        stream = b"".join(
            hmac.digest(self._key, f"{text}:{block}".encode(), "sha256")
            for block in range(len(text) // 32 + 1)
        )
        return "".join(
            char if char == "-" else letters[byte % len(letters)]
            for char, byte in zip(text, stream, strict=False)
        )


def _word(word: str) -> str:
    """Return a word that is known to be nobody's, else the mark."""
    if word.lower() in WORDS or _NUMBER.fullmatch(word):
        return word
    humps = _HUMPS.findall(word)
    is_whole = len(humps) > 1 and "".join(humps) == word
    return word if is_whole and all(hump.lower() in WORDS for hump in humps) else MARK


def measured(data: bytes) -> dict[str, Any]:
    """Return what is told of bytes instead of the bytes."""
    told: dict[str, Any] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if sniff(data):
        try:
            facts = examine(data)
        except PictureDamaged:
            return told
        told |= {"format": facts.format.lower(), "width": facts.width, "height": facts.height}
    return told


def _measures(text: str) -> dict[str, Any]:
    data = decoded(text)
    return measured(data) if data is not None else {"characters": len(text)}
