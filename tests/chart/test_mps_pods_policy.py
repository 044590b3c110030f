"""A plugin makes and ends the Pods of MPS control daemons on its own node, and no others."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from uuid import uuid4

import pytest

from dra_config.version import __version__
from plugin.mps.description import MpsDaemon, daemon_id
from plugin.mps.pod_shape import MpsOptions, PodShape
from plugin.preparer import ClaimReference
from tests.chart.chart import Helm, Json, merged
from tests.chart.installed import Release, account_on, installed, refusal_of, wait_refused
from tests.cluster.api_server import ApiServer
from tests.cluster.client import Client, path_of

NODE = "mps-node-a"
FOLDER = "/var/lib/kubelet/plugins/gpu.nvidia.com"
SHARED = "/dev/shm/dra-config"  # noqa: S108 - nothing is made there
OTHER_UID = "7c1c8f2e-1c55-4c8e-9a3b-0d0f5a4c9b21"
RBAC = "rbac.authorization.k8s.io/v1"
MPS: Json = {"featureGates": {"MPSSupport": True}}
SIMULATED = "h100"
Change = Callable[[Json], object]


@pytest.fixture(scope="module", params=["", SIMULATED], ids=["nvml", "simulated"])
def profile(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def release(
    api_server: ApiServer, helm_4: Helm, secret_mode: Json, profile: str
) -> Iterator[Release]:
    """Yield a release of which the policy is heeded."""
    # Two names, because the server heeds the policy of a release that has gone for a moment.
    name = f"mps{profile}"
    chosen = {"fullnameOverride": name, "plugin": {"simulate": profile}}
    values = merged(secret_mode, MPS, chosen)
    with installed(helm_4, api_server, name, values) as found:
        # Whatever RBAC lets it do, the policy has the last word.
        role = path_of(RBAC, "roles", f"{name}-plugin", namespace=found.namespace)
        rules = api_server.client.get(role)["rules"]
        rules[0]["verbs"] += ["create", "deletecollection"]
        api_server.client.patch(role, {"rules": rules})
        with account_on(api_server, found.namespace, f"{name}-plugin", NODE) as plugin:
            other = pod(found, profile, node="mps-node-b")
            wait_refused(partial(create, plugin, found, other), "may make and delete only pods of")
        yield found


@pytest.fixture
def plugin(api_server: ApiServer, release: Release) -> Iterator[Client]:
    """Yield a client with the token of the plugin's pod on its node."""
    with account_on(api_server, release.namespace, f"{release.name}-plugin", NODE) as client:
        yield client


def pod(release: Release, profile: str, *, node: str = NODE) -> Json:
    """Return the Pod that the plugin makes for a new claim."""
    uid = str(uuid4())
    devices = ("GPU-4cf8db2d-06c0-7d70-1a51-e59b25b2c16c",)
    made = daemon_id(uid, devices)
    root = f"{FOLDER}/machine/driver" if profile else "/"
    daemon = MpsDaemon(
        id=made,
        claim=ClaimReference(namespace="default", name="claim", uid=uid),
        devices=devices,
        active_thread_percentage=50,
        pinned_memory_limits=(),
        multi_user=False,
        folder=f"{FOLDER}/mps/{made}",
        shared_memory=f"{SHARED}/{made}",
    )
    options = MpsOptions(
        namespace=release.namespace,
        node_name=node,
        image=f"dra-config-plugin:{__version__}",
        image_pull_policy="IfNotPresent",
        image_pull_secrets=("registry",),
        service_account=f"{release.name}-mps",
        priority_class="system-node-critical",
        tolerations=({"operator": "Exists"},),
        privileged=not profile,
        driver_root=PurePosixPath(root),
    )
    shape = PodShape(options, driver_root_mount=Path("/nowhere"))
    return shape.pod(daemon, node_uid=uid)


def create(client: Client, release: Release, one: Json) -> Json:
    return client.create(path_of("v1", "pods", namespace=release.namespace), one)


def path_of_pod(release: Release, one: Json) -> str:
    return path_of("v1", "pods", one["metadata"]["name"], namespace=release.namespace)


