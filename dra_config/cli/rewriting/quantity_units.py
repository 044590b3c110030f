"""Units of memory that people write and Kubernetes does not read, where only one can be meant.

What is written, and what it becomes; every other text stays as it is:

| written                                    | becomes | because                                  |
|--------------------------------------------|---------|------------------------------------------|
| `8gi`, `8GI`, `8gI`, with any of `kmgtpe`  | `8Gi`   | an i makes the unit a power of 1024      |
| `8GiB`, `8gib`, `8Gib`                     | `8Gi`   | the same, with the B of bytes            |
| `8GB`, `8gb`, `8Gb`, with any of `kmgtpe`  | `8G`    | a B without i makes it a power of 1000   |
| `1073741824B`, `1073741824b`               | no unit | bytes                                    |
| `8 Gi`, `8 GB`, and the like               | `8Gi`   | the space says nothing                   |

Left alone are one letter in the wrong case (`8g`, `8K`), which some programs read as a power of
1000 and some as one of 1024, and words (`8 gigabytes`).
"""

import re
from typing import Final

from dra_config.quantity import NotAQuantity, parse_bytes

_WRITTEN: Final = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]+)?)[ \t]*([A-Za-z]*)\s*", re.ASCII)
_UNIT: Final = re.compile(r"([kmgtpe]?)(i?)(b?)", re.IGNORECASE)


def right_quantity(text: str) -> str | None:
    """Return the quantity that *text*, which is none, surely means, or None."""
    written = _WRITTEN.fullmatch(text)
    unit = None if written is None else _UNIT.fullmatch(written[2])
    if written is None or unit is None:
        return None
    letter, binary, in_bytes = unit[1].upper(), unit[2], unit[3]
    if binary and not letter:
        return None
    if letter and not binary and not in_bytes and written[2] not in "kMGTPE":
        return None
    if letter == "K" and not binary:
        letter = "k"
    meant = f"{written[1]}{letter}{'i' if binary else ''}"
    try:
        parse_bytes(meant)
    except NotAQuantity:
        return None
    return None if meant == text else meant
