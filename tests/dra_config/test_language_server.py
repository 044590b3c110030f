"""The language server, started as an editor starts it and asked by the client of pytest-lsp."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from lsprotocol import types
from pygls.protocol import default_converter
from pytest_lsp import LanguageClient, client_capabilities
from pytest_lsp.client import register_lsp_features

from tests.dra_config.wrong_claims import CLAIM_IN_STREAM

CLAIM = CLAIM_IN_STREAM.replace("name: gpu}", 'name: "\U0001f600"}')
MPS = CLAIM.replace("Mps\n", "MPS\n")
SECONDS = 60
"""More than any answer takes; a server that hangs fails the test and not the run."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Editor(LanguageClient):
    """A client that can be asked to watch files."""

    registered: types.RegistrationParams | None = None


def make_editor() -> Editor:
    editor = Editor(converter_factory=default_converter)
    register_lsp_features(editor)

    @editor.feature(types.CLIENT_REGISTER_CAPABILITY)  # type: ignore[untyped-decorator]
    def register(params: types.RegistrationParams) -> None:
        editor.registered = params

    return editor


@asynccontextmanager
async def serving(
    caches: Path, *options: str, editor: str = "visual_studio_code"
) -> AsyncIterator[Editor]:
    """Start a server with *options*, shake hands as *editor* does, and say goodbye at the end."""
    client = make_editor()
    environment = {**os.environ, "XDG_CACHE_HOME": str(caches)}
    environment.pop("FABRIC_TOPOLOGY_SUPPORT", None)
    words = (sys.executable, "-m", "dra_config", "server", *options)
    await client.start_io(*words, env=environment)
    capabilities = client_capabilities(editor)
    async with asyncio.timeout(SECONDS):
        await client.initialize_session(types.InitializeParams(capabilities=capabilities))
    yield client
    async with asyncio.timeout(SECONDS):
        await client.shutdown_session()
    process = client._server
    await client.stop()  # type: ignore[no-untyped-call]
    assert process is not None
    assert process.returncode == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    """Return a client whose server all tests share that open documents of their own."""
    async with serving(tmp_path_factory.mktemp("caches")) as editor:
        yield editor


async def published(client: Editor) -> Sequence[types.Diagnostic]:
    """Return the diagnostics that come next."""
    async with asyncio.timeout(SECONDS):
        params = await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    found: Sequence[types.Diagnostic] = params.diagnostics
    return found


