"""Where in a config a line stands, told by indentation, so that half-written YAML will do."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dra_config.schema import Kind, kinds

_LINE: Final = re.compile(r"^(?P<before> *(?:- +)*)(?P<key>[\w./-]+)(?P<colon> *:(?= |$))?")
_END: Final = re.compile(r"^(---|\.\.\.)( |$)")
_QUOTES: Final = "\"' "


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a config."""

    kind: Kind
    """The kind of the config around it."""
    above: tuple[str, ...]
    """The keys from the root of the config to the object that the line belongs to."""
    key: str
    """The key on the line, maybe half of it; empty on an empty line."""
    value_column: int | None
    """Where the value begins, behind the colon, from 0; None without a colon."""


@dataclass(frozen=True, slots=True)
class _Key:
    line: int
    column: int
    name: str
    value: str


def place_of(lines: Sequence[str], line: int, column: int) -> Place | None:
    """Return where the cursor stands, or None if that is in no config that is known.

    Args:
        lines: The lines of the file.
        line: The line of the cursor, from 0.
        column: Its column, from 0; on an empty line it says how deep the line stands.
    """
    text = lines[line] if line < len(lines) else ""
    match = _LINE.match(text)
    if match is None and text.strip():
        return None
    depth = match.end("before") if match else column
    above = [*_ancestors(lines, line, depth)][::-1]
    start = next((i for i in reversed(range(len(above))) if _is_parameters(above, i)), None)
    root = None if start is None else above[start]
    kind = _kind(_children(lines, root, line))
    if kind is None:
        return None
    return Place(
        kind=kind,
        above=tuple(key.name for key in above[0 if start is None else start + 1 :]),
        key=match["key"] if match else "",
        value_column=match.end("colon") if match and match["colon"] else None,
    )


def _is_parameters(above: Sequence[_Key], place: int) -> bool:
    names = [key.name for key in above[max(place - 1, 0) : place + 1]]
    return names == ["opaque", "parameters"]


def _ancestors(lines: Sequence[str], line: int, depth: int) -> Iterator[_Key]:
    """Yield the keys above *line* that it stands below, the nearest first."""
    for number in reversed(range(min(line, len(lines)))):
        if _END.match(lines[number]):
            return
        key = _key(lines, number)
        if key is not None and key.column < depth:
            depth = key.column
            yield key


def _children(lines: Sequence[str], root: _Key | None, line: int) -> dict[str, str]:
    """Return the keys right below *root*, or those of the document around *line*, by name."""
    found: dict[str, str] = {}
    depth: int | None = None
    for number in range(_start(lines, line) if root is None else root.line + 1, len(lines)):
        key = _key(lines, number)
        if _END.match(lines[number]) or (key and root and key.column <= root.column):
            break
        if key is None:
            continue
        depth = key.column if depth is None else depth
        if key.column == depth:
            found.setdefault(key.name, key.value)
    return found


def _start(lines: Sequence[str], line: int) -> int:
    before = reversed(range(min(line, len(lines))))
    ends = (number + 1 for number in before if _END.match(lines[number]))
    return next(ends, 0)


def _key(lines: Sequence[str], number: int) -> _Key | None:
    match = _LINE.match(lines[number])
    if match is None or not match["colon"]:
        return None
    value = lines[number][match.end() :].partition(" #")[0].strip(_QUOTES)
    return _Key(number, match.end("before"), match["key"], value)


def _kind(header: dict[str, str]) -> Kind | None:
    wanted = (header.get("apiVersion", ""), header.get("kind", ""))
    known = {(kind.api_version, kind.kind): kind for kind in kinds()}
    return known.get(wanted)
