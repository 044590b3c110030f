"""The alerts speak of metrics that exist."""

import re

import pytest

from tests.chart.chart import EVERYTHING, Helm, Rendered, with_tls
from webhook.telemetry import FAMILIES, PREFIX

API_SERVER_METRICS = frozenset(
    {
        "apiserver_admission_webhook_rejection_count",
        "apiserver_admission_webhook_fail_open_count",
    }
)
METRIC = re.compile(r"\b[a-z_]+(?=\{)")


@pytest.fixture
def release(helm: Helm) -> Rendered:
    return helm.render(with_tls("self-managed", EVERYTHING)).part("webhook")


def test_the_alerts_ask_for_metrics_that_exist(release: Rendered) -> None:
    (group,) = release.one("PrometheusRule")["spec"]["groups"]
    for rule in group["rules"]:
        asked = set(METRIC.findall(rule["expr"]))
        assert asked, rule["alert"]
        assert asked <= API_SERVER_METRICS | {PREFIX + name for name in FAMILIES}, rule["alert"]


def test_there_is_an_alert_for_what_needs_somebody(release: Rendered) -> None:
    (group,) = release.one("PrometheusRule")["spec"]["groups"]
    assert [rule["alert"].removeprefix("DraConfigWebhook") for rule in group["rules"]] == [
        "CertificateNearEnd",
        "CertificateReloadFailing",
        "CertificateNotLookedAfter",
        "RefusalsJump",
        "Defect",
        "NotAnswering",
    ]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_the_alerts_watch_the_service_of_this_release(release: Rendered) -> None:
    (group,) = release.one("PrometheusRule")["spec"]["groups"]
    name = release.one("Service")["metadata"]["name"]
    for rule in group["rules"]:
        if PREFIX in rule["expr"]:
            assert f'service="{name}"' in rule["expr"]


def test_prometheus_scrapes_the_port_with_the_metrics(release: Rendered) -> None:
    monitor = release.one("ServiceMonitor")["spec"]
    service = release.one("Service")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["path"] == "/metrics"


def test_the_alert_on_the_webhook_names_its_entries(release: Rendered) -> None:
    (group,) = release.one("PrometheusRule")["spec"]["groups"]
    (rule,) = (rule for rule in group["rules"] if rule["alert"].endswith("NotAnswering"))
    (pattern,) = set(re.findall(r'name=~"([^"]+)"', rule["expr"]))
    for webhook in release.one("ValidatingWebhookConfiguration")["webhooks"]:
        assert re.fullmatch(pattern, webhook["name"])


def test_only_a_webhook_that_looks_after_its_certificate_can_fail_to(helm: Helm) -> None:
    rule = helm.render(with_tls("secret", EVERYTHING)).part("webhook").one("PrometheusRule")
    assert "self_managed" not in str(rule)
