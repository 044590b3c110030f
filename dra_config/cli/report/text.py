"""Findings for people: place, sentence, the line with carets, and what to write instead."""

from collections.abc import Sequence
from typing import Final, TextIO

from dra_config.catalogue import Severity
from dra_config.cli.files import STANDARD_INPUT
from dra_config.cli.findings import Amount, Finding, Summary
from dra_config.cli.report.excerpt import excerpt, printable
from dra_config.cli.report.reporter import object_name, sentence

_BOLD: Final = "1"
_BLUE: Final = "34"
_COLORS: Final = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.NOTE: "1;36"}


class TextReporter:
    """Writes the findings of each file as they come."""

    def __init__(self, out: TextIO, amount: Amount, *, colored: bool) -> None:
        """Write to *out*, in colours if *colored*."""
        self._out = out
        self._amount = amount
        self._colored = colored
        self._shown_notes = 0

    def show(self, path: str, findings: Sequence[Finding]) -> None:  # noqa: ARG002 - in each
        """Write the findings of one file."""
        for finding in findings:
            self._shown_notes += finding.severity is Severity.NOTE
            print("\n".join(self._lines(finding)), file=self._out)

    def miss(self, path: str, reason: str) -> None:
        """Leave it to standard error, which is read beside this."""

    def conclude(self, summary: Summary) -> None:
        """Write how many there were, unless only what fails is wanted."""
        if self._amount is Amount.FAILURES:
            return
        found = [_count(summary.errors, "error"), _count(summary.warnings, "warning")]
        hidden = summary.notes - self._shown_notes
        if summary.notes:
            shown = f" ({hidden} hidden; --verbose shows them)" if hidden else ""
            found.append(f"{_count(summary.notes, 'note')}{shown}")
        read = [
            _count(summary.files, "file"),
            _count(summary.documents, "document"),
            _count(summary.configs, "config"),
        ]
        stopped = " (interrupted, so this is not all)" if summary.partial else ""
        print(f"{', '.join(found)} in {', '.join(read)}{stopped}", file=self._out)
        if summary.fixable:
            print(f"dra-config fix can repair {summary.fixable} of them", file=self._out)
        if summary.skipped_rules:
            print(
                f"{_count(summary.skipped_rules, 'rule')} not decided, because the feature gates "
                "of the cluster are unknown; --feature-gates tells them",
                file=self._out,
            )

    def _lines(self, finding: Finding) -> list[str]:
        place = f"{printable(finding.path)}:{finding.line}:{finding.column}:"
        label = f"{finding.severity}[{finding.rule}]"
        told = sentence(finding)
        if finding.path == STANDARD_INPUT and finding.subject.name:
            # There is no file to open, so the object is what a reader can look for.
            told = f"{object_name(finding.subject)}: {told}"
        color = _COLORS[finding.severity]
        head = f"{self._paint(place, _BOLD)} {self._paint(label, color)}"
        lines = [f"{head} {printable(told)}"]
        if finding.source.strip():
            end = (
                finding.end_column if finding.end_line == finding.line else len(finding.source) + 1
            )
            text, carets = excerpt(finding.source, finding.column, end)
            number = f"{finding.line:5}"
            bar = self._paint("|", _BLUE)
            lines.append(f"{self._paint(number, _BLUE)} {bar} {text}")
            lines.append(f"{'':5} {bar} {self._paint(carets, color)}")
        if finding.suggestion:
            lines.append("  write instead:")
            lines += [
                f"    {printable(line)}".rstrip() for line in finding.suggestion.splitlines()
            ]
        return lines

    def _paint(self, text: str, color: str) -> str:
        return f"\x1b[{color}m{text}\x1b[0m" if self._colored else text


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
