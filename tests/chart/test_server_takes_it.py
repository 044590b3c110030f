"""A real API server takes what the chart renders; an uninstall leaves nothing of it."""

import base64
import json
from collections.abc import Iterator

import pytest
import trustme
import yaml

from tests.chart.chart import CHART, EVERYTHING, Helm, Json, merged, with_tls
from tests.chart.installed import (
    VERSIONS,
    custom_resources,
    everything,
    installed,
    namespace,
    path_of_object,
)
from tests.cluster.api_server import ApiServer
from tests.cluster.binaries import Settings, provide
from tests.cluster.client import Client, path_of

NO_MONITORING: Json = {
    part: {"serviceMonitor": {"enabled": False}, "prometheusRule": {"enabled": False}}
    for part in ("webhook", "plugin")
}


@pytest.fixture(scope="module", autouse=True)
def cert_manager(api_server: ApiServer, cluster_settings: Settings) -> Iterator[None]:
    """Serve the API of cert-manager; nobody acts on it here."""
    folder = provide(cluster_settings, only=("cert-manager-crds",)).cert_manager_crds
    with custom_resources(api_server.client, folder):
        yield


def test_the_server_takes_every_object_in_every_mode(
    client: Client, helm: Helm, mode: str, secret_mode: Json
) -> None:
    """A dry run, strict about fields; the Prometheus operator's objects have no CRD here."""
    served = [f"resource.k8s.io/{version}" for version in VERSIONS]
    chosen = secret_mode if mode == "secret" else with_tls(mode)
    values = merged(chosen, EVERYTHING, NO_MONITORING)
    with namespace(client, "dry-run") as own:
        rendered = helm.render(values, namespace=own, apis=("cert-manager.io/v1", *served))
        assert rendered.objects
        for one in rendered.objects:
            path = path_of_object(client, one, own)
            answer = client.apply(path, one, dryRun="All", fieldValidation="Strict")
            assert answer["kind"] == one["kind"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_served_version_takes_the_classes(
    client: Client, helm_4: Helm, version: str, secret_mode: Json
) -> None:
    values = merged(secret_mode, EVERYTHING, NO_MONITORING)
    classes = helm_4.render(values, apis=("resource.k8s.io/v1",)).of("DeviceClass")
    assert len(classes) == 5
    for one in classes:
        older = one | {"apiVersion": f"resource.k8s.io/{version}"}
        path = path_of_object(client, older, "")
        client.apply(path, older, dryRun="All", fieldValidation="Strict")


def test_the_server_takes_the_crds(client: Client) -> None:
    for file in sorted((CHART / "crds").glob("*.yaml")):
        crd = yaml.safe_load(file.read_text(encoding="utf-8"))
        path = path_of_object(client, crd, "")
        client.apply(path, crd, dryRun="All", fieldValidation="Strict")


def test_an_uninstall_leaves_nothing_behind(
    api_server: ApiServer, helm: Helm, mode: str, secret_mode: Json
) -> None:
    values = secret_mode if mode == "secret" else with_tls(mode)
    client = api_server.client
    with namespace(client, "gone-system"):
        before = everything(client)
        with installed(helm, api_server, "gone", values):
            made = everything(client) - before
            assert len(made) >= 10
        assert everything(client) == before


def notes(server: ApiServer, helm: Helm, values: Json) -> str:
    """Return what helm tells after an install, without the objects."""
    with namespace(server.client, "notes-system") as own:
        run = server.run(
            helm.program,
            "install",
            "notes",
            CHART,
            f"--namespace={own}",
            "--values=-",
            "--dry-run=server",
            text=json.dumps(with_tls("self-managed", values)),
        )
    return run.output.rpartition("NOTES:")[2]


def test_the_notes_name_the_emergency_exit(api_server: ApiServer, helm: Helm) -> None:
    told = notes(api_server, helm, {})
    assert "kubectl delete validatingwebhookconfiguration notes-dra-config\n" in told
    assert "apiVersion: resource.k8s.io/v1\n" in told


@pytest.mark.parametrize(
    ("plugin", "sentence", "privileged"),
    [
        ({}, "GPU Feature Discovery\nlabel as ones with NVIDIA's devices.", True),
        ({"affinity": {"nodeAffinity": {}}}, "the nodes that plugin.affinity chooses.", True),
        ({"simulate": "l4"}, "simulates the GPUs of the machine l4 on each node", False),
    ],
    ids=["labelled", "chosen", "simulated"],
)
def test_the_notes_say_what_runs_and_what_its_namespace_must_admit(
    api_server: ApiServer, helm: Helm, plugin: Json, sentence: str, *, privileged: bool
) -> None:
    told = notes(api_server, helm, {"plugin": plugin})
    assert sentence in told
    assert "rollout status daemonset notes-dra-config-plugin\n" in told
    assert ("mount folders of the host and are privileged." in told) is privileged
    label = "pod-security.kubernetes.io/enforce=privileged"
    assert f"kubectl label namespace notes-system {label}\n" in told


def test_the_notes_say_that_no_plugin_runs(api_server: ApiServer, helm: Helm) -> None:
    told = notes(api_server, helm, {"plugin": {"enabled": False}})
    assert "No kubelet plugin runs." in told
    assert "daemonset" not in told
    assert "pod-security" not in told


@pytest.mark.parametrize("mode", ["cert-manager", "self-managed"])
def test_an_upgrade_leaves_alone_what_others_have_filled(
    api_server: ApiServer, helm: Helm, mode: str
) -> None:
    """As cert-manager and the webhook do: one applies with force, the other patches."""
    client = api_server.client
    values = with_tls(mode)
    bundle = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()
    with installed(helm, api_server, "kept", values) as release:
        secret = path_of(
            "v1", "secrets", "kept-dra-config-webhook-tls", namespace=release.namespace
        )
        configuration = path_of(
            "admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "kept-dra-config"
        )
        fill(
            client, secret, {"tls.crt": "YQ==", "tls.key": "Yg=="}, applied=mode == "cert-manager"
        )
        operations = [
            {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": bundle}
            for index in range(3)
        ]
        client.patch(configuration, operations, fieldManager="another")
        release.upgrade(merged(values, {"webhook": {"timeoutSeconds": 7}}), "--skip-crds")
        assert client.get(secret)["data"] == {"tls.crt": "YQ==", "tls.key": "Yg=="}
        for webhook in client.get(configuration)["webhooks"]:
            assert webhook["clientConfig"]["caBundle"] == bundle
            assert webhook["timeoutSeconds"] == 7


def fill(client: Client, path: str, entries: Json, *, applied: bool) -> None:
    """Put *entries* into a Secret."""
    if not applied:
        client.patch(path, {"data": entries}, fieldManager="another")
        return
    body = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": entries}
    client.apply(path, body, fieldManager="another")


def test_what_was_taken_away_in_an_emergency_comes_back_with_an_upgrade(
    api_server: ApiServer, helm: Helm, secret_mode: Json
) -> None:
    client = api_server.client
    path = path_of(
        "admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "exit-dra-config"
    )
    with installed(helm, api_server, "exit", secret_mode) as release:
        client.delete(path)
        release.upgrade(secret_mode, "--skip-crds")
        assert client.get(path)
