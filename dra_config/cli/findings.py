"""What is reported: a violation with its place in a file, and the sum of a whole run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from dra_config.catalogue import RULES, Severity

_ALWAYS_SHOWN_NOTES = frozenset({"DRA941"})
"""Without these a reader would take a document for judged that was not."""


@dataclass(frozen=True, slots=True)
class ObjectReference:
    """Which object a finding is about; what it does not say of itself is None."""

    api_version: str | None = None
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None


class Replacement(NamedTuple):
    """One stretch of a file, and what to write there; lines and columns are those of findings."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation in one file."""

    path: str
    """The file, as the user would write it; ``-`` for standard input."""
    line: int
    """The line of the first character, from 1."""
    column: int
    """Its column in characters, from 1."""
    end_line: int
    """The line of the position right after the last character."""
    end_column: int
    """The column right after the last character."""
    rule: str
    """The id of the rule in the catalogue."""
    severity: Severity
    """What it means for the document."""
    field: str
    """The field from the root of the document, in Kubernetes' notation; may be empty."""
    message: str
    """A sentence that names the offending value and what would be accepted."""
    suggestion: str
    """The text to write instead, where it can be given in full; otherwise empty."""
    subject: ObjectReference
    """The object that the field belongs to."""
    source: str
    """The line of the file, without its line break."""
    fixable: bool = False
    """Whether ``dra-config fix`` repairs it."""
    edits: tuple[Replacement, ...] = ()
    """The edits that repair it, in the order of their places; only where somebody asks."""


class Amount(Enum):
    """How much of what was found is shown."""

    FAILURES = auto()
    """Only what makes the run fail."""
    NORMAL = auto()
    """Errors and warnings, and that a template was not judged."""
    EVERYTHING = auto()
    """Notes, too."""


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """What was found in one file."""

    path: str
    documents: int
    """Documents in the file, those that could not be read included."""
    configs: int
    """Configs of ours that were judged."""
    findings: tuple[Finding, ...]
    """In the order of their places."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The sum of a run."""

    files: int
    """Files that were read."""
    documents: int
    configs: int
    errors: int
    warnings: int
    notes: int
    """Notes found, whether they are shown or not."""
    skipped_rules: int
    """Rules that had something to decide and could not, because the feature gates are unknown."""
    partial: bool
    """Whether the run was stopped before its end."""
    seconds: float
    """How long it took."""
    fixable: int = 0
    """Findings that ``dra-config fix`` repairs."""


@dataclass(slots=True)
class Tally:
    """Counts verdicts as they come."""

    files: int = 0
    documents: int = 0
    configs: int = 0
    fixable: int = 0
    _severities: dict[Severity, int] = field(default_factory=dict[Severity, int])
    _skipped: set[str] = field(default_factory=set[str])

    def add(self, verdict: FileVerdict) -> None:
        """Count one file."""
        self.files += 1
        self.documents += verdict.documents
        self.configs += verdict.configs
        for finding in verdict.findings:
            self._severities[finding.severity] = self._severities.get(finding.severity, 0) + 1
            self.fixable += finding.fixable
            if is_undecided(finding):
                self._skipped.add(finding.rule)

    def summary(self, seconds: float, *, partial: bool) -> Summary:
        """Return the sum of what was counted."""
        return Summary(
            files=self.files,
            documents=self.documents,
            configs=self.configs,
            errors=self._severities.get(Severity.ERROR, 0),
            warnings=self._severities.get(Severity.WARNING, 0),
            notes=self._severities.get(Severity.NOTE, 0),
            skipped_rules=len(self._skipped),
            partial=partial,
            seconds=seconds,
            fixable=self.fixable,
        )


def is_undecided(finding: Finding) -> bool:
    """Say whether a finding stands for a rule that could not be decided."""
    return finding.severity is Severity.NOTE and RULES[finding.rule].severity is not Severity.NOTE


def fails(finding: Finding, *, strict: bool) -> bool:
    """Say whether a finding makes the run fail."""
    return finding.severity is Severity.ERROR or (strict and finding.severity is Severity.WARNING)


def shown(findings: Iterable[Finding], amount: Amount, *, strict: bool) -> Sequence[Finding]:
    """Return those of *findings* that the user wants to see."""
    match amount:
        case Amount.EVERYTHING:
            return tuple(findings)
        case Amount.NORMAL:
            return [
                finding
                for finding in findings
                if finding.severity is not Severity.NOTE or finding.rule in _ALWAYS_SHOWN_NOTES
            ]
        case Amount.FAILURES:
            return [finding for finding in findings if fails(finding, strict=strict)]
