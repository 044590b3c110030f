"""What becomes of the verdicts of a run: filtered, counted, shown, and one exit code."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dra_config.catalogue import Severity
from dra_config.cli.files import Found, Source, Unreachable
from dra_config.cli.findings import Amount, FileVerdict, Finding, Tally, fails, shown
from dra_config.cli.report import Reporter
from dra_config.cli.surroundings import ExitCode, Surroundings

if TYPE_CHECKING:
    from dra_config.cli.baseline import Baseline, BaselineWriter
    from dra_config.cli.changes import Changes

_STALE_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Filters:
    """What is left out of the findings because it is known already."""

    changes: "Changes | None" = None
    """What changed since a commit; None to judge everything."""
    baseline: "Baseline | None" = None
    """What the team lives with."""
    writer: "BaselineWriter | None" = None
    """Takes everything that is found, so that it is known from now on."""


class Outcome:
    """Takes verdicts as they come."""

    def __init__(
        self,
        reporter: Reporter,
        surroundings: Surroundings,
        filters: Filters,
        amount: Amount,
        *,
        strict: bool,
    ) -> None:
        """Show on *reporter* as much as *amount* says; warnings fail if *strict*."""
        self._reporter = reporter
        self._surroundings = surroundings
        self._filters = filters
        self._filters_anything = filters != Filters()
        self._amount = amount
        self._strict = strict
        self._tally = Tally()
        self._failed = False
        self._unreachable = False

    def concerns(self, found: Found) -> bool:
        """Say whether anything found behind a path could count."""
        changes = self._filters.changes
        return changes is None or not isinstance(found, Source) or changes.touch(found.path)

    def add(self, verdict: FileVerdict) -> None:
        """Take the verdict on one file."""
        if self._filters_anything:
            verdict = self._filter(verdict)
        self._tally.add(verdict)
        findings: Sequence[Finding] = verdict.findings
        if findings:
            self._failed |= any(fails(finding, strict=self._strict) for finding in findings)
            findings = shown(findings, self._amount, strict=self._strict)
        self._reporter.show(verdict.path, findings)

    def miss(self, found: Unreachable) -> None:
        """Take note of a path behind which nothing could be read."""
        self._unreachable = True
        self._surroundings.tell(f"cannot read {found.path}: {found.reason}")
        self._reporter.miss(found.path, found.reason)

    def conclude(self, seconds: float, *, partial: bool) -> int:
        """Sum up a run that took *seconds*, and return the exit code.

        Raises:
            WrongUsage: The baseline cannot be written.
        """
        self._reporter.conclude(self._tally.summary(seconds, partial=partial))
        self._speak_of_baseline(partial=partial)
        if partial:
            return ExitCode.INTERRUPTED
        if self._unreachable:
            return ExitCode.UNUSABLE
        return ExitCode.REJECTED if self._failed else ExitCode.FINE

    def _filter(self, verdict: FileVerdict) -> FileVerdict:
        findings = verdict.findings
        if self._filters.changes is not None:
            findings = self._filters.changes.keep(verdict.path, findings)
        notes = tuple(finding for finding in findings if finding.severity is Severity.NOTE)
        counted = tuple(finding for finding in findings if finding.severity is not Severity.NOTE)
        if self._filters.writer is not None:
            self._filters.writer.add(verdict.path, counted)
            findings = notes
        elif self._filters.baseline is not None:
            new = self._filters.baseline.new(verdict.path, counted)
            findings = tuple(f for f in findings if f in notes or f in new)
        return replace(verdict, findings=findings)

    def _speak_of_baseline(self, *, partial: bool) -> None:
        tell = self._surroundings.tell
        writer, baseline = self._filters.writer, self._filters.baseline
        if writer is not None:
            if partial:
                tell(f"interrupted, so {writer.path} was not written")
            else:
                tell(f"wrote {_count(writer.write(), 'finding')} to {writer.path}")
        if baseline is None:
            return
        if baseline.hidden:
            tell(f"{_count(baseline.hidden, 'finding')} of {baseline.path} not shown")
        stale = [] if partial or self._filters.changes is not None else baseline.stale()
        if stale:
            listed = "; ".join(stale[:_STALE_SHOWN])
            more = f"; and {len(stale) - _STALE_SHOWN} more" if len(stale) > _STALE_SHOWN else ""
            tell(
                f"nothing matches {_count(len(stale), 'finding')} of {baseline.path} any more; "
                f"--write-baseline drops them: {listed}{more}"
            )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
