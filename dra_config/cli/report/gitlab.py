"""Findings as GitLab's code quality report, a subset of Code Climate's format."""

import json
from collections.abc import Sequence
from typing import Any, Final, TextIO

from dra_config.catalogue import Severity
from dra_config.cli.files import STANDARD_INPUT
from dra_config.cli.findings import Finding, Summary
from dra_config.cli.fingerprints import fingerprints, portable_path
from dra_config.cli.report.reporter import object_name, sentence

_SEVERITIES: Final = {
    Severity.ERROR: "major",
    Severity.WARNING: "minor",
    Severity.NOTE: "info",
}


class GitLabReporter:
    """Collects the findings and writes one list at the end."""

    def __init__(self, out: TextIO, folder: str) -> None:
        """Write to *out*; paths are told from *folder*, which is absolute."""
        self._out = out
        self._folder = folder
        self._findings: list[dict[str, Any]] = []

    def show(self, path: str, findings: Sequence[Finding]) -> None:
        """Keep the findings of one file."""
        name = portable_path(path, self._folder)
        for finding, mark in zip(findings, fingerprints(findings, name), strict=True):
            about = object_name(finding.subject) if path == STANDARD_INPUT else ""
            self._findings.append(
                {
                    "description": " ".join(filter(None, (about, sentence(finding)))),
                    "check_name": finding.rule,
                    "fingerprint": mark,
                    "severity": _SEVERITIES[finding.severity],
                    "location": {
                        "path": name,
                        "lines": {"begin": finding.line, "end": finding.end_line},
                    },
                }
            )

    def miss(self, path: str, reason: str) -> None:
        """Leave it to standard error and the exit code; the format knows lines only."""

    def conclude(self, summary: Summary) -> None:  # noqa: ARG002 - the format has no sum
        """Write everything; outside ASCII only escapes, so that any encoding will do."""
        print(json.dumps(self._findings, indent=2), file=self._out)
