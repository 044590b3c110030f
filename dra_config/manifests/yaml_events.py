"""The parser behind the YAML reader: libyaml where PyYAML has it, plain Python otherwise."""

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

import yaml


class Mark(Protocol):
    """A position in the text, counted from 0 in characters."""

    @property
    def index(self) -> int:
        """The offset from the start of the text."""
        ...

    @property
    def line(self) -> int:
        """The number of line breaks before, those of foreign scripts included."""
        ...

    @property
    def column(self) -> int:
        """The offset from the start of the line."""
        ...


class Event(Protocol):
    """Any event of the parser; which of the attributes are there depends on its type."""

    start_mark: Mark
    end_mark: Mark
    anchor: str | None
    """On aliases and the start of values."""
    tag: str | None
    """On the start of values."""
    value: str
    """On scalars."""
    style: str | None
    """On scalars: a quote, ``|`` or ``>``; empty or None on plain ones."""
    implicit: tuple[bool, bool]
    """On scalars: whether the tag may be guessed were it plain, and were it quoted."""
    flow_style: bool | None
    """On the start of mappings and sequences."""


ALIAS: Final[type[object]] = yaml.AliasEvent
SCALAR: Final[type[object]] = yaml.ScalarEvent
MAPPING_START: Final[type[object]] = yaml.MappingStartEvent
MAPPING_END: Final[type[object]] = yaml.MappingEndEvent
SEQUENCE_END: Final[type[object]] = yaml.SequenceEndEvent
STREAM_END: Final[type[object]] = yaml.StreamEndEvent

NextEvent: TypeAlias = Callable[[], Event]
"""Returns the next event of a document, or raises ``yaml.YAMLError``."""

EventSource: TypeAlias = Callable[[str], NextEvent]
"""Opens a text, the events of which are then asked for one by one."""


def python_events(text: str) -> NextEvent:
    """Parse *text* with the parser written in Python, several times slower than libyaml."""
    parser: Any = yaml.SafeLoader(text)
    next_event: NextEvent = parser.get_event
    return next_event


def c_events(text: str) -> NextEvent:
    """Parse *text* with libyaml; only where PyYAML was built with it."""
    bindings: Any = yaml.cyaml
    next_event: NextEvent = bindings.CParser(text).get_event
    return next_event


FASTEST_EVENTS: Final[EventSource] = c_events if yaml.__with_libyaml__ else python_events
"""The faster of the two, whichever is there."""
