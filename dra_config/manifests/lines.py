"""Where a character of a text stands, as editors count lines and columns."""

import re
from bisect import bisect_right

from dra_config.manifests.nodes import Span

_LINE_BREAK = re.compile(r"\r\n?|\n")


def count_lines(text: str, start: int, end: int) -> int:
    """Return how many line breaks ``text[start:end]`` holds."""
    if "\r" not in text:
        return text.count("\n", start, end)
    return sum(1 for _ in _LINE_BREAK.finditer(text, start, end))


class LineTable:
    """The offsets at which the lines of one text begin."""

    __slots__ = ("_first_line", "_starts")

    def __init__(self, text: str, first_line: int = 1) -> None:
        """Look through *text* once; its first line is number *first_line* of the file."""
        self._first_line = first_line
        self._starts = [0, *(match.end() for match in _LINE_BREAK.finditer(text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column, both from 1, of the character at *offset* (from 0)."""
        line = bisect_right(self._starts, offset) - 1
        return self._first_line + line, offset - self._starts[line] + 1

    def span(self, start: int, end: int) -> Span:
        """Return the stretch from offset *start* up to, and without, offset *end*."""
        return Span(*self.position(start), *self.position(end))
