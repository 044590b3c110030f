"""Every value of the chart: its path, default, schema and the one text that tells of it."""

from typing import Final

from dra_config.scheme import DRIVERS
from tools.chart_shapes import (
    CA_BUNDLE,
    DNS_LABEL,
    DNS_NAME,
    DURATION,
    LARGEST_PORT,
    OPTIONAL_NAME,
    PORT,
    Section,
    Value,
    array,
    boolean,
    closed,
    kubernetes_objects,
    label_selector,
    more_labels,
    one_of,
    quantities,
    text,
    texts_by_name,
    whole,
)
from webhook.logs import LogLevel

TLS_MODES: Final = ("cert-manager", "secret", "self-managed")
SCOPES: Final = ("configs",)
"""What `--config-scope` takes today."""


def _switch(path: str, text: str, *, on: bool) -> Value:
    return Value(path, on, boolean(), text)


ENTRIES: Final[tuple[Value | Section, ...]] = (
    Value(
        "fullnameOverride",
        "",
        text(f"^({DNS_LABEL})?$", maxLength=40),
        "What the names of all objects start with, instead of the name of the release. Two "
        "releases in one cluster need two names, because some of the objects have no namespace.",
    ),
    Value(
        "imagePullSecrets",
        [],
        array(closed({"name": text(minLength=1)}, required=["name"])),
        "Secrets with which images are pulled, as in a Pod: `[{name: registry}]`.",
    ),
    Value(
        "featureGates",
        {},
        {},
        "Feature gates on top of the defaults, such as `{MPSSupport: true}`. `AllAlpha` and "
        "`AllBeta` stand for every gate of their stage; an entry for a single gate beats them. "
        "Gates that exclude or miss each other are refused.",
    ),
    Value(
        "drivers",
        [*DRIVERS],
        array(one_of(*DRIVERS), minItems=1, uniqueItems=True),
        "Drivers whose configs are judged and whose DeviceClasses are made.",
    ),
    _switch(
        "deviceClasses.enabled",
        "Make the DeviceClasses of the drivers. Switch it off where another chart owns them.",
        on=True,
    ),
    Section("webhook", "The admission webhook."),
    Value(
        "webhook.replicas",
        2,
        whole(1),
        "Pods that answer; not used with autoscaling. Two survive the loss of a node, and three "
        "the loss of one during an update.",
    ),
    Value(
        "webhook.image.registry",
        "",
        text(r"^[^/\s]*(/[^\s]+)?$"),
        "Registry to pull from, such as `registry.example.com/gpu`.",
    ),
    Value("webhook.image.repository", "dra-config-webhook", text(minLength=1), "Image."),
    Value(
        "webhook.image.tag",
        "",
        text(r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$"),
        "Tag; empty for the version of the chart.",
    ),
    Value(
        "webhook.image.digest",
        "",
        text("^(sha256:[0-9a-f]{64})?$"),
        "Digest, `sha256:...`; it beats the tag.",
    ),
    Value(
        "webhook.image.pullPolicy",
        "IfNotPresent",
        one_of("Always", "IfNotPresent", "Never"),
        "When the image is pulled.",
    ),
    Value(
        "webhook.failurePolicy",
        "Fail",
        one_of("Fail", "Ignore"),
        "What becomes of objects with a config of ours while no pod answers. `Fail` refuses "
        "them, `Ignore` lets them in unjudged. Start with `Ignore` where you roll out with care.",
    ),
    Value(
        "webhook.scope",
        "configs",
        one_of(*SCOPES),
        "Which objects are judged; `configs` means those with a config for one of `drivers`.",
    ),
    Value(
        "webhook.timeoutSeconds",
        5,
        whole(1, 30),
        "How long the API server waits for a verdict, which takes milliseconds.",
    ),
    Value(
        "webhook.excludedNamespaces",
        [],
        array(text(f"^{DNS_LABEL}$", maxLength=63), uniqueItems=True),
        "Namespaces whose claims and templates are never judged, besides that of the release "
        "and kube-system.",
    ),
    Value(
        "webhook.namespaceSelector",
        {},
        label_selector(),
        "Judge only in namespaces that match, besides the exclusions above; empty for all. "
        "DeviceClasses have no namespace and are always judged.",
    ),
    Value("webhook.workers", 1, whole(1, 64), "Processes in each pod."),
    Value(
        "webhook.logLevel",
        "info",
        one_of(*(level.name.lower() for level in LogLevel)),
        "Least level that is logged; decisions are `info`.",
    ),
    Value(
        "webhook.shutdownDelaySeconds",
        10,
        whole(0, 60),
        "How long a pod goes on answering after SIGTERM, while the endpoints forget it.",
    ),
    Value("webhook.port", 10250, PORT, "Port of the pods for reviews, over TLS."),
    Value("webhook.probePort", 6080, PORT, "Port of the pods for probes and metrics."),
    Section("webhook.tls", "Where the serving certificate comes from."),
    Value(
        "webhook.tls.mode",
        "cert-manager",
        one_of(*TLS_MODES),
        "`cert-manager` has cert-manager issue and renew it, `secret` takes one of your own, and "
        "with `self-managed` the webhook makes and renews its own.",
    ),
    Value(
        "webhook.tls.certManager.issuerRef.name",
        "",
        OPTIONAL_NAME,
        "An issuer of yours; empty for an authority of the chart's own. Its certificates must "
        "carry `ca.crt`.",
    ),
    Value(
        "webhook.tls.certManager.issuerRef.kind",
        "Issuer",
        text(minLength=1),
        "`Issuer` in the namespace of the release, `ClusterIssuer`, or a kind of the group below.",
    ),
    Value(
        "webhook.tls.certManager.issuerRef.group",
        "cert-manager.io",
        text(f"^{DNS_NAME}$"),
        "API group of the issuer.",
    ),
    Value(
        "webhook.tls.certManager.duration",
        "2160h",
        text(DURATION),
        "How long a serving certificate is valid.",
    ),
    Value(
        "webhook.tls.certManager.renewBefore",
        "720h",
        text(DURATION),
        "How long before its end it is renewed.",
    ),
    Value(
        "webhook.tls.secret.name",
        "",
        OPTIONAL_NAME,
        "Secret with `tls.crt` and `tls.key` for NAME.NAMESPACE.svc of the Service, in the "
        "namespace of the release. Mode `secret` needs it.",
    ),
    Value(
        "webhook.tls.secret.caBundle",
        "",
        text(CA_BUNDLE),
        "The authority that issued it, PEM or base64 of PEM: `--set-file "
        "webhook.tls.secret.caBundle=ca.crt`. Mode `secret` needs it.",
    ),
    Value(
        "webhook.resources",
        {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"memory": "256Mi"},
        },
        closed({"requests": quantities(), "limits": quantities()}),
        "Resources of each pod; every further worker takes about 80Mi more. A limit of CPU would "
        "only make verdicts late.",
    ),
    Value(
        "webhook.priorityClassName",
        "system-cluster-critical",
        OPTIONAL_NAME,
        "Priority of the pods. Some providers allow the default in kube-system only, or want a "
        "ResourceQuota for it.",
    ),
    _switch(
        "webhook.podDisruptionBudget.enabled",
        "Let evictions take one pod at a time.",
        on=True,
    ),
    _switch(
        "webhook.autoscaling.enabled",
        "Let a HorizontalPodAutoscaler choose the number of pods.",
        on=False,
    ),
    Value("webhook.autoscaling.minReplicas", 2, whole(1), "Fewest pods."),
    Value("webhook.autoscaling.maxReplicas", 6, whole(1), "Most pods."),
    Value(
        "webhook.autoscaling.targetCPUUtilizationPercentage",
        70,
        whole(1),
        "Share of the requested CPU at which pods are added.",
    ),
    _switch(
        "webhook.networkPolicy.enabled",
        "Let traffic in on the two ports only, and none out but what mode `self-managed` needs.",
        on=True,
    ),
    Value(
        "webhook.networkPolicy.apiServerPorts",
        [443, 6443],
        array(whole(1, LARGEST_PORT), minItems=1, uniqueItems=True),
        "Ports on which the API server is reached in mode `self-managed`.",
    ),
    _switch(
        "webhook.serviceMonitor.enabled",
        "Make a ServiceMonitor for the Prometheus operator.",
        on=False,
    ),
    Value("webhook.serviceMonitor.interval", "30s", text(DURATION), "Time between scrapes."),
    Value("webhook.serviceMonitor.labels", {}, more_labels(), "Labels by which it is found."),
    _switch(
        "webhook.prometheusRule.enabled",
        "Make a PrometheusRule: certificate near its end, reloads that fail, refusals that jump, "
        "defects, and no answer.",
        on=False,
    ),
    Value("webhook.prometheusRule.labels", {}, more_labels(), "Labels by which it is found."),
    Value(
        "webhook.prometheusRule.certificateHoursLeft",
        168,
        whole(1),
        "Warn when the certificate is valid for fewer hours; well below the time of its renewal.",
    ),
    Value("webhook.nodeSelector", {}, texts_by_name(), "Nodes for the pods, as in a Pod."),
    Value("webhook.tolerations", [], kubernetes_objects(), "Tolerations, as in a Pod."),
    Value("webhook.affinity", {}, {"type": "object"}, "Affinity, as in a Pod."),
    Value(
        "webhook.topologySpreadConstraints",
        [],
        kubernetes_objects(),
        "As in a Pod; empty for an even spread over zones and nodes where there are several.",
    ),
    Value("webhook.podAnnotations", {}, texts_by_name(), "More annotations of the pods."),
    Value("webhook.podLabels", {}, more_labels(), "More labels of the pods."),
)


def values() -> tuple[Value, ...]:
    """Return every value in the order in which values.yaml shows them."""
    return tuple(entry for entry in ENTRIES if isinstance(entry, Value))
