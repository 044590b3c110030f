"""Every case of the rule corpus that the command line decides: the folder is the verdict."""

from pathlib import Path

import pytest

from dra_config.catalogue import RULES, Severity
from dra_config.cli.findings import Finding
from dra_config.cli.judge import Criteria, judge_file
from dra_config.gates import FeatureGates

FOLDER = Path(__file__).resolve().parents[1] / "corpus" / "rules"
JUDGED_HERE = (
    "DRA022",
    "DRA901",
    "DRA902",
    "DRA903",
    "DRA920",
    "DRA927",
    "DRA940",
    "DRA941",
    "DRA943",
)
GATES = FeatureGates.parse(
    "TimeSlicingSettings=true,MPSSupport=true,PassthroughSupport=true,FabricTopologySupport=true"
)


def cases(verdict: str) -> list[Path]:
    """Return the files in the folders *verdict* of the rules judged here."""
    return [path for rule in JUDGED_HERE for path in sorted((FOLDER / rule / verdict).iterdir())]


def name(path: Path) -> str:
    """Return how a case is called in the name of a test."""
    return path.relative_to(FOLDER).as_posix()


def findings(text: bytes) -> tuple[Finding, ...]:
    """Return what is found in a file under the gates of the corpus."""
    return judge_file("case.yaml", text, Criteria(gates=GATES), "yaml").findings


@pytest.mark.parametrize("path", cases("bad"), ids=name)
def test_a_bad_case_breaks_the_rule_of_its_folder(path: Path) -> None:
    rule = path.parents[1].name
    found = [finding for finding in findings(path.read_bytes()) if finding.rule == rule]
    assert found
    assert {finding.severity for finding in found} == {RULES[rule].severity}


@pytest.mark.parametrize("path", cases("good"), ids=name)
def test_a_good_case_does_not(path: Path) -> None:
    rule = path.parents[1].name
    assert rule not in {finding.rule for finding in findings(path.read_bytes())}


@pytest.mark.parametrize("rule", JUDGED_HERE)
def test_every_rule_has_cases_on_both_sides(rule: str) -> None:
    assert list((FOLDER / rule / "bad").iterdir())
    assert list((FOLDER / rule / "good").iterdir())


@pytest.mark.parametrize("rule", JUDGED_HERE)
def test_the_examples_of_the_catalogue_hold(rule: str) -> None:
    entry = RULES[rule]
    if entry.bad:
        assert rule in {finding.rule for finding in findings(entry.bad.encode())}
    if entry.good:
        assert not findings(entry.good.encode())


@pytest.mark.parametrize("path", [*cases("bad")], ids=name)
def test_what_is_to_be_written_instead_is_beyond_reproach(path: Path) -> None:
    rewritten = [
        finding.suggestion
        for finding in findings(path.read_bytes())
        if finding.rule in {"DRA901", "DRA903"}
    ]
    for text in filter(None, rewritten):
        assert not [f for f in findings(text.encode()) if f.severity is not Severity.NOTE]
