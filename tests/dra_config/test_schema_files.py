"""The generated files: what is in the repository is what the models say."""

import json
from pathlib import Path

import pytest
import yaml

from dra_config.catalogue import RULES
from dra_config.gates import SPECS
from dra_config.schema import custom_resource_definitions, documents
from tools.generate import drift, generated, main, write


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return generated()


def test_no_generated_file_has_drifted(root: Path, texts: dict[str, str]) -> None:
    """D124: the reference driver's pages are written by hand and have become untrue."""
    assert [*drift(root, texts)] == []


def test_the_files_hold_the_documents_and_the_manifests(texts: dict[str, str]) -> None:
    for path, document in documents().items():
        assert json.loads(texts[f"schemas/{path}"]) == document
    for name, manifest in custom_resource_definitions().items():
        assert yaml.safe_load(texts[f"schemas/crds/{name}"]) == manifest
        assert texts[f"charts/dra-config/crds/{name}"] == texts[f"schemas/crds/{name}"]


def test_every_generated_page_says_so_in_its_first_line(texts: dict[str, str]) -> None:
    pages = [text for path, text in texts.items() if path.endswith((".md", ".yaml"))]
    assert pages
    assert all("enerated" in text.splitlines()[0] for text in pages)


def test_the_pages_leave_out_no_rule_no_gate_and_no_kind(texts: dict[str, str]) -> None:
    rules = texts["docs/reference/rules.md"]
    for rule in RULES.values():
        assert f"## {rule.id} {rule.name}\n" in rules
        assert rule.why in rules
        assert rule.fix in rules
        assert rule.bad.rstrip() in rules
    assert all(f"`{gate}`" in texts["docs/reference/feature-gates.md"] for gate in SPECS)
    kinds = texts["docs/reference/kinds.md"]
    for path in [path for path in documents() if "/" in path]:
        version, _, kind = path.removesuffix(".json").rpartition("/")
        assert f"## {kind} of {version}\n" in kinds


def test_a_fresh_folder_is_written_once_and_then_left_alone(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    assert [*drift(tmp_path, texts)] == [f"{path}: missing" for path in texts]
    assert [*write(tmp_path, texts)] == [f"{path}: written" for path in texts]
    assert [*drift(tmp_path, texts)] == []
    assert [*write(tmp_path, texts)] == []
    assert {
        file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()
    } == {*texts}


def test_drift_is_shown_and_put_right(
    tmp_path: Path, texts: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], root=tmp_path) == 0
    changed, gone = "schemas/opaque-parameters.json", "docs/reference/rules.md"
    extra = "schemas/resource.nvidia.com/v1/GpuConfig.json"
    (tmp_path / changed).write_text(
        texts[changed].replace('"type": "object"', '"type": "array"', 1), encoding="utf-8"
    )
    (tmp_path / gone).unlink()
    (tmp_path / extra).parent.mkdir()
    (tmp_path / extra).write_text("{}", encoding="utf-8")
    capsys.readouterr()

    assert main(["--check"], root=tmp_path) == 1
    shown = capsys.readouterr().out
    assert f"{changed}: differs" in shown
    assert '-  "type": "array"' in shown
    assert '+  "type": "object"' in shown
    assert f"{gone}: missing" in shown
    assert f"{extra}: nothing generates it" in shown

    assert main([], root=tmp_path) == 0
    assert not (tmp_path / extra).exists()
    assert main(["--check"], root=tmp_path) == 0
