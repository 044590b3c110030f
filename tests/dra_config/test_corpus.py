"""Every case of the corpus gets the verdict of its folder, from every judge.

A case is one file of raw parameters below ``tests/corpus``, its folder is the verdict:
``<version>/{accept,reject}/<kind>-<what>.json``. What differs from the defaults stands beside it
in ``<kind>-<what>.expect.json``: ``gates`` as a gate list, ``driver``, and ``rules``, the ids of
all errors and warnings.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from dra_config.catalogue import RULES, Judge, Need, Severity
from dra_config.gates import FeatureGate, FeatureGates
from dra_config.loading import examine
from dra_config.scheme import DRIVERS, GPU_DRIVER
from dra_config.violations import Violation
from dra_config.wire import shown
from dra_config.wire.text import NotJson, read

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
DEFAULT_GATES = (
    "TimeSlicingSettings=true,MPSSupport=true,PassthroughSupport=true,FabricTopologySupport=true"
)


@dataclass(frozen=True)
class Case:
    """One set of parameters and what is to be said of it."""

    name: str
    """``<version>/{accept,reject}/<kind>-<what>``."""
    path: Path
    text: bytes
    accepted: bool
    gate_list: str
    driver: str
    rules: frozenset[str]

    @property
    def gates(self) -> FeatureGates:
        return FeatureGates.parse(self.gate_list)


def read_case(path: Path) -> Case:
    beside = path.with_name(f"{path.stem}.expect.json")
    expected: dict[str, Any] = json.loads(beside.read_bytes()) if beside.exists() else {}
    return Case(
        path.relative_to(CORPUS).with_suffix("").as_posix(),
        path,
        path.read_bytes(),
        path.parent.name == "accept",
        expected.get("gates", DEFAULT_GATES),
        expected.get("driver", GPU_DRIVER),
        frozenset(expected.get("rules", ())),
    )


FILES = sorted(CORPUS.glob("*/*/*.json"))
CASES = [read_case(path) for path in FILES if not path.name.endswith(".expect.json")]


def models_accept(case: Case) -> bool:
    return examine(case.text, driver=case.driver, gates=case.gates).config is not None


JUDGES: Mapping[str, Callable[[Case], bool]] = {"models": models_accept}
"""Whoever gives verdicts; each says whether it accepts a case."""

DIFFERENCES: Mapping[str, Mapping[str, str]] = {"models": {}}
"""For each judge the cases in which it must differ from the folder, and why."""


def judged_cases() -> Iterator[Any]:
    for judge in JUDGES:
        for case in CASES:
            reason = DIFFERENCES[judge].get(case.name)
            marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True)]
            yield pytest.param(judge, case, id=f"{judge}-{case.name}", marks=marks)


@pytest.mark.parametrize(("judge", "case"), [*judged_cases()])
def test_a_case_gets_the_verdict_of_its_folder(judge: str, case: Case) -> None:
    assert JUDGES[judge](case) is case.accepted


every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def violations(case: Case) -> tuple[Violation, ...]:
    return examine(case.text, driver=case.driver, gates=case.gates).violations


@every_case
def test_a_case_breaks_exactly_the_rules_that_it_names(case: Case) -> None:
    assert {violation.rule for violation in violations(case)} == case.rules


FOREIGN_WORDS = re.compile(
    r"Input should|validation error|unmarshal|NoneType|Traceback|pydantic|Go struct|nil pointer"
    r"|JsonFloat|JsonObject|<class|\bNone\b|\bTrue\b|\bFalse\b|\bdict\b|\bbool\b|\bstr\b",
)
"""What only a program of somebody else would say to a user."""


@every_case
def test_a_message_is_a_sentence_of_our_own_that_names_the_value_or_the_field(case: Case) -> None:
    for violation in violations(case):
        message = violation.message
        assert message.strip() == message
        assert len(message.split()) >= 4, message
        assert not FOREIGN_WORDS.search(message), message
        assert "\n" not in message
        if violation.severity is Severity.ERROR:
            said = message.lower()
            assert any(name.lower() in said for name in names(violation, case.text)), message


def names(violation: Violation, text: bytes) -> Iterator[str]:
    """Yield the words of which a message must hold one: the value, its field, or its gate."""
    if not violation.path:
        yield from ("the text", "the parameters", "JSON")
    if Need.GATES in RULES[violation.rule].needs:
        yield from FeatureGate
    yield from (unquoted(part) for part in violation.path if isinstance(part, str))
    try:
        node: JsonValue = read(text.decode())
    except (UnicodeDecodeError, NotJson):
        return
    for part in violation.path:
        if isinstance(node, dict) and isinstance(part, str):
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int):
            node = node[part]
        else:
            return
    yield unquoted(node)
    if isinstance(node, str) and not node.strip():
        yield "''"


def unquoted(value: object) -> str:
    """Return how a sentence shows *value*, with quotes only where nothing else is there to see."""
    text = shown(value)
    return text.strip("'") if text.strip("' ") else text


def test_every_rule_that_parameters_and_gates_decide_has_a_case() -> None:
    """DRA014 has none: each field that these kinds require has a rule of its own."""
    decided = {id_ for id_, rule in RULES.items() if Judge.PARAMETERS in rule.judges}
    assert decided - {rule for case in CASES for rule in case.rules} == {"DRA014"}


@every_case
def test_an_accepted_case_names_warnings_and_a_rejected_one_an_error(case: Case) -> None:
    errors = {rule for rule in case.rules if RULES[rule].severity is Severity.ERROR}
    assert bool(errors) is not case.accepted


def test_no_two_cases_are_equal() -> None:
    different = {(case.text, case.gates, case.driver) for case in CASES}
    assert len(different) == len(CASES)


def test_every_file_of_the_corpus_is_a_case_or_says_what_to_expect_of_one() -> None:
    assert len(CASES) > 700
    for path in FILES:
        if path.name.endswith(".expect.json"):
            expected = json.loads(path.read_bytes())
            assert expected.keys() <= {"gates", "driver", "rules"}, path
            assert expected.get("driver", GPU_DRIVER) in DRIVERS, path
            assert path.with_name(path.name.replace(".expect.json", ".json")).exists(), path


def test_every_difference_of_a_judge_is_about_a_case() -> None:
    assert DIFFERENCES.keys() == JUDGES.keys()
    for differences in DIFFERENCES.values():
        assert differences.keys() <= {case.name for case in CASES}
