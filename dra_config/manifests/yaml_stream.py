"""A YAML file cut into documents where kubectl cuts it, before anything is parsed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dra_config.manifests.lines import count_lines

_SEPARATOR: Final = re.compile(r"^---(.*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The text between two lines that begin with ``---``."""

    text: str
    """The text without those lines."""
    first_line: int
    """The number of its first line in the file, from 1."""
    separator_line: int
    """The number of the line before it, with the dashes; its own where there is none."""
    separator_rest: str
    """What follows the dashes on that line; kubectl allows nothing but a comment there."""


def split(text: str, first_line: int = 1) -> Iterator[Chunk]:
    """Yield the chunks of *text*, which begins at line *first_line* of its file; blank ones too.

    Every line that begins with three dashes separates, even where YAML itself would not think so.
    """
    start, line, separator_line, rest = 0, first_line, first_line, ""
    for match in _SEPARATOR.finditer(text):
        yield Chunk(text[start : match.start()], line, separator_line, rest)
        separator_line = line + count_lines(text, start, match.start())
        end = min(match.end() + 1, len(text))
        line = separator_line + count_lines(text, match.start(), end)
        start, rest = end, match[1].strip()
    yield Chunk(text[start:], line, separator_line, rest)
