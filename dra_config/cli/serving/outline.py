"""Where in a config a cursor stands, in a text that may be half written."""

import bisect
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from dra_config.cli.serving.block import BlockReader
from dra_config.cli.serving.keys import Cursor, Flow, Key, Outline, line_at, unquoted
from dra_config.schema import Kind, kinds

_END: Final = re.compile(r"^(---|\.\.\.)(\s|$)")
_BEFORE: Final = re.compile(r"^ *(?:- +)*")
_WORD: Final = re.compile(r"""["']?[^\s"'{}\[\],:#]*["']?""")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a config where something is written or may be written."""

    kind: Kind | None
    """The kind of the config around it; None as long as it does not say."""
    header: tuple[str, str]
    """The apiVersion and kind that the config has so far; each may be empty."""
    driver: str
    """The driver that the config is for; empty where it stands on its own."""
    above: tuple[str, ...]
    """The keys from the root of the config to the object that the place belongs to."""
    beside: frozenset[str]
    """The other keys of that object."""
    key: str
    """The key at the place, maybe half of it; empty where there is none."""
    is_value: bool
    """Whether it is the place of a value, not of a key."""
    start: int
    """The column at which the word at the cursor begins."""
    end: int
    """The column right after it."""
    quote: str
    """The quote around the word, or that words beside it have; may be empty."""
    is_quoted: bool
    """Whether what stands there now begins with that quote."""
    in_flow: bool
    """Whether it is inside of brackets."""
    follows_colon: bool
    """Whether a colon stands right before it, so that a space has to come first."""
    has_colon: bool
    """Whether a colon stands behind the key already."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """What the text right around a cursor tells."""

    cursor: Cursor
    root: int
    """The number of the document."""
    key: Key | None
    """The key at the cursor or, if *is_new*, the one that a new key would stand below."""
    span: tuple[int, int]
    """Where the word at the cursor begins and ends."""
    is_new: bool = False
    is_value: bool = False
    in_flow: bool = False
    quote: str = ""
    is_quoted: bool = False
    name: str = ""
    """What there is of a new key."""


def place_of(
    lines: Sequence[str], line: int, column: int, *, is_json: bool = False
) -> Place | None:
    """Return where the cursor stands, or None if that is in no config that is known.

    Args:
        lines: The lines of the file.
        line: The line of the cursor, from 0.
        column: Its column, from 0; on an empty line it says how deep the line stands.
        is_json: Whether the file is JSON, so that words stand in double quotes.
    """
    first, last = (0, len(lines)) if is_json else _document(lines, line)
    outline = BlockReader(lines, first, last).read()
    if line in outline.texts or column > outline.comments.get(line, column):
        return None
    cursor = (line, column)
    inside = [flow for flow in outline.flows if flow.start <= cursor <= flow.end]
    text = line_at(lines, line)
    if inside:
        spot: _Spot | None = _in_flow(inside[-1], text, cursor, is_json=is_json)
    else:
        spot = _in_block(outline, text, cursor)
    if spot is None:
        return None
    # A quote that stands there already is the one to keep.
    own = text[spot.span[0] : spot.span[1]][:1]
    return _place(outline, replace(spot, quote=own, is_quoted=True) if own in ("'", '"') else spot)


def _document(lines: Sequence[str], line: int) -> tuple[int, int]:
    """Return the first line of the document around *line*, and the one after its last."""
    ends = [number for number, text in enumerate(lines) if _END.match(text)]
    place = bisect.bisect_left(ends, line)
    first = ends[place - 1] + 1 if place else 0
    return first, ends[place] if place < len(ends) else len(lines)


def _in_flow(flow: Flow, text: str, cursor: Cursor, *, is_json: bool) -> _Spot:
    quoted = is_json or any(entry.key and entry.key.quote for entry in flow.entries)
    quote = '"' if quoted else ""
    if not flow.is_mapping:
        # What an item of a list may be, the field of the list tells.
        span = _word(text, cursor[1])
        return _Spot(cursor, flow.root, flow.above, span, is_value=True, quote=quote)
    entry = next(each for each in flow.entries if each.start <= cursor <= each.end)
    # In front of a key there is room for another one.
    key = None if entry.key and cursor < (entry.key.line, entry.key.start) else entry.key
    return _Spot(
        cursor,
        flow.root,
        flow.above if key is None else key,
        _span(key, cursor),
        is_new=key is None,
        is_value=key is not None and key.colon is not None and cursor >= (key.line, key.colon),
        in_flow=True,
        quote=quote,
    )


def _in_block(outline: Outline, text: str, cursor: Cursor) -> _Spot | None:
    line, column = cursor
    key = next((key for key in outline.keys if key.line == line), None)
    if key is not None:
        is_value = key.colon is not None and column >= key.colon
        return _Spot(cursor, key.root, key, _span(key, cursor), is_value=is_value)
    before = _BEFORE.match(text)
    depth = before.end() if before and text.strip() else column
    rest = text[depth:].strip()
    if not _WORD.fullmatch(rest):
        return None
    name, _ = unquoted(rest)
    root = outline.keys[0].root if outline.keys else 0
    span = (depth, depth + len(rest))
    above = _parent(outline, line, depth)
    return _Spot(cursor, root, above, span, is_new=True, name=name)


def _span(key: Key | None, cursor: Cursor) -> tuple[int, int]:
    """Return where the word at the cursor stands, which is empty between words."""
    line, column = cursor
    if key is not None:
        if line == key.line and key.start <= column <= key.end:
            return key.start, key.end
        if line == key.value_line and key.value_start <= column <= key.value_end:
            return key.value_start, key.value_end
    return column, column


def _word(text: str, column: int) -> tuple[int, int]:
    found = (match.span() for match in _WORD.finditer(text))
    return next((span for span in found if span[0] <= column <= span[1]), (column, column))


def _parent(outline: Outline, line: int, depth: int) -> Key | None:
    """Return the key that a new line of that *depth* would stand below."""
    in_flow = {id(entry.key) for flow in outline.flows for entry in flow.entries}
    for key in reversed(outline.keys):
        if key.line < line and key.start < depth and id(key) not in in_flow:
            return key
    return None


def _place(outline: Outline, spot: _Spot) -> Place | None:
    """Return the place of *spot* if it is in a config, or in what can become one."""
    trail = [] if spot.key is None else spot.key.trail
    around = trail if spot.is_new else trail[:-1]
    start = next((i for i in reversed(range(len(around))) if _is_parameters(around, i)), None)
    config = None if start is None else around[start]
    said = {key.name: key.value for key in outline.below(config, spot.root)}
    header = (said.get("apiVersion", ""), said.get("kind", ""))
    kind = next((each for each in kinds() if (each.api_version, each.kind) == header), None)
    if kind is None and config is None:
        return None
    siblings = () if config is None else outline.below(config.above, spot.root)
    parent = around[-1] if around else None
    own = None if spot.is_new else spot.key
    others = (key.name for key in outline.below(parent, spot.root) if key is not own)
    return Place(
        kind=kind,
        header=header,
        driver=next((key.value for key in siblings if key.name == "driver"), ""),
        above=tuple(key.name for key in around[0 if start is None else start + 1 :]),
        beside=frozenset(others),
        key=spot.name if own is None else own.name,
        is_value=spot.is_value,
        start=spot.span[0],
        end=spot.span[1],
        quote=spot.quote,
        is_quoted=spot.is_quoted,
        in_flow=spot.in_flow,
        follows_colon=spot.is_value and own is not None and own.colon == spot.cursor[1],
        has_colon=own is not None and own.colon is not None,
    )


def _is_parameters(trail: Sequence[Key], place: int) -> bool:
    names = [key.name for key in trail[max(place - 1, 0) : place + 1]]
    return names == ["opaque", "parameters"]
