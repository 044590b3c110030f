"""What an editor shows at a place: the text of a field, and the words that may be written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dra_config.cli.arguments import WrongUsage
from dra_config.cli.explaining.subjects import find_field
from dra_config.cli.reference.kinds import shown
from dra_config.cli.serving.outline import Place, place_of
from dra_config.schema import Field


@dataclass(frozen=True, slots=True)
class Word:
    """One word that may be written."""

    text: str
    """The word, with a colon behind a key."""
    label: str
    """The word alone."""
    about: str
    """What it means or needs."""
    is_key: bool
    """Whether it is the name of a field and not a value."""
    is_old: bool
    """Whether it is an old spelling."""


def hover(lines: Sequence[str], line: int, column: int) -> str | None:
    """Return the text of the field at the cursor in Markdown, or None where there is none."""
    place = place_of(lines, line, column)
    field = None if place is None else _field(place, (*place.above, place.key))
    return None if field is None else _told(field)


def words(lines: Sequence[str], line: int, column: int) -> list[Word]:
    """Return what may be written at the cursor: keys, or the values behind a key."""
    place = place_of(lines, line, column)
    if place is None:
        return []
    if place.value_column is not None and column >= place.value_column:
        field = _field(place, (*place.above, place.key))
        return [] if field is None else [*_values(field)]
    return [_key(field) for field in _fields(place)]


def _field(place: Place, names: Sequence[str]) -> Field | None:
    try:
        trail = find_field(place.kind, names)
    except WrongUsage:
        return None
    return trail[-1] if trail else None


def _fields(place: Place) -> tuple[Field, ...]:
    if not place.above:
        return place.kind.fields
    field = _field(place, place.above)
    return () if field is None else field.fields


def _key(field: Field) -> Word:
    return Word(f"{field.name}:", field.name, field.description, True, field.deprecated)  # noqa: FBT003


def _values(field: Field) -> Iterator[Word]:
    needs = {shown(v.value): v.feature_gate for v in field.values}
    if field.type == "boolean":
        needs = {"true": None, "false": None}
    for text, gate in needs.items():
        about = f"Needs feature gate {gate}." if gate else ""
        yield Word(text, text, about, False, False)  # noqa: FBT003


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
