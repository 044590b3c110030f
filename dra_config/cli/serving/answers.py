"""What an editor shows at a place: the text of a field, and the words that may be written."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dra_config import scheme
from dra_config.cli.arguments import WrongUsage
from dra_config.cli.explaining.subjects import find_field
from dra_config.cli.reference.kinds import shown
from dra_config.cli.serving.outline import Place, place_of
from dra_config.schema import Field, Kind, kinds

_HEADER = ("apiVersion", "kind")
_ABOUT_HEADER = {
    "apiVersion": "The group and version of the config.",
    "kind": "What the config is for.",
}


@dataclass(frozen=True, slots=True)
class Word:
    """One word that may be written."""

    label: str
    """The word alone."""
    text: str
    """What to write: the word with its quotes, and with a colon behind a key."""
    start: int
    """The column from which on *text* takes the place of what stands there."""
    end: int
    """The column up to which it does."""
    sought: str
    """What has to begin with the text that stands there, for the word to be meant."""
    about: str
    """What it means or needs."""
    is_key: bool
    """Whether it is the name of a field and not a value."""
    is_old: bool
    """Whether it is an old spelling."""


def hover(lines: Sequence[str], line: int, column: int, *, is_json: bool = False) -> str | None:
    """Return the text of the field at the cursor in Markdown, or None where there is none."""
    place = place_of(lines, line, column, is_json=is_json)
    field = None if place is None else _field(place, (*place.above, place.key))
    return None if field is None else _told(field)


def words(lines: Sequence[str], line: int, column: int, *, is_json: bool = False) -> list[Word]:
    """Return what may be written at the cursor: keys, or the values behind a key."""
    place = place_of(lines, line, column, is_json=is_json)
    if place is None:
        return []
    if not place.is_value:
        return [*_keys(place)]
    if not place.above and place.key in _HEADER:
        return [*_header_values(place)]
    field = _field(place, (*place.above, place.key))
    return [] if field is None else [*_values(place, field)]


def _field(place: Place, names: Sequence[str]) -> Field | None:
    if place.kind is None:
        return None
    try:
        trail = find_field(place.kind, names)
    except WrongUsage:
        return None
    return trail[-1] if trail else None


def _keys(place: Place) -> Iterator[Word]:
    if place.kind is None:
        missing = _HEADER if not place.above else ()
        for name in missing:
            if name not in place.beside:
                yield _key(place, name, _ABOUT_HEADER[name])
        return
    parent = _field(place, place.above) if place.above else place.kind
    for field in () if parent is None else parent.fields:
        if field.name not in place.beside:
            yield _key(place, field.name, field.description, field)


def _key(place: Place, name: str, about: str, field: Field | None = None) -> Word:
    opens = field is not None and bool(field.fields or field.is_list)
    colon = ":" if opens and not place.in_flow else ": "
    text = _quoted(place, name) + ("" if place.has_colon else colon)
    old = field is not None and field.deprecated
    return _word(place, name, text, about, is_key=True, is_old=old)


def _header_values(place: Place) -> Iterator[Word]:
    """Yield the values of apiVersion and kind that go with each other and with the driver."""
    version, name = place.header
    driver = scheme.DRIVERS.get(place.driver)
    fitting = [kind for kind in kinds() if driver is None or kind.kind in driver.kinds]
    if place.key == "kind":
        fitting = [kind for kind in fitting if kind.api_version == version] or fitting
    else:
        fitting = [kind for kind in fitting if kind.kind == name] or fitting
    listed: dict[str, Kind] = {}
    for kind in fitting:
        listed.setdefault(kind.kind if place.key == "kind" else kind.api_version, kind)
    for text, kind in listed.items():
        about = kind.description if place.key == "kind" else ""
        yield _value(place, text, text, about, is_old=kind.deprecated)


def _values(place: Place, field: Field) -> Iterator[Word]:
    if field.type == "boolean":
        for text in ("true", "false"):
            yield _value(place, text, None, "")
        return
    for value in field.values:
        about = f"Needs feature gate {value.feature_gate}." if value.feature_gate else ""
        literal = value.value if isinstance(value.value, str) else None
        yield _value(place, shown(value.value), literal, about)


def _value(
    place: Place, label: str, literal: str | None, about: str, *, is_old: bool = False
) -> Word:
    """Return a value; a *literal* is a text and takes quotes where its surroundings have them."""
    text = label if literal is None else _quoted(place, literal)
    if place.follows_colon:
        text = f" {text}"
    return _word(place, label, text, about, is_key=False, is_old=is_old)


def _word(place: Place, label: str, text: str, about: str, *, is_key: bool, is_old: bool) -> Word:
    sought = f"{place.quote}{label}" if place.is_quoted else label
    return Word(label, text, place.start, place.end, sought, about, is_key, is_old)


def _quoted(place: Place, text: str) -> str:
    if place.quote == '"':
        return json.dumps(text, ensure_ascii=False)
    return f"{place.quote}{text}{place.quote}"


def _told(field: Field) -> str:
    facts = [f"**{field.name}**: {field.type}{', required' if field.required else ''}"]
    if field.unit:
        facts.append(f"Unit: {field.unit}")
    if field.default is not None:
        facts.append(f"Default: `{shown(field.default)}`")
    facts.extend(
        f"`{shown(value.value)}`"
        + (f" needs feature gate {value.feature_gate}" if value.feature_gate else "")
        for value in field.values
    )
    return "\n\n".join((facts[0], field.description, *facts[1:]))