async def opened(
    client: Editor, path: Path, text: str, language: str = "yaml"
) -> Sequence[types.Diagnostic]:
    """Open *text* as the file *path*, which need not exist, and return what is wrong with it."""
    item = types.TextDocumentItem(path.as_uri(), language, 1, text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    return await published(client)


async def changed(client: Editor, path: Path, text: str) -> Sequence[types.Diagnostic]:
    """Type until the file holds *text*, and return what is wrong with it."""
    document = types.VersionedTextDocumentIdentifier(2, path.as_uri())
    change = types.TextDocumentContentChangeWholeDocument(text)
    client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
    return await published(client)


def codes(found: Sequence[types.Diagnostic]) -> list[object]:
    return [each.code for each in found]


def line_of(text: str, sign: str) -> int:
    return next(number for number, line in enumerate(text.splitlines()) if sign in line)


async def completed(
    client: Editor, path: Path, line: int, column: int
) -> Sequence[types.CompletionItem]:
    params = types.CompletionParams(
        types.TextDocumentIdentifier(path.as_uri()), types.Position(line, column)
    )
    answer = await client.text_document_completion_async(params)
    assert answer is not None
    assert not isinstance(answer, types.CompletionList)
    return answer


@pytest.mark.parametrize("editor", ["visual_studio_code", "neovim", "emacs"])
async def test_findings_hovers_and_completions_reach_every_editor(
    tmp_path: Path, editor: str
) -> None:
    path = tmp_path / "claim.yaml"
    async with serving(tmp_path / "caches", editor=editor) as client:
        (mistake,) = await opened(client, path, CLAIM)
        number = line_of(CLAIM, "strategy")
        document = types.TextDocumentIdentifier(path.as_uri())
        hovered = await client.text_document_hover_async(
            types.HoverParams(document, types.Position(number, 18))
        )
        words = await completed(client, path, number, 23)
    assert (mistake.code, mistake.source) == ("DRA101", "dra-config")
    assert "'Mps' is not a sharing strategy" in mistake.message
    assert mistake.severity == types.DiagnosticSeverity.Error
    place = types.Range(types.Position(number, 22), types.Position(number, 25))
    assert mistake.range == place
    assert hovered is not None
    assert isinstance(hovered.contents, types.MarkupContent)
    assert hovered.contents.value.startswith("**strategy**")
    assert [word.label for word in words] == ["TimeSlicing", "MPS"]
    assert words[1].text_edit == types.TextEdit(place, "MPS")


async def test_json_is_completed_with_its_quotes(client: Editor, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    text = (
        '{"apiVersion": "resource.nvidia.com/v1beta1", "kind": "GpuConfig",\n'
        '"\U0001f600": 1, "sharing": {"strategy": "M"'
    )
    found = await opened(client, path, text, "json")
    assert codes(found) == ["DRA940"]
    units = len(text.splitlines()[1].encode("utf-16-le")) // 2
    (_, word) = await completed(client, path, 1, units - 1)
    place = types.Range(types.Position(1, units - 3), types.Position(1, units))
    assert word.text_edit == types.TextEdit(place, '"MPS"')
    assert word.filter_text == '"MPS'


async def test_a_note_is_a_hint_and_a_template_more_than_that(
    client: Editor, tmp_path: Path
) -> None:
    (hint,) = await opened(client, tmp_path / "a.yaml", MPS)
    assert (hint.code, hint.severity) == ("DRA102", types.DiagnosticSeverity.Hint)
    template = CLAIM.replace("Mps", '"{{ .Values.strategy }}"')
    (told,) = await opened(client, tmp_path / "b.yaml", template)
    assert (told.code, told.severity) == ("DRA941", types.DiagnosticSeverity.Information)


async def test_gates_of_the_command_line_are_judged_by(tmp_path: Path) -> None:
    path = tmp_path / "claim.yaml"
    async with serving(tmp_path, "--feature-gates=") as client:
        (mistake,) = await opened(client, path, MPS)
    assert (mistake.code, mistake.severity) == ("DRA102", types.DiagnosticSeverity.Error)
    async with serving(tmp_path, "--feature-gates=MPSSupport=true") as client:
        assert not await opened(client, path, MPS)


async def test_the_settings_around_the_document_count(client: Editor, tmp_path: Path) -> None:
    settings = tmp_path / ".dra-config.toml"
    settings.write_text(
        'feature-gates = ""\n[[overrides]]\npaths = ["charts"]\nignore = ["DRA102"]\n',
        encoding="utf-8",
    )
    path = tmp_path / "a.yaml"
    assert codes(await opened(client, path, MPS)) == ["DRA102"]
    assert not await opened(client, tmp_path / "charts" / "a.yaml", MPS)
    settings.write_text('select = ["DRA110"]\n', encoding="utf-8")
    assert not await changed(client, path, CLAIM)
    settings.write_text('drivers = ["compute-domain.nvidia.com"]\n', encoding="utf-8")
    assert codes(await changed(client, path, CLAIM)) == ["DRA944"]
    settings.unlink()
    assert codes(await changed(client, path, CLAIM)) == ["DRA101"]


async def test_a_comment_silences_as_it_does_on_the_command_line(
    client: Editor, tmp_path: Path
) -> None:
    text = CLAIM.replace("Mps\n", "Mps # dra-config: ignore[DRA101] our fork knows it\n")
    assert not await opened(client, tmp_path / "a.yaml", text)
    idle = text.replace("Mps", "TimeSlicing")
    assert "DRA945" in codes(await opened(client, tmp_path / "b.yaml", idle))


async def test_broken_settings_are_one_message_until_they_are_put_right(
    client: Editor, tmp_path: Path
) -> None:
    settings = tmp_path / "pyproject.toml"
    settings.write_text("[tool.dra-config]\nignroe = []\n", encoding="utf-8")
    path = tmp_path / "a.yaml"
    before = len(client.messages)
    (told,) = await opened(client, path, CLAIM)
    sentence = f"{settings}: there is no key 'ignroe'; did you mean ignore?"
    assert told.message == f"nothing is judged before this is put right: {sentence}"
    assert told.range.start == types.Position(0, 0)
    for _ in range(2):
        await changed(client, path, CLAIM)
    assert [message.message for message in client.messages[before:]] == [f"dra-config: {sentence}"]
    whole = types.Range(types.Position(0, 0), types.Position(30, 0))
    params = types.CodeActionParams(
        types.TextDocumentIdentifier(path.as_uri()), whole, types.CodeActionContext([])
    )
    assert not await client.text_document_code_action_async(params)
    settings.write_text("[tool.dra-config]\nignore = []\n", encoding="utf-8")
    assert codes(await changed(client, path, CLAIM)) == ["DRA101"]
    settings.write_text("[tool.dra-config]\nignroe = []\n", encoding="utf-8")
    await changed(client, path, CLAIM)
    assert len(client.messages) == before + 2


async def test_open_documents_are_judged_again_when_the_settings_change(tmp_path: Path) -> None:
    async with serving(tmp_path / "caches") as client:
        assert codes(await opened(client, tmp_path / "a.yaml", CLAIM)) == ["DRA101"]
        (tmp_path / ".dra-config.toml").write_text('ignore = ["DRA101"]\n', encoding="utf-8")
        uri = (tmp_path / ".dra-config.toml").as_uri()
        event = types.FileEvent(uri, types.FileChangeType.Created)
        client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))
        assert not await published(client)
    assert client.registered is not None
    (registration,) = client.registered.registrations
    assert registration.method == types.WORKSPACE_DID_CHANGE_WATCHED_FILES
    assert registration.register_options is not None
    watched = {watcher["globPattern"] for watcher in registration.register_options["watchers"]}
    assert watched == {"**/.dra-config.toml", "**/pyproject.toml"}


