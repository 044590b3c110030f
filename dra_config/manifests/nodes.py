"""The tree of one document: every key and value with the place it was written at."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias


class Span(NamedTuple):
    """A stretch of source text; lines and columns are counted from 1, columns in characters."""

    start_line: int
    """The line of the first character."""
    start_column: int
    """The column of the first character; a byte order mark is not counted."""
    end_line: int
    """The line of the position right after the last character."""
    end_column: int
    """The column right after the last character; the start's own where nothing is written."""


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A string, number, boolean or null, as it stands in the JSON that kubectl would send."""

    value: str | int | float | bool | None
    """The value after kubectl's conversion: YAML's ``1e3`` is 1000 and ``yes`` is true."""
    text: str
    """A number's JSON text, such as ``1000``; otherwise the source text without its quotes."""
    span: Span
    """Where it is written, with its quotes."""


@dataclass(frozen=True, slots=True)
class Member:
    """One key of an object with its value."""

    key: str
    """The key as JSON has it: YAML's ``1:`` is ``"1"``."""
    key_span: Span
    """Where the key is written, with its quotes."""
    value: "Node"
    """What stands under the key."""


@dataclass(frozen=True, slots=True)
class ObjectNode:
    """A YAML mapping or JSON object."""

    members: tuple[Member, ...]
    """All members in the order of the source, those with equal keys included."""
    span: Span
    """From the first key or brace to the end of the last value or brace."""
    inline: bool
    """True in flow style and where an alias stands: the span alone shows the place best."""


@dataclass(frozen=True, slots=True)
class ArrayNode:
    """A YAML sequence or JSON array."""

    items: tuple["Node", ...]
    """The items in the order of the source."""
    span: Span
    """From the first dash or bracket to the end of the last item or bracket."""
    inline: bool
    """True in flow style and where an alias stands: the span alone shows the place best."""


Node: TypeAlias = ScalarNode | ObjectNode | ArrayNode
"""Any value of a document; two aliases of one anchor share the nodes below them."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file that could be read."""

    index: int
    """The position among the documents of the file that hold anything, from 0."""
    root: Node
    """The whole document; never null, since kubectl passes over such documents."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One document of a file that could not be read, or that is no manifest yet."""

    index: int
    """The position among the documents of the file that hold anything, from 0."""
    rule: str
    """DRA940 does not parse, DRA941 template, DRA942 too large, DRA943 alias or depth bomb."""
    message: str
    """A sentence for the author of the file."""
    span: Span
    """Where reading stopped."""
