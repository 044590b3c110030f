"""What is wrong with an object, field by field."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from dra_config.catalogue.rule import Rule, Severity


class MapKey(str):
    """A key that the user chose, such as a device UUID, and no field name; written in brackets."""

    __slots__ = ()


FieldPath: TypeAlias = tuple[str | int, ...]
"""Field names, list indices (from 0) and map keys from the root of the judged object downwards."""


class Target(StrEnum):
    """Which part of the field a reader should be shown."""

    KEY = "key"
    """The key itself: it is unknown, written twice or in the wrong case."""
    VALUE = "value"
    """The value of the field."""
    PARENT = "parent"
    """The object around the field, because the field is missing."""


def render_field(path: FieldPath) -> str:
    """Return *path* in Kubernetes' notation, such as ``spec.devices.config[0].opaque``."""
    parts: list[str] = []
    for part in path:
        if isinstance(part, int | MapKey):
            parts.append(f"[{part}]")
        else:
            parts.append(f".{part}" if parts else part)
    return "".join(parts)


class Violation(NamedTuple):
    """One thing that is wrong, or worth a remark, at one place.

    A tuple, because warnings are made on the way of every config and tuples are made fastest.
    """

    rule: str
    """The id of the rule in the catalogue."""
    severity: Severity
    """What it means for the object."""
    path: FieldPath
    """Where it is; empty for the object as a whole."""
    message: str
    """A sentence that names the offending value and what would be accepted."""
    target: Target = Target.VALUE
    """Which part of the field to show."""
    occurrence: int = 0
    """Which one of several equal keys is meant, counted from 0."""
    suggestion: str = ""
    """The text to write instead, where it can be given in full; otherwise empty."""

    @classmethod
    def of(
        cls,
        rule: Rule,
        message: str,
        path: FieldPath = (),
        *,
        target: Target = Target.VALUE,
        occurrence: int = 0,
        suggestion: str = "",
    ) -> "Violation":
        """Return a violation of *rule* with the rule's own severity."""
        return cls(rule.id, rule.severity, path, message, target, occurrence, suggestion)

    @property
    def field(self) -> str:
        """The path in Kubernetes' notation; empty for the object as a whole."""
        return render_field(self.path)

    def under(self, prefix: FieldPath) -> "Violation":
        """Return the same violation as seen from an object that holds this one at *prefix*."""
        return self._replace(path=prefix + self.path)


class InvalidConfig(ValueError):  # noqa: N818 - the public name settled in the design
    """A config that cannot be used; it carries every violation, not only the first."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        """Keep all *violations*, errors and warnings alike, in the order they were found in."""
        self.violations = tuple(violations)
        super().__init__(
            "; ".join(
                f"{v.field or 'parameters'}: {v.message} ({v.rule})" for v in self.violations
            )
        )
