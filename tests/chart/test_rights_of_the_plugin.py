"""The plugin may do what its code does, and not a thing more."""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import pytest

from dra_config.scheme import GPU_DRIVER
from plugin.rpc.stubs import kubelet_dra_v1_pb2 as v1
from tests.chart.chart import Helm, Json, Rendered, merged, with_plugin
from tests.chart.installed import Release, account_on, installed, refusal_of, token_on
from tests.cluster.api_server import ApiServer
from tests.cluster.client import Client, path_of
from tests.cluster.waiting import wait_until
from tests.plugin.plugin_process import SECONDS, Host, kubelet_of, running
from tests.plugin.rpc_kubelet import PREPARE, UNPREPARE

NAME = "plugin-rights"
ACCOUNT = f"{NAME}-dra-config-plugin"
NODE = "rights-node"
RBAC = "rbac.authorization.k8s.io/v1"
SLICES = path_of("resource.k8s.io/v1", "resourceslices")
CLAIMS = path_of("resource.k8s.io/v1", "resourceclaims", namespace="default")
EVENTS = path_of("events.k8s.io/v1", "events", namespace="default")
NODES = path_of("v1", "nodes")
SHARED_MEMORY = Path("/dev/shm/dra-config")  # noqa: S108 - where the chart has it
Right = tuple[str, str, str]
"""API group, resource and verb."""

ONLY_AFTER_A_CONFLICT: frozenset[Right] = frozenset({("resource.k8s.io", "resourceslices", "get")})
"""A slice is read only when another wrote it at the same moment."""

ONLY_LATER: frozenset[Right] = frozenset({("", "pods", "list")})
"""Pods of MPS daemons without a folder are looked for ten minutes after the start, and by name of
a claim whose record is damaged."""

SHARE_OF_STATUS: frozenset[Right] = frozenset(
    {
        ("resource.k8s.io", "resourceclaims/status", "patch"),
        ("resource.k8s.io", "resourceclaims/status", "update"),
        ("resource.k8s.io", "resourceclaims/driver", "associated-node:patch"),
        ("resource.k8s.io", "resourceclaims/driver", "associated-node:update"),
    }
)
"""The status of its own devices; it writes none yet."""


@pytest.fixture(scope="module")
def values() -> Iterator[Json]:
    """Yield the values of the release, with a kubelet's root that nobody else has."""
    # The path of a socket has to be short.
    root = mkdtemp(prefix="kubelet-")
    plugin = with_plugin({"simulate": "h100", "kubeletRootDir": root})
    yield merged(plugin, {"featureGates": {"MPSSupport": True}})
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def release(api_server: ApiServer, helm_4: Helm, values: Json) -> Iterator[Release]:
    with installed(helm_4, api_server, NAME, values) as found:
        yield found


@pytest.fixture
def host(api_server: ApiServer, release: Release, values: Json, tmp_path: Path) -> Iterator[Host]:
    """Yield a node on which the plugin runs with the account that the chart brought."""
    client = api_server.client
    client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
    kubeconfig = tmp_path / "kubeconfig"
    token = token_on(api_server, release.namespace, ACCOUNT, NODE)
    kubeconfig.write_text(kubeconfig_of(api_server, token), encoding="utf-8")
    rendered = release.helm.render(values, release=NAME, namespace=release.namespace)
    yield Host(
        node=NODE,
        kubeconfig=kubeconfig,
        kubelet_root=Path(values["plugin"]["kubeletRootDir"]),
        cdi_root=tmp_path / "cdi",
        options=("--namespace", release.namespace, *chosen_flags(rendered)),
    )
    with suppress(OSError):
        SHARED_MEMORY.rmdir()
    for one in slices(client):
        client.delete(f"{SLICES}/{one['metadata']['name']}")
    client.delete(f"{NODES}/{NODE}")


def chosen_flags(rendered: Rendered) -> list[str]:
    """Return what the plugin of the chart is told, but for what a test has its own of."""
    own = ("--kubelet-root", "--cdi-root", "--probe-port", "--metrics-port")
    words: list[str] = rendered.plugin_container()["args"]
    return [word for word in words if word.partition("=")[0] not in own]


