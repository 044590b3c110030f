"""The line of a file that a finding points to, with carets under the value."""

import unicodedata
from typing import Final

_TAB: Final = "    "
_WIDEST: Final = 100
_CONTEXT: Final = 40
_CUT: Final = "…"
_WIDE: Final = frozenset("WF")


def excerpt(source: str, start: int, end: int) -> tuple[str, str]:
    """Return a line as a terminal can show it, and the carets that go below it.

    Args:
        source: The line, without its line break.
        start: The column of the first character to mark, from 1.
        end: The column behind the last one. Beyond the line, or not behind *start*, it counts as
            the end of the line, and at least one caret is drawn.
    """
    first = min(max(start - 1, 0), len(source))
    last = min(end - 1, len(source)) if end > start else first
    cells = [_cell(character) for character in source]
    low, high = _window(cells, first, last)
    before = _CUT if low else ""
    after = _CUT if high < len(cells) else ""
    text = before + "".join(cells[low:high]) + after
    indent = _width(before + "".join(cells[low:first]))
    length = _width("".join(cells[first : min(last, high)]))
    return text.rstrip(), " " * indent + "^" * max(length, 1)


def printable(text: str) -> str:
    """Return *text* without anything that could steer a terminal."""
    return "".join(_cell(character) for character in text)


def _cell(character: str) -> str:
    """Return what is drawn for one character: itself, spaces for a tab, or its escape."""
    if character == "\t":
        return _TAB
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def _width(text: str) -> int:
    """Return how many columns of a terminal *text* takes."""
    columns = 0
    for character in text:
        if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
            continue
        columns += 2 if unicodedata.east_asian_width(character) in _WIDE else 1
    return columns


def _window(cells: list[str], first: int, last: int) -> tuple[int, int]:
    """Return which cells of a long line are shown, so that the marked ones are among them."""
    if sum(map(_width, cells)) <= _WIDEST:
        return 0, len(cells)
    low = max(0, min(first, last) - _CONTEXT)
    high, room = low, _WIDEST
    while high < len(cells) and (room := room - _width(cells[high])) > 0:
        high += 1
    return low, high
