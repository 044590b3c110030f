"""The rules that no JSON Schema can decide, and why; everything else the schemas do decide."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Inexpressible:
    """A rule that a schema cannot decide."""

    rule: str
    """The id of the rule."""
    what: str
    """What of the rule is left to the library; all of it where it is empty."""
    why: str
    """What a schema would need."""


_GATES: Final = "It depends on the feature gates of the cluster, which are no part of the config."
_ENTRIES: Final = "A schema does not compare the entries of a list by one of their fields."

INEXPRESSIBLE: Final = (
    Inexpressible(
        "DRA001",
        "",
        "A schema is held against a value, and text that is no JSON never becomes one.",
    ),
    Inexpressible("DRA003", "", "A value no longer knows how many bytes its text had."),
    Inexpressible("DRA008", "", "The driver stands beside the parameters, not in them."),
    Inexpressible(
        "DRA011",
        "a key that stands twice",
        "A JSON reader keeps one of two equal keys before the schema sees the object; only "
        "partitionIDs beside partitionIds is seen.",
    ),
    Inexpressible(
        "DRA013",
        "a whole number written as 50.0 or 5e1",
        "To JSON Schema a number whose fraction is zero is an integer.",
    ),
    Inexpressible("DRA102", "", _GATES),
    Inexpressible(
        "DRA110",
        "an exponent of more than 64 bits, such as 1e99999999999999999999",
        "A pattern sees digits and knows no size.",
    ),
    Inexpressible(
        "DRA111",
        "a limit that is written as a text, such as 512Ki",
        "A pattern sees digits and knows no size; a number without quotes is compared.",
    ),
    Inexpressible("DRA120", "", _GATES),
    Inexpressible("DRA121", "", _GATES),
    Inexpressible("DRA301", "", _GATES),
    Inexpressible("DRA401", "", _GATES),
    Inexpressible("DRA822", "", _GATES),
    Inexpressible("DRA850", "", "A schema does not put two fields together into a third one."),
    Inexpressible("DRA851", "", "A schema does not compare one field with another."),
    Inexpressible(
        "DRA852",
        "an index beyond the last place",
        "How many places a clique has is a setting of the installation; a negative index is seen.",
    ),
    Inexpressible("DRA853", "", _ENTRIES),
    Inexpressible(
        "DRA854",
        "",
        "Formats such as ipv4 are remarks that a reader of JSON Schema may ignore.",
    ),
)
"""In the order of their ids."""
