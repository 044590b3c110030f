"""The keys of a document as they are found in a text that may be half written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Cursor: TypeAlias = tuple[int, int]
"""A line and a column, both from 0."""


@dataclass(slots=True, eq=False)
class Key:
    """One key, and what is written behind it."""

    name: str
    """The key without its quotes."""
    line: int
    start: int
    """Its column, with the quote if it has one."""
    end: int
    """The column right after it."""
    above: "Key | None"
    """The key that it stands below; None at the root of a document."""
    root: int
    """The number of its document."""
    colon: int | None = None
    """The column right after the colon; None as long as there is none."""
    value: str = ""
    """The text behind the colon without its quotes; empty where nothing or no text stands."""
    value_line: int = -1
    value_start: int = -1
    value_end: int = -1
    quote: str = ""
    """The quote around the key, or nothing."""
    holds_flow: bool = False
    """Whether brackets have been opened behind it."""

    @property
    def trail(self) -> list["Key"]:
        """The keys from the root of the document to this one."""
        keys: list[Key] = []
        key: Key | None = self
        while key is not None:
            keys.append(key)
            key = key.above
        return keys[::-1]


@dataclass(slots=True, eq=False)
class Entry:
    """What stands between two commas."""

    start: Cursor
    end: Cursor
    key: Key | None = None
    """Its key; None while nobody has written one, and in a list."""


@dataclass(slots=True, eq=False)
class Flow:
    """A mapping or a list in brackets, closed or not."""

    is_mapping: bool
    above: Key | None
    """The key that it stands behind."""
    root: int
    start: Cursor
    """Right after the bracket."""
    end: Cursor
    """Where the closing bracket stands, or where there should be one."""
    entries: list[Entry] = field(default_factory=list[Entry])


@dataclass(slots=True)
class Outline:
    """All that is known of the text around a cursor."""

    keys: list[Key] = field(default_factory=list[Key])
    flows: list[Flow] = field(default_factory=list[Flow])
    """In the order of their opening brackets, so that an inner one comes later."""
    comments: dict[int, int] = field(default_factory=dict[int, int])
    """The column at which the comment of a line begins."""
    texts: set[int] = field(default_factory=set[int])
    """Lines of block scalars, in which nothing is a key."""

    def below(self, key: Key | None, root: int) -> Iterator[Key]:
        """Yield the keys right below *key*, or those at the root of document *root*."""
        return (each for each in self.keys if each.above is key and each.root == root)


def unquoted(text: str) -> tuple[str, str]:
    """Return *text* without its quotes, of which the last may be missing, and the quote."""
    quote = text[:1] if text[:1] in ("'", '"') else ""
    return (text[1:].removesuffix(quote), quote) if quote else (text, "")


def line_at(lines: Sequence[str], number: int) -> str:
    """Return the line with that number, which is empty behind the end of the text."""
    return lines[number] if number < len(lines) else ""
