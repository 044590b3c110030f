"""How a value of JSON is quoted in a sentence, numbers with the text they were written with."""

import json
from typing import Self

_SHOWN_CHARACTERS = 60


class JsonFloat(float):
    """A JSON number that is no integer of ordinary length, together with its text."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> Self:
        """Read *text*; a number too large for a float becomes infinite."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


def shown(value: object) -> str:
    """Return *value* as it stands in a sentence: single quotes, at most 60 characters."""
    if isinstance(value, JsonFloat):
        text = value.text
    elif isinstance(value, str):
        text = f"'{_printable(value)}'"
    else:
        text = _printable(json.dumps(value, ensure_ascii=False))
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
