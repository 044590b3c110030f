"""The editor's schema in yaml-language-server itself, spoken to as an editor does."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dra_config.schema import manifest_schema

PACKAGE = "yaml-language-server@1.19.2"
CLAIM = """\
apiVersion: resource.k8s.io/v1beta1
kind: ResourceClaimTemplate
metadata: {name: a}
spec:
  spec:
    devices:
      config:
      - opaque:
          driver: gpu.nvidia.com
          parameters:
            apiVersion: gpu.nvidia.com/v1alpha1
            kind: GpuConfig
            sharing:
              strategy: MPS
              mpsConfig:
                defaultPinnedDeviceMemoryLimit: 1Kb
      - opaque:
          driver: compute-domain.nvidia.com
          parameters:
            apiVersion: resource.nvidia.com/v1beta1
            kind: GpuConfig
      - opaque:
          driver: other.example.com
          parameters: {a: b}
"""
pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def server_command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the command of a language server: the one on PATH, or one from npm."""
    found = shutil.which("yaml-language-server")
    if found is not None:
        return [found, "--stdio"]
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs node and npm, or yaml-language-server on PATH")
    folder = tmp_path_factory.mktemp("npm")
    install = [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", PACKAGE]
    run = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        pytest.skip(f"npm cannot install {PACKAGE}: {run.stderr.strip()[-300:]}")
    return [str(folder / "node_modules" / ".bin" / "yaml-language-server"), "--stdio"]


class Client:
    """As much of an editor as the questions here need."""

    def __init__(self, process: subprocess.Popen[bytes], schema: str) -> None:
        self.process = process
        self.settings = {
            "schemas": {schema: ["*.yaml"]},
            "validate": True,
            "hover": True,
            "completion": True,
            "schemaStore": {"enable": False},
        }
        self.count = 0

    def send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, "the language server has closed its output"
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        return message

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first message that is *wanted*, and answer the server's own questions."""
        while True:
            message = self.receive()
            if "method" in message and "id" in message:
                items = message["params"].get("items", []) if "params" in message else []
                answer = [self.settings if i.get("section") == "yaml" else None for i in items]
                self.send(id=message["id"], result=answer or None)
            elif wanted(message):
                return message

    def ask(self, method: str, **params: Any) -> Any:
        self.count += 1
        number = self.count
        self.send(id=number, method=method, params=params)
        return self.until(lambda message: message.get("id") == number)["result"]

    def open(self, uri: str, text: str) -> list[dict[str, Any]]:
        """Open a document and return its diagnostics."""
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.send(method="textDocument/didOpen", params={"textDocument": document})
        published = self.until(
            lambda message: (
                message.get("method") == "textDocument/publishDiagnostics"
                and message["params"]["uri"] == uri
            )
        )
        found: list[dict[str, Any]] = published["params"]["diagnostics"]
        return found

    def at(self, method: str, uri: str, line: int, character: int) -> Any:
        position = {"line": line, "character": character}
        return self.ask(method, textDocument={"uri": uri}, position=position)


@pytest.fixture(scope="module")
def client(
    server_command: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    schema = tmp_path_factory.mktemp("schema") / "manifest.json"
    schema.write_text(json.dumps(manifest_schema()), encoding="utf-8")
    with running(server_command) as process:
        editor = Client(process, schema.as_uri())
        capabilities = {
            "workspace": {"configuration": True},
            "textDocument": {"hover": {"contentFormat": ["markdown"]}},
        }
        editor.ask("initialize", processId=None, rootUri=None, capabilities=capabilities)
        editor.send(method="initialized", params={})
        settings = {"settings": {"yaml": editor.settings}}
        editor.send(method="workspace/didChangeConfiguration", params=settings)
        yield editor


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


def is_of_the_schema(diagnostic: dict[str, Any]) -> bool:
    """Say whether the schema is the reason, and not the syntax of YAML."""
    return str(diagnostic.get("source")).startswith("yaml-schema: ")


def line_of(text: str, sign: str) -> int:
    return next(number for number, line in enumerate(text.splitlines()) if sign in line)


def test_mistakes_are_underlined_and_the_rest_is_not(client: Client) -> None:
    found = client.open("file:///a/mistakes.yaml", CLAIM)
    assert {entry["range"]["start"]["line"]: entry["message"] for entry in found} == {
        line_of(CLAIM, "1Kb"): "This is not of the right form; write it like 8Gi.",
        20: 'Value is not accepted. Valid values: "ComputeDomainChannelConfig", '
        '"ComputeDomainDaemonConfig".',
    }


def test_values_are_completed_with_their_gates(client: Client) -> None:
    uri = "file:///a/completion.yaml"
    client.open(uri, CLAIM)
    place = client.at("textDocument/completion", uri, line_of(CLAIM, "strategy"), 24)
    assert {item["label"]: item.get("documentation") for item in place["items"]} == {
        "MPS": "Needs feature gate MPSSupport.",
        "TimeSlicing": "Needs feature gate TimeSlicingSettings.",
    }
    drivers = client.at("textDocument/completion", uri, line_of(CLAIM, "driver: gpu"), 18)
    assert {item["label"] for item in drivers["items"]} >= {
        "gpu.nvidia.com",
        "compute-domain.nvidia.com",
    }


def test_keys_are_completed_by_the_kind(client: Client) -> None:
    uri = "file:///a/keys.yaml"
    text = CLAIM.partition("            sharing:")[0] + "            s\n"
    client.open(uri, text)
    found = client.at("textDocument/completion", uri, len(text.splitlines()) - 1, 13)
    assert "sharing" in {item["label"] for item in found["items"]}
    assert "fabricTopologyConfig" not in {item["label"] for item in found["items"]}


def test_a_hover_says_what_the_field_means(client: Client) -> None:
    uri = "file:///a/hover.yaml"
    client.open(uri, CLAIM)
    hover = client.at("textDocument/hover", uri, line_of(CLAIM, "Limit"), 20)
    assert "Pinned device memory that a client may hold" in hover["contents"]["value"]


def test_every_public_manifest_and_example_is_left_alone(
    client: Client, shared_corpus: Path, root: Path
) -> None:
    paths = [*(shared_corpus / "manifests").rglob("*.yaml"), *(root / "examples").rglob("*.yaml")]
    checked = 0
    for path in sorted(paths):
        text = path.read_text(encoding="utf-8")
        if path.parent.name == "mistakes" or "{{" in text:
            continue
        found = client.open(path.as_uri(), text)
        assert [entry for entry in found if is_of_the_schema(entry)] == [], path
        checked += 1
    assert checked > 50


@pytest.mark.parametrize(
    "name", ["auto-with-partitions", "domain-name", "gigabytes", "other-strategy", "wrong-case"]
)
def test_a_mistake_of_the_examples_is_found(client: Client, root: Path, name: str) -> None:
    path = root / "examples" / "mistakes" / f"{name}.yaml"
    found = client.open(path.as_uri(), path.read_text(encoding="utf-8"))
    assert found
    assert all(map(is_of_the_schema, found))
