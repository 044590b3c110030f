"""The language server, started as an editor starts it and asked through an LSP client."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

from dra_config.cli import main
from dra_config.cli.serving.answers import hover, words

URI = "file:///a/claim.yaml"
CLAIM = """\
apiVersion: v1
kind: ConfigMap
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: "\U0001f600"}
spec:
  devices:
    requests:
    - name: gpu
      exactly: {deviceClassName: gpu.nvidia.com}
    config:
    - requests: [gpu]
      opaque:
        driver: gpu.nvidia.com
        parameters:
          apiVersion: resource.nvidia.com/v1beta1
          kind: GpuConfig
          sharing:
            strategy: Mps
            mpsConfig:
              defaultPinnedDeviceMemoryLimit: 8Gi
"""


def line_of(text: str, sign: str) -> int:
    return next(number for number, line in enumerate(text.splitlines()) if sign in line)


def at(text: str, sign: str, column: int) -> tuple[list[str], int, int]:
    return text.splitlines(), line_of(text, sign), column


def labels(text: str, sign: str, column: int) -> list[str]:
    return [word.label for word in words(*at(text, sign, column))]


def test_hover_tells_the_field_in_block_style_only_inside_of_a_config() -> None:
    told = hover(*at(CLAIM, "Limit", 18))
    assert told is not None
    assert "Unit: bytes" in told
    assert "Pinned device memory" in told
    strategy = hover(*at(CLAIM, "strategy", 18))
    assert strategy is not None
    assert "`MPS` needs feature gate MPSSupport" in strategy
    for sign in ("metadata", "kind: ConfigMap", "driver:", "requests: [gpu]"):
        assert hover(*at(CLAIM, sign, 8)) is None


def test_keys_and_values_are_offered_while_the_yaml_is_half_written() -> None:
    half = CLAIM.replace("sharing:\n", "sharing:\n            s\n").replace(" Mps", "")
    assert labels(half, "            s\n".rstrip() + "", 13)[:1] == ["strategy"]
    assert labels(half, "strategy:", 22) == ["TimeSlicing", "MPS"]
    empty = CLAIM.partition("          sharing")[0] + "          \n"
    lines = empty.splitlines()
    offered = [word.label for word in words(lines, len(lines) - 1, 10)]
    assert offered == ["apiVersion", "kind", "sharing", "fabricTopologyConfig"]


def test_a_config_on_its_own_and_a_boolean_are_served() -> None:
    text = (
        "apiVersion: resource.nvidia.com/v1beta1\nkind: VfioDeviceConfig\n"
        "iommu:\n  enableAPIDevice: \n  backendPolicy: \n"
    )
    assert labels(text, "enable", 19) == ["true", "false"]
    assert labels(text, "backend", 17) == ["LegacyOnly", "PreferIommuFD"]
    assert labels(text, "iommu", 2) == ["apiVersion", "kind", "iommu"]
    assert labels(text.replace("v1beta1", "v9"), "iommu", 2) == []


def test_no_place_of_a_cut_off_file_is_a_surprise() -> None:
    offered = 0
    for cut in range(0, len(CLAIM), 7):
        lines = CLAIM[:cut].splitlines()
        for line in range(0, len(lines) + 3, 2):
            offered += len(words(lines, line, 12))
            hover(lines, line, 4)
    assert offered


def talk(conversation: Callable[[LanguageClient], Awaitable[Any]], *options: str) -> Any:
    """Start a server, shake hands, have the *conversation* and say goodbye."""

    async def whole() -> Any:
        client = LanguageClient("tests", "1")
        await client.start_io(sys.executable, "-m", "dra_config", "server", *options)
        capabilities = types.ClientCapabilities()
        await client.initialize_async(types.InitializeParams(capabilities=capabilities))
        client.initialized(types.InitializedParams())
        result = await conversation(client)
        await client.shutdown_async(None)
        client.exit(None)
        await client.stop()  # type: ignore[no-untyped-call]
        return result

    return asyncio.run(asyncio.wait_for(whole(), 60))


def item(text: str) -> types.DidOpenTextDocumentParams:
    return types.DidOpenTextDocumentParams(types.TextDocumentItem(URI, "yaml", 1, text))


async def published(client: LanguageClient, text: str) -> list[types.Diagnostic]:
    """Open *text* and return the diagnostics that come back."""
    done: asyncio.Future[list[types.Diagnostic]] = asyncio.get_running_loop().create_future()

    def received(params: types.PublishDiagnosticsParams) -> None:
        if not done.done():
            done.set_result([*params.diagnostics])

    client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(received)
    client.text_document_did_open(item(text))
    return await done


def test_findings_come_with_rule_sentence_and_place() -> None:
    async def conversation(client: LanguageClient) -> Any:
        found = await published(client, CLAIM)
        position = types.Position(line_of(CLAIM, "strategy"), 18)
        document = types.TextDocumentIdentifier(URI)
        hovered = await client.text_document_hover_async(types.HoverParams(document, position))
        place = types.Position(position.line, 22)
        offered = await client.text_document_completion_async(
            types.CompletionParams(document, place)
        )
        return found, hovered, offered

    found, hovered, offered = talk(conversation)
    (mistake,) = found
    assert (mistake.code, mistake.source) == ("DRA101", "dra-config")
    assert "'Mps' is not a sharing strategy" in mistake.message
    assert mistake.severity == types.DiagnosticSeverity.Error
    number = line_of(CLAIM, "Mps")
    assert mistake.range == types.Range(types.Position(number, 22), types.Position(number, 25))
    assert hovered.contents.value.startswith("**strategy**")
    assert [entry.label for entry in offered] == ["TimeSlicing", "MPS"]


def test_gates_are_judged_when_they_are_known() -> None:
    text = CLAIM.replace("Mps\n", "MPS\n")

    async def conversation(client: LanguageClient) -> Any:
        return [found.code for found in await published(client, text)]

    assert talk(conversation) == []
    assert talk(conversation, "--feature-gates=") == ["DRA102"]
    assert talk(conversation, "--feature-gates=MPSSupport=true") == []


def test_columns_are_counted_as_the_editor_counts_them() -> None:
    text = CLAIM.replace("strategy: Mps", '{"strategy": "\U0001f600", extra: 1}').replace(
        "            mpsConfig:\n              defaultPinnedDeviceMemoryLimit: 8Gi\n", ""
    )

    async def conversation(client: LanguageClient) -> Any:
        return await published(client, text)

    line = text.splitlines()[line_of(text, "extra")]
    found = {entry.code: entry.range.start.character for entry in talk(conversation)}
    units = len(line.partition("extra")[0].encode("utf-16-le")) // 2
    assert found["DRA010"] == units


def test_a_quick_fix_writes_what_was_meant() -> None:
    text = "# \u2028\n" + CLAIM.replace(
        "            strategy: Mps\n            mpsConfig:\n"
        "              defaultPinnedDeviceMemoryLimit: 8Gi\n",
        '            {"\U0001f600": 1, strategy: mps}\n',
    )
    number = next(number for number, line in enumerate(text.split("\n")) if "mps" in line)
    line = text.split("\n")[number]
    start = len(line.partition("mps")[0].encode("utf-16-le")) // 2
    place = types.Range(types.Position(number, start), types.Position(number, start + 3))

    async def conversation(client: LanguageClient) -> Any:
        found = await published(client, text)

        async def ask(where: types.Range, only: list[str] | None = None) -> Any:
            document = types.TextDocumentIdentifier(URI)
            context = types.CodeActionContext(found, only)
            params = types.CodeActionParams(document, where, context)
            return await client.text_document_code_action_async(params)

        above = types.Range(types.Position(0, 0), types.Position(number - 1, 0))
        cursor = types.Range(place.start, place.start)
        return (
            found,
            await ask(cursor, ["quickfix"]),
            await ask(place),
            await ask(above),
            await ask(place, ["refactor"]),
        )

    found, at_cursor, selected, above, refactored = talk(conversation)
    (action,) = at_cursor
    assert selected == at_cursor
    assert not above
    assert not refactored
    assert (action.title, action.kind) == ("Write MPS", "quickfix")
    (mistake,) = [each for each in found if each.code == "DRA101"]
    assert [*action.diagnostics] == [mistake]
    assert mistake.range == place
    assert {**action.edit.changes} == {URI: (types.TextEdit(place, "MPS"),)}


def test_wrong_gates_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["server", "--feature-gates", "Mps=true"]) == 2
    assert "'Mps' is not a feature gate" in capsys.readouterr().err


def test_without_its_extra_the_server_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["server"]) == 2
    assert "pip install 'dra-config[server]'" in capsys.readouterr().err
