"""Reading a document by its indentation, with brackets and half-written lines in it."""

import re
from collections.abc import Sequence
from typing import Final

from dra_config.cli.serving.flow import FlowReader
from dra_config.cli.serving.keys import Key, Outline, unquoted

_BEFORE: Final = re.compile(r" *(?:-(?: +|$))*")
_KEY: Final = re.compile(
    r"""(?P<key>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'{}\[\],&*\#?|>%@`:-](?:[^\s:]|:(?=\S))*)"""
    r"(?P<colon>[ \t]*:(?=[ \t]|$))"
)
_PROPERTIES: Final = re.compile(r"[ \t]*(?:[&!][^\s,{}\[\]]*[ \t]+)*")
"""The space behind a colon, with an anchor or a tag."""
_BLOCK_SCALAR: Final = re.compile(r"[|>][-+0-9]*[ \t]*(?:#.*)?$")
_SCALAR: Final = re.compile(
    r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|["']\S*)|(?:[^\s#]|(?<=\S)\#|[ \t]+(?![\s#]))*"""
)
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#")
_SPACE: Final = " \t"


class BlockReader:
    """Reads one document of a file into an outline."""

    def __init__(self, lines: Sequence[str], first: int, last: int) -> None:
        """Take the lines from *first* to the one before *last* for a document of YAML or JSON."""
        self._lines = lines
        self._line = first
        self._last = last
        self._root = 0
        self._outline = Outline()
        self._open: list[Key] = []

    def read(self) -> Outline:
        """Return the outline of the whole document."""
        while self._line < self._last:
            text = self._lines[self._line]
            before = _BEFORE.match(text)
            column = before.end() if before else 0
            match = _KEY.match(text, column)
            if text[column : column + 1] in ("{", "["):
                self._flow(column, self._above(column), len(text) - len(text.lstrip()))
            elif match is not None:
                self._key(text, match)
            else:
                self._rest(text, column, len(text) - len(text.lstrip()))
        return self._outline

    def _above(self, column: int) -> Key | None:
        return next((key for key in reversed(self._open) if key.start < column), None)

    def _key(self, text: str, match: re.Match[str]) -> None:
        name, quote = unquoted(match["key"])
        start, end = match.span("key")
        while self._open and self._open[-1].start >= start:
            self._open.pop()
        above = self._open[-1] if self._open else None
        key = Key(name, self._line, start, end, above, self._root, match.end(), quote=quote)
        self._outline.keys.append(key)
        self._open.append(key)
        properties = _PROPERTIES.match(text, match.end())
        value = properties.end() if properties else match.end()
        if text[value : value + 1] in ("{", "["):
            key.holds_flow = True
            self._flow(value, key, start)
            return
        if not _BLOCK_SCALAR.match(text, value):
            scalar = _SCALAR.match(text, value)
            found = scalar[0] if scalar else ""
            key.value = unquoted(found)[0]
            key.value_line, key.value_start = self._line, value
            key.value_end = value + len(found)
        self._rest(text, max(value, key.value_end), start)

    def _rest(self, text: str, column: int, depth: int) -> None:
        """Pass over what stands from *column* on, in a line whose content is *depth* deep."""
        comment = _COMMENT.search(text, column)
        self._line += 1
        if _BLOCK_SCALAR.match(text, column):
            while self._line < self._last:
                inner = self._lines[self._line]
                if inner.strip() and len(inner) - len(inner.lstrip(_SPACE)) <= depth:
                    break
                self._outline.texts.add(self._line)
                self._line += 1
        elif comment is not None:
            self._outline.comments[self._line - 1] = comment.start()

    def _flow(self, column: int, above: Key | None, depth: int) -> None:
        is_root = above is None
        self._root += is_root
        reader = FlowReader(self._outline, above, self._root)
        place = (self._line, column)
        self._line = reader.read(self._lines, place, self._last, -1 if is_root else depth)
