"""Findings as workflow commands of GitHub Actions, which become annotations on the lines."""

from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from dra_config.catalogue import Severity
from dra_config.cli.files import STANDARD_INPUT
from dra_config.cli.findings import Finding, Summary
from dra_config.cli.report.reporter import object_name, sentence

_COMMANDS: Final = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.NOTE: "notice",
}


class GitHubReporter:
    """Writes a command for each finding, as it comes, and nothing else."""

    def __init__(self, out: TextIO) -> None:
        """Write to *out*."""
        self._out = out

    def show(self, path: str, findings: Sequence[Finding]) -> None:
        """Write the findings of one file."""
        for finding in findings:
            properties = {"title": finding.rule}
            message = sentence(finding)
            if path == STANDARD_INPUT:
                # There is no file to annotate, so the object tells where it is.
                message = f"{object_name(finding.subject)} line {finding.line}: {message}".lstrip()
            else:
                properties = {**_place(path, finding), **properties}
            self._write(_COMMANDS[finding.severity], properties, message)

    def miss(self, path: str, reason: str) -> None:
        """Write that a file could not be read."""
        self._write("error", {"title": "cannot read a file"}, f"cannot read {path}: {reason}")

    def conclude(self, summary: Summary) -> None:
        """Say so if this is not all."""
        if summary.partial:
            self._write("warning", {}, "interrupted, so these are not all findings")

    def _write(self, command: str, properties: Mapping[str, str], message: str) -> None:
        listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
        space = " " if listed else ""
        print(f"::{command}{space}{listed}::{_text(message)}", file=self._out)


def _place(path: str, finding: Finding) -> dict[str, str]:
    place = {
        "file": path.replace("\\", "/").removeprefix("./"),
        "line": str(finding.line),
        "endLine": str(finding.end_line),
        "col": str(finding.column),
    }
    if finding.end_line == finding.line:
        # Columns of two lines make GitHub drop the annotation; its last column is a marked one.
        place["endColumn"] = str(max(finding.column, finding.end_column - 1))
    return place


def _text(text: str) -> str:
    """Return *text* as the runner reads it back behind the second pair of colons."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Return *text* as the runner reads it back from a property."""
    return _text(text).replace(":", "%3A").replace(",", "%2C")
