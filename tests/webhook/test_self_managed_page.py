"""The reference page tells of self-managed TLS what the code does."""

import ast
import re

from tests.reference_pages import table
from tests.webhook.installed import CONFIGURATION_RULE, SECRET_RULE, VERBS
from tests.webhook.served import ROOT
from tests.webhook.test_reference_page import PAGE
from webhook.self_managed import contents

SECTION = PAGE.read_text().partition("## Self-managed TLS")[2].partition("\n## ")[0]


def test_every_line_that_the_keeper_logs_is_named_and_no_other() -> None:
    told = SECTION.rpartition("Its log lines are")[2]
    named = set(re.findall(r"`([A-Za-z-]+ [A-Za-z- ]+)`", told))
    assert named == set(logged())


def logged() -> list[str]:
    """Return the message of every call that writes a line, in the order of the sources."""
    found: list[str] = []
    for path in sorted((ROOT / "webhook" / "self_managed").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                position = {"event": 1, "_tell": 0}.get(node.func.attr)
                if position is not None:
                    text = node.args[position]
                    if isinstance(text, ast.Constant):
                        found.append(str(text.value))
    return found


def test_the_rights_are_those_with_which_the_tests_on_a_real_api_server_pass() -> None:
    rows = list(table(PAGE, "API group"))
    assert [(group, resource) for group, resource, *_ in rows] == [
        (rule["apiGroups"][0], rule["resources"][0]) for rule in (SECRET_RULE, CONFIGURATION_RULE)
    ]
    assert {verbs for *_, verbs in rows} == {"`, `".join(VERBS)}


def test_every_entry_of_the_secret_is_named() -> None:
    named = re.findall(
        r"[a-z]+[.][a-z]+", " ".join(row[0] for row in table(PAGE, "Entry of the Secret"))
    )
    assert named == [
        contents.AUTHORITIES,
        contents.AUTHORITY_KEY,
        contents.CERTIFICATE,
        contents.CERTIFICATE_KEY,
    ]
