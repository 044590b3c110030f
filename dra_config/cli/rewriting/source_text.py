"""The text of a file with the offset of every place, and the edits that make another one of it."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property
from typing import Final, NamedTuple

from dra_config.manifests import Span

_LINE_BREAK: Final = re.compile(r"\r\n?|\n")
_BYTE_ORDER_MARK: Final = "\ufeff"


class CannotRewrite(Exception):  # noqa: N818 - reads as the refusal it becomes
    """A change cannot be written into this text; half a sentence says why."""


class Edit(NamedTuple):
    """One stretch of text that is replaced."""

    start: int
    """The offset of its first character, from 0; a byte order mark is not counted."""
    end: int
    """The offset right after its last character; the start's own where text is only added."""
    replacement: str
    """What stands there afterwards."""


class SourceText:
    """A file as it is written, byte order mark and line breaks included."""

    def __init__(self, encoded: bytes) -> None:
        """Keep the file.

        Raises:
            CannotRewrite: It is not UTF-8.
        """
        try:
            decoded = encoded.decode()
        except UnicodeDecodeError as error:
            raise CannotRewrite("the file is not UTF-8 text") from error
        self.text = decoded.removeprefix(_BYTE_ORDER_MARK)
        self._mark = decoded[: len(decoded) - len(self.text)]

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_BREAK.finditer(self.text))]

    @cached_property
    def line_break(self) -> str:
        """The first line break of the file, which its other lines have, too."""
        match = _LINE_BREAK.search(self.text)
        return "\n" if match is None else match[0]

    def offset(self, line: int, column: int) -> int:
        """Return the offset of the character at *line* and *column*, both from 1."""
        return self._starts[line - 1] + column - 1

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and the column of the character at *offset*, both from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def range(self, span: Span) -> tuple[int, int]:
        """Return the offsets at which *span* begins and ends."""
        return self.offset(*span[:2]), self.offset(*span[2:])

    def slice(self, span: Span) -> str:
        """Return what is written at *span*."""
        start, end = self.range(span)
        return self.text[start:end]

    def line_start(self, line: int) -> int:
        """Return the offset of the first character of *line*, from 1."""
        return self._starts[line - 1]

    def is_empty_line(self, line: int) -> bool:
        """Tell whether *line*, from 1, holds nothing, not even a space."""
        return self.text[self._starts[line - 1] :][:1] in ("", "\r", "\n")

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """Return the file with all *edits* made; one that is given twice is made once.

        Raises:
            CannotRewrite: Two of them touch the same text.
        """
        parts = [self._mark]
        done = 0
        # Text that is added stands before text that is replaced at the same place.
        for edit in sorted(set(edits)):
            if edit.start < done:
                raise CannotRewrite("two changes meet at one place")
            parts += [self.text[done : edit.start], edit.replacement]
            done = edit.end
        return "".join([*parts, self.text[done:]]).encode()
