"""What a YAML scalar means to kubectl, which decodes YAML 1.1 in the way of go-yaml v2."""

import math
import re
from typing import Final, TypeAlias

from dra_config.manifests.go_numbers import parse_float, parse_integer

Resolved: TypeAlias = str | int | float | bool | None
"""A scalar's value; a float may be whole, infinite or not a number at all."""

_PREFIX: Final = "tag:yaml.org,2002:"
STR_TAG: Final = _PREFIX + "str"
MERGE_TAG: Final = _PREFIX + "merge"
_BINARY_TAG: Final = _PREFIX + "binary"
_FLOAT_TAG: Final = _PREFIX + "float"
_TIMESTAMP_TAG: Final = _PREFIX + "timestamp"
_KINDS: Final = {
    _PREFIX + "bool": "boolean",
    _PREFIX + "int": "integer",
    _FLOAT_TAG: "floating-point number",
    _PREFIX + "null": "null",
    _TIMESTAMP_TAG: "timestamp",
}

_WORDS: Final[dict[str, Resolved]] = {
    **dict.fromkeys(
        ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True
    ),
    **dict.fromkeys(
        ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False
    ),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_NUMBER_STARTS: Final = frozenset("+-0123456789.")
_DOT_FLOAT: Final = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SIGNED_BINARY: Final = re.compile(r"0b([+-])([01]+)")
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[Tt ]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?)?"
)
_ZONE: Final = re.compile(r"Z|[+-]([0-9]{2}):([0-9]{2})")


class ScalarError(ValueError):
    """A scalar that kubectl refuses, with a sentence."""


def resolve_plain(text: str) -> Resolved:
    """Return what *text* means without quotes and without a tag."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    number = _number(text)
    return text if number is None else number


def resolve_tagged(tag: str, text: str) -> Resolved:
    """Return what *text* means under a tag such as ``tag:yaml.org,2002:int``, quoted or not.

    Raises:
        ScalarError: The text is not what the tag says.
    """
    if tag == _BINARY_TAG:
        return _binary(text)
    if tag not in _KINDS:
        return text
    value = resolve_plain(text)
    if tag == _TIMESTAMP_TAG and isinstance(value, str) and _is_timestamp(text):
        return text
    if tag == _FLOAT_TAG and type(value) is int and value < 2**63:
        return float(value)
    if _kind(value) != _KINDS[tag]:
        raise ScalarError(f"'{text[:80]}' is not the {_KINDS[tag]} that its tag promises.")
    return value


def _kind(value: Resolved) -> str:
    """Return the kind of *value* in the words of the tags."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "floating-point number"
        case _:
            return "string"


def _number(text: str) -> float | None:
    """Return the number that *text*, which starts like one, stands for, or None."""
    if text[0] == ".":
        if _DOT_FLOAT.fullmatch(text) is None:
            return None
        return parse_float(text.replace("_", ""))
    plain = text.replace("_", "")
    integer = parse_integer(plain)
    if integer is not None:
        return integer
    if _FLOAT.fullmatch(plain) is not None:
        return parse_float(plain)
    # The decoder cuts the prefix off and reads the rest with its sign, so 0b-1 is -1.
    signed = _SIGNED_BINARY.fullmatch(plain)
    return None if signed is None else parse_integer(f"{signed[1]}0b{signed[2]}")


def _binary(text: str) -> str:
    """Return the text that base64 *text* encodes, bytes that are no UTF-8 replaced one by one."""
    compact = text.replace("\n", "").replace("\r", "")
    if _BASE64.fullmatch(compact) is None:
        raise ScalarError("The value tagged !!binary is not base64.")
    import base64  # noqa: PLC0415 - few files have such a tag

    decoded = base64.b64decode(compact)
    return re.sub("[\udc80-\udcff]", "\ufffd", decoded.decode("utf-8", "surrogateescape"))


def _is_timestamp(text: str) -> bool:
    """Tell whether *text* is a date, or a date with a time, in one of the decoder's four forms."""
    match = _TIMESTAMP.match(text)
    if match is None:
        return False
    zone = text[match.end() :]
    if text[match.end(3) : match.end(3) + 1] in ("T", "t"):
        found = _ZONE.fullmatch(zone)
        if found is None or int(found[1] or 0) > 24 or int(found[2] or 0) > 60:  # noqa: PLR2004
            return False
    elif zone:
        return False
    year, month, day, hour, minute, second = (int(group or 0) for group in match.groups())
    from datetime import UTC, datetime  # noqa: PLC0415 - few files have such a tag

    try:
        # The year 0, which Python does not know, is a leap year, too.
        datetime(year or 4, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return False
    return True
