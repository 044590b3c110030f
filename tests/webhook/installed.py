"""What the chart installs for self-managed TLS, on a real API server, and the webhooks beside it.

The configuration has two entries, and each is answered by a process of its own: the API server
asks both about every claim, so a claim is only stored when it trusts both.
"""

import base64
import json
import os
import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from tests.cluster.api_server import ApiServer
from tests.cluster.client import Refusal, path_of
from tests.cluster.control_plane import free_port
from tests.webhook.asked import config, entry
from tests.webhook.served import PATH, Served
from webhook.self_managed.contents import Contents, authorities_in, read_contents

NAME = "self-managed-test"
RBAC = "rbac.authorization.k8s.io/v1"
ADMISSION = "admissionregistration.k8s.io/v1"
SECRET = path_of("v1", "secrets", NAME, namespace=NAME)
CONFIGURATION = path_of(ADMISSION, "validatingwebhookconfigurations", NAME)
CLAIMS = path_of("resource.k8s.io/v1", "resourceclaims", namespace=NAME)
SECRET_RULE = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [NAME]}
CONFIGURATION_RULE = {
    "apiGroups": ["admissionregistration.k8s.io"],
    "resources": ["validatingwebhookconfigurations"],
    "resourceNames": [NAME],
}
VERBS = ["get", "patch"]


class Whole(Served):
    """The service as it is shipped."""

    program: ClassVar[tuple[str, ...]] = ("-m", "webhook")


def claim(name: str = "", **fields: Any) -> dict[str, Any]:
    """Return a claim with a config of ours."""
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": name} if name else {"generateName": "x-"},
        "spec": {
            "devices": {
                "requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com"}}],
                "config": [json.loads(entry(config(**fields)))],
            }
        },
    }


