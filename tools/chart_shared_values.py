"""Values that both services of the chart have, each under a prefix of its own."""

from collections.abc import Iterator

from tools.chart_shapes import (
    DURATION,
    LARGEST_PORT,
    Value,
    array,
    boolean,
    more_labels,
    one_of,
    text,
    texts_by_name,
    whole,
)


def switch(path: str, text: str, *, on: bool) -> Value:
    """Return a value that is true or false."""
    return Value(path, on, boolean(), text)


def image(prefix: str, repository: str) -> Iterator[Value]:
    """Yield where an image comes from."""
    yield Value(
        f"{prefix}.registry",
        "",
        text(r"^[^/\s]*(/[^\s]+)?$"),
        "Registry to pull from, such as `registry.example.com/gpu`.",
    )
    yield Value(f"{prefix}.repository", repository, text(minLength=1), "Image.")
    yield Value(
        f"{prefix}.tag",
        "",
        text(r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$"),
        "Tag; empty for the version of the chart.",
    )
    yield Value(
        f"{prefix}.digest",
        "",
        text("^(sha256:[0-9a-f]{64})?$"),
        "Digest, `sha256:...`; it beats the tag.",
    )
    yield Value(
        f"{prefix}.pullPolicy",
        "IfNotPresent",
        one_of("Always", "IfNotPresent", "Never"),
        "When the image is pulled.",
    )


def network_policy(prefix: str, enabled: str, api_server_ports: str) -> Iterator[Value]:
    """Yield what the NetworkPolicy of the pods takes, with the texts of its two values."""
    yield switch(f"{prefix}.networkPolicy.enabled", enabled, on=True)
    yield Value(
        f"{prefix}.networkPolicy.apiServerPorts",
        [443, 6443],
        array(whole(1, LARGEST_PORT), minItems=1, uniqueItems=True),
        api_server_ports,
    )


def monitoring(prefix: str, alerts: str) -> Iterator[Value]:
    """Yield what the objects for the Prometheus operator take; *alerts* lists the alerts."""
    yield switch(
        f"{prefix}.serviceMonitor.enabled",
        "Make a ServiceMonitor for the Prometheus operator.",
        on=False,
    )
    yield Value(
        f"{prefix}.serviceMonitor.interval", "30s", text(DURATION), "Time between scrapes."
    )
    found = "Labels by which it is found."
    yield Value(f"{prefix}.serviceMonitor.labels", {}, more_labels(), found)
    yield switch(f"{prefix}.prometheusRule.enabled", f"Make a PrometheusRule: {alerts}.", on=False)
    yield Value(f"{prefix}.prometheusRule.labels", {}, more_labels(), found)


def more_of_pods(prefix: str) -> Iterator[Value]:
    """Yield what may be written on the pods beside what the chart writes."""
    yield Value(f"{prefix}.podAnnotations", {}, texts_by_name(), "More annotations of the pods.")
    yield Value(f"{prefix}.podLabels", {}, more_labels(), "More labels of the pods.")
