"""Releases of the chart on a real API server, gone again when the test ends."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.chart.chart import CHART, Helm, Json
from tests.cluster.api_server import ApiServer
from tests.cluster.client import Client, Refusal, path_of
from tests.cluster.waiting import wait_until

VERSIONS = ("v1", "v1beta2", "v1beta1")
SOON_SECONDS = 20.0
"""How long the API server may take to heed a new webhook or policy."""


@dataclass(frozen=True, slots=True)
class Release:
    """An installed release."""

    helm: Helm
    server: ApiServer
    name: str
    namespace: str

    def upgrade(self, values: Json, *arguments: str) -> None:
        """Upgrade to *values*."""
        self._run("upgrade", values, *arguments)

    def install(self, values: Json, *arguments: str) -> None:
        """Install with *values*."""
        self._run("install", values, *arguments)

    def uninstall(self) -> None:
        """Remove it; once more does no harm."""
        self.server.run(
            self.helm.program,
            "uninstall",
            self.name,
            f"--namespace={self.namespace}",
            "--ignore-not-found",
        )

    def _run(self, command: str, values: Json, *arguments: str) -> None:
        self.server.run(
            self.helm.program,
            command,
            self.name,
            CHART,
            f"--namespace={self.namespace}",
            "--values=-",
            *arguments,
            text=json.dumps(values),
        )


@contextmanager
def installed(helm: Helm, server: ApiServer, name: str, values: Json) -> Iterator[Release]:
    """Install a release without CRDs in a namespace of its own, and remove both at the end."""
    with namespace(server.client, f"{name}-system") as own:
        release = Release(helm, server, name, own)
        try:
            release.install(values, "--skip-crds")
            yield release
        finally:
            release.uninstall()


@contextmanager
def namespace(client: Client, name: str) -> Iterator[str]:
    """Make a namespace, and remove it at the end; an existing one stays."""
    path = path_of("v1", "namespaces", name)
    if client.find(path) is not None:
        yield name
        return
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    client.create(path_of("v1", "namespaces"), body)
    try:
        yield name
    finally:
        client.delete(path)
        # Without a controller manager nobody else takes the finalizer away.
        left = client.get(path)
        client.replace(f"{path}/finalize", left | {"spec": {"finalizers": []}})


def account_on(server: ApiServer, inside: str, account: str, node: str) -> Client:
    """Return a client with the token of a pod on *node*; without a node the pod has none."""
    return server.control_plane.client_with_token(token_on(server, inside, account, node))


def token_on(server: ApiServer, inside: str, account: str, node: str) -> str:
    """Return the token that the kubelet of *node* gives to a pod with an account."""
    client = server.client
    bound: Json = {}
    if node:
        pods = path_of("v1", "pods", namespace=inside)
        name = f"{account}-{node}"
        spec = {
            "serviceAccountName": account,
            "nodeName": node,
            "automountServiceAccountToken": False,
            "containers": [{"name": "plugin", "image": "plugin"}],
        }
        pod = client.find(f"{pods}/{name}") or client.create(
            pods, {"metadata": {"name": name}, "spec": spec}
        )
        uid = pod["metadata"]["uid"]
        bound = {
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid},
        }
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": bound}
    path = path_of("v1", "serviceaccounts", account, namespace=inside)
    token: str = client.create(f"{path}/token", asked)["status"]["token"]
    return token


def everything(client: Client) -> set[str]:
    """Return the path of every object that helm could have made, CRDs and events aside."""
    found: set[str] = set()
    for api_version, resource in resources(client):
        if resource["name"] in {"events", "namespaces", "leases"}:
            continue
        for one in client.list(path_of(api_version, resource["name"])):
            metadata = one["metadata"]
            found.add(
                path_of(
                    api_version,
                    resource["name"],
                    metadata["name"],
                    namespace=metadata.get("namespace", ""),
                )
            )
    return found


def resources(client: Client) -> Iterator[tuple[str, Json]]:
    """Yield every resource that can be listed and deleted, with its preferred apiVersion."""
    groups = [group["preferredVersion"]["groupVersion"] for group in client.get("/apis")["groups"]]
    for api_version in ("v1", *groups):
        prefix = "/apis" if "/" in api_version else "/api"
        for resource in client.get(f"{prefix}/{api_version}")["resources"]:
            if {"list", "delete"} <= set(resource["verbs"]):
                yield api_version, resource


def path_of_object(client: Client, one: Json, namespace_name: str) -> str:
    """Return the path of an object of any kind that the server serves."""
    prefix = "/apis" if "/" in one["apiVersion"] else "/api"
    (resource,) = (
        resource
        for resource in client.get(f"{prefix}/{one['apiVersion']}")["resources"]
        if resource["kind"] == one["kind"] and "/" not in resource["name"]
    )
    return path_of(
        one["apiVersion"],
        resource["name"],
        one["metadata"]["name"],
        namespace=namespace_name if resource["namespaced"] else "",
    )


@contextmanager
def custom_resources(client: Client, folder: Path) -> Iterator[None]:
    """Serve what the CRDs in *folder* describe, until told to stop."""
    paths: list[str] = []
    for file in sorted(folder.glob("*.yaml")):
        for crd in filter(None, yaml.safe_load_all(file.read_text(encoding="utf-8"))):
            path = path_of_object(client, crd, "")
            client.apply(path, crd)
            paths.append(path)
    for path in paths:
        crd = client.wait(path, established, seconds=SOON_SECONDS)
        assert crd is not None
        wait_until(
            partial(listed, client, crd),
            seconds=SOON_SECONDS,
            otherwise=partial("{} is established and not served".format, path),
        )
    yield
    for path in paths:
        client.delete(path)


def established(crd: Json | None) -> bool:
    """Say whether a CRD is served."""
    conditions: list[Json] = (crd or {}).get("status", {}).get("conditions", [])
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def listed(client: Client, crd: Json) -> bool:
    """Say whether the objects of a CRD can be listed, which comes after it is established."""
    spec = crd["spec"]
    path = path_of(f"{spec['group']}/{spec['versions'][0]['name']}", spec["names"]["plural"])
    return refusal_of(partial(client.get, path)) is None


def refusal_of(attempt: Callable[[], Any]) -> Refusal | None:
    """Return how the server refuses an *attempt*; None if it does not."""
    try:
        attempt()
    except Refusal as refusal:
        return refusal
    return None


def wait_refused(attempt: Callable[[], Any], sentence: str) -> None:
    """Try until the server refuses with *sentence*; it hears of webhooks and policies late."""

    def refused() -> bool:
        refusal = refusal_of(attempt)
        return refusal is not None and sentence in refusal.message

    wait_until(refused, seconds=SOON_SECONDS, otherwise=lambda: f"nothing is refused: {sentence}")
