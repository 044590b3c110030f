"""The chart's values for the kubelet plugin."""

from pathlib import Path
from typing import Final

from logs.lines import LogLevel
from tools.chart_shapes import (
    COUNT_OR_SHARE,
    OPTIONAL_NAME,
    PORT,
    Section,
    Value,
    closed,
    kubernetes_objects,
    one_of,
    quantities,
    text,
    texts_by_name,
    whole,
)
from tools.chart_shared_values import image, monitoring, more_of_pods, network_policy, switch

ROOT: Final = Path(__file__).resolve().parents[1]
PROFILES: Final = tuple(
    sorted(file.stem for file in (ROOT / "plugin/hardware/profiles").glob("*.yaml"))
)
"""The simulated machines that ship."""

LAUNCHERS: Final = ("pod", "process")
LONGEST_KUBELET_ROOT: Final = 66
"""With a longer one the path of a socket has more than the 107 bytes that Linux takes."""

_FOLDER: Final = r"""^(/[^/\s:,'"\\]+)+$"""
_FOLDER_OR_ROOT: Final = rf"{_FOLDER}|^/$"
GRACE_SECONDS: Final = 16
"""What the plugin needs to end after it has waited for calls of the kubelet."""

PLUGIN: Final[tuple[Value | Section, ...]] = (
    Section("plugin", "The kubelet plugin, one pod for each node with GPUs."),
    switch(
        "plugin.enabled",
        "Run the plugin of `gpu.nvidia.com`, if that is one of `drivers`. Its pods need a "
        "namespace that admits privileged pods.",
        on=True,
    ),
    *image("plugin.image", "dra-config-plugin"),
    Value(
        "plugin.simulate",
        "",
        one_of("", *PROFILES),
        "Simulate the GPUs of a machine, such as `h100`, for tests and demonstrations on nodes "
        "without GPUs; empty for the real ones. Pods that get a simulated GPU compute nothing.",
    ),
    Value(
        "plugin.driverRoot",
        "/",
        text(_FOLDER_OR_ROOT),
        "Where the nodes have the NVIDIA driver; `/run/nvidia/driver` with a driver container. "
        "Not used with `simulate`.",
    ),
    Value(
        "plugin.kubeletRootDir",
        "/var/lib/kubelet",
        text(_FOLDER, maxLength=LONGEST_KUBELET_ROOT),
        "The kubelet's root directory on the nodes. With more than 29 characters the pods of an "
        "update cannot overlap.",
    ),
    Value(
        "plugin.cdiRoot",
        "/var/run/cdi",
        text(_FOLDER),
        "Where the container runtime looks for files of the container device interface.",
    ),
    switch(
        "plugin.ignoreNeighbours",
        "Offer the GPUs of a node although another plugin offers or has given out the same ones.",
        on=False,
    ),
    Section("plugin.mps", "Multi-process service, which the gate MPSSupport brings."),
    Value(
        "plugin.mps.launcher",
        "pod",
        one_of(*LAUNCHERS),
        "How the control daemon of a claim is started: as a `pod` of the plugin's image on the "
        "node of the claim, or as a `process` of the plugin, with which it ends.",
    ),
    Value(
        "plugin.mps.priorityClassName",
        "system-node-critical",
        OPTIONAL_NAME,
        "Priority of the pods of control daemons.",
    ),
    Value(
        "plugin.mps.tolerations",
        [{"operator": "Exists"}],
        kubernetes_objects(),
        "Their tolerations, as in a Pod. By default nothing evicts a control daemon, since it "
        "has to last as long as its claim.",
    ),
    Value("plugin.metricsPort", 8080, PORT, "Port of the pods for metrics."),
    Value("plugin.probePort", 51516, PORT, "Port of the pods for probes."),
    Value(
        "plugin.logLevel",
        "info",
        one_of(*(level.name.lower() for level in LogLevel)),
        "Least level that is logged.",
    ),
    Value(
        "plugin.resources",
        {
            "requests": {"cpu": "50m", "memory": "128Mi"},
            "limits": {"memory": "512Mi"},
        },
        closed({"requests": quantities(), "limits": quantities()}),
        "Resources of each pod. A limit of CPU would only make pods start late.",
    ),
    Value(
        "plugin.priorityClassName",
        "system-node-critical",
        OPTIONAL_NAME,
        "Priority of the pods. Some providers allow the default in kube-system only, or want a "
        "ResourceQuota for it.",
    ),
    Value("plugin.nodeSelector", {}, texts_by_name(), "Nodes for the pods, as in a Pod."),
    Value(
        "plugin.tolerations",
        [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        kubernetes_objects(),
        "Tolerations, as in a Pod.",
    ),
    Value(
        "plugin.affinity",
        {},
        {"type": "object"},
        "As in a Pod; empty for the nodes that Node Feature Discovery or GPU Feature Discovery "
        "label as ones with NVIDIA's devices, and with `simulate` for all.",
    ),
    Value(
        "plugin.updateStrategy",
        {},
        closed(
            {
                "type": one_of("RollingUpdate", "OnDelete"),
                "rollingUpdate": closed(
                    {"maxSurge": COUNT_OR_SHARE, "maxUnavailable": COUNT_OR_SHARE}
                ),
            }
        ),
        "As in a DaemonSet. Empty for an update in which each new pod answers before the old one "
        "ends, on a tenth of the nodes at a time; before Kubernetes 1.33 the old one ends first.",
    ),
    Value(
        "plugin.terminationGracePeriodSeconds",
        40,
        whole(GRACE_SECONDS, 600),
        f"How long a pod may take to end. All but {GRACE_SECONDS} seconds of it are for claims "
        "that are being prepared; the kubelet gives up on each after 45.",
    ),
    *network_policy(
        "plugin",
        "Let traffic in on the two ports only, and out to the API server only.",
        "Ports on which the API server is reached.",
    ),
    *monitoring(
        "plugin",
        "not registered, ResourceSlices that cannot be written, claims that fail, and defects",
    ),
    *more_of_pods("plugin"),
)
