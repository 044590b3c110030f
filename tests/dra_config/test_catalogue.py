"""The catalogue is whole: every rule has its own id, name and words, and examples that parse."""

import re
import subprocess
import sys
from collections import Counter
from types import ModuleType

import pytest
import yaml

from dra_config import catalogue
from dra_config.catalogue import (
    RULES,
    Judge,
    Need,
    Rule,
    Severity,
    allocation,
    compute_domain,
    decode,
    documents,
    fabric,
    installation,
    requests,
    sharing,
    structure,
    vfio,
)

GROUPS: dict[ModuleType, range] = {
    decode: range(1, 100),
    sharing: range(101, 200),
    allocation: range(201, 300),
    vfio: range(301, 400),
    fabric: range(401, 500),
    requests: range(501, 600),
    compute_domain: range(801, 900),
    structure: range(901, 940),
    documents: range(940, 950),
    installation: range(980, 1000),
}

FOUNDATION = {
    *(*range(1, 17), 22),
    *(*range(101, 114), 115, 116, 118, 120, 121, 123, 124),
    *(201, 202, 206),
    *(301, 302, *range(401, 419), 420),
    507,
    *(801, 802, 806, 808, 822, 830, 832, 833, 836, 843, *range(850, 855)),
    *(901, 902, 903, 920, 927, *range(940, 947)),
    *(*range(980, 984), 990),
}

every_rule = pytest.mark.parametrize("entry", RULES.values(), ids=RULES)


def repeated(texts: list[str]) -> list[str]:
    return [text for text, count in Counter(texts).items() if text and count > 1]


def test_the_catalogue_holds_the_rules_of_the_foundation_in_order() -> None:
    assert list(RULES) == [f"DRA{number:03}" for number in sorted(FOUNDATION)]


@every_rule
def test_a_rule_is_found_by_its_own_id(entry: Rule) -> None:
    assert RULES[entry.id] is entry


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        RULES["DRA999"] = RULES["DRA001"]  # type: ignore[index]


def test_two_rules_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="two rules are called DRA101"):
        catalogue._by_id((*sharing.RULES, sharing.DRA101))


@pytest.mark.parametrize(("group", "numbers"), GROUPS.items(), ids=lambda part: str(part)[:40])
def test_a_group_lists_its_own_constants_in_order(group: ModuleType, numbers: range) -> None:
    constants = {name: value for name, value in vars(group).items() if isinstance(value, Rule)}
    assert {name: value.id for name, value in constants.items()} == {id_: id_ for id_ in constants}
    assert [entry.id for entry in group.RULES] == sorted(constants)
    assert all(int(entry.id.removeprefix("DRA")) in numbers for entry in group.RULES)


@every_rule
def test_a_name_is_kebab_case(entry: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", entry.name)


@every_rule
def test_why_and_fix_are_one_or_two_sentences(entry: Rule) -> None:
    for text in (entry.why, entry.fix):
        assert re.fullmatch(r"[A-Za-z][^\n]*[^.]\.", text)
        assert "  " not in text
        assert len(re.findall(r"\.(?: |$)", text)) <= 2
        assert len(text) <= 240


def test_no_two_rules_share_a_name_or_a_text() -> None:
    rules = RULES.values()
    assert not repeated([entry.name for entry in rules])
    assert not repeated([entry.why for entry in rules])
    assert not repeated([entry.fix for entry in rules])


@every_rule
def test_the_examples_parse_and_differ(entry: Rule) -> None:
    for example in filter(None, (entry.bad, entry.good)):
        assert example.endswith("\n")
        assert not example.startswith((" ", "\n"))
        assert yaml.safe_load(example)
    assert not entry.bad or entry.bad != entry.good
    assert not entry.good or entry.bad


@every_rule
def test_every_rule_is_decided_by_somebody_from_something(entry: Rule) -> None:
    assert entry.judges
    assert entry.needs
    assert (entry.needs == {Need.GATES}) == (entry.judges == {Judge.SETTINGS})


def test_only_findings_about_documents_are_notes() -> None:
    notes = {id_ for id_, entry in RULES.items() if entry.severity is Severity.NOTE}
    assert notes == {"DRA941", "DRA944", "DRA946"}


def test_the_catalogue_is_data_and_imports_nothing_but_the_standard_library() -> None:
    program = (
        "import sys; known = set(sys.modules); import dra_config.catalogue; "
        "print(*(m for m in set(sys.modules) - known if m.split('.')[0] not in "
        "{*sys.stdlib_module_names, 'dra_config'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert result.stdout.split() == []
