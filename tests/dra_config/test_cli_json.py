"""The JSON output: one object whose keys programs rely on from now on."""

import json
from pathlib import Path
from typing import Any

import pytest

from dra_config.cli import main
from tests.dra_config.wrong_claims import SHORT_CLAIM as CLAIM


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FABRIC_TOPOLOGY_SUPPORT", raising=False)


def report(capsys: pytest.CaptureFixture[str], text: str, *options: str) -> dict[str, Any]:
    """Return the output for a file ``a.yaml`` that holds *text*."""
    Path("a.yaml").write_text(text, encoding="utf-8")
    main(["validate", "--output", "json", "a.yaml", *options])
    whole: dict[str, Any] = json.loads(capsys.readouterr().out)
    return whole


def test_a_finding_has_these_keys_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    (finding,) = report(capsys, CLAIM)["findings"]
    message = finding.pop("message")
    assert message.startswith("'Mps' is not a sharing strategy")
    assert finding == {
        "path": "a.yaml",
        "line": 12,
        "column": 31,
        "end_line": 12,
        "end_column": 34,
        "rule": "DRA101",
        "severity": "error",
        "field": "spec.devices.config[0].opaque.parameters.sharing.strategy",
        "suggestion": None,
        "fixable": True,
        "object": {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaim",
            "namespace": "team-a",
            "name": "training",
        },
    }


def test_the_summary_has_these_keys_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    gates = CLAIM.replace("Mps", "MPS") + "---\nkind: Pod\n---\na: {{ b }}\n"
    summary = report(capsys, gates)["summary"]
    assert summary.pop("seconds") >= 0
    assert summary == {
        "files": 1,
        "documents": 3,
        "configs": 1,
        "errors": 0,
        "warnings": 0,
        "notes": 2,
        "skipped_rules": 1,
        "fixable": 0,
        "partial": False,
    }


def test_nothing_found_is_still_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(capsys, "a: 1\n")["findings"] == []


def test_notes_are_counted_always_and_listed_on_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = CLAIM.replace("Mps", "MPS")
    assert report(capsys, text)["findings"] == []
    (note,) = report(capsys, text, "--verbose")["findings"]
    assert (note["rule"], note["severity"]) == ("DRA102", "note")


def test_a_document_that_does_not_parse_has_no_object(capsys: pytest.CaptureFixture[str]) -> None:
    (finding,) = report(capsys, "a: [")["findings"]
    assert finding["object"] == {"apiVersion": None, "kind": None, "namespace": None, "name": None}
    assert (finding["rule"], finding["field"]) == ("DRA940", "")


def test_a_suggestion_is_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    text = "apiVersion: gpu.nvidia.com/v1alpha1\nkind: GpuConfig\n"
    (finding,) = report(capsys, text)["findings"]
    expected = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
    assert finding["suggestion"] == expected


def test_json_gets_json_as_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    (finding,) = report(capsys, '{"apiVersion":"gpu.nvidia.com/v1alpha1","kind":"GpuConfig"}')[
        "findings"
    ]
    assert json.loads(finding["suggestion"])["apiVersion"] == "resource.nvidia.com/v1beta1"


def test_the_output_is_plain_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ä.yaml").write_text("apiVersion: nvidia.com/v1beta1\nkind: GpuConfig\nü: 1\n")
    main(["validate", "--output", "json", "ä.yaml"])
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out)["findings"][0]["path"] == "ä.yaml"
