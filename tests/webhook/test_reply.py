"""How findings look in an answer."""

import json

from dra_config.catalogue import Cause, Severity
from dra_config.violations import FieldPath, Violation
from tests.webhook.served import config, review
from webhook.reply import render_decision, render_warning
from webhook.review import Decision, Finding, read_review

REQUEST = read_review(json.dumps(review(config())).encode())


def finding(message: str, path: FieldPath = ("spec",), rule: str = "DRA101") -> Finding:
    violation = Violation(rule, Severity.ERROR, path, message)
    return Finding(violation, Cause.INVALID, "gpu.nvidia.com", "GpuConfig")


def test_a_short_warning_shows_the_whole_path() -> None:
    assert render_warning(finding("is soft", ("spec", "config", 0))) == (
        "DRA101 spec.config[0]: is soft"
    )


def test_a_warning_that_would_be_long_shows_config_and_field_only() -> None:
    path = (
        "spec",
        "devices",
        "config",
        3,
        "opaque",
        "parameters",
        "sharing",
        "mpsConfig",
        "limit",
    )
    assert render_warning(finding("x" * 60, path)) == f"DRA101 config[3] limit: {'x' * 60}"


def test_no_warning_is_longer_than_the_api_server_passes_on() -> None:
    text = render_warning(finding("ü" * 1000))
    assert len(text) == 256
    assert text.endswith("…")


def test_an_answer_stays_small_whatever_the_number_of_causes() -> None:
    decision = Decision(tuple(finding(f"wrong {number}") for number in range(2000)))
    status = json.loads(render_decision(REQUEST, decision))["response"]["status"]
    assert len(status["details"]["causes"]) == 1000
    assert status["message"].endswith("; and 1990 more")


def test_rules_stand_once_in_the_audit_annotation_refusals_first() -> None:
    decision = Decision(
        (finding("a", rule="DRA103"), finding("b", rule="DRA101"), finding("c", rule="DRA103")),
        (finding("d", rule="DRA015"), finding("e", rule="DRA101")),
    )
    response = json.loads(render_decision(REQUEST, decision))["response"]
    assert response["auditAnnotations"] == {"rules": "DRA103,DRA101,DRA015"}


def test_equal_warnings_are_sent_once() -> None:
    decision = Decision((), (finding("a"), finding("a"), finding("b")))
    response = json.loads(render_decision(REQUEST, decision))["response"]
    assert response["warnings"] == ["DRA101 spec: a", "DRA101 spec: b"]
