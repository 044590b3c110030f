"""YAML of the plainest kind, read line by line without a parser; anything else is left to one.

Most manifests are nested keys and dashes with one plain value on a line. Of these the values alone
are made here, without their places: enough to see that nothing is wrong. A key that stands twice,
and whatever needs a second look, is somebody else's to read.
"""

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from dra_config.manifests.scalars import resolve_plain

Tree: TypeAlias = dict[str, Any]

_LONGEST_LINE: Final = 400
_LINES_REMEMBERED: Final = 4_096
"""The lines of manifests are alike; so many of them take about a mebibyte."""
_DEEPEST: Final = 40

_WORD: Final = r"(?:[!\"$-9;-z|~]|:(?=[!-~])|(?<=[!-~])\#)++"
_PLAIN: Final = rf"(?:[A-Za-z0-9_/.]|-(?=[A-Za-z0-9_/.-])){_WORD[:-2]}*+(?:[ ]++(?!\#){_WORD})*+"
_QUOTED: Final = r"\"[ !\#-\[\]-z|~]*+\"|'[ -&(-z|~]*+'"
_ITEM: Final = rf"(?:[A-Za-z0-9_/.]|-(?=[A-Za-z0-9-]))[A-Za-z0-9_/.+-]*+|{_QUOTED}"
_LINE: Final = re.compile(
    rf"""
    (?P<indent>[ ]*+)
    (?P<dash>-[ ]++)?
    (?:(?P<key>[A-Za-z_][A-Za-z0-9_./-]{{0,100}}+):(?=[ ]|$)[ ]*+)?
    (?:(?P<empty>\{{\}}|\[[ ]*\])|\[[ ]*+(?P<items>(?:{_ITEM})(?:[ ]*+,[ ]++(?:{_ITEM}))*+)[ ]*+\]
    |(?P<quoted>{_QUOTED})|(?P<plain>{_PLAIN}))?
    (?:[ ]++(?:\#[ -~]*+)?)?
    """,
    re.VERBOSE,
)
_SEPARATOR: Final = re.compile(r"^---$\n?", re.MULTILINE)
_BLANK: Final = re.compile(r" *+(?:#[ -~]*+)?")
_ONE_ITEM: Final = re.compile(_ITEM)


class _NotPlain(Exception):  # noqa: N818 - no fault at all
    """The text is not of the plainest kind."""


class _Line(NamedTuple):
    """What one line says."""

    column: int
    """Where its dash or its key stands; -1 for a line without either."""
    inner_column: int
    """Where its key stands behind a dash; 0 where there is no dash."""
    key: str | None
    holds_value: bool
    value: Any


_NOTHING: Final = _Line(-1, 0, None, holds_value=False, value=None)


def read_plainly(text: str) -> list[Tree] | None:
    """Return the documents of *text* that hold anything, or None if it takes a parser to tell.

    They are what reading and `to_python` make of the same text; each is an object, none has a key
    twice, and no text in them holds a brace.
    """
    if not text.isascii() or "\t" in text:
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    try:
        if "---" not in text:
            found = [_read_document(text.split("\n"))]
        else:
            found = [_read_document(part.split("\n")) for part in _SEPARATOR.split(text)]
    except _NotPlain:
        return None
    return [document for document in found if document]


def _read_document(lines: list[str]) -> Tree:  # noqa: C901 - one loop, for it is the hot one
    root: Tree = {}
    columns = [0]
    holders: list[Any] = [root]
    inner: Any
    pending: str | None = None
    for text in lines:
        column, inner_column, key, holds_value, value = _read_line(text)
        if column < 0:
            continue
        holder = holders[-1]
        if pending is not None:
            if column > columns[-1] or (column == columns[-1] and inner_column):
                holder[pending] = inner = [] if inner_column else {}
                holders.append(inner)
                columns.append(column)
                holder = inner
                if len(columns) > _DEEPEST:
                    raise _NotPlain
            pending = None
        while columns[-1] > column:
            del columns[-1], holders[-1]
            holder = holders[-1]
        is_list = type(holder) is list
        if inner_column:
            if columns[-1] != column or not is_list:
                raise _NotPlain
            if key is None:
                holder.append(value)
                continue
            inner = {}
            holder.append(inner)
            holders.append(inner)
            columns.append(inner_column)
            holder = inner
        elif is_list:
            # The list may begin at the column of the key above it.
            del columns[-1], holders[-1]
            holder = holders[-1]
        if columns[-1] != (inner_column or column) or type(holder) is not dict or key in holder:
            raise _NotPlain
        holder[key] = value
        if not holds_value:
            pending = key
    return root


@lru_cache(_LINES_REMEMBERED)
def _read_line(text: str) -> _Line:  # noqa: C901 - a form of line for each branch
    if _BLANK.fullmatch(text) is not None:
        return _NOTHING
    if len(text) > _LONGEST_LINE:
        raise _NotPlain
    match = _LINE.fullmatch(text)
    if match is None:
        raise _NotPlain
    indent, dash, key, empty, items, quoted, plain = match.groups()
    value: Any = None
    holds_value = True
    if plain is not None:
        value = _resolve(plain)
    elif quoted is not None:
        value = quoted[1:-1]
    elif items is not None:
        value = [_item(item) for item in _ONE_ITEM.findall(items)]
    elif empty is not None:
        value = {} if empty == "{}" else []
    else:
        holds_value = False
    if key is None:
        if dash is None or not holds_value:
            raise _NotPlain
    elif resolve_plain(key) != key:
        raise _NotPlain
    column = len(indent)
    return _Line(column, column + len(dash) if dash else 0, key, holds_value, value)


def _item(text: str) -> object:
    return text[1:-1] if text[0] in "\"'" else _resolve(text)


def _resolve(text: str) -> object:
    value = resolve_plain(text)
    if type(value) is float:
        raise _NotPlain
    return value
