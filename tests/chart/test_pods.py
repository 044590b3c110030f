"""The webhook's pods: hardened, started with flags that it takes, and never all gone."""

import pytest

from dra_config.version import __version__
from tests.chart.chart import Helm, Json, Rendered, containers, merged, with_tls
from webhook.server import GRACE_SECONDS
from webhook.settings import Settings, parse_settings

IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
"""What every pod has in its environment."""

DIGEST = f"sha256:{'0' * 64}"


def settings_of(rendered: Rendered) -> Settings:
    return parse_settings(rendered.arguments(), IN_A_POD)


def test_every_container_is_hardened(rendered: dict[str, Rendered], mode: str) -> None:
    pod = rendered[mode].pod()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert [*containers(pod)]
    for container in containers(pod):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["runAsNonRoot"] is True
        assert context["privileged"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert container["resources"]["limits"]["memory"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & pod.keys()
    assert not [volume for volume in pod["volumes"] if "hostPath" in volume]


def test_a_token_is_mounted_only_where_the_webhook_looks_after_its_certificate(
    rendered: dict[str, Rendered], mode: str
) -> None:
    assert rendered[mode].pod()["automountServiceAccountToken"] is (mode == "self-managed")
    assert rendered[mode].one("ServiceAccount")["automountServiceAccountToken"] is False


def test_the_webhook_takes_every_flag(rendered: dict[str, Rendered], mode: str) -> None:
    settings = settings_of(rendered[mode])
    assert (settings.port, settings.probe_port) == (10250, 6080)


@pytest.mark.parametrize(
    "values",
    [
        {"webhook": {"workers": 64, "logLevel": "debug", "shutdownDelaySeconds": 60}},
        {"webhook": {"workers": 1, "logLevel": "info", "shutdownDelaySeconds": 0}},
        {"webhook": {"logLevel": "warning", "port": 65535, "probePort": 1024}},
        {"webhook": {"logLevel": "error", "scope": "configs"}},
        {"featureGates": {"AllAlpha": True, "DynamicMIG": False}, "drivers": ["gpu.nvidia.com"]},
        {"featureGates": {"ComputeDomainCliques": False}},
    ],
    ids=str,
)
def test_the_webhook_takes_what_the_schema_takes(helm: Helm, values: Json) -> None:
    settings = settings_of(helm.render(with_tls("secret", values)))
    wanted = merged({"webhook": {}}, values)["webhook"]
    assert settings.workers == wanted.get("workers", 1)
    assert settings.shutdown_delay_seconds == wanted.get("shutdownDelaySeconds", 10)
    assert settings.log_level.name.lower() == wanted.get("logLevel", "info")
    assert settings.port == wanted.get("port", 10250)


def test_gates_and_drivers_reach_the_webhook(helm: Helm) -> None:
    values = {
        "featureGates": {"MPSSupport": True, "TimeSlicingSettings": True},
        "drivers": ["compute-domain.nvidia.com"],
    }
    settings = settings_of(helm.render(with_tls("secret", values)))
    assert str(settings.feature_gates) == "TimeSlicingSettings=true,MPSSupport=true"
    assert settings.drivers == ("compute-domain.nvidia.com",)


@pytest.mark.parametrize("delay", [0, 10, 60])
def test_a_pod_may_finish_what_it_has_begun(helm: Helm, delay: int) -> None:
    values = {"webhook": {"shutdownDelaySeconds": delay}}
    grace = helm.render(with_tls("secret", values)).pod()["terminationGracePeriodSeconds"]
    assert grace >= delay + GRACE_SECONDS + 5


def test_the_probes_ask_the_port_that_serves_them(helm: Helm) -> None:
    rendered = helm.render(with_tls("secret", {"webhook": {"port": 8443, "probePort": 8080}}))
    (container,) = rendered.pod()["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"reviews": 8443, "probes": 8080}
    paths = {
        probe: (container[probe]["httpGet"]["path"], container[probe]["httpGet"]["port"])
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert paths == {
        "startupProbe": ("/livez", "probes"),
        "livenessProbe": ("/livez", "probes"),
        "readinessProbe": ("/readyz", "probes"),
    }


def test_the_service_leads_to_the_pods(rendered: dict[str, Rendered], mode: str) -> None:
    release = rendered[mode]
    service = release.one("Service")["spec"]
    labels = release.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert {port["name"]: (port["port"], port["targetPort"]) for port in service["ports"]} == {
        "reviews": (443, "reviews"),
        "metrics": (6080, "probes"),
    }


def test_an_update_takes_no_pod_away_before_another_is_ready(
    rendered: dict[str, Rendered], mode: str
) -> None:
    """D7: the reference driver's one replica goes before the next one is there."""
    spec = rendered[mode].one("Deployment")["spec"]
    assert spec["replicas"] >= 2
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_pods_stand_apart_and_evictions_take_one(rendered: dict[str, Rendered]) -> None:
    release = rendered["secret"]
    spread = release.pod()["topologySpreadConstraints"]
    assert {one["topologyKey"] for one in spread} == {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }
    labels = release.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [one["labelSelector"]["matchLabels"] for one in spread]
    budget = release.one("PodDisruptionBudget")["spec"]
    for selector in (*selectors, budget["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()
    assert budget["maxUnavailable"] == 1


def test_an_autoscaler_owns_the_number_of_pods(helm: Helm) -> None:
    rendered = helm.render(with_tls("secret", {"webhook": {"autoscaling": {"enabled": True}}}))
    assert "replicas" not in rendered.one("Deployment")["spec"]
    target = rendered.one("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert target["name"] == rendered.one("Deployment")["metadata"]["name"]


def test_the_certificate_lies_where_the_webhook_looks(
    rendered: dict[str, Rendered], mode: str
) -> None:
    pod = rendered[mode].pod()
    (container,) = pod["containers"]
    (volume,) = pod["volumes"]
    (mount,) = container["volumeMounts"]
    assert mount["name"] == volume["name"]
    flags = dict(argument.split("=", 1) for argument in container["args"])
    if mode == "self-managed":
        assert volume["emptyDir"]["medium"] == "Memory"
        assert flags["--self-managed-directory"] == mount["mountPath"]
        assert mount["readOnly"] is False
    else:
        files = {f"{mount['mountPath']}/{item['path']}" for item in volume["secret"]["items"]}
        assert {flags["--tls-cert-file"], flags["--tls-private-key-file"]} == files
        assert mount["readOnly"] is True


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, f"dra-config-webhook:{__version__}"),
        ({"registry": "r.example/gpu/", "tag": "x"}, "r.example/gpu/dra-config-webhook:x"),
        ({"repository": "mirror", "tag": "1.2.3"}, "mirror:1.2.3"),
        ({"tag": "1.2.3", "digest": DIGEST}, f"dra-config-webhook@{DIGEST}"),
    ],
)  # fmt: skip
def test_the_image_is_put_together(helm: Helm, image: Json, reference: str) -> None:
    pod = helm.render(with_tls("secret", {"webhook": {"image": image}})).pod()
    assert [container["image"] for container in pod["containers"]] == [reference]


def test_what_a_pod_may_have_is_passed_on(helm: Helm) -> None:
    values: Json = {
        "imagePullSecrets": [{"name": "registry"}],
        "webhook": {
            "nodeSelector": {"pool": "system"},
            "tolerations": [{"key": "system", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "topologySpreadConstraints": [{"topologyKey": "rack", "maxSkew": 1}],
            "podAnnotations": {"a": "b"},
            "podLabels": {"team": "gpu"},
            "priorityClassName": "",
        },
    }
    rendered = helm.render(with_tls("secret", values))
    pod = rendered.pod()
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    for name in ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints"):
        assert pod[name] == values["webhook"][name]
    assert "priorityClassName" not in pod
    metadata = rendered.one("Deployment")["spec"]["template"]["metadata"]
    assert metadata["annotations"]["a"] == "b"
    assert metadata["labels"]["team"] == "gpu"


def test_the_network_lets_in_by_port_and_out_only_to_the_api_server(
    rendered: dict[str, Rendered], mode: str
) -> None:
    policy = rendered[mode].one("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (ingress,) = policy["ingress"]
    assert ingress.keys() == {"ports"}
    assert {port["port"] for port in ingress["ports"]} == {"reviews", "probes"}
    out = [port["port"] for rule in policy["egress"] for port in rule["ports"]]
    assert out == ([443, 6443] if mode == "self-managed" else [])
