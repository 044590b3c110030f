"""Reading what stands in brackets, YAML or JSON, with whatever is missing while somebody types."""

import re
from collections.abc import Sequence
from typing import Final

from dra_config.cli.serving.keys import Cursor, Entry, Flow, Key, Outline, unquoted

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+)
    |(?P<comment>(?<!\S)\#.*)
    |(?P<sign>[{}\[\],])
    |(?P<colon>:(?=[\s,{}\[\]]|$))
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'      # closed quotes
        |["'][^\s,{}\[\]:]*                         # a quote that nobody has closed yet
        |(?:[^\s,{}\[\]:]|:(?![\s,{}\[\]]|$))+)     # plain
    """,
    re.VERBOSE,
)
_CLOSING: Final = ("}", "]", ",")
_FAR: Final = 2**31 - 1
"""A column behind the end of any line."""


class FlowReader:
    """Reads one value in brackets into an outline."""

    def __init__(self, outline: Outline, above: Key | None, root: int) -> None:
        """Add to *outline* what is found below *above* in document *root*."""
        self._outline = outline
        self._above = above
        self._root = root
        self._open: list[Flow] = []

    def read(self, lines: Sequence[str], start: Cursor, end: int, deeper_than: int) -> int:
        """Read on from *start* to the bracket that closes the value, and return the next line.

        Args:
            lines: The lines of the file.
            start: The place of the opening bracket.
            end: The number of the line after the last one of the document.
            deeper_than: An indentation. A line that is indented no more goes on with the text
                around the brackets, so the closing one is missing.
        """
        line, column = start
        while line < end:
            text = lines[line]
            shallow = len(text) - len(text.lstrip()) <= deeper_than
            if line > start[0] and shallow and text.strip() and text.strip()[0] not in _CLOSING:
                break
            if self._line(text, line, column):
                return line + 1
            line, column = line + 1, 0
        while self._open:
            self._close((line - 1, _FAR) if line < end else (_FAR, _FAR))
        return line

    def _line(self, text: str, line: int, column: int) -> bool:
        """Read one line from *column* on, and say whether the value ends on it."""
        while column < len(text):
            match = _TOKEN.match(text, column)
            # Every character begins a token, but for a colon behind which a plain text goes on.
            stop = match.end() if match else column + 1
            what = match.lastgroup if match else "colon"
            if what == "text" and text[column] == ":" and self._is_quoted_key(line, column):
                # JSON takes the colon of a key in quotes without a space behind it.
                what, stop = "colon", column + 1
            if what == "comment":
                self._outline.comments[line] = column
            elif what == "sign":
                self._sign(text[column], (line, column))
            elif what == "colon":
                self._colon(line, stop)
            elif what == "text":
                self._text(text[column:stop], line, column)
            if not self._open:
                return True
            column = stop
        return False

    def _sign(self, sign: str, place: Cursor) -> None:
        behind = (place[0], place[1] + 1)
        if sign in "{[":
            top = self._open[-1] if self._open else None
            above = top.above if top else self._above
            if top is not None and top.entries[-1].key is not None:
                above = top.entries[-1].key
            if above is not None:
                above.holds_flow = True
            opened = Flow(sign == "{", above, self._root, behind, behind)
            opened.entries.append(Entry(behind, behind))
            self._open.append(opened)
            self._outline.flows.append(opened)
        elif sign == ",":
            top = self._open[-1]
            top.entries[-1].end = place
            top.entries.append(Entry(behind, behind))
        else:
            # A bracket of the other sort closes what was left open inside of its own.
            wanted = sign == "}"
            if any(flow.is_mapping is wanted for flow in self._open):
                while self._open[-1].is_mapping is not wanted:
                    self._close(place)
                self._close(place)

    def _close(self, place: Cursor) -> None:
        closed = self._open.pop()
        closed.end = closed.entries[-1].end = place

    def _is_quoted_key(self, line: int, column: int) -> bool:
        key = self._open[-1].entries[-1].key
        return (
            key is not None
            and key.quote != ""
            and key.colon is None
            and (key.line, key.end) == (line, column)
        )

    def _colon(self, line: int, behind: int) -> None:
        key = self._open[-1].entries[-1].key
        if key is None:
            return
        if key.colon is None and key.line == line:
            key.colon = behind
        elif key.value and key.value_line == line != key.line:
            # What looked like a value is the next key: value and comma of this one are missing.
            value, quote = key.value, key.quote
            key.value = ""
            self._begin(value, quote, line, key.value_start, key.value_end).colon = behind

    def _text(self, text: str, line: int, column: int) -> None:
        top = self._open[-1]
        if not top.is_mapping:
            return
        name, quote = unquoted(text)
        end = column + len(text)
        key = top.entries[-1].key
        if key is None or (key.colon is None and key.line != line):
            self._begin(name, quote, line, column, end)
        elif key.colon is None:
            key.end = end
            key.name = f"{key.name} {name}"
        elif not key.value and not key.holds_flow:
            key.value, key.value_line = name, line
            key.value_start, key.value_end = column, end
        elif key.value_line != line or quote:
            # The comma is missing.
            self._begin(name, quote, line, column, end)
        else:
            key.value, key.value_end = f"{key.value} {name}", end

    def _begin(self, name: str, quote: str, line: int, start: int, end: int) -> Key:
        top = self._open[-1]
        key = Key(name, line, start, end, top.above, self._root, quote=quote)
        self._outline.keys.append(key)
        last = top.entries[-1]
        if last.key is None:
            last.key = key
        else:
            last.end = (line, start)
            top.entries.append(Entry((line, start), (line, start), key))
        return key
