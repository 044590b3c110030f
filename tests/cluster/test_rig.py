"""The API server and the node that the other cluster tests stand on."""

import base64
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.api_server import ApiServer
from tests.cluster.binaries import Settings
from tests.cluster.cleanup import cgroup_hierarchies
from tests.cluster.client import Client, Json, Refusal, path_of
from tests.cluster.host import KERNEL_SETTINGS
from tests.cluster.images import CONNECT_IMAGE, ENV_IMAGE
from tests.cluster.network import usable
from tests.cluster.node import Node
from tests.cluster.waiting import RigError

CLAIM_VERSIONS = ("v1", "v1beta2", "v1beta1")


def claim(version: str, name: str, device_class: str) -> Json:
    asked = {"deviceClassName": device_class}
    request = {"name": "gpu"} | (asked if version == "v1beta1" else {"exactly": asked})
    return {
        "apiVersion": f"resource.k8s.io/{version}",
        "kind": "ResourceClaim",
        "metadata": {"name": name},
        "spec": {"devices": {"requests": [request]}},
    }


def claims(version: str, name: str = "") -> str:
    return path_of(f"resource.k8s.io/{version}", "resourceclaims", name, namespace="default")


def pods(name: str = "") -> str:
    return path_of("v1", "pods", name, namespace="default")


def pod(name: str, image: str, *arguments: str) -> Json:
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "args": list(arguments),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }


@contextmanager
def pod_in_phase(node: Node, body: Json, phase: str) -> Iterator[Json]:
    """Create a pod, wait for a phase of it, and delete it again."""
    path = pods(body["metadata"]["name"])

    def reached(found: Json | None) -> bool:
        return found is not None and found["status"].get("phase") == phase

    node.client.create(pods(), body, fieldValidation="Strict")
    try:
        found = node.client.wait(path, reached, seconds=60)
        assert found is not None
        yield found
    finally:
        node.client.delete(path, gracePeriodSeconds="1")
        node.client.wait_gone(path, seconds=60)


class Denial(http.server.BaseHTTPRequestHandler):
    """An admission webhook that refuses everything."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        review["response"] = {
            "uid": review.pop("request")["uid"],
            "allowed": False,
            "status": {"message": "refused by the test"},
        }
        body = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name
        """Say nothing."""


@contextmanager
def denying_webhook(address: str, certificate: Path, key: Path) -> Iterator[int]:
    """Serve the refusing webhook in this process; yield its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http.server.ThreadingHTTPServer((address, 0), Denial) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def webhook_configuration(name: str, resource: str, target: Json, authority: bytes) -> Json:
    bundle = base64.b64encode(authority).decode()
    group, _, plural = resource.partition("/")
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": f"{name}.rig.test",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": target | {"caBundle": bundle},
                "rules": [
                    {
                        "apiGroups": [group],
                        "apiVersions": ["*"],
                        "operations": ["CREATE"],
                        "resources": [plural],
                    }
                ],
            }
        ],
    }


@contextmanager
def configured(client: Client, body: Json) -> Iterator[None]:
    collection = path_of(body["apiVersion"], "validatingwebhookconfigurations")
    client.create(collection, body)
    try:
        yield
    finally:
        client.delete(f"{collection}/{body['metadata']['name']}")


@pytest.mark.parametrize("version", CLAIM_VERSIONS)
def test_the_api_server_stores_a_claim_in_each_version(
    api_server: ApiServer, version: str
) -> None:
    name = f"stored-{version}"
    api_server.client.create(
        claims(version), claim(version, name, "gpu"), fieldValidation="Strict"
    )
    try:
        stored = api_server.client.get(claims("v1", name))
        assert stored["spec"]["devices"]["requests"][0]["exactly"]["deviceClassName"] == "gpu"
    finally:
        api_server.client.delete(claims("v1", name))


@pytest.mark.parametrize("version", CLAIM_VERSIONS)
def test_the_api_server_refuses_an_invalid_claim(api_server: ApiServer, version: str) -> None:
    with pytest.raises(Refusal) as refused:
        api_server.client.create(claims(version), claim(version, "invalid", "Not A Name"))
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    assert "deviceClassName" in refused.value.message
    assert api_server.client.find(claims(version, "invalid")) is None


def test_kubectl_talks_to_the_api_server_and_its_failures_can_be_seen(
    api_server: ApiServer,
) -> None:
    text = json.dumps(claim("v1", "by-kubectl", "gpu"))
    created = api_server.run("kubectl", "create", "-f", "-", "--dry-run=server", text=text)
    assert created.output.startswith("resourceclaim.resource.k8s.io/by-kubectl created")
    failed = api_server.run("kubectl", "get", "resourceclaim", "nobody", check=False)
    assert failed.code == 1
    assert '"nobody" not found' in failed.errors
    with pytest.raises(RigError, match='"nobody" not found'):
        api_server.run("kubectl", "get", "resourceclaim", "nobody")


