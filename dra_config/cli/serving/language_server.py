"""The language server protocol on standard input and output, over `judge_file` and the pages."""

import re
from collections.abc import Iterator
from typing import Final

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.workspace import TextDocument

from dra_config.catalogue import RULES, Severity
from dra_config.cli.findings import Finding, Replacement
from dra_config.cli.judge import Criteria, judge_file
from dra_config.cli.offers import told, with_edits
from dra_config.cli.serving import answers
from dra_config.manifests import format_of
from dra_config.version import __version__

_SOURCE: Final = "dra-config"
_LINE_BREAK: Final = re.compile(r"\r\n?|\n")
"""What ends a line for the protocol, and for our places; `str.splitlines` knows more."""
_SEVERITIES: Final = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.NOTE: types.DiagnosticSeverity.Information,
}


def make_server(criteria: Criteria) -> LanguageServer:
    """Return a server that judges every open document against *criteria*."""
    server = LanguageServer(_SOURCE, __version__, types.TextDocumentSyncKind.Full)

    def publish(uri: str) -> None:
        document = server.workspace.get_text_document(uri)
        params = types.PublishDiagnosticsParams(uri, diagnostics(document, criteria))
        server.text_document_publish_diagnostics(params)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        empty = types.PublishDiagnosticsParams(params.text_document.uri, [])
        server.text_document_publish_diagnostics(empty)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: types.HoverParams) -> types.Hover | None:
        text = answers.hover(*_cursor(server, params))
        if text is None:
            return None
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text))

    @server.feature(
        types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=[":", " "])
    )
    def complete(params: types.CompletionParams) -> list[types.CompletionItem]:
        return [_item(word) for word in answers.words(*_cursor(server, params))]

    offered = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, offered)
    def offer(params: types.CodeActionParams) -> list[types.CodeAction]:
        document = server.workspace.get_text_document(params.text_document.uri)
        return [*quick_fixes(document, criteria, params)]

    _ = (opened, changed, closed, hover, complete, offer)
    return server


def diagnostics(document: TextDocument, criteria: Criteria) -> list[types.Diagnostic]:
    """Return what is wrong with *document*; notes about gates that nobody knows are left out."""
    path = document.path
    verdict = judge_file(path, document.source.encode(), criteria, format_of(path))
    shown = (found for found in verdict.findings if found.severity is not Severity.NOTE)
    return [_diagnostic(document, finding) for finding in shown]


def quick_fixes(
    document: TextDocument, criteria: Criteria, params: types.CodeActionParams
) -> Iterator[types.CodeAction]:
    """Yield the repair of each finding that the range of *params* touches."""
    wanted = params.context.only
    if wanted is not None and not {"", types.CodeActionKind.QuickFix} & {*wanted}:
        return
    text, syntax = document.source.encode(), format_of(document.path)
    verdict = judge_file(document.path, text, criteria, syntax)
    for finding in with_edits(verdict, text, criteria, syntax).findings:
        diagnostic = _diagnostic(document, finding)
        place = diagnostic.range
        touched = place.start <= params.range.end and params.range.start <= place.end
        if finding.edits and touched:
            edits = [types.TextEdit(_range(document, e), e.text) for e in finding.edits]
            yield types.CodeAction(
                title=told(finding),
                kind=types.CodeActionKind.QuickFix,
                diagnostics=[diagnostic],
                edit=types.WorkspaceEdit(changes={params.text_document.uri: edits}),
                is_preferred=True,
            )


def _range(document: TextDocument, found: Finding | Replacement) -> types.Range:
    """Return the place of *found* in the units of the editor."""
    place = types.Range(
        types.Position(found.line - 1, found.column - 1),
        types.Position(found.end_line - 1, found.end_column - 1),
    )
    lines = _LINE_BREAK.split(document.source)
    return document.position_codec.range_to_client_units(lines, place)


def _diagnostic(document: TextDocument, finding: Finding) -> types.Diagnostic:
    return types.Diagnostic(
        range=_range(document, finding),
        message=finding.message,
        severity=_SEVERITIES[finding.severity],
        code=finding.rule,
        source=_SOURCE,
        data={"name": RULES[finding.rule].name, "field": finding.field},
    )


def _cursor(
    server: LanguageServer, params: types.HoverParams | types.CompletionParams
) -> tuple[list[str], int, int]:
    document = server.workspace.get_text_document(params.text_document.uri)
    lines = document.source.splitlines()
    position = document.position_codec.position_from_client_units(document.lines, params.position)
    return lines, position.line, position.character


def _item(word: answers.Word) -> types.CompletionItem:
    kind = types.CompletionItemKind.Field if word.is_key else types.CompletionItemKind.EnumMember
    return types.CompletionItem(
        label=word.label,
        insert_text=word.text,
        kind=kind,
        documentation=word.about or None,
        deprecated=word.is_old or None,
    )
