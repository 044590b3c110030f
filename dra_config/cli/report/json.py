"""Findings as one JSON object; keys are added, never renamed or removed."""

import json
from collections.abc import Sequence
from typing import Any, TextIO

from dra_config.cli.findings import Finding, Summary


class JsonReporter:
    """Collects the findings and writes them at the end."""

    def __init__(self, out: TextIO) -> None:
        """Write to *out*."""
        self._out = out
        self._findings: list[dict[str, Any]] = []

    def show(self, path: str, findings: Sequence[Finding]) -> None:  # noqa: ARG002 - in each
        """Keep the findings of one file."""
        self._findings.extend(_as_json(finding) for finding in findings)

    def miss(self, path: str, reason: str) -> None:
        """Leave it to standard error and the exit code."""

    def conclude(self, summary: Summary) -> None:
        """Write everything; outside ASCII only escapes, so that any encoding will do."""
        whole = {
            "findings": self._findings,
            "summary": {
                "files": summary.files,
                "documents": summary.documents,
                "configs": summary.configs,
                "errors": summary.errors,
                "warnings": summary.warnings,
                "notes": summary.notes,
                "skipped_rules": summary.skipped_rules,
                "fixable": summary.fixable,
                "partial": summary.partial,
                "seconds": round(summary.seconds, 6),
            },
        }
        print(json.dumps(whole, indent=2), file=self._out)


def _as_json(finding: Finding) -> dict[str, Any]:
    return {
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "end_column": finding.end_column,
        "rule": finding.rule,
        "severity": str(finding.severity),
        "field": finding.field,
        "message": finding.message,
        "suggestion": finding.suggestion or None,
        "fixable": finding.fixable,
        "object": {
            "apiVersion": finding.subject.api_version,
            "kind": finding.subject.kind,
            "namespace": finding.subject.namespace,
            "name": finding.subject.name,
        },
    }