def test_the_api_server_calls_a_webhook_of_the_test_process(api_server: ApiServer) -> None:
    authority = api_server.control_plane.authority
    leaf = authority.leaf("denial", "denial", addresses=["127.0.0.1"])
    with denying_webhook("127.0.0.1", leaf.certificate, leaf.key) as port:
        target = {"url": f"https://127.0.0.1:{port}/"}
        body = webhook_configuration(
            "denial", "resource.k8s.io/resourceclaims", target, authority.pem
        )
        with configured(api_server.client, body):

            def refused() -> bool:
                try:
                    api_server.client.create(
                        claims("v1"), claim("v1", "denied", "gpu"), dryRun="All"
                    )
                except Refusal as refusal:
                    return "refused by the test" in refusal.message
                return False

            api_server.control_plane.process.wait_ready(refused, seconds=30)


def test_an_ordinary_user_may_nothing_and_the_audit_log_says_what_was_tried(
    api_server: ApiServer,
) -> None:
    with (
        api_server.control_plane.client_of("jane", "readers") as jane,
        pytest.raises(Refusal, match='User "jane" cannot list') as refused,
    ):
        jane.list(claims("v1"))
    assert refused.value.code == 403
    tried = [
        event
        for event in api_server.control_plane.audit()
        if event["user"].get("username") == "jane"
    ]
    assert {(event["verb"], event["objectRef"]["resource"]) for event in tried} == {
        ("list", "resourceclaims")
    }


def test_a_token_of_a_service_account_is_believed(api_server: ApiServer) -> None:
    accounts = path_of("v1", "serviceaccounts", namespace="default")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
    api_server.client.create(accounts, account)
    try:
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 600},
        }
        answer = api_server.client.create(f"{accounts}/robot/token", request)
        with (
            api_server.control_plane.client_with_token(answer["status"]["token"]) as robot,
            pytest.raises(Refusal, match="system:serviceaccount:default:robot") as refused,
        ):
            robot.list(claims("v1"))
        assert refused.value.code == 403
    finally:
        api_server.client.delete(f"{accounts}/robot")


def test_the_api_server_keeps_its_objects_over_a_restart(api_server: ApiServer) -> None:
    api_server.client.create(claims("v1"), claim("v1", "lasting", "gpu"))
    api_server.control_plane.restart()
    assert api_server.client.find(claims("v1", "lasting")) is not None
    api_server.client.delete(claims("v1", "lasting"))


def test_a_wait_for_an_object_ends_with_what_it_is_instead(api_server: ApiServer) -> None:
    with pytest.raises(RigError, match="not as it should be after 0 seconds; it is\nnull"):
        api_server.client.wait(claims("v1", "nobody"), bool, seconds=0)


def test_the_second_api_server_knows_nothing_of_the_first(
    api_server: ApiServer, cluster_settings: Settings
) -> None:
    """They also run beside the one of the session, with ports and folders of their own."""
    names: list[set[str]] = []
    for _ in range(2):
        fresh = ApiServer(api_server.binaries, cache=cluster_settings.cache)
        try:
            assert fresh.client.list(claims("v1")) == []
            fresh.client.create(claims("v1"), claim("v1", "first", "gpu"))
            namespaces = fresh.client.list(path_of("v1", "namespaces"))
            names.append({one["metadata"]["name"] for one in namespaces})
        finally:
            fresh.close()
        assert not fresh.rig.root.exists()
    assert names[0] == names[1]


def test_a_pod_runs_on_the_node_with_its_environment_and_goes_again(node: Node) -> None:
    body = pod("env", ENV_IMAGE)
    body["spec"]["containers"][0]["env"] = [{"name": "COLOUR", "value": "green"}]
    with pod_in_phase(node, body, "Running") as running:
        assert running["spec"]["nodeName"] == "node1"
        assert "COLOUR=green" in node.run("kubectl", "logs", "env").output.splitlines()
    assert node.client.find(pods("env")) is None


def test_a_pod_outlives_restarts_of_the_kubelet_and_the_api_server(node: Node) -> None:
    def container(found: Json | None) -> str:
        assert found is not None
        (status,) = found["status"]["containerStatuses"]
        assert status["restartCount"] == 0
        return str(status["containerID"])

    with pod_in_phase(node, pod("lasting", ENV_IMAGE), "Running") as running:
        first = node.kubelet.pid
        node.restart_kubelet()
        node.control_plane.restart()
        assert node.kubelet.pid != first
        assert container(node.client.get(pods("lasting"))) == container(running)


def test_a_pod_reaches_the_api_server_at_its_service_address(node: Node) -> None:
    with pod_in_phase(node, pod("near", CONNECT_IMAGE, "10.96.0.1", "443"), "Succeeded"):
        pass
    with pod_in_phase(node, pod("wrong", CONNECT_IMAGE, "10.96.0.1", "444"), "Failed"):
        pass


