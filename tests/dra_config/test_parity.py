"""We and the reference driver agree wherever docs/reference/parity.md lists no difference."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dra_config.catalogue import RULES
from dra_config.gates import FeatureGate, FeatureGates
from dra_config.loading import Examined, examine
from dra_config.quantity import MAX_BYTES, NotAQuantity, parse
from dra_config.scheme import COMPUTE_DOMAIN_DRIVER, GPU_DRIVER

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "parity.md").read_text(encoding="utf-8")
VERDICTS = ROOT.parent / "shared" / "corpus" / "upstream-verdicts"

needs_verdicts = pytest.mark.skipif(
    not VERDICTS.is_dir(), reason="the recorded verdicts lie beside the repository"
)


def table(*columns: str) -> list[list[str]]:
    """Return the rows of the one table of the page that has these columns."""
    header = f"| {' | '.join(columns)} |\n"
    assert PAGE.count(header) == 1, header
    lines = PAGE.partition(header)[2].splitlines()[1:]
    end = next(i for i, line in enumerate(lines) if not line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:end]]


@dataclass(frozen=True)
class Difference:
    """One class of difference as the page lists it."""

    name: str
    rules: frozenset[str]
    we_accept: bool
    lines: int
    case: str | None
    ours: str


DIFFERENCES = [
    Difference(
        name,
        frozenset(re.findall(r"DRA\d{3}", rules)),
        we == "accept",
        int(lines),
        None if case == "none" else case,
        ours,
    )
    for name, rules, we, lines, case, ours in table(
        "class", "rules", "we", "lines", "case", "ours"
    )
]
TOTALS = {name: int(lines) for name, lines in table("verdicts", "lines")}


def recorded(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (VERDICTS / name).read_bytes().splitlines()]


def judged(verdict: dict[str, Any]) -> Examined:
    """Return our judgement under the driver that carries the kind of the config."""
    gates = FeatureGates(
        frozenset(FeatureGate(name) for name, on in verdict["gates"].items() if on)
    )
    ours = [
        examine(verdict["raw"], driver=driver, gates=gates)
        for driver in (GPU_DRIVER, COMPUTE_DOMAIN_DRIVER)
    ]
    return next((e for e in ours if "DRA008" not in rules_of(e)), ours[0])


def rules_of(examined: Examined) -> set[str]:
    return {violation.rule for violation in examined.violations}


def differing() -> Iterator[tuple[dict[str, Any], Examined]]:
    for verdict in recorded("opaque-configs.jsonl"):
        ours = judged(verdict)
        if (ours.config is not None) is not (verdict["upstream"] == "accept"):
            yield verdict, ours


def classes(verdict: dict[str, Any], ours: Examined) -> list[Difference]:
    """Return the classes that a differing line falls into."""
    if ours.config is None:
        found = rules_of(ours)
        return [d for d in DIFFERENCES if not d.we_accept and d.rules & found]
    if verdict["upstream"] == "panic":
        return [d for d in DIFFERENCES if "interval" in d.name]
    name = "fabric" if "abric" in verdict["raw"] else "older"
    return [d for d in DIFFERENCES if d.we_accept and d.name.startswith(name)]


@needs_verdicts
def test_every_line_gets_the_recorded_verdict_or_falls_into_a_class_of_the_page() -> None:
    outside = [verdict["id"] for verdict, ours in differing() if not classes(verdict, ours)]
    assert not outside


@needs_verdicts
def test_each_class_of_the_page_has_as_many_lines_as_it_says() -> None:
    counted = {difference.name: 0 for difference in DIFFERENCES}
    for verdict, ours in differing():
        for difference in classes(verdict, ours):
            counted[difference.name] += 1
    assert counted == {difference.name: difference.lines for difference in DIFFERENCES}


@needs_verdicts
def test_the_totals_of_the_page_are_those_of_the_files() -> None:
    stricter = [ours.config is None for _, ours in differing()]
    total = len(recorded("opaque-configs.jsonl"))
    assert {
        "recorded": total,
        "equal": total - len(stricter),
        "different": len(stricter),
        "we refuse, it accepts": stricter.count(True),
        "we accept, it refuses or crashes": stricter.count(False),
    } == TOTALS


@needs_verdicts
def test_each_class_of_the_page_names_a_line_that_belongs_to_it() -> None:
    by_id = {verdict["id"]: (verdict, ours) for verdict, ours in differing()}
    for difference in DIFFERENCES:
        if difference.case is None:
            assert difference.lines == 0
        else:
            assert difference in classes(*by_id[difference.case]), difference


@needs_verdicts
def test_where_the_reference_driver_crashes_we_answer() -> None:
    crashed = [v for v in recorded("opaque-configs.jsonl") if v["upstream"] == "panic"]
    assert len(crashed) == 3
    for verdict in crashed:
        assert judged(verdict).config is not None


@needs_verdicts
def test_what_both_accept_means_the_same_to_both() -> None:
    """Its defaulted config, read by us, settles to the config that the original text does."""
    compared = 0
    for verdict in recorded("opaque-configs.jsonl"):
        ours = judged(verdict)
        if ours.config is not None and verdict["upstream"] == "accept":
            normalized = json.dumps(verdict["normalized"])
            assert judged({**verdict, "raw": normalized}).config == ours.config, verdict["id"]
            compared += 1
    assert compared == 250


@needs_verdicts
def test_recorded_quantities_differ_only_in_numbers_that_overflow() -> None:
    counted = {"above 2^63-1": 0, "below zero": 0}
    for verdict in recorded("quantities.jsonl"):
        try:
            quantity = parse(verdict["quantity"])
        except NotAQuantity:
            assert "error" in verdict, verdict
            continue
        assert (quantity.sign, quantity.canonical) == (verdict["sign"], verdict["canonical"])
        if quantity.bytes_rounded_up != verdict["value"]:
            beyond = quantity.bytes_rounded_up > MAX_BYTES
            assert beyond or quantity.bytes_rounded_up < 0, verdict
            counted["above 2^63-1" if beyond else "below zero"] += 1
    rows = table("class", "lines", "example", "ours")
    assert counted == {name: int(lines) for name, lines, _, _ in rows}


def own_cases() -> list[tuple[str, frozenset[str], bool]]:
    """Return each case of ours that the page names, the rules beside it, and our verdict."""
    cases = [(d.ours, d.rules, d.we_accept) for d in DIFFERENCES]
    for columns in (("text", "we", "it", "ours"), ("what", "we", "it", "ours")):
        for _, we, _, ours in table(*columns):
            rules = frozenset(re.findall(r"DRA\d{3}", we))
            cases.append((ours, rules, not we.startswith("refuse")))
    return cases


@pytest.mark.parametrize(
    ("name", "rules", "accepted"), own_cases(), ids=[name for name, _, _ in own_cases()]
)
def test_a_case_of_ours_that_the_page_names_shows_the_difference(
    name: str, rules: frozenset[str], *, accepted: bool
) -> None:
    folder = ROOT / "tests" / "corpus"
    assert (folder / f"{name}.json").exists()
    assert name.split("/")[1] == ("accept" if accepted else "reject")
    beside = folder / f"{name}.expect.json"
    expected = json.loads(beside.read_bytes()) if beside.exists() else {}
    assert not rules or rules & set(expected.get("rules", ()))


def test_the_page_explains_every_class_and_names_only_rules_that_exist() -> None:
    assert set(re.findall(r"DRA\d{3}", PAGE)) <= RULES.keys()
    for difference in DIFFERENCES:
        title = difference.name[0].upper() + difference.name[1:]
        assert f"- **{title.split(', with')[0]}.**" in PAGE
