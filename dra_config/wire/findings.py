"""What judging one config finds: everything, and nothing that only follows from the rest."""

from collections.abc import Iterable, Sequence

from dra_config.catalogue import Rule, Severity
from dra_config.violations import FieldPath, Target, Violation


class Findings:
    """Collects violations while one config is settled.

    A value that could not be read is *broken*. A rule that would have to lean on a broken value
    stays silent, so that one mistake gives one message.
    """

    __slots__ = ("_broken", "violations")

    def __init__(
        self, violations: Iterable[Violation] = (), broken: Sequence[FieldPath] = ()
    ) -> None:
        """Start with what decoding found.

        Args:
            violations: What is known already.
            broken: Where a value could not be read. A broken entry breaks its list as well.
        """
        self.violations = [*violations]
        self._broken = _with_lists(broken) if broken else ()

    @property
    def refused(self) -> bool:
        """Whether any finding is an error."""
        return any(violation.severity is Severity.ERROR for violation in self.violations)

    def readable(self, path: FieldPath) -> bool:
        """Return whether the value at *path* could be read, or was absent."""
        return not any(path[: len(broken)] == broken for broken in self._broken)

    def mark_broken(self, path: FieldPath) -> None:
        """Let no later rule lean on the value at *path*, which has been refused already."""
        self._broken = (*self._broken, path)

    def add(
        self,
        rule: Rule,
        path: FieldPath,
        message: str,
        *,
        leaning_on: Iterable[FieldPath] = (),
        target: Target = Target.VALUE,
        suggestion: str = "",
    ) -> None:
        """Note that *rule* is broken at *path*, unless that follows from a broken value.

        Args:
            rule: The rule of the catalogue.
            path: The field, from the root of the parameters.
            message: A sentence that names the value and what would be accepted.
            leaning_on: Other fields whose values the rule has used.
            target: Which part of the field to show.
            suggestion: The text to write instead, where it can be given in full.
        """
        if self._broken and not all(self.readable(used) for used in (path, *leaning_on)):
            return
        self.violations.append(
            Violation(rule.id, rule.severity, path, message, target, 0, suggestion)
        )


def _with_lists(broken: Sequence[FieldPath]) -> tuple[FieldPath, ...]:
    lists = (path[:-1] for path in broken if isinstance(path[-1], int))
    return (*broken, *lists)