def test_the_scheduler_gives_a_claim_the_device_of_a_slice(node: Node) -> None:
    """A claim from a template needs controller manager and scheduler; nobody prepares it here."""
    group = "resource.k8s.io/v1"
    made: list[tuple[str, Json]] = [
        (
            path_of(group, "deviceclasses"),
            {
                "apiVersion": group,
                "kind": "DeviceClass",
                "metadata": {"name": "toy"},
                "spec": {},
            },
        ),
        (
            path_of(group, "resourceslices"),
            {
                "apiVersion": group,
                "kind": "ResourceSlice",
                "metadata": {"name": "toy"},
                "spec": {
                    "driver": "toy.rig.test",
                    "pool": {"name": "toy", "generation": 1, "resourceSliceCount": 1},
                    "allNodes": True,
                    "devices": [{"name": "toy-0"}],
                },
            },
        ),
        (
            path_of(group, "resourceclaimtemplates", namespace="default"),
            {
                "apiVersion": group,
                "kind": "ResourceClaimTemplate",
                "metadata": {"name": "toy"},
                "spec": {"spec": claim("v1", "", "toy")["spec"]},
            },
        ),
    ]
    body = pod("toy", ENV_IMAGE)
    body["spec"]["resourceClaims"] = [{"name": "toy", "resourceClaimTemplateName": "toy"}]
    body["spec"]["containers"][0]["resources"] = {"claims": [{"name": "toy"}]}
    for collection, wanted in made:
        node.client.create(collection, wanted, fieldValidation="Strict")
    try:
        node.client.create(pods(), body)

        def named(found: Json | None) -> bool:
            return bool(found and found["status"].get("resourceClaimStatuses"))

        with_claim = node.client.wait(pods("toy"), named, seconds=30)
        assert with_claim is not None
        (status,) = with_claim["status"]["resourceClaimStatuses"]

        def allocated(found: Json | None) -> bool:
            return bool(found and "allocation" in found.get("status", {}))

        found = node.client.wait(claims("v1", status["resourceClaimName"]), allocated, seconds=30)
        assert found is not None
        (result,) = found["status"]["allocation"]["devices"]["results"]
        assert (result["driver"], result["device"]) == ("toy.rig.test", "toy-0")
    finally:
        node.client.delete(pods("toy"), gracePeriodSeconds="0")
        node.client.wait_gone(pods("toy"), seconds=60)
        for collection, wanted in made:
            node.client.delete(f"{collection}/{wanted['metadata']['name']}")


def test_the_api_server_finds_a_webhook_behind_a_service_without_kube_proxy(node: Node) -> None:
    authority = node.control_plane.authority
    leaf = authority.leaf("service", "service", dns_names=["denial.default.svc"])
    services = path_of("v1", "services", namespace="default")
    slices = path_of("discovery.k8s.io/v1", "endpointslices", namespace="default")
    with denying_webhook(node.host_address, leaf.certificate, leaf.key) as port:
        node.client.create(
            services,
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "denial"},
                "spec": {"ports": [{"port": 443, "targetPort": port}]},
            },
        )
        node.client.create(
            slices,
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": "denial",
                    "labels": {"kubernetes.io/service-name": "denial"},
                },
                "addressType": "IPv4",
                "endpoints": [{"addresses": [node.host_address], "conditions": {"ready": True}}],
                "ports": [{"port": port}],
            },
        )
        target = {"service": {"namespace": "default", "name": "denial", "path": "/"}}
        body = webhook_configuration(
            "denial", "networking.k8s.io/networkpolicies", target, authority.pem
        )
        denied = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "denied"},
            "spec": {"podSelector": {}},
        }
        policies = path_of("networking.k8s.io/v1", "networkpolicies", namespace="default")

        def refused() -> bool:
            try:
                node.client.create(policies, denied, dryRun="All")
            except Refusal as refusal:
                return "refused by the test" in refusal.message
            return False

        try:
            with configured(node.client, body):
                node.control_plane.process.wait_ready(refused, seconds=30)
        finally:
            node.client.delete(f"{services}/denial")
            node.client.delete(f"{slices}/denial")


def test_a_process_of_a_test_can_run_on_the_node(node: Node) -> None:
    """So a kubelet plugin does: it sees the node's network and processes, and not the host's."""
    own = "/proc/self/ns/pid"
    probe = f"import os; print(os.readlink('{own}'), os.listdir('/sys/fs/cgroup') != [])"
    namespace, has_cgroups = node.rig.run("python3", "-c", probe).output.split()
    assert namespace.startswith("pid:[")
    assert namespace != str(Path(own).readlink())
    assert has_cgroups == "True"
    links = node.rig.run("ip", "-o", "link").output
    assert "eth0" in links
    assert node.control_plane.url == f"https://{node.address}:443"


def test_a_node_changes_no_setting_of_the_kernel_and_no_folder_of_the_host(node: Node) -> None:
    inside = node.rig.run("cat", "/proc/self/mountinfo").output
    for name, value in KERNEL_SETTINGS.items():
        assert node.rig.run("cat", f"/proc/sys/{name}").output.strip() == value
        assert f" /proc/sys/{name} " in inside, "it is a file of the rig"
    outside = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert str(node.rig.root) not in outside
    assert " /proc/sys/" not in outside
    assert not any((hierarchy / "kubepods").exists() for hierarchy in cgroup_hierarchies())


def test_another_node_could_not_have_the_addresses_of_this_one(node: Node) -> None:
    assert not usable(node.rig.number)