def kubeconfig_of(server: ApiServer, token: str) -> str:
    authority = str(server.control_plane.authority.certificate)
    cluster = {"server": server.url, "certificate-authority": authority}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "rig", "cluster": cluster}],
        "users": [{"name": "plugin", "user": {"token": token}}],
        "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": "plugin"}}],
        "current-context": "rig",
    }
    return json.dumps(document)


def slices(client: Client) -> list[Json]:
    found: list[Json] = client.list(SLICES, fieldSelector=f"spec.nodeName={NODE}")
    return found


def granted(client: Client, inside: str) -> set[Right]:
    """Return what the account may do, by the rules that the chart brought."""
    role = path_of(RBAC, "roles", ACCOUNT, namespace=inside)
    cluster_role = path_of(RBAC, "clusterroles", ACCOUNT)
    rules = [*client.get(role)["rules"], *client.get(cluster_role)["rules"]]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(server: ApiServer, user: str) -> set[Right]:
    """Return what *user* has asked for, and make sure that nothing was forbidden."""
    events = [
        one
        for one in server.control_plane.audit()
        if one["user"].get("username") == user and "resource" in one.get("objectRef", {})
    ]
    assert events
    assert {one["responseStatus"]["code"] for one in events} <= {200, 201, 404, 409}
    return {
        (
            one["objectRef"].get("apiGroup", ""),
            "/".join(
                one["objectRef"][part]
                for part in ("resource", "subresource")
                if part in one["objectRef"]
            ),
            one["verb"],
        )
        for one in events
    }


def claim(client: Client, name: str, device: str, *configs: Json, node: str = NODE) -> v1.Claim:
    """Make a claim that has got a device of a node, and return what the kubelet sends of it."""
    request = {"name": "gpu", "exactly": {"deviceClassName": GPU_DRIVER}}
    made = client.create(
        CLAIMS,
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaim",
            "metadata": {"name": name},
            "spec": {"devices": {"requests": [request]}},
        },
    )
    result = {"request": "gpu", "driver": GPU_DRIVER, "pool": node, "device": device}
    here = {"key": "metadata.name", "operator": "In", "values": [node]}
    allocation = {
        "devices": {"results": [result], "config": configs},
        "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [here]}]},
    }
    client.replace(f"{CLAIMS}/{name}/status", made | {"status": {"allocation": allocation}})
    return v1.Claim(namespace="default", name=name, uid=made["metadata"]["uid"])


def sharing(strategy: str) -> Json:
    """Return what the allocation of a claim holds of a config."""
    parameters = {
        "apiVersion": "resource.nvidia.com/v1beta1",
        "kind": "GpuConfig",
        "sharing": {"strategy": strategy},
    }
    return {
        "source": "FromClaim",
        "opaque": {"driver": GPU_DRIVER, "parameters": parameters},
    }


def test_the_rights_are_exactly_those_that_the_code_uses(
    api_server: ApiServer, release: Release, host: Host
) -> None:
    """The whole plugin outside of a pod: it publishes, repairs, prepares, refuses and releases.

    D116: the reference driver's plugin may change all nodes and read all pods.
    """
    client = api_server.client
    user = f"system:serviceaccount:{release.namespace}:{ACCOUNT}"
    good = claim(client, "rights-good", "gpu-0", sharing("MPS"))
    bad = claim(client, "rights-bad", "gpu-1", sharing("TimeSlicing"))
    try:
        with running(host) as plugin, kubelet_of(host) as kubelet:
            plugin.wait_line("published")
            repair(client)
            preparing = kubelet.future(PREPARE, good)
            (host.folder / "mps" / daemon_of(client, release) / "log" / "ready").touch()
            assert not preparing.result().claims[good.uid].error
            assert "TimeSlicingSettings" in kubelet.call(PREPARE, bad)[bad.uid].error
            unpreparing = kubelet.future(UNPREPARE, good)
            let_go(client, release)
            assert not unpreparing.result().claims[good.uid].error
            wait_until(
                lambda: any(
                    one["regarding"].get("name") == bad.name for one in client.list(EVENTS)
                ),
                seconds=SECONDS,
                otherwise=plugin.told,
            )
            assert plugin.stop() == 0
    finally:
        for one in (good, bad):
            client.delete(f"{CLAIMS}/{one.name}")
    expected = granted(client, release.namespace) - SHARE_OF_STATUS
    assert used(api_server, user) | ONLY_AFTER_A_CONFLICT | ONLY_LATER == expected


