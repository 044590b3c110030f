"""Which feature gates a kind or a field needs, for which value of which field."""

from collections.abc import Iterator
from typing import NamedTuple

from dra_config.schema import Field, walk


class NeededGate(NamedTuple):
    """One gate, and what needs it."""

    feature_gate: str
    path: str
    """The field, from the root of the kind."""
    values: tuple[str, ...]
    """The values of the field that need it."""


def needed_gates(fields: tuple[Field, ...]) -> Iterator[NeededGate]:
    """Yield the gates that values of *fields* and of what is below them need."""
    for field in walk(fields):
        needs = [value for value in field.values if value.feature_gate is not None]
        for gate in dict.fromkeys(value.feature_gate for value in needs):
            values = tuple(f"{value.value}" for value in needs if value.feature_gate == gate)
            yield NeededGate(f"{gate}", field.path, values)
