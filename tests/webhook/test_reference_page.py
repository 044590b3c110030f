"""The reference page tells of every flag, metric and field that there is, and of no other."""

import re

from tests.reference_pages import table
from tests.webhook.served import ROOT
from webhook.decisions import DecisionLine
from webhook.settings import PREFIX, _parser, parse_settings
from webhook.telemetry import FAMILIES

PAGE = ROOT / "docs" / "reference" / "webhook.md"
ENVIRONMENT = {"HOME": "/home/me"}


def test_every_flag_stands_in_the_table_with_its_variable() -> None:
    documented = {flag: variable for flag, variable, *_ in table(PAGE, "Flag")}
    assert documented == {
        f"--{name.replace('_', '-')}": PREFIX + name.upper()
        for name in vars(_parser().parse_args([]))
    }


def test_the_documented_defaults_are_those_in_force() -> None:
    plain = parse_settings([], ENVIRONMENT)
    rows = list(table(PAGE, "Flag"))
    assert parse_settings([f"{flag}={default}" for flag, _, default, _ in rows], ENVIRONMENT) == (
        plain
    )
    variables = {variable: default for _, variable, default, _ in rows}
    assert parse_settings([], ENVIRONMENT | variables) == plain


def test_every_metric_stands_in_the_table_with_its_type() -> None:
    documented = {name: kind for name, kind, _ in table(PAGE, "Name")}
    assert documented == {name: kind for name, (kind, _) in FAMILIES.items()}


def test_every_field_of_a_decision_stands_in_the_table() -> None:
    assert [name for name, _ in table(PAGE, "Field")] == list(DecisionLine.__struct_fields__)


def test_every_message_that_the_page_names_is_logged_somewhere() -> None:
    last = PAGE.read_text().rpartition("Other lines tell of")[2]
    messages = re.findall(r"`([a-z][a-z ]+)`", re.sub(r"\([^)]*\)", "", last))
    assert len(messages) > 5
    sources = "".join(path.read_text() for path in (ROOT / "webhook").glob("*.py"))
    assert [message for message in messages if f'"{message}"' not in sources] == []
