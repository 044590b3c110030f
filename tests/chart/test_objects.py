"""The objects of a release together: their names, their owner, and what there is when."""

import pytest

from dra_config.gates import FeatureGate, resolve
from tests.chart.chart import (
    APIS,
    EVERYTHING,
    NAMESPACE,
    TLS_BY_MODE,
    Helm,
    Json,
    NotRendered,
    Rendered,
    with_tls,
)

LONGEST_RELEASE = "r" * 53
CLUSTER_SCOPED = frozenset(
    {
        "ClusterRole",
        "ClusterRoleBinding",
        "DeviceClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }
)
SHARED_CLASSES = {
    "gpu.nvidia.com",
    "mig.nvidia.com",
    "compute-domain-daemon.nvidia.com",
    "compute-domain-default-channel.nvidia.com",
}


def keys(rendered: Rendered) -> list[tuple[str, str, str]]:
    """Return kind, namespace and name of every object."""
    return [
        (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"])
        for one in rendered.objects
    ]


def classes(rendered: Rendered) -> set[str]:
    return {one["metadata"]["name"] for one in rendered.of("DeviceClass")}


@pytest.mark.parametrize("release", ["a", "dra-config", LONGEST_RELEASE])
def test_every_name_fits(helm: Helm, mode: str, release: str) -> None:
    rendered = helm.render(with_tls(mode, EVERYTHING), release=release)
    names = [name for kind, _, name in keys(rendered) if kind != "DeviceClass"]
    assert max(map(len, names)) <= 63
    labels = [
        value for one in rendered.objects for value in one["metadata"].get("labels", {}).values()
    ]
    assert max(map(len, labels)) <= 63


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("one", NAMESPACE), ("two", NAMESPACE)),
        (("one", NAMESPACE), ("two", "other")),
        ((LONGEST_RELEASE, NAMESPACE), (f"{LONGEST_RELEASE[:-1]}x", NAMESPACE)),
    ],
)
def test_two_releases_stand_side_by_side(
    helm: Helm, mode: str, first: tuple[str, str], second: tuple[str, str]
) -> None:
    """The classes have the names that people write, so one release owns them."""
    values = with_tls(mode, EVERYTHING)
    without_classes = with_tls(mode, EVERYTHING, {"deviceClasses": {"enabled": False}})
    here = helm.render(values, release=first[0], namespace=first[1])
    there = helm.render(without_classes, release=second[0], namespace=second[1])
    assert not set(keys(here)) & set(keys(there))
    for kind in ("Deployment", "DaemonSet"):
        selectors = [one.one(kind)["spec"]["selector"] for one in (here, there)]
        assert selectors[0] != selectors[1]


def test_no_object_is_rendered_twice(helm: Helm, mode: str) -> None:
    found = keys(helm.render(with_tls(mode, EVERYTHING)))
    assert len(found) == len(set(found))


def test_every_object_says_where_it_belongs(helm: Helm, mode: str) -> None:
    rendered = helm.render(with_tls(mode, EVERYTHING), release="gpu")
    for one in rendered.objects:
        metadata = one["metadata"]
        assert metadata["labels"]["app.kubernetes.io/instance"] == "gpu", one["kind"]
        assert metadata["labels"]["app.kubernetes.io/name"] == "dra-config"
        assert ("namespace" in metadata) is (one["kind"] not in CLUSTER_SCOPED), one["kind"]


def test_an_uninstall_takes_every_object_along(helm: Helm, mode: str) -> None:
    """Neither a hook nor a policy keeps an object back."""
    for one in helm.render(with_tls(mode, EVERYTHING)).objects:
        annotations = one["metadata"].get("annotations", {})
        assert not [name for name in annotations if name.startswith("helm.sh/")]


