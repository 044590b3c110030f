"""The text of a file, and the finding that a violation becomes at its place there."""

import re
from functools import cached_property
from typing import Final

from dra_config.cli.findings import Finding, ObjectReference
from dra_config.manifests import Node, Span, find
from dra_config.violations import Violation

_LINE_BREAK: Final = re.compile(r"\r\n?|\n")
_BYTE_ORDER_MARK: Final = "\ufeff"


class Page:
    """One file, by its name and its text."""

    def __init__(self, path: str, text: bytes) -> None:
        """Keep the file; its lines are counted when the first finding is made."""
        self.path = path
        self._text = text

    @cached_property
    def _lines(self) -> list[str]:
        text = self._text.decode(errors="replace").removeprefix(_BYTE_ORDER_MARK)
        return _LINE_BREAK.split(text)

    def locate(self, violation: Violation, root: Node, subject: ObjectReference) -> Finding:
        """Return *violation*, whose path begins at *root*, at its place."""
        span = find(root, violation.path, violation.target, violation.occurrence)
        return self.finding(violation, span, subject)

    def finding(self, violation: Violation, span: Span, subject: ObjectReference) -> Finding:
        """Return *violation* at *span*."""
        inside = 0 < span.start_line <= len(self._lines)
        return Finding(
            path=self.path,
            line=span.start_line,
            column=span.start_column,
            end_line=span.end_line,
            end_column=span.end_column,
            rule=violation.rule,
            severity=violation.severity,
            field=violation.field,
            message=violation.message,
            suggestion=violation.suggestion,
            subject=subject,
            source=self._lines[span.start_line - 1] if inside else "",
        )
