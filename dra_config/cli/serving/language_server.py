"""The language server protocol on standard input and output, over `judge_file` and the pages."""

from typing import Final

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.workspace import TextDocument

from dra_config.catalogue import RULES, Severity
from dra_config.cli.findings import Finding
from dra_config.cli.judge import Criteria, judge_file
from dra_config.cli.serving import answers
from dra_config.manifests import format_of
from dra_config.version import __version__

_SOURCE: Final = "dra-config"
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

    _ = (opened, changed, closed, hover, complete)
    return server


def diagnostics(document: TextDocument, criteria: Criteria) -> list[types.Diagnostic]:
    """Return what is wrong with *document*; notes about gates that nobody knows are left out."""
    path = document.path
    verdict = judge_file(path, document.source.encode(), criteria, format_of(path))
    shown = (found for found in verdict.findings if found.severity is not Severity.NOTE)
    return [_diagnostic(document, finding) for finding in shown]


def _diagnostic(document: TextDocument, finding: Finding) -> types.Diagnostic:
    place = types.Range(
        types.Position(finding.line - 1, finding.column - 1),
        types.Position(finding.end_line - 1, finding.end_column - 1),
    )
    return types.Diagnostic(
        range=document.position_codec.range_to_client_units(document.lines, place),
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
