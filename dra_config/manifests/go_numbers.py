"""Numbers as Go's standard library reads and writes them."""

import math
import re
from typing import Final

_MIN_INT64: Final = -(2**63)
_MAX_INT64: Final = 2**63 - 1
_MAX_UINT64: Final = 2**64 - 1

_INTEGER: Final = re.compile(
    r"(?P<sign>[+-]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)"
    r"|(?P<dec>0|[1-9][0-9]*))"
)
_RADIX: Final = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_LONGEST: Final = 70
"""No 64-bit integer needs more significant digits, in any base."""


def parse_integer(text: str) -> int | None:
    """Return what ``ParseInt`` or else ``ParseUint`` make of *text* in base 0, or None.

    The result lies between -2^63 and 2^64 - 1; a sign is allowed up to 2^63 - 1 only.
    """
    match = _INTEGER.fullmatch(text)
    if match is None or match.lastgroup is None:
        return None
    digits = match[match.lastgroup].lstrip("0")
    if len(digits) > _LONGEST:
        return None
    number = int(digits or "0", _RADIX[match.lastgroup])
    if match["sign"] == "-":
        number = -number
    limit = _MAX_INT64 if match["sign"] else _MAX_UINT64
    return number if _MIN_INT64 <= number <= limit else None


def is_int64(number: int) -> bool:
    """Tell whether *number* fits 64 bits with a sign."""
    return _MIN_INT64 <= number <= _MAX_INT64


def parse_float(text: str) -> float | None:
    """Return *text*, which has the form of a number, as a float, or None beyond 1.8e308."""
    number = float(text)
    return None if math.isinf(number) else number


def json_text(number: float) -> str:
    """Return *number*, which is finite, as Go's encoding/json writes a float64."""
    if number == 0:
        return "-0" if math.copysign(1, number) < 0 else "0"
    if 1e-6 <= abs(number) < 1e21:  # noqa: PLR2004 - the bounds of Go's encoder
        from decimal import Decimal  # noqa: PLC0415 - few files have such a number

        text = format(Decimal(repr(number)), "f")
        return text.removesuffix(".0")
    digits, exponent = repr(number).split("e")
    if exponent.startswith("-0"):
        exponent = f"-{exponent[2:]}"
    return f"{digits.removesuffix('.0')}e{exponent}"


def key_text(number: float) -> str:
    """Return *number* as kubectl writes it as a key: through 32 bits, in Go's format ``%g``."""
    import struct  # noqa: PLC0415 - few files have such a key
    from decimal import Decimal  # noqa: PLC0415

    if math.isnan(number):
        return ".nan"
    try:
        single: float = struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        single = math.copysign(math.inf, number)
    if math.isinf(single):
        return ".inf" if single > 0 else "-.inf"
    shortest = next(
        text
        for precision in range(9)
        if struct.pack("f", float(text := f"{single:.{precision}e}")) == struct.pack("f", single)
    )
    exponent = int(shortest.partition("e")[2])
    if -4 <= exponent < 6:  # noqa: PLR2004 - the bounds of Go's shortest format 'g'
        return format(Decimal(shortest), "f")
    return shortest