def test_a_name_of_the_operators_own_is_taken(helm: Helm) -> None:
    rendered = helm.render(with_tls("secret", {"fullnameOverride": "gpu-rules"}))
    assert rendered.one("ValidatingWebhookConfiguration")["metadata"]["name"] == "gpu-rules"
    assert rendered.one("Deployment")["metadata"]["name"] == "gpu-rules-webhook"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, SHARED_CLASSES),
        ({"deviceClasses": {"enabled": False}}, set()),
        ({"drivers": ["gpu.nvidia.com"]}, {"gpu.nvidia.com", "mig.nvidia.com"}),
        ({"featureGates": {"PassthroughSupport": True}}, SHARED_CLASSES | {"vfio.gpu.nvidia.com"}),
        (
            {"featureGates": {"HostManagedIMEXDaemon": True}},
            SHARED_CLASSES - {"compute-domain-daemon.nvidia.com"},
        ),
    ],
    ids=["default", "off", "one driver", "passthrough", "host managed"],
)
def test_there_is_a_class_for_what_the_gates_and_drivers_bring(
    helm: Helm, values: Json, expected: set[str]
) -> None:
    assert classes(helm.render(with_tls("secret", values))) == expected


@pytest.mark.parametrize(
    ("gate", "name", "there_when_on"),
    [
        (FeatureGate.PASSTHROUGH_SUPPORT, "vfio.gpu.nvidia.com", True),
        (FeatureGate.HOST_MANAGED_IMEX_DAEMON, "compute-domain-daemon.nvidia.com", False),
    ],
)
@pytest.mark.parametrize("all_alpha", [None, False, True])
@pytest.mark.parametrize("named", [None, False, True])
def test_a_template_reads_a_gate_as_the_library_does(
    helm: Helm,
    gate: FeatureGate,
    name: str,
    *,
    there_when_on: bool,
    all_alpha: bool | None,
    named: bool | None,
) -> None:
    given = {gate: named, "AllAlpha": all_alpha, "DynamicMIG": False, "DeviceMetadata": False}
    gates = {entry: on for entry, on in given.items() if on is not None}
    listed = ",".join(f"{entry}={str(on).lower()}" for entry, on in gates.items())
    on = gate in resolve(listed).gates
    found = classes(helm.render(with_tls("secret", {"featureGates": gates})))
    assert (name in found) is (on is there_when_on)


def test_pods_ask_for_a_gpu_by_a_resource_only_if_it_is_named(helm: Helm) -> None:
    def resources(values: Json) -> dict[str, str]:
        found = helm.render(with_tls("secret", {"deviceClasses": values})).of("DeviceClass")
        return {
            one["metadata"]["name"]: one["spec"]["extendedResourceName"]
            for one in found
            if "extendedResourceName" in one["spec"]
        }

    assert resources({}) == {}
    named = resources({"extendedResourceName": "nvidia.com/gpu"})
    assert named == {"gpu.nvidia.com": "nvidia.com/gpu"}


def test_the_classes_are_of_the_newest_version_that_is_served(helm: Helm) -> None:
    """Without a cluster helm assumes versions of its own, older ones too."""
    served = ("resource.k8s.io/v1beta1", "resource.k8s.io/v1", "resource.k8s.io/v1beta2")
    rendered = helm.render(with_tls("secret"), apis=served)
    assert {one["apiVersion"] for one in rendered.of("DeviceClass")} == {"resource.k8s.io/v1"}


def test_without_the_operator_of_prometheus_its_objects_are_refused_by_name(helm: Helm) -> None:
    for name in ("serviceMonitor", "prometheusRule"):
        for part in ("webhook", "plugin"):
            values = with_tls("secret", {part: {name: {"enabled": True}}})
            with pytest.raises(NotRendered, match=f"{part}.{name}.enabled needs the API monitor"):
                helm.render(values, apis=APIS[:1])


def test_the_modes_differ_only_in_what_concerns_the_certificate(helm: Helm) -> None:
    kinds = {
        mode: sorted(one["kind"] for one in helm.render(with_tls(mode)).part("webhook").objects)
        for mode in TLS_BY_MODE
    }
    extra = {mode: sorted(set(found) - set(kinds["secret"])) for mode, found in kinds.items()}
    assert extra == {
        "cert-manager": ["Certificate", "Issuer", "Secret"],
        "secret": [],
        "self-managed": ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Secret"],
    }
