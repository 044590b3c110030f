"""The plugin's pods: what they may do on the host, and the flags and facts they start with."""

from pathlib import Path, PurePosixPath

import pytest

from dra_config.scheme import GPU_DRIVER
from dra_config.version import __version__
from plugin.rpc.sockets import LONGEST_PATH_BYTES, Places
from plugin.settings import Settings, parse_settings
from tests.chart.chart import CHART, Helm, Json, Rendered, merged, with_plugin, with_tls
from tools.chart_plugin_values import GRACE_SECONDS, LONGEST_KUBELET_ROOT, PROFILES

POD_UID = "0b5f8d8e-6a51-4f2c-9e0a-2f6d6f4a3c11"
FACTS = {
    "spec.nodeName": "node-a",
    "metadata.uid": POD_UID,
    "metadata.namespace": "gpu-system",
    "status.podIP": "10.0.0.7",
}
"""What the kubelet writes into a pod's environment, by the name of the field."""

SIMULATED = {"simulate": "h100"}
SOONEST_END_SECONDS = 14.0
"""What plugin/app.py may need after the kubelet's calls have ended."""


def settings_of(rendered: Rendered) -> Settings:
    container = rendered.plugin_container()
    environment = {
        entry["name"]: entry.get("value") or FACTS[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        for entry in container["env"]
    }
    of_every_pod = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    return parse_settings(container["args"], environment | of_every_pod)


def mounts(rendered: Rendered) -> dict[str, Json]:
    """Return what is mounted, with the volume's own words, by the path in the container."""
    volumes = {volume["name"]: volume for volume in rendered.plugin_pod()["volumes"]}
    found = rendered.plugin_container()["volumeMounts"]
    assert len(volumes) == len(found)
    return {mount["mountPath"]: mount | volumes[mount["name"]]["hostPath"] for mount in found}


@pytest.mark.parametrize("values", [{}, SIMULATED], ids=["nvml", "simulated"])
def test_the_plugin_takes_every_flag_and_fact(helm: Helm, values: Json) -> None:
    settings = settings_of(helm.render(with_plugin(values)))
    assert settings.node_name == "node-a"
    assert settings.pod_uid == POD_UID
    assert settings.namespace == "gpu-system"
    assert settings.bind_address == "10.0.0.7"
    assert (settings.metrics_port, settings.probe_port) == (8080, 51516)
    assert settings.kubeconfig is None
    assert settings.ignore_neighbours is False
    assert (settings.simulation is None) is (values == {})


def test_what_an_operator_chooses_reaches_the_plugin(helm: Helm) -> None:
    chosen = {
        "kubeletRootDir": "/var/lib/k0s/kubelet",
        "cdiRoot": "/etc/cdi",
        "driverRoot": "/run/nvidia/driver",
        "ignoreNeighbours": True,
        "metricsPort": 9100,
        "probePort": 9101,
        "logLevel": "debug",
        "terminationGracePeriodSeconds": 60,
    }
    rendered = helm.render(with_plugin(chosen))
    settings = settings_of(rendered)
    assert str(settings.kubelet_root) == "/var/lib/k0s/kubelet"
    assert str(settings.cdi_root) == "/etc/cdi"
    assert str(settings.driver_root) == "/run/nvidia/driver"
    assert settings.ignore_neighbours is True
    assert (settings.metrics_port, settings.probe_port) == (9100, 9101)
    assert settings.log_level.name == "DEBUG"
    assert settings.shutdown_grace_seconds == 60 - GRACE_SECONDS
    ports = {port["name"]: port["containerPort"] for port in rendered.plugin_container()["ports"]}
    assert ports == {"metrics": 9100, "probes": 9101}


def test_webhook_and_plugin_have_the_same_gates_and_drivers(helm: Helm) -> None:
    values = {
        "featureGates": {"TimeSlicingSettings": True, "ConsumableShares": True},
        "drivers": ["gpu.nvidia.com"],
    }
    rendered = helm.render(with_tls("self-managed", values))
    for flag in ("--feature-gates=", "--drivers="):
        (of_webhook,) = (word for word in rendered.arguments() if word.startswith(flag))
        assert of_webhook in rendered.plugin_container()["args"]
    settings = settings_of(rendered)
    assert str(settings.feature_gates) == "TimeSlicingSettings=true,ConsumableShares=true"
    assert settings.drivers == ("gpu.nvidia.com",)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_machine_that_ships_can_be_simulated(helm_3: Helm, profile: str) -> None:
    settings = settings_of(helm_3.render(with_plugin({"simulate": profile})))
    assert settings.simulation is not None
    assert settings.simulation.profile == profile


def test_a_simulated_machine_needs_no_privilege(helm: Helm) -> None:
    """D118: the reference driver's containers are privileged whatever the machine is."""
    rendered = helm.render(with_plugin(SIMULATED))
    assert rendered.plugin_pod()["securityContext"] == {
        "runAsUser": 0,
        "runAsGroup": 0,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert rendered.plugin_container()["securityContext"] == {
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_nvml_needs_a_privileged_container(helm: Helm) -> None:
    rendered = helm.render(with_plugin())
    assert rendered.plugin_container()["securityContext"] == {
        "privileged": True,
        "readOnlyRootFilesystem": True,
    }


@pytest.mark.parametrize("values", [{}, SIMULATED], ids=["nvml", "simulated"])
def test_a_pod_has_a_network_and_processes_of_its_own(helm: Helm, values: Json) -> None:
    """D122: the reference driver's init container waits for ever and tells nobody."""
    pod = helm.render(with_plugin(values)).plugin_pod()
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()


def test_a_simulated_machine_sees_four_folders_of_the_host(helm: Helm) -> None:
    found = mounts(helm.render(with_plugin(SIMULATED)))
    assert {path: mount["type"] for path, mount in found.items()} == {
        "/var/lib/kubelet/plugins_registry": "Directory",
        "/var/lib/kubelet/plugins/gpu.nvidia.com": "DirectoryOrCreate",
        "/var/run/cdi": "DirectoryOrCreate",
        "/dev/shm/dra-config": "DirectoryOrCreate",  # noqa: S108 - nothing is made there
    }


@pytest.mark.parametrize("values", [{}, SIMULATED], ids=["nvml", "simulated"])
def test_the_plugin_sees_its_folders_where_the_kubelet_does(helm: Helm, values: Json) -> None:
    chosen = {"kubeletRootDir": "/data/kubelet", "cdiRoot": "/etc/cdi"}
    rendered = helm.render(with_plugin(chosen, values))
    settings = settings_of(rendered)
    found = mounts(rendered)
    folders = (settings.registry, settings.folder, settings.cdi_root, settings.mps.shared_memory)
    for folder in folders:
        mount = found.pop(str(folder))
        assert mount["path"] == str(folder)
        assert "readOnly" not in mount
        assert "mountPropagation" not in mount
    assert set(found) == ({"/driver-root"} if values == {} else set())


def test_what_mps_daemons_are_made_of_reaches_the_plugin(helm: Helm) -> None:
    chosen: Json = {
        "image": {"registry": "r.example", "pullPolicy": "Always"},
        "mps": {"priorityClassName": "", "tolerations": [{"key": "it's", "operator": "Exists"}]},
    }
    secrets = {"imagePullSecrets": [{"name": "one"}, {"name": "two"}]}
    rendered = helm.render(merged(with_plugin(chosen), secrets))
    mps = settings_of(rendered).mps
    assert mps.launcher == "pod"
    assert mps.image == f"r.example/dra-config-plugin:{__version__}"
    assert mps.image_pull_policy == "Always"
    assert mps.image_pull_secrets == ("one", "two")
    assert mps.service_account == "dra-config-mps"
    assert mps.priority_class == ""
    assert mps.tolerations == ({"key": "it's", "operator": "Exists"},)
    accounts = rendered.part("plugin").of("ServiceAccount")
    assert {one["metadata"]["name"] for one in accounts} == {"dra-config-mps", "dra-config-plugin"}
    assert not any(one["automountServiceAccountToken"] for one in accounts)


def test_nothing_evicts_a_control_daemon_by_default(helm: Helm) -> None:
    mps = settings_of(helm.render(with_plugin())).mps
    assert mps.tolerations == ({"operator": "Exists"},)
    assert mps.priority_class == "system-node-critical"


@pytest.mark.parametrize(("simulate", "host_pid"), [("", True), ("h100", False)])
def test_daemons_of_the_plugins_own_see_their_clients(
    helm: Helm, simulate: str, *, host_pid: bool
) -> None:
    values = {"mps": {"launcher": "process"}, "simulate": simulate}
    rendered = helm.render(with_plugin(values))
    assert settings_of(rendered).mps.launcher == "process"
    assert ("hostPID" in rendered.plugin_pod()) is host_pid


@pytest.mark.parametrize(
    ("root", "folder", "kind"),
    [
        ("/", "/", "Directory"),
        ("/run/nvidia/driver", "/run/nvidia", "DirectoryOrCreate"),
        ("/home/kubernetes/bin/nvidia", "/home/kubernetes/bin", "DirectoryOrCreate"),
        ("/driver", "/", "DirectoryOrCreate"),
    ],
)
def test_the_driver_is_seen_when_it_comes_and_never_written(
    helm: Helm, root: str, folder: str, kind: str
) -> None:
    """The folder above it is mounted, for a driver container makes its own after our start."""
    rendered = helm.render(with_plugin({"driverRoot": root}))
    mount = mounts(rendered)["/driver-root"]
    assert (mount["path"], mount["type"]) == (folder, kind)
    assert mount["readOnly"] is True
    assert mount["mountPropagation"] == "HostToContainer"
    settings = settings_of(rendered)
    assert str(settings.driver_root) == root
    inside = PurePosixPath(root).relative_to(folder)
    assert settings.driver_root_mount == Path("/driver-root") / inside


@pytest.mark.parametrize("values", [{}, SIMULATED], ids=["nvml", "simulated"])
def test_every_volume_is_mounted_and_every_mount_has_a_reason(helm: Helm, values: Json) -> None:
    """A reason is a comment above the mount, in the template."""
    template = (CHART / "templates/plugin/daemonset.yaml").read_text(encoding="utf-8")
    lines = template.splitlines()
    for mount in helm.render(with_plugin(values)).plugin_container()["volumeMounts"]:
        (place,) = (
            number
            for number, line in enumerate(lines)
            if line == f"        - name: {mount['name']}"
        )
        assert "{{- /* " in lines[place - 1], mount["name"]


def test_an_update_leaves_no_node_without_a_plugin(helm: Helm) -> None:
    """D56: the reference driver takes all old instances away at once."""
    rendered = helm.render(with_plugin())
    assert rendered.one("DaemonSet")["spec"]["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0},
    }
    ports = [port for port in rendered.plugin_container()["ports"] if "hostPort" in port]
    assert not ports, "two instances share the node"


@pytest.mark.parametrize(
    ("kubernetes", "values"),
    [("1.32.9", {}), ("1.36.3", {"kubeletRootDir": f"/{'r' * 29}"})],
    ids=["old kubelet", "long path"],
)
def test_where_two_instances_cannot_live_on_a_node_the_old_one_ends_first(
    helm: Helm, kubernetes: str, values: Json
) -> None:
    rendered = helm.render(with_plugin(values), kubernetes=kubernetes)
    assert settings_of(rendered).pod_uid == ""
    assert rendered.one("DaemonSet")["spec"]["updateStrategy"]["rollingUpdate"] == {
        "maxSurge": 0,
        "maxUnavailable": "10%",
    }


@pytest.mark.parametrize("kubernetes", ["1.33.0", "1.33.0-gke.1", "1.36.3+k3s1"])
def test_vendors_may_write_more_into_the_version(helm_3: Helm, kubernetes: str) -> None:
    assert settings_of(helm_3.render(with_plugin(), kubernetes=kubernetes)).pod_uid == POD_UID


@pytest.mark.parametrize(
    ("length", "with_uid"), [(29, True), (30, False), (LONGEST_KUBELET_ROOT, False)]
)
def test_the_sockets_have_paths_that_linux_takes(
    helm_3: Helm, length: int, *, with_uid: bool
) -> None:
    root = f"/{'r' * (length - 1)}"
    settings = settings_of(helm_3.render(with_plugin({"kubeletRootDir": root})))
    assert bool(settings.pod_uid) is with_uid
    places = Places(GPU_DRIVER, settings.registry, settings.folder, settings.pod_uid)
    longest = max(len(str(path)) for path in (places.registration, places.dra))
    assert longest <= LONGEST_PATH_BYTES
    if length != 30:
        assert longest == LONGEST_PATH_BYTES, "a longer root would be refused without need"


def test_a_strategy_of_the_operators_own_is_taken(helm: Helm) -> None:
    for strategy in (
        {"type": "OnDelete"},
        {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "100%"}},
    ):
        rendered = helm.render(with_plugin({"updateStrategy": strategy}))
        assert rendered.one("DaemonSet")["spec"]["updateStrategy"] == strategy


@pytest.mark.parametrize("grace", [GRACE_SECONDS, 40, 600])
def test_a_pod_may_finish_what_it_has_begun(helm_3: Helm, grace: int) -> None:
    rendered = helm_3.render(with_plugin({"terminationGracePeriodSeconds": grace}))
    assert rendered.plugin_pod()["terminationGracePeriodSeconds"] == grace
    assert grace >= settings_of(rendered).shutdown_grace_seconds + SOONEST_END_SECONDS


def test_the_probes_ask_for_the_process_and_for_the_kubelets_word(helm: Helm) -> None:
    container = helm.render(with_plugin({"probePort": 9101})).plugin_container()
    assert container["startupProbe"]["grpc"] == {"port": 9101}
    assert container["livenessProbe"]["grpc"] == {"port": 9101}
    assert container["readinessProbe"]["grpc"] == {"port": 9101, "service": "registration"}


def test_the_nodes_are_those_with_nvidias_devices(helm: Helm) -> None:
    affinity = helm.render(with_plugin()).plugin_pod()["affinity"]["nodeAffinity"]
    terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    found = {
        one["key"]: (one["operator"], one["values"])
        for term in terms
        for one in term["matchExpressions"]
    }
    assert all(len(term["matchExpressions"]) == 1 for term in terms), "any of them is enough"
    assert found == {
        "feature.node.kubernetes.io/pci-10de.present": ("In", ["true"]),
        "feature.node.kubernetes.io/pci-0302_10de.present": ("In", ["true"]),
        "feature.node.kubernetes.io/pci-0300_10de.present": ("In", ["true"]),
        "feature.node.kubernetes.io/cpu-model.vendor_id": ("In", ["NVIDIA"]),
        "nvidia.com/gpu.present": ("In", ["true"]),
    }


def test_a_simulated_machine_can_be_on_any_node(helm: Helm) -> None:
    assert "affinity" not in helm.render(with_plugin(SIMULATED)).plugin_pod()


def test_what_a_pod_may_have_is_passed_on(helm: Helm) -> None:
    chosen: Json = {
        "nodeSelector": {"pool": "gpu"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "",
        "podAnnotations": {"a": "b"},
        "podLabels": {"team": "gpu"},
    }
    values = merged(with_plugin(chosen), {"imagePullSecrets": [{"name": "registry"}]})
    rendered = helm.render(values)
    pod = rendered.plugin_pod()
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    for name in ("nodeSelector", "tolerations", "affinity"):
        assert pod[name] == chosen[name]
    assert "priorityClassName" not in pod
    metadata = rendered.one("DaemonSet")["spec"]["template"]["metadata"]
    assert metadata["annotations"]["a"] == "b"
    assert metadata["labels"]["team"] == "gpu"


def test_the_defaults_outrank_other_pods_and_tolerate_the_taint_of_gpu_nodes(helm: Helm) -> None:
    pod = helm.render(with_plugin()).plugin_pod()
    assert pod["priorityClassName"] == "system-node-critical"
    assert pod["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, f"dra-config-plugin:{__version__}"),
        ({"registry": "r.example/gpu/", "tag": "x"}, "r.example/gpu/dra-config-plugin:x"),
        ({"digest": f"sha256:{'0' * 64}"}, f"dra-config-plugin@sha256:{'0' * 64}"),
    ],
)
def test_the_image_is_put_together(helm: Helm, image: Json, reference: str) -> None:
    container = helm.render(with_plugin({"image": image})).plugin_container()
    assert container["image"] == reference


def test_the_network_lets_in_by_port_and_out_only_to_the_api_server(helm: Helm) -> None:
    policy = helm.render(with_plugin()).part("plugin").one("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    for direction, ports in (("ingress", {"metrics", "probes"}), ("egress", {443, 6443})):
        (rule,) = policy[direction]
        assert rule.keys() == {"ports"}
        assert {port["port"] for port in rule["ports"]} == ports
    off = helm.render(with_plugin({"networkPolicy": {"enabled": False}})).part("plugin")
    assert not off.of("NetworkPolicy")


@pytest.mark.parametrize(
    "values",
    [{"plugin": {"enabled": False}}, {"drivers": ["compute-domain.nvidia.com"]}],
    ids=["off", "another driver"],
)
def test_without_its_driver_there_is_nothing_of_the_plugin(helm: Helm, values: Json) -> None:
    rendered = helm.render(with_tls("self-managed", values))
    assert rendered.part("plugin").objects == ()