class Installed:
    """The objects of the chart, and a service account that may do what the chart lets it do."""

    def __init__(self, server: ApiServer, folder: Path, replicas: int = 2) -> None:
        self.server = server
        self.client = server.client
        self.folder = folder
        self.ports = [free_port() for _ in range(replicas)]
        self.webhooks: list[Served] = []
        self.account = folder / "account"
        self.account.mkdir()
        (self.account / "ca.crt").write_bytes(server.control_plane.authority.pem)
        for api_version, plural, body in self._objects():
            namespaced = plural in {"serviceaccounts", "secrets", "roles", "rolebindings"}
            place = path_of(api_version, plural, namespace=NAME if namespaced else "")
            self.client.create(place, {"apiVersion": api_version, **body})
        self.renew_token()

    def _objects(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        metadata = {"metadata": {"name": NAME}}
        subject = {"kind": "ServiceAccount", "name": NAME, "namespace": NAME}
        yield "v1", "namespaces", {"kind": "Namespace", **metadata}
        yield "v1", "serviceaccounts", {"kind": "ServiceAccount", **metadata}
        yield "v1", "secrets", {"kind": "Secret", "type": "Opaque", **metadata}
        for kind, rule in (("Role", SECRET_RULE), ("ClusterRole", CONFIGURATION_RULE)):
            yield (
                RBAC,
                f"{kind.lower()}s",
                {"kind": kind, **metadata, "rules": [{**rule, "verbs": VERBS}]},
            )
            reference = {"apiGroup": RBAC.partition("/")[0], "kind": kind, "name": NAME}
            bound = {**metadata, "subjects": [subject], "roleRef": reference}
            yield RBAC, f"{kind.lower()}bindings", {"kind": f"{kind}Binding", **bound}
        yield (
            ADMISSION,
            "validatingwebhookconfigurations",
            {
                "kind": "ValidatingWebhookConfiguration",
                **metadata,
                "webhooks": [self._webhook(port) for port in self.ports],
            },
        )

    def _webhook(self, port: int) -> dict[str, Any]:
        return {
            "name": f"port-{port}.dra-config.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{port}{PATH}"},
            "rules": [
                {
                    "apiGroups": ["resource.k8s.io"],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["resourceclaims"],
                }
            ],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAME}},
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 10,
        }

    def renew_token(self) -> None:
        """Put a token into the account's directory, as the kubelet does every hour."""
        account = path_of("v1", "serviceaccounts", NAME, namespace=NAME)
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": ["https://kubernetes.default.svc"], "expirationSeconds": 3600},
        }
        token = self.client.create(f"{account}/token", asked)["status"]["token"]
        draft = self.account / "token.new"
        draft.write_text(token)
        draft.replace(self.account / "token")

    def start(self, index: int, *arguments: str) -> Served:
        """Start the webhook of entry *index*."""
        host, _, port = self.server.url.removeprefix("https://").partition(":")
        served = Whole(
            Path("no pair of files"),
            ssl.create_default_context(),
            f"--port={self.ports[index]}",
            f"--self-managed-secret={NAME}/{NAME}",
            f"--self-managed-webhook={NAME}",
            f"--self-managed-service={NAME}.{NAME}.svc,127.0.0.1",
            f"--self-managed-directory={self.folder / str(index)}",
            f"--self-managed-account={self.account}",
            "--self-managed-interval=0.25",
            *arguments,
            KUBERNETES_SERVICE_HOST=host,
            KUBERNETES_SERVICE_PORT=port,
        )
        self.webhooks.append(served)
        return served

    def start_all(self, *arguments: str) -> None:
        """Start all webhooks."""
        for index in range(len(self.ports)):
            self.start(index, *arguments)

    def ready(self) -> bool:
        """Say whether all webhooks are ready."""
        return all(webhook.probe("/readyz").status_code == 200 for webhook in self.webhooks)

    def contents(self) -> Contents:
        """Return what lies in the Secret."""
        entries: dict[str, str] = self.client.get(SECRET).get("data") or {}
        return read_contents({name: base64.b64decode(text) for name, text in entries.items()})

    def bundles(self) -> list[bytes]:
        """Return the caBundle of every entry."""
        webhooks: list[dict[str, Any]] = self.client.get(CONFIGURATION)["webhooks"]
        return [base64.b64decode(hook["clientConfig"].get("caBundle") or "") for hook in webhooks]

    def trusted(self) -> int:
        """Return how many authorities all entries trust; 0 while they differ."""
        bundles = set(self.bundles())
        return len(authorities_in(bundles.pop())) if len(bundles) == 1 else 0

    def accepts(self) -> bool:
        """Say whether the API server lets a good claim through both webhooks."""
        try:
            self.client.create(CLAIMS, claim(), dryRun="All")
        except Refusal:
            return False
        return True

    def wipe_bundles(self) -> None:
        """Take every caBundle away."""
        patch = [
            {"op": "remove", "path": f"/webhooks/{index}/clientConfig/caBundle"}
            for index in range(len(self.ports))
        ]
        self.client.patch(CONFIGURATION, patch)

    def remove(self) -> None:
        """Stop the webhooks and delete all objects."""
        for webhook in self.webhooks:
            webhook.stop()
        self.client.delete(CONFIGURATION)
        for kind in ("clusterrolebindings", "clusterroles"):
            self.client.delete(path_of(RBAC, kind, NAME))
        for kind in ("rolebindings", "roles"):
            self.client.delete(path_of(RBAC, kind, NAME, namespace=NAME))
        for kind in ("secrets", "serviceaccounts"):
            path = path_of("v1", kind, NAME, namespace=NAME)
            if self.client.find(path) is not None:
                self.client.delete(path)
        for stored in self.client.list(CLAIMS):
            self.client.delete(f"{CLAIMS}/{stored['metadata']['name']}")


class Stream:
    """Claims, good and bad, that are sent to the API server without a pause."""

    def __init__(self, installed: Installed) -> None:
        self._installed = installed
        self._stop = threading.Event()
        self.wrong: list[str] = []
        self.sent = 0

    def _send(self) -> None:
        while not self._stop.is_set():
            try:
                self._installed.client.create(CLAIMS, claim(), dryRun="All")
            except Refusal as refusal:
                self.wrong.append(f"a good claim: {refusal}")
            try:
                bad = claim(sharing={"strategy": "Sometimes"})
                self._installed.client.create(CLAIMS, bad, dryRun="All")
                self.wrong.append("a bad claim was accepted")
            except Refusal as refusal:
                if "DRA101" not in refusal.message:
                    self.wrong.append(f"a bad claim: {refusal}")
            self.sent += 2

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send while the block runs."""
        thread = threading.Thread(target=self._send)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


def keeper_pid(webhook: Served) -> int:
    """Return the process of *webhook* that alone has loaded the X.509 library."""
    pid = webhook.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    (found,) = (
        int(child)
        for child in children
        if "cryptography" in Path(f"/proc/{child}/maps").read_text()
    )
    return found


def kill_keeper(webhook: Served) -> None:
    """End the keeper of *webhook* as the kernel does when memory runs out."""
    os.kill(keeper_pid(webhook), signal.SIGKILL)
