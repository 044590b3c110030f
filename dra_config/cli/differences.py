"""Two versions of a file as a unified difference that patch can apply."""

import difflib
import re
from collections.abc import Iterator
from typing import Final

_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
"""As patch counts lines; ``splitlines`` knows more breaks than that."""


def unified(path: str, before: bytes, after: bytes) -> Iterator[str]:
    """Yield the lines of the difference, each with its line break; nothing if both are equal.

    Args:
        path: The name of both versions; nothing is read from there.
        before: The old version, in UTF-8.
        after: The new one, in UTF-8.
    """
    old, new = (_LINE.findall(version.decode()) for version in (before, after))
    for line in difflib.unified_diff(old, new, path, path):
        if line.endswith("\n"):
            yield line
        else:
            yield f"{line}\n\\ No newline at end of file\n"
