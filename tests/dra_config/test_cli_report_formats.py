"""The output formats of other programs: SARIF, JUnit, GitHub and GitLab."""

import io
import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite
from pydantic import BaseModel

from dra_config.catalogue import RULES
from dra_config.cli import main
from tests.dra_config.wrong_claims import SHORT_CLAIM as CLAIM

GOOD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
WARNED = f"{GOOD}sharing: {{strategy: MPS, mpsConfig: {{defaultActiveThreadPercentage: 0}}}}\n"
SARIF_SCHEMA: type[BaseModel] = import_module(
    "pydantic_sarif.model"
).StaticAnalysisResultsFormatSarifVersion210JsonSchema
"""The published schema as a model; its package has no types of its own to import."""
ODD = "<&>\"'%:,]]> \u00fc\U0001f642\x85"
"""Letters that one format or another has to write differently."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FABRIC_TOPOLOGY_SUPPORT", raising=False)
    return tmp_path


def output(capsys: pytest.CaptureFixture[str], form: str, *words: str) -> str:
    """Return what the format *form* makes of the files that *words* name."""
    main(["validate", "--output", form, *words])
    return capsys.readouterr().out


def sarif(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Return the only run of the SARIF log, held against the published schema."""
    text = output(capsys, "sarif", *words)
    SARIF_SCHEMA.model_validate_json(text)
    whole = json.loads(text)
    assert whole["version"] == "2.1.0"
    (run,) = whole["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        for location in result["locations"]:
            # The schema's models do not look at the form of a URI, nor at the order of a region.
            physical = location["physicalLocation"]
            assert re.fullmatch(r"[A-Za-z0-9._~%/:-]+", physical["artifactLocation"]["uri"])
            region = physical["region"]
            start = (region["startLine"], region["startColumn"])
            assert (1, 1) <= start <= (region["endLine"], region["endColumn"])
    checked: dict[str, Any] = run
    return checked


def suites(text: str, *, tests: int, failures: int, errors: int = 0) -> list[TestSuite]:
    """Return the suites of a JUnit report, whose counts are those of its cases."""
    root = ET.fromstring(text)  # noqa: S314 - our own text
    allowed = {
        "testsuites": {"name"},
        "testsuite": {"name", "tests", "failures", "errors", "skipped"},
        "testcase": {"classname", "name"},
        "failure": {"type", "message"},
        "error": {"type", "message"},
        "system-out": set(),
    }
    for element in root.iter():
        assert set(element.keys()) == allowed[element.tag]
    listed: list[TestSuite] = list(JUnitXml.fromstring(text.encode()))
    counted = [(suite.tests, suite.failures, suite.errors) for suite in listed]
    for suite in listed:
        cases: list[TestCase] = list(suite)
        kinds = [type(result) for case in cases for result in case.result]
        assert suite.tests == len(cases)
        assert (suite.failures, suite.errors) == (kinds.count(Failure), kinds.count(Error))
    assert [sum(column) for column in zip(*counted, strict=True)] == [tests, failures, errors]
    return listed


def test_a_sarif_result_has_region_object_and_rule(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(CLAIM, encoding="utf-8")
    run = sarif(capsys, "a.yaml")
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("DRA101", "error")
    assert "strategy: 'Mps' is not a sharing strategy" in result["message"]["text"]
    (location,) = result["locations"]
    assert location == {
        "physicalLocation": {
            "artifactLocation": {"uri": "a.yaml"},
            "region": {"startLine": 12, "startColumn": 31, "endLine": 12, "endColumn": 34},
        },
        "logicalLocations": [
            {"fullyQualifiedName": "ResourceClaim team-a/training", "kind": "object"}
        ],
    }
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["fullDescription"]["text"] == RULES["DRA101"].why
    assert RULES["DRA101"].fix in rule["help"]["markdown"]
    assert RULES["DRA101"].good.rstrip() in rule["help"]["text"]


def test_a_sarif_rule_links_to_the_page_that_the_settings_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("a.yaml").write_text(CLAIM, encoding="utf-8")
    (rule,) = sarif(capsys, "a.yaml")["tool"]["driver"]["rules"]
    assert "helpUri" not in rule
    settings = Path(".dra-config.toml")
    for address, link in (
        ("https://docs.example.com/rules", "https://docs.example.com/rules/DRA101"),
        ("https://x/rules.md#{anchor}", "https://x/rules.md#dra101-sharing-strategy-unknown"),
    ):
        settings.write_text(f"rule-pages = '{address}'\n", encoding="utf-8")
        (rule,) = sarif(capsys, "a.yaml")["tool"]["driver"]["rules"]
        assert rule["helpUri"] == link


def test_columns_count_characters_as_sarif_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    text = f'{GOOD}sharing: {{"\\U0001f642": "\U0001f642", strategy: Mps}}\n'
    Path("a.yaml").write_text(text, encoding="utf-8")
    run = sarif(capsys, "a.yaml")
    assert run["columnKind"] == "unicodeCodePoints"
    (region,) = [
        result["locations"][0]["physicalLocation"]["region"]
        for result in run["results"]
        if result["ruleId"] == "DRA101"
    ]
    line = text.splitlines()[region["startLine"] - 1]
    assert line[region["startColumn"] - 1 : region["endColumn"] - 1] == "Mps"


def prints(run: dict[str, Any]) -> list[str]:
    """Return the fingerprints of a run's results."""
    return [result["partialFingerprints"]["draConfigFinding/v1"] for result in run["results"]]


def test_a_fingerprint_survives_lines_that_move(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(CLAIM, encoding="utf-8")
    before = prints(sarif(capsys, "a.yaml"))
    entry = "    - opaque: {driver: gpu.example.com, parameters: {a: 1}}\n"
    moved = CLAIM.replace("    config:\n", f"    config:\n{entry}")
    Path("a.yaml").write_text(f"# one more line\nkind: Pod\n---\n{moved}", encoding="utf-8")
    assert prints(sarif(capsys, "a.yaml")) == before
    assert prints(sarif(capsys, str(Path("a.yaml").resolve()))) == before
    Path("a.yaml").write_text(CLAIM.replace("Mps", "mPs"), encoding="utf-8")
    assert prints(sarif(capsys, "a.yaml")) != before


def test_findings_that_are_alike_have_fingerprints_of_their_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("a.yaml").write_text(f"{CLAIM}---\n{CLAIM}", encoding="utf-8")
    found = prints(sarif(capsys, "a.yaml"))
    assert len(found) == len(set(found)) == 2


def test_every_rule_that_a_file_can_break_makes_valid_sarif(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for rule in RULES.values():
        Path(f"{rule.id}.yaml").write_text(rule.bad or "a: [", encoding="utf-8")
    run = sarif(capsys, "--verbose", ".")
    assert len(run["tool"]["driver"]["rules"]) > 40


def test_sarif_tells_what_could_not_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    (invocation,) = sarif(capsys, "missing.yaml")["invocations"]
    assert invocation["executionSuccessful"] is False
    (problem,) = invocation["toolExecutionNotifications"]
    assert "cannot read missing.yaml" in problem["message"]["text"]


def test_odd_letters_in_names_and_messages_harm_no_format(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = Path("odd %:,<&> \u00fc.yaml")
    path.write_text(f"{GOOD}{json.dumps(ODD, ensure_ascii=False)}: 1\n", encoding="utf-8")
    for form in ("sarif", "gitlab"):
        text = output(capsys, form, str(path))
        assert text.isascii()
        assert json.loads(text)
    uri = sarif(capsys, str(path))["results"][0]["locations"][0]["physicalLocation"]
    assert uri["artifactLocation"]["uri"] == "odd%20%25%3A%2C%3C%26%3E%20%C3%BC.yaml"
    text = output(capsys, "junit", str(path))
    assert text.isascii()
    (suite,) = suites(text, tests=1, failures=1)
    assert suite.name == str(path)
    (line,) = output(capsys, "github", str(path)).splitlines()
    assert line.startswith("::error file=odd %25%3A%2C<&> \u00fc.yaml,line=3,")


def test_junit_has_a_suite_for_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text(CLAIM, encoding="utf-8")
    Path("good.yaml").write_text(GOOD, encoding="utf-8")
    text = output(capsys, "junit", "bad.yaml", "good.yaml", "missing.yaml")
    bad, good, missing = suites(text, tests=3, failures=1, errors=1)
    assert [suite.name for suite in (bad, good, missing)] == [
        "bad.yaml",
        "good.yaml",
        "missing.yaml",
    ]
    (case,) = list(bad)
    assert case.name == "DRA101 ResourceClaim team-a/training bad.yaml:12:31"
    (failure,) = case.result
    assert "is not a sharing strategy" in str(failure.message)
    assert "sharing: {strategy: Mps}" in str(failure.text)


def test_junit_counts_a_warning_as_a_failure_under_strict_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("a.yaml").write_text(WARNED, encoding="utf-8")
    (suite,) = suites(output(capsys, "junit", "a.yaml"), tests=1, failures=0)
    (case,) = list(suite)
    assert "warning[" in str(case.system_out)
    suites(output(capsys, "junit", "--strict", "a.yaml"), tests=1, failures=1)


def test_github_gets_a_command_with_file_line_and_column(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("a.yaml").write_text(CLAIM, encoding="utf-8")
    (line,) = output(capsys, "github", "./a.yaml").splitlines()
    assert line.startswith(
        "::error file=a.yaml,line=12,endLine=12,col=31,endColumn=33,title=DRA101::"
        "spec.devices.config[0].opaque.parameters.sharing.strategy: 'Mps' is not"
    )
    Path("a.yaml").write_text(WARNED, encoding="utf-8")
    assert output(capsys, "github", "a.yaml").startswith("::warning ")
    assert "::notice " in output(capsys, "github", "--verbose", "a.yaml")
    assert output(capsys, "github", "missing.yaml").startswith("::error title=cannot read a file")


def test_github_columns_of_two_lines_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(f"{GOOD}sharing:\n- a\n- b\n", encoding="utf-8")
    (line,) = output(capsys, "github", "a.yaml").splitlines()
    found = re.search(r"line=(\d+),endLine=(\d+)", line)
    assert found is not None
    assert found[1] < found[2]
    assert "endColumn" not in line


def test_github_messages_of_several_lines_are_one_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("a.yaml").write_text(f'{GOOD}"a%\\r\\nb": 1\n', encoding="utf-8")
    (line,) = output(capsys, "github", "a.yaml").splitlines()
    assert "a%25" in line


def test_gitlab_gets_what_its_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(f"{CLAIM}---\n{WARNED}", encoding="utf-8")
    error, warning = json.loads(output(capsys, "gitlab", "./a.yaml"))
    assert set(error) == {"description", "check_name", "fingerprint", "severity", "location"}
    assert (error["check_name"], error["severity"]) == ("DRA101", "major")
    assert error["location"] == {"path": "a.yaml", "lines": {"begin": 12, "end": 12}}
    assert warning["severity"] == "minor"
    assert error["fingerprint"] != warning["fingerprint"]
    assert json.loads(output(capsys, "gitlab", "missing.yaml")) == []


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit", "github", "gitlab"])
def test_findings_from_standard_input_name_their_object(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    items = "".join(
        f"- {line}" if not n else f"  {line}"
        for n, line in enumerate(CLAIM.splitlines(keepends=True))
    )
    text = f"apiVersion: v1\nkind: List\nitems:\n{items}"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    out = output(capsys, form, "-")
    if form == "json":
        assert json.loads(out)["findings"][0]["object"]["name"] == "training"
    else:
        assert "ResourceClaim team-a/training" in out
    assert "file=" not in out or form != "github"
