"""Findings in the words of the language server protocol."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from lsprotocol import types
from pygls.workspace import TextDocument

from dra_config.catalogue import RULES, Severity
from dra_config.cli.findings import Amount, Finding, Replacement, shown
from dra_config.cli.offers import told

SOURCE: Final = "dra-config"
"""What every diagnostic says that it comes from."""
_LINE_BREAK: Final = re.compile(r"\r\n?|\n")
"""What ends a line for the protocol, and for our places; `str.splitlines` knows more."""
_SEVERITIES: Final = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.NOTE: types.DiagnosticSeverity.Hint,
}


def lines_of(document: TextDocument) -> list[str]:
    """Return the lines of *document* without their breaks, as the protocol counts them."""
    return _LINE_BREAK.split(document.source)


def diagnostic(
    document: TextDocument, finding: Finding, page: Callable[[str], str | None]
) -> types.Diagnostic:
    """Return what the editor shows of *finding*.

    Args:
        document: What it was found in.
        finding: One finding.
        page: Returns the address of the page of a rule by its id, or None.
    """
    address = page(finding.rule)
    severity = _SEVERITIES[finding.severity]
    if shown([finding], Amount.NORMAL, strict=False) and finding.severity is Severity.NOTE:
        # Nobody should take a document for judged that was not; a hint is easily overlooked.
        severity = types.DiagnosticSeverity.Information
    return types.Diagnostic(
        range=range_of(document, finding),
        message=finding.message,
        severity=severity,
        code=finding.rule,
        # An editor that knows no links passes over it, so none is asked whether it does.
        code_description=None if address is None else types.CodeDescription(address),
        source=SOURCE,
        data={"name": RULES[finding.rule].name, "field": finding.field},
    )


def unjudged(document: TextDocument, reason: str) -> types.Diagnostic:
    """Return what stands at the top of a *document* that cannot be judged for some *reason*."""
    length = len(lines_of(document)[0])
    start, end = types.Position(0, 0), types.Position(0, length)
    where = document.position_codec.range_to_client_units(
        lines_of(document), types.Range(start, end)
    )
    message = f"nothing is judged before this is put right: {reason}"
    return types.Diagnostic(where, message, types.DiagnosticSeverity.Error, source=SOURCE)


def quick_fixes(
    document: TextDocument,
    findings: tuple[Finding, ...],
    params: types.CodeActionParams,
    page: Callable[[str], str | None],
) -> Iterator[types.CodeAction]:
    """Yield the repair of each of *findings* that the range of *params* touches."""
    for finding in findings:
        mistake = diagnostic(document, finding, page)
        place = mistake.range
        touched = place.start <= params.range.end and params.range.start <= place.end
        if finding.edits and touched:
            edits = [types.TextEdit(range_of(document, e), e.text) for e in finding.edits]
            yield types.CodeAction(
                title=told(finding),
                kind=types.CodeActionKind.QuickFix,
                diagnostics=[mistake],
                edit=types.WorkspaceEdit(changes={params.text_document.uri: edits}),
                is_preferred=True,
            )


def range_of(document: TextDocument, found: Finding | Replacement) -> types.Range:
    """Return the place of *found* in the units of the editor."""
    place = types.Range(
        types.Position(found.line - 1, found.column - 1),
        types.Position(found.end_line - 1, found.end_column - 1),
    )
    return document.position_codec.range_to_client_units(lines_of(document), place)
