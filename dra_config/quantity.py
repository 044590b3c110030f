"""Kubernetes quantities such as ``512Mi``: grammar, exact value and canonical text.

White space is not trimmed here: Kubernetes' own parser refuses it, and only its JSON reader, for
us the wire layer, trims what stands around a quantity.  A number without a digit (``Ki``, ``-``)
is refused, as the documented grammar says; Kubernetes reads it as 0.  No step converts more than
about two hundred digits, so neither ``1e999999999`` nor ten thousand digits cost anything.
"""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_BYTES: Final = 2**63 - 1
"""The largest whole number that Kubernetes' own arithmetic holds."""

FAR_BEYOND: Final = 10**100
"""What stands for every whole number of more than 100 digits."""

_LONGEST: Final = 100
"""Digits before the point above which a number counts as ``FAR_BEYOND``."""

_NANO: Final = -9
"""The finest power of ten that Kubernetes keeps; it rounds away from zero to it."""

_NANOS: Final = 10**9

_FOLD: Final = 70
"""Digits after the point that can decide how a binary quantity is rounded.

``x * 2**60`` is rounded to 10**-9, so the digits after the 69th only say whether there is a rest.
"""

_LONGEST_INT64: Final = 18
"""Every number of so many decimal digits fits 64 bits."""

_EXPONENT_DIGITS: Final = 19
_EXPONENTS: Final = range(-(2**63), 2**63)
"""The exponents that Kubernetes reads; a quantity with another one is refused there too."""

