"""The language server protocol on standard input and output, over the engine and the pages."""

from typing import Final

from lsprotocol import types
from pygls.exceptions import (
    FeatureNotificationError,
    FeatureRequestError,
    JsonRpcException,
    PyglsError,
)
from pygls.lsp.server import LanguageServer
from pygls.workspace import TextDocument

from dra_config.catalogue import RULES
from dra_config.cli.arguments import WrongUsage
from dra_config.cli.files import STANDARD_INPUT
from dra_config.cli.rule_pages import page_address
from dra_config.cli.serving import answers
from dra_config.cli.serving.diagnostics import (
    SOURCE,
    diagnostic,
    lines_of,
    quick_fixes,
    unjudged,
)
from dra_config.cli.serving.project import Project, Text, Way, judge
from dra_config.cli.serving.rule_files import RuleFiles
from dra_config.cli.settings_file import OWN_FILE, SHARED_FILE
from dra_config.manifests import Format, format_of
from dra_config.version import __version__

_TRIGGERS: Final = (":", " ", '"', "{", ",")
_SYNTAX: Final[dict[str, Format]] = {"json": "json", "jsonl": "jsonl", "yaml": "yaml"}
"""The syntax of the languages as editors call them."""


class DraConfigServer(LanguageServer):
    """One conversation with an editor."""

    def __init__(self, project: Project, files: RuleFiles) -> None:
        """Judge by the settings of *project*, and link to *files* where it names no pages."""
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - pygls leaves some untyped
            SOURCE, __version__, types.TextDocumentSyncKind.Full
        )
        self._project = project
        self._files = files
        self._told: set[str] = set()

    def report_server_error(
        self, error: Exception, source: type[PyglsError | JsonRpcException]
    ) -> None:
        """Tell the person at the editor what went wrong; a request is answered with it."""
        if source is FeatureRequestError:
            return
        what = f"{type(error).__name__}: {error}"
        message = f"a message between editor and server is broken: {what}"
        if source is FeatureNotificationError:
            message = (
                f"internal error, which is a mistake of ours: {what}; please report it with the "
                f"log of the server and the version, {__version__}"
            )
        self._say(message, types.MessageType.Error)

    def publish(self, uri: str) -> None:
        """Send what is wrong with the document *uri*."""
        document = self.workspace.get_text_document(uri)
        text = _text(document)
        try:
            way = self._project.way_for(text.path)
        except WrongUsage as error:
            found = [unjudged(document, f"{error}")]
            self._say(f"{error}", types.MessageType.Error)
        else:
            # Settings that break again in the same way are told again.
            self._told = {*way.warnings}
            findings = judge(text, way.plan).findings
            found = [diagnostic(document, each, lambda r: self._page(r, way)) for each in findings]
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found))

    def publish_all(self) -> None:
        """Send what is wrong with every open document, since the settings have changed."""
        for uri in self.workspace.text_documents:
            self.publish(uri)

    def repairs(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """Return the quick fixes for the range of *params*."""
        wanted = params.context.only
        if wanted is not None and not {"", types.CodeActionKind.QuickFix} & {*wanted}:
            return []
        document = self.workspace.get_text_document(params.text_document.uri)
        text = _text(document)
        try:
            way = self._project.way_for(text.path)
        except WrongUsage:
            # The document says so itself.
            return []
        findings = judge(text, way.plan, shows_edits=True).findings
        return [*quick_fixes(document, findings, params, lambda rule: self._page(rule, way))]

    def explanation(self, params: types.HoverParams) -> types.Hover | None:
        """Return the text of the field at the cursor."""
        document, line, column = self._cursor(params)
        text = answers.hover(lines_of(document), line, column, is_json=_is_json(document))
        if text is None:
            return None
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text))

    def completions(self, params: types.CompletionParams) -> list[types.CompletionItem]:
        """Return what may be written at the cursor."""
        document, line, column = self._cursor(params)
        lines = lines_of(document)
        words = answers.words(lines, line, column, is_json=_is_json(document))
        items: list[types.CompletionItem] = []
        for number, word in enumerate(words):
            place = types.Range(types.Position(line, word.start), types.Position(line, word.end))
            place = document.position_codec.range_to_client_units(lines, place)
            items.append(_item(word, place, number))
        return items

    def watch_settings(self) -> None:
        """Ask the editor to tell when a settings file changes, if it can."""
        workspace = self.client_capabilities.workspace
        watching = workspace.did_change_watched_files if workspace else None
        if watching is None or not watching.dynamic_registration:
            return
        patterns = [types.FileSystemWatcher(f"**/{name}") for name in (OWN_FILE, SHARED_FILE)]
        registration = types.Registration(
            id="settings",
            method=types.WORKSPACE_DID_CHANGE_WATCHED_FILES,
            register_options=types.DidChangeWatchedFilesRegistrationOptions(patterns),
        )
        self.client_register_capability(types.RegistrationParams([registration]))

    def _say(self, message: str, kind: types.MessageType) -> None:
        if message not in self._told:
            self._told.add(message)
            self.window_show_message(types.ShowMessageParams(kind, f"dra-config: {message}"))

    def _page(self, rule: str, way: Way) -> str | None:
        if way.rule_pages is not None:
            return page_address(way.rule_pages, RULES[rule])
        return self._files.uri(RULES[rule])

    def _cursor(
        self, params: types.HoverParams | types.CompletionParams
    ) -> tuple[TextDocument, int, int]:
        document = self.workspace.get_text_document(params.text_document.uri)
        place = document.position_codec.position_from_client_units(
            lines_of(document), params.position
        )
        return document, place.line, place.character


def make_server(project: Project, files: RuleFiles) -> DraConfigServer:
    """Return a server that answers an editor."""
    server = DraConfigServer(project, files)

    @server.feature(types.INITIALIZED)
    def initialized(_params: types.InitializedParams) -> None:
        server.watch_settings()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def settings_changed(_params: types.DidChangeWatchedFilesParams) -> None:
        server.publish_all()

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        server.publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        server.publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        empty = types.PublishDiagnosticsParams(params.text_document.uri, [])
        server.text_document_publish_diagnostics(empty)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: types.HoverParams) -> types.Hover | None:
        return server.explanation(params)

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(_TRIGGERS))
    def complete(params: types.CompletionParams) -> list[types.CompletionItem]:
        return server.completions(params)

    offered = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, offered)
    def offer(params: types.CodeActionParams) -> list[types.CodeAction]:
        return server.repairs(params)

    _ = (initialized, settings_changed, opened, changed, closed, hover, complete, offer)
    return server


def _text(document: TextDocument) -> Text:
    # What is no file yet goes by the settings of the working folder, as standard input does.
    path = document.path if document.uri.startswith("file:") else STANDARD_INPUT
    # JSON can escape half of a surrogate pair, and UTF-8 cannot hold it.
    content = document.source.encode(errors="replace")
    return Text(path, content, _syntax(document))


def _syntax(document: TextDocument) -> Format | None:
    return format_of(document.path) or _SYNTAX.get(document.language_id or "")


def _is_json(document: TextDocument) -> bool:
    return _syntax(document) in ("json", "jsonl")


def _item(word: answers.Word, place: types.Range, number: int) -> types.CompletionItem:
    kind = types.CompletionItemKind.Field if word.is_key else types.CompletionItemKind.EnumMember
    return types.CompletionItem(
        label=word.label,
        text_edit=types.TextEdit(place, word.text),
        filter_text=word.sought,
        # In the order of the fields and not of the alphabet.
        sort_text=f"{number:03}",
        kind=kind,
        documentation=word.about or None,
        deprecated=word.is_old or None,
    )
