"""Every value of the chart: its path, default, schema and the one text that tells of it."""

from typing import Final

from dra_config.scheme import DRIVERS
from logs.lines import LogLevel
from tools.chart_plugin_values import PLUGIN
from tools.chart_shapes import (
    CA_BUNDLE,
    DNS_LABEL,
    DNS_NAME,
    DURATION,
    EXTENDED_RESOURCE,
    OPTIONAL_NAME,
    PORT,
    Section,
    Value,
    array,
    closed,
    kubernetes_objects,
    label_selector,
    one_of,
    quantities,
    text,
    texts_by_name,
    whole,
)
from tools.chart_shared_values import image, monitoring, more_of_pods, network_policy, switch

TLS_MODES: Final = ("cert-manager", "secret", "self-managed")
SCOPES: Final = ("configs",)
"""What `--config-scope` takes today."""


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
        "Drivers whose configs are judged, whose DeviceClasses are made, and whose plugins run.",
    ),
    switch(
        "deviceClasses.enabled",
        "Make the DeviceClasses of the drivers. Switch it off where another chart owns them.",
        on=True,
    ),
    Value(
        "deviceClasses.extendedResourceName",
        "",
        text(EXTENDED_RESOURCE),
        "Resource that pods ask for in place of a claim to get a GPU of the class "
        "`gpu.nvidia.com`, such as `nvidia.com/gpu`. Not for clusters in which a device plugin "
        "offers the same resource.",
    ),
    Section("webhook", "The admission webhook."),
    Value(
        "webhook.replicas",
        2,
        whole(1),
        "Pods that answer; not used with autoscaling. Two survive the loss of a node, and three "
        "the loss of one during an update.",
    ),
    *image("webhook.image", "dra-config-webhook"),
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
    switch(
        "webhook.podDisruptionBudget.enabled",
        "Let evictions take one pod at a time.",
        on=True,
    ),
    switch(
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
    *network_policy(
        "webhook",
        "Let traffic in on the two ports only, and none out but what mode `self-managed` needs.",
        "Ports on which the API server is reached in mode `self-managed`.",
    ),
    *monitoring(
        "webhook",
        "certificate near its end, reloads that fail, refusals that jump, defects, and no answer",
    ),
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
    *more_of_pods("webhook"),
    *PLUGIN,
)


def values() -> tuple[Value, ...]:
    """Return every value in the order in which values.yaml shows them."""
    return tuple(entry for entry in ENTRIES if isinstance(entry, Value))
