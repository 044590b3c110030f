"""Records as text, in a format with a version, so that old and new plugins read each other's."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from plugin.checkpoint.errors import NewerRecordError
from plugin.checkpoint.record import Record

Fields = dict[str, Any]
"""The fields of a record, by name."""


class InvalidTextError(ValueError):
    """A text is no record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """Which versions of the format a plugin writes and reads.

    A new field at the top is ignored by older plugins, and outlives their changes. So most changes
    leave `oldest_reader` alone, and a release that raises it has to read both ways before.
    """

    version: int
    oldest_reader: int
    """The oldest version whose plugin may read what this one writes."""
    upgrades: Mapping[int, Callable[[Fields], Fields]] = field(
        default_factory=dict[int, Callable[[Fields], Fields]]
    )
    """For each older version, what makes its fields those of the next one.

    An older plugin may have changed a newer record: fields of the next version that are there
    already stay.
    """


FORMAT: Final = Format(version=1, oldest_reader=1)
"""The format of this plugin."""

_RECORDS: Final = TypeAdapter(Record)
_OBJECTS: Final = TypeAdapter(Fields)
_VERSION: Final = "format"
_OLDEST_READER: Final = "oldest_reader"
_NAMES: Final = frozenset(one.name for one in fields(Record)) - {"unknown"}


def text_of_record(record: Record, form: Format = FORMAT) -> bytes:
    """Return a record as one line of JSON."""
    known = _RECORDS.dump_python(record, mode="json", exclude={"unknown"})
    whole = {
        _VERSION: form.version,
        _OLDEST_READER: form.oldest_reader,
        **known,
        **json.loads(record.unknown),
    }
    return json.dumps(whole, ensure_ascii=True, separators=(",", ":")).encode()


def record_from_text(text: bytes | str, form: Format = FORMAT) -> Record:
    """Return the record that a text holds.

    Raises:
        InvalidTextError: The text is no record.
        NewerRecordError: A newer version wrote it and forbids to read it.
    """
    try:
        raw = _OBJECTS.validate_json(text)
    except ValidationError as error:
        raise InvalidTextError("it is no JSON object") from error
    written, oldest_reader = raw.pop(_VERSION, None), raw.pop(_OLDEST_READER, None)
    if not isinstance(written, int) or not isinstance(oldest_reader, int):
        raise InvalidTextError("it names no format")
    if oldest_reader > form.version:
        raise NewerRecordError(
            _uid(raw), written=written, oldest_reader=oldest_reader, reader=form.version
        )
    for version in range(written, form.version):
        raw = _upgraded(raw, version, form)
    unknown = {name: raw.pop(name) for name in [*raw] if name not in _NAMES}
    try:
        # JSON has no tuples and no enumerations: read as Python it would have to hold them.
        record = _RECORDS.validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        places = sorted({".".join(map(str, one["loc"])) for one in error.errors()})
        raise InvalidTextError(f"these fields are wrong: {', '.join(places)}") from error
    return replace(record, unknown=json.dumps(unknown, separators=(",", ":")))


def _upgraded(raw: Fields, version: int, form: Format) -> Fields:
    upgrade = form.upgrades.get(version)
    if upgrade is None:
        raise InvalidTextError(f"there never was a format {version}")
    return upgrade(raw)


def _uid(raw: Fields) -> str:
    """Return the UID of a record that must not be read, for the message about it."""
    try:
        return str(raw["claim"]["uid"])
    except (KeyError, TypeError):
        return ""