def address(diagnostic: types.Diagnostic) -> str:
    assert diagnostic.code_description is not None
    return diagnostic.code_description.href


async def test_a_finding_links_to_the_page_that_the_project_names(
    client: Editor, tmp_path: Path
) -> None:
    (tmp_path / ".dra-config.toml").write_text(
        'rule-pages = "https://docs.example.com/rules.md#{anchor}"\n', encoding="utf-8"
    )
    (mistake,) = await opened(client, tmp_path / "a.yaml", CLAIM)
    assert address(mistake) == "https://docs.example.com/rules.md#dra101-sharing-strategy-unknown"


async def test_a_finding_links_to_a_file_where_no_page_is_named(tmp_path: Path) -> None:
    caches = tmp_path / "my caches"
    async with serving(caches) as client:
        (mistake,) = await opened(client, tmp_path / "a.yaml", CLAIM)
        (page,) = caches.rglob("DRA101.md")
        assert address(mistake) == page.as_uri()
        assert "my%20caches" in address(mistake)
        page.unlink()
        (again,) = await changed(client, tmp_path / "a.yaml", CLAIM)
        assert address(again) == page.as_uri()
        assert page.exists()


async def test_a_document_that_is_no_file_goes_by_the_working_folder(
    client: Editor,
) -> None:
    item = types.TextDocumentItem("untitled:Untitled-1", "json", 1, '{"kind": "GpuConfig", ')
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    (mistake,) = await published(client)
    assert mistake.code == "DRA940"
    assert "text ends where a key in double quotes was expected" in mistake.message


async def test_half_a_surrogate_pair_is_judged_too(client: Editor, tmp_path: Path) -> None:
    found = await opened(client, tmp_path / "a.yaml", CLAIM.replace("8Gi", '"\ud800"'))
    assert "DRA101" in codes(found)


async def test_columns_are_counted_as_the_editor_counts_them(
    client: Editor, tmp_path: Path
) -> None:
    text = CLAIM.replace("strategy: Mps", '{"strategy": "\U0001f600", extra: 1}').replace(
        "            mpsConfig:\n              defaultPinnedDeviceMemoryLimit: 8Gi\n", ""
    )
    line = text.splitlines()[line_of(text, "extra")]
    found = await opened(client, tmp_path / "a.yaml", text)
    units = len(line.partition("extra")[0].encode("utf-16-le")) // 2
    assert {each.code: each.range.start.character for each in found}["DRA010"] == units


async def test_a_quick_fix_writes_what_was_meant(client: Editor, tmp_path: Path) -> None:
    text = "# \u2028\n" + CLAIM.replace(
        "            strategy: Mps\n            mpsConfig:\n"
        "              defaultPinnedDeviceMemoryLimit: 8Gi\n",
        '            {"\U0001f600": 1, strategy: mps}\n',
    )
    number = next(number for number, line in enumerate(text.split("\n")) if "mps" in line)
    line = text.split("\n")[number]
    start = len(line.partition("mps")[0].encode("utf-16-le")) // 2
    place = types.Range(types.Position(number, start), types.Position(number, start + 3))
    path = tmp_path / "a.yaml"
    found = await opened(client, path, text)
    document = types.TextDocumentIdentifier(path.as_uri())

    async def ask(
        where: types.Range, only: list[types.CodeActionKind | str] | None = None
    ) -> Sequence[types.Command | types.CodeAction]:
        context = types.CodeActionContext(found, only)
        params = types.CodeActionParams(document, where, context)
        return await client.text_document_code_action_async(params) or ()

    (action,) = await ask(types.Range(place.start, place.start), ["quickfix"])
    assert isinstance(action, types.CodeAction)
    assert [*await ask(place)] == [action]
    assert not await ask(types.Range(types.Position(0, 0), types.Position(number - 1, 0)))
    assert not await ask(place, ["refactor"])
    assert (action.title, action.kind) == ("Write MPS", "quickfix")
    (mistake,) = [each for each in found if each.code == "DRA101"]
    assert [*(action.diagnostics or ())] == [mistake]
    assert mistake.range == place
    assert action.edit is not None
    assert {**(action.edit.changes or {})} == {path.as_uri(): (types.TextEdit(place, "MPS"),)}