def daemons(client: Client, release: Release) -> list[Json]:
    """Return the Pods of control daemons."""
    found: list[Json] = client.list(
        path_of("v1", "pods", namespace=release.namespace),
        labelSelector="app.kubernetes.io/name=dra-config-mps",
    )
    return found


def daemon_of(client: Client, release: Release) -> str:
    """Wait for the Pod of a control daemon and return the daemon's id."""
    wait_until(
        lambda: bool(daemons(client, release)),
        seconds=SECONDS,
        otherwise=lambda: "there is no pod of a control daemon",
    )
    (pod,) = daemons(client, release)
    name: str = pod["metadata"]["name"]
    return name.removeprefix("dra-config-mps-")


def let_go(client: Client, release: Release) -> None:
    """Wait until the Pod is to be deleted, and take it out, as the kubelet does."""
    (pod,) = daemons(client, release)
    path = path_of("v1", "pods", pod["metadata"]["name"], namespace=release.namespace)
    client.wait(
        path,
        lambda found: found is not None and "deletionTimestamp" in found["metadata"],
        seconds=SECONDS,
    )
    client.delete(path, gracePeriodSeconds="0")


def repair(client: Client) -> None:
    """Have the plugin change a slice of its own, and remove one that is none."""
    (own, *_) = slices(client)
    before = own["spec"]["devices"]
    client.replace(
        f"{SLICES}/{own['metadata']['name']}",
        own | {"spec": own["spec"] | {"devices": before[:1]}},
    )
    pool = own["spec"]["pool"]
    foreign = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": "rights-foreign"},
        "spec": {"driver": GPU_DRIVER, "nodeName": NODE, "pool": pool, "devices": []},
    }
    client.create(SLICES, foreign)

    def repaired() -> bool:
        names = {one["metadata"]["name"] for one in slices(client)}
        present = client.find(f"{SLICES}/{own['metadata']['name']}") or {"spec": {}}
        restored = present["spec"].get("devices") == before
        return "rights-foreign" not in names and restored

    wait_until(repaired, seconds=SECONDS, otherwise=lambda: f"the slices are {slices(client)}")


@pytest.mark.parametrize(("node", "written"), [(NODE, True), ("rights-other", False)])
def test_of_a_claims_status_the_plugin_may_write_its_own_devices_on_its_own_node(
    api_server: ApiServer, release: Release, node: str, *, written: bool
) -> None:
    client = api_server.client
    one = claim(client, f"rights-{node}", "gpu-0", node=node)
    path = f"{CLAIMS}/{one.name}/status"
    device = {"driver": GPU_DRIVER, "pool": node, "device": "gpu-0", "data": {"a": "b"}}
    try:
        with account_on(api_server, release.namespace, ACCOUNT, NODE) as plugin:
            for change, may in (
                ({"devices": [device]}, written),
                ({"devices": [device | {"driver": "gpu.example.com"}]}, False),
                ({"reservedFor": [{"resource": "pods", "name": "a", "uid": "b"}]}, False),
                ({"allocation": None}, False),
            ):
                refusal = refusal_of(partial(plugin.patch, path, {"status": change}))
                assert (refusal is None) is may, f"{change}: {refusal}"
    finally:
        client.delete(f"{CLAIMS}/{one.name}")


@pytest.mark.parametrize(("kubernetes", "given"), [("1.35.9", False), ("1.36.0-gke.1", True)])
def test_a_server_that_does_not_divide_the_status_gets_no_right_on_it(
    helm: Helm, kubernetes: str, *, given: bool
) -> None:
    rendered = helm.render(with_plugin(), kubernetes=kubernetes).part("plugin")
    resources = {
        resource for rule in rendered.one("ClusterRole")["rules"] for resource in rule["resources"]
    }
    assert ({"resourceclaims/status", "resourceclaims/driver"} <= resources) is given
    assert given or not any("/" in resource for resource in resources)