_DECIMAL: Final = {
    "n": -9,
    "u": -6,
    "m": -3,
    "": 0,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX: Final = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY_SUFFIXES: Final = ("", *_BINARY)

_FACTOR_OF_TWO_LETTERS: Final[dict[str, int]] = {
    suffix: 2**power for suffix, power in _BINARY.items()
}
_FACTOR_OF_ONE_LETTER: Final[dict[str, int]] = {
    suffix: 10**power for suffix, power in _DECIMAL.items() if power > 0
}

_SMALL_NUMBERS: Final = {str(number): number for number in range(1025)}
"""What people put before a binary suffix; looking it up takes half the time of reading digits."""

_FAST_DIGITS: Final = 19
_SHOWN: Final = 64

_GRAMMAR: Final = re.compile(
    r"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:([numkMGTPE]?|[KMGTPE]i)|[eE]([+-]?)([0-9]+))"
)

WHITE_SPACE: Final = " \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""What Kubernetes' JSON reader trims from a quantity; control characters are not among it."""

PATTERN: Final = rf"^\s*{_GRAMMAR.pattern}\s*$"
"""The grammar as a regular expression of JSON Schema, with the white space that JSON may have."""


class NotAQuantity(ValueError):  # noqa: N818 - reads as the finding it becomes
    """A text that Kubernetes does not read as a quantity."""

    def __init__(self, text: str) -> None:
        """Name *text*, of which a long one is shown only in part."""
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        super().__init__(f"{shown!r} is not a quantity such as '512Mi'")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity as Kubernetes understands it."""

    sign: int
    """-1, 0 or 1."""
    canonical: str
    """The text that Kubernetes writes for it.

    Like there, a text that needs no change is kept, ``+1k`` and ``007M`` included; fractions finer
    than 10**-9 are rounded away from zero; a binary quantity beyond 2**63-1 is written as 2**63-1.
    """
    bytes_rounded_up: int
    """The value, fractions rounded away from zero.

    It is exact beyond 2**63-1 as well, so that a reader can tell; from 10**100 on it is 10**100.
    """


class _Parts(NamedTuple):
    """What the grammar finds in a text; ``binary`` is 0 for a decimal quantity."""

    sign: str
    integer: str
    fraction: str
    exponent: int
    binary: int
    scientific: bool


def parse(text: str) -> Quantity:
    """Return the quantity that *text* spells.

    Raises:
        NotAQuantity: *text* is no quantity, white space around it included.
    """
    parts = _parts(text)
    whole = _whole(parts)
    if not whole:
        return Quantity(0, "0", 0)
    return Quantity(1 if whole > 0 else -1, _canonical(text, parts), whole)


def parse_bytes(text: str) -> int:
    """Return the whole bytes that *text* spells, fractions rounded away from zero.

    A value above ``MAX_BYTES`` comes back as it is, up to ``FAR_BEYOND``; the caller tells.

    Raises:
        NotAQuantity: *text* is no quantity, white space around it included.
    """
    digits = text[:-2]
    factor = _FACTOR_OF_TWO_LETTERS.get(text[-2:])
    if factor is not None:
        number = _SMALL_NUMBERS.get(digits)
        if number is not None:
            return number * factor
    else:
        factor = _FACTOR_OF_ONE_LETTER.get(text[-1:])
        if factor is None:
            factor, digits = 1, text
        else:
            digits = text[:-1]
    # int() reads digits of every script and takes its time over long ones; both go the long way.
    if digits.isdecimal() and digits.isascii() and len(digits) <= _FAST_DIGITS:
        return int(digits) * factor
    return _whole(_parts(text))


def _parts(text: str) -> _Parts:
    """Split *text* by the grammar, or raise NotAQuantity."""
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise NotAQuantity(text)
    sign, integer, fraction, only_fraction, suffix, exponent_sign, exponent_digits = match.groups()
    integer = (integer or "").lstrip("0")
    fraction = fraction or only_fraction or ""
    if suffix is not None:
        power, binary = _DECIMAL.get(suffix, 0), _BINARY.get(suffix, 0)
        return _Parts(sign, integer, fraction, power, binary, scientific=False)
    digits = exponent_digits.lstrip("0") or "0"
    if len(digits) > _EXPONENT_DIGITS:
        raise NotAQuantity(text)
    exponent = int(exponent_sign + digits)
    if exponent not in _EXPONENTS:
        raise NotAQuantity(text)
    return _Parts(sign, integer, fraction, exponent, 0, scientific=True)


def _whole(parts: _Parts) -> int:
    """Return the value of *parts*, fractions rounded away from zero."""
    whole = _whole_binary(parts) if parts.binary else _whole_decimal(parts)
    return -whole if parts.sign == "-" else whole


def _whole_decimal(parts: _Parts) -> int:
    """Return the magnitude of a decimal quantity, rounded up to a whole number."""
    written = parts.integer + parts.fraction
    digits = written.lstrip("0")
    if not digits:
        return 0
    before_point = len(parts.integer) + parts.exponent - (len(written) - len(digits))
    if before_point > _LONGEST:
        return FAR_BEYOND
    if before_point <= 0:
        return 1
    head = digits[:before_point].ljust(before_point, "0")
    rest = digits[before_point:].strip("0")
    return int(head) + (1 if rest else 0)


def _whole_binary(parts: _Parts) -> int:
    """Return the magnitude of a binary quantity, rounded up to a whole number."""
    if len(parts.integer) > _LONGEST:
        return FAR_BEYOND
    return min(FAR_BEYOND, _rounded_up(parts, 1))


def _rounded_up(parts: _Parts, units: int) -> int:
    """Return the magnitude of a binary quantity times *units*, rounded up to a whole number."""
    fraction = parts.fraction[:_FOLD]
    if parts.fraction[_FOLD:].strip("0"):
        fraction += "1"
    scaled = int(f"0{parts.integer}{fraction}") << parts.binary
    denominator: int = 10 ** len(fraction)
    return -(-scaled * units // denominator)


def _canonical(text: str, parts: _Parts) -> str:
    """Return Kubernetes' own spelling of a *text* that is not zero."""
    if _kept_as_written(parts):
        return text
    sign = "-" if parts.sign == "-" else ""
    if not parts.binary:
        digits, power = _rounded_to_nano(
            parts.integer + parts.fraction, parts.exponent - len(parts.fraction)
        )
        return sign + _decimal_text(digits, power, scientific=parts.scientific)
    # A longer integer part is beyond the cap whatever its digits say.
    nanos = MAX_BYTES * _NANOS
    if len(parts.integer) <= _FAST_DIGITS:
        nanos = min(nanos, _rounded_up(parts, _NANOS))
    whole, rest = divmod(nanos, _NANOS)
    if rest or whole < 2**10:
        written = str(nanos)
        digits = written.rstrip("0")
        return sign + _decimal_text(digits, _NANO + len(written) - len(digits), scientific=False)
    thousands = 0
    while whole % 2**10 == 0:
        whole //= 2**10
        thousands += 1
    return f"{sign}{whole}{_BINARY_SUFFIXES[thousands]}"


def _kept_as_written(parts: _Parts) -> bool:
    """Whether Kubernetes keeps a text instead of writing the value anew.

    It does so, to save work, for short numbers whose digits and suffix look right.
    The sign and leading zeros are not looked at, hence ``+1k`` and ``007M``.
    """
    integer = parts.integer or "0"
    if parts.binary:
        # Three decimal digits for every factor 1024, out of the 14 that are surely exact.
        room = 14 - parts.binary * 3 // 10
        return not parts.fraction and len(integer) <= room and int(integer) % 8 != 0
    digits = integer + parts.fraction
    power = parts.exponent - len(parts.fraction)
    return (
        len(digits) <= _LONGEST_INT64
        and power >= _NANO
        and power % 3 == 0
        and not digits.startswith("0")
        and not digits.endswith("000")
    )


def _rounded_to_nano(digits: str, power: int) -> tuple[str, int]:
    """Return *digits* times 10**power without zeros at either end, rounded up to 10**-9."""
    kept = digits.rstrip("0")
    power += len(digits) - len(kept)
    kept = kept.lstrip("0")
    if power >= _NANO:
        return kept, power
    # The last digit is not zero, so something is cut off, and the rest is one larger.
    head = kept[: max(0, len(kept) + power - _NANO)]
    carried = head.rstrip("9")
    power = _NANO + len(head) - len(carried)
    if not carried:
        return "1", power
    return carried[:-1] + chr(ord(carried[-1]) + 1), power


def _decimal_text(digits: str, power: int, *, scientific: bool) -> str:
    """Return *digits* times 10**power with the largest power that is a multiple of three."""
    padding = power % 3
    power -= padding
    suffix = None if scientific else _DECIMAL_SUFFIX.get(power)
    if suffix is None:
        # There is no letter beyond E; the exponent alone keeps the value.
        suffix = f"e{power}" if power else ""
    return f"{digits}{'0' * padding}{suffix}"