def test_a_plugin_makes_and_ends_the_daemons_of_its_own_node(
    plugin: Client, release: Release, profile: str
) -> None:
    one = pod(release, profile)
    create(plugin, release, one)
    path = path_of_pod(release, one)
    assert plugin.get(path)["spec"]["nodeName"] == NODE
    # No kubelet is here that would let it go.
    plugin.delete(path, gracePeriodSeconds="0")
    assert plugin.find(path) is None


def volume(**source: object) -> Change:
    return lambda one: one["spec"]["volumes"].append({"name": "more", **source})


def container(**more: object) -> Change:
    return lambda one: one["spec"]["containers"][0].update(more)


def another_container(place: str) -> Change:
    def change(one: Json) -> None:
        more = copy.deepcopy(one["spec"]["containers"][0]) | {"name": "more"}
        one["spec"].setdefault(place, []).append(more)

    return change


def spec(**more: object) -> Change:
    return lambda one: one["spec"].update(more)


def metadata(**more: object) -> Change:
    return lambda one: one["metadata"].update(more)


OWN_NODE = "may make and delete only pods of MPS control daemons on mps-node-a"
NAMED = "is called dra-config-mps-UID-DIGITS after the claim of its label"
SELF = "has the account mps"
IMAGE = "runs the daemon of the plugin's own image, and reads neither Secrets nor ConfigMaps"
MOUNTS = "mounts the root of the driver and folders of its own"
HOST = "has no network and no IPC of the host"
SECRET = {"secretKeyRef": {"name": "tls", "key": "tls.key"}}


OTHER_PODS: dict[str, tuple[Change, str]] = {
    "other node": (spec(nodeName="mps-node-b"), OWN_NODE),
    "other application": (metadata(labels={"app.kubernetes.io/name": "dra-config"}), OWN_NODE),
    "no claim": (metadata(labels={"app.kubernetes.io/name": "dra-config-mps"}), NAMED),
    "name of another claim": (metadata(name=f"dra-config-mps-{OTHER_UID}-12345"), NAMED),
    "name of another kind": (metadata(name="kube-proxy"), NAMED),
    "no owner": (metadata(ownerReferences=[]), NAMED),
    "owned by another node": (
        lambda one: one["metadata"]["ownerReferences"][0].update(name="mps-node-b"),
        NAMED,
    ),
    "account of the plugin": (
        lambda one: one["spec"].update(
            serviceAccountName=one["spec"]["serviceAccountName"].replace("-mps", "-plugin")
        ),
        SELF,
    ),
    "token": (spec(automountServiceAccountToken=True), SELF),
    "other image": (container(image="busybox"), IMAGE),
    "other program": (container(command=["sh", "-c", "true"]), IMAGE),
    "environment from a Secret": (container(envFrom=[{"secretRef": {"name": "tls"}}]), IMAGE),
    "variable from a Secret": (container(env=[{"name": "KEY", "valueFrom": SECRET}]), IMAGE),
    "two containers": (another_container("containers"), IMAGE),
    "init container": (another_container("initContainers"), IMAGE),
    "volume of a Secret": (volume(secret={"secretName": "tls"}), MOUNTS),
    "volume of a ConfigMap": (volume(configMap={"name": "settings"}), MOUNTS),
    "volume of a token": (
        volume(projected={"sources": [{"serviceAccountToken": {"path": "token"}}]}),
        MOUNTS,
    ),
    "other folder": (volume(hostPath={"path": "/etc"}), MOUNTS),
    "pipe of another claim": (
        volume(hostPath={"path": f"{FOLDER}/mps/{OTHER_UID}-12345/pipe"}),
        MOUNTS,
    ),
    "memory of all claims": (volume(hostPath={"path": SHARED}), MOUNTS),
    "network of the host": (spec(hostNetwork=True), HOST),
    "IPC of the host": (spec(hostIPC=True), HOST),
}


