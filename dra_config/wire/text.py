"""The text of parameters -> a JSON tree that knows its repeated keys and its numbers' text."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import NoReturn

from pydantic import JsonValue

from dra_config.violations import FieldPath
from dra_config.wire.quoting import JsonFloat, shown

MAX_DEPTH = 32
"""How deep objects and lists may nest; no config has more than five levels."""
_MAX_DIGITS = 300
"""Longer integers are kept as text; a float holds every shorter one."""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class NotJson(ValueError):  # noqa: N818 - a verdict on the text, not a fault of ours
    """The text is not exactly one JSON document; the message is a whole sentence."""


class JsonObject(dict[str, JsonValue]):
    """A JSON object in which of two equal keys the last one counts."""

    repeated: tuple[tuple[str, int], ...] = ()
    """Keys that stood before, each with the number of its occurrence, counted from 0."""


def read(text: str) -> JsonValue:
    """Return the tree of the one JSON document in *text*.

    Every object is a `JsonObject`, every number with a fraction or an exponent a `JsonFloat`,
    and so is an integer of more than 300 digits.

    Raises:
        NotJson: If *text* is empty, malformed, followed by more text, nested too deeply, or holds
            NaN, Infinity or half a surrogate pair.
    """
    _check_depth(text)
    try:
        tree: JsonValue = _DECODER.decode(text)
        json.dumps(tree, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise NotJson(_malformed(text, error)) from None
    except UnicodeEncodeError:
        message = (
            "the text holds half a surrogate pair (\\ud800 to \\udfff), which is no character"
        )
        raise NotJson(message) from None
    return tree


def repeated_keys(tree: JsonValue, at: FieldPath = ()) -> Iterator[tuple[FieldPath, int]]:
    """Yield the path of every key that stood before in its object, and the occurrence's number."""
    if isinstance(tree, JsonObject):
        for key, occurrence in tree.repeated:
            yield (*at, key), occurrence
    children = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for part, child in children:
        yield from repeated_keys(child, (*at, part))


def _check_depth(text: str) -> None:
    depth = 0
    for character in _STRING.sub("", text):
        if character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        if depth > MAX_DEPTH:
            message = f"the text nests more than {MAX_DEPTH} levels deep, and no config does"
            raise NotJson(message)


def _object(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    tree = JsonObject(pairs)
    if len(tree) < len(pairs):
        seen: Counter[str] = Counter()
        repeated: list[tuple[str, int]] = []
        for key, _ in pairs:
            if seen[key]:
                repeated.append((key, seen[key]))
            seen[key] += 1
        tree.repeated = tuple(repeated)
    return tree


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _MAX_DIGITS else JsonFloat(text)


def _constant(text: str) -> NoReturn:
    message = f"{text} is no JSON number; write a finite one"
    raise NotJson(message)


def _malformed(text: str, error: json.JSONDecodeError) -> str:
    if not text.strip():
        return "the text is empty; write one JSON object"
    where = f"line {error.lineno}, column {error.colno}"
    if error.msg == "Extra data":
        return (
            f"there is more text after the JSON document ends, at {where}; write one object only"
        )
    if error.pos >= len(text.rstrip()):
        return f"the JSON document ends too early, at {where}"
    return f"{shown(text[error.pos])} cannot stand at {where} of a JSON document"


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=JsonFloat, parse_int=_integer, parse_constant=_constant
)
