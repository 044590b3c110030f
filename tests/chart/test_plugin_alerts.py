"""The alerts on the plugin speak of metrics that exist."""

import re

import pytest
from prometheus_client import CollectorRegistry

from plugin.rpc.telemetry import OUTCOMES, EdgeTelemetry
from plugin.telemetry import PublishingTelemetry
from tests.chart.chart import EVERYTHING, Helm, Json, Rendered, with_tls

METRIC = re.compile(r"\b[a-z_]+(?=\{)")


@pytest.fixture
def release(helm: Helm) -> Rendered:
    return helm.render(with_tls("self-managed", EVERYTHING)).part("plugin")


def rules(release: Rendered) -> list[Json]:
    (group,) = release.one("PrometheusRule")["spec"]["groups"]
    found: list[Json] = group["rules"]
    return found


def test_the_alerts_ask_for_metrics_that_exist(release: Rendered) -> None:
    registry = CollectorRegistry()
    EdgeTelemetry(registry)
    PublishingTelemetry(registry)
    counted = {sample.name for family in registry.collect() for sample in family.samples}
    for rule in rules(release):
        asked = set(METRIC.findall(rule["expr"]))
        assert asked, rule["alert"]
        assert asked <= counted, rule["alert"]


def test_the_alerts_ask_for_outcomes_that_exist(release: Rendered) -> None:
    asked = {
        outcome
        for rule in rules(release)
        for pattern in re.findall(r'outcome=~?"([^"]+)"', rule["expr"])
        for outcome in pattern.split("|")
    }
    assert asked == {"failed", "timeout", "defect"}
    assert asked <= {*OUTCOMES}


def test_there_is_an_alert_for_what_needs_somebody(release: Rendered) -> None:
    assert [rule["alert"].removeprefix("DraConfigPlugin") for rule in rules(release)] == [
        "NotRegistered",
        "NotPublishing",
        "ClaimsFailing",
        "Defect",
    ]
    for rule in rules(release):
        assert rule["labels"]["severity"] == "warning"
        assert rule["annotations"].keys() == {"summary", "description"}


def test_prometheus_finds_the_pods_of_this_release(release: Rendered) -> None:
    service = release.one("Service")
    monitor = release.one("ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    (port,) = service["spec"]["ports"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")
    labels = release.one("DaemonSet")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    ports = {one["name"]: one["containerPort"] for one in release.plugin_container()["ports"]}
    assert ports[port["targetPort"]] == port["port"]
    for rule in rules(release):
        assert f'service="{service["metadata"]["name"]}"' in rule["expr"]


def test_the_webhooks_monitor_does_not_find_the_plugin(helm: Helm) -> None:
    rendered = helm.render(with_tls("self-managed", EVERYTHING))
    labels = rendered.part("plugin").one("Service")["metadata"]["labels"]
    selector = rendered.part("webhook").one("ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert not selector.items() <= labels.items()