@pytest.mark.parametrize("what", [*OTHER_PODS])
def test_a_plugin_makes_no_other_pod(
    plugin: Client, release: Release, profile: str, what: str
) -> None:
    change, sentence = OTHER_PODS[what]
    one = pod(release, profile)
    change(one)
    refusal = refusal_of(partial(create, plugin, release, one))
    assert refusal is not None
    assert refusal.code == 403
    assert sentence in refusal.message


PRIVILEGES: dict[str, Change] = {
    "processes of the host": spec(hostPID=True),
    "escalation": lambda one: one["spec"]["containers"][0]["securityContext"].update(
        allowPrivilegeEscalation=True
    ),
    "privileged": container(securityContext={"privileged": True}),
    "capability": container(
        securityContext={
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["SYS_ADMIN"]},
        }
    ),
    "nothing said": container(securityContext={}),
}


@pytest.mark.parametrize("what", [*PRIVILEGES])
def test_privileges_are_for_gpus_that_are_real(
    plugin: Client, release: Release, profile: str, what: str
) -> None:
    one = pod(release, profile)
    PRIVILEGES[what](one)
    refusal = refusal_of(partial(create, plugin, release, one))
    assert (refusal is None) is (not profile)
    if refusal is not None:
        assert "for simulated GPUs no privilege at all" in refusal.message


def test_a_simulated_machine_needs_nothing_of_the_real_driver(
    plugin: Client, release: Release, profile: str
) -> None:
    one = pod(release, profile)
    one["spec"]["volumes"][0]["hostPath"]["path"] = "/"
    refusal = refusal_of(partial(create, plugin, release, one))
    assert (refusal is None) is (not profile)


def test_a_plugin_ends_no_other_pod(
    api_server: ApiServer, plugin: Client, release: Release, profile: str
) -> None:
    admin = api_server.client
    elsewhere = pod(release, profile, node="mps-node-b")
    foreign = pod(release, profile)
    foreign["metadata"]["labels"] = {"app": "webhook"}
    for one in (elsewhere, foreign):
        create(admin, release, one)
        refusal = refusal_of(partial(plugin.delete, path_of_pod(release, one)))
        assert refusal is not None
        assert OWN_NODE in refusal.message
    pods = path_of("v1", "pods", namespace=release.namespace)
    refusal = refusal_of(partial(plugin.delete, pods, labelSelector="app=webhook"))
    assert refusal is not None
    assert OWN_NODE in refusal.message


def test_a_token_without_a_node_makes_nothing(
    api_server: ApiServer, release: Release, profile: str
) -> None:
    with account_on(api_server, release.namespace, f"{release.name}-plugin", "") as stolen:
        refusal = refusal_of(partial(create, stolen, release, pod(release, profile)))
    assert refusal is not None
    assert "names no node, so it may neither make nor delete a pod" in refusal.message


def test_other_accounts_are_none_of_the_policys_business(
    api_server: ApiServer, release: Release, profile: str
) -> None:
    one = pod(release, profile)
    one["spec"]["nodeName"] = "mps-node-b"
    create(api_server.client, release, one)


def test_with_the_gate_off_daemons_are_only_found_and_ended(helm: Helm, secret_mode: Json) -> None:
    """A claim that was prepared before has one still."""

    def verbs(values: Json) -> set[str]:
        rules = helm.render(merged(secret_mode, values)).part("plugin").one("Role")["rules"]
        assert all(rule["resources"] == ["pods"] for rule in rules)
        return {verb for rule in rules for verb in rule["verbs"]}

    assert verbs(MPS) == {"get", "list", "create", "delete"}
    assert verbs({}) == {"get", "list", "delete"}
    all_alpha = {"AllAlpha": True, "DynamicMIG": False, "MPSSupport": False}
    assert verbs({"featureGates": all_alpha}) == {"get", "list", "delete"}


def test_with_processes_the_plugin_has_nothing_to_do_with_pods(
    helm: Helm, secret_mode: Json
) -> None:
    def kinds(launcher: str) -> set[str]:
        values = merged(secret_mode, MPS, {"plugin": {"mps": {"launcher": launcher}}})
        return {one["kind"] for one in helm.render(values).part("plugin").objects}

    assert kinds("pod") - kinds("process") == {
        "Role",
        "RoleBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
