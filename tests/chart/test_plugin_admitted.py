"""A real API server takes the plugin's pods, in a namespace that may have them."""

from collections.abc import Iterator
from functools import partial

import pytest

from tests.chart.chart import Helm, Json, merged
from tests.chart.installed import namespace, refusal_of
from tests.cluster.api_server import ApiServer
from tests.cluster.client import Client, Refusal, path_of

ENFORCED = "pod-security.kubernetes.io/enforce"
SIMULATED = "h100"


@pytest.fixture(scope="module")
def own(api_server: ApiServer) -> Iterator[str]:
    with namespace(api_server.client, "plugin-admitted") as name:
        yield name


@pytest.fixture(params=["", SIMULATED], ids=["nvml", "simulated"])
def template(request: pytest.FixtureRequest, helm_4: Helm, own: str, secret_mode: Json) -> Json:
    """Return a pod of the plugin, with which a DaemonSet's controller would come."""
    values = merged(secret_mode, {"plugin": {"simulate": request.param}})
    found: Json = helm_4.render(values, namespace=own).one("DaemonSet")["spec"]["template"]
    # The controller's own account may have any; here none of them is made.
    spec = {key: value for key, value in found["spec"].items() if key != "serviceAccountName"}
    return found | {"spec": spec}


def attempt(client: Client, own: str, template: Json, level: str) -> Refusal | None:
    """Return how a pod is refused in a namespace of a level of Pod Security."""
    client.patch(path_of("v1", "namespaces", own), {"metadata": {"labels": {ENFORCED: level}}})
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": template["metadata"] | {"name": "plugin"},
        "spec": template["spec"],
    }
    pods = path_of("v1", "pods", namespace=own)
    account = path_of("v1", "serviceaccounts", namespace=own)
    if client.find(f"{account}/default") is None:
        client.create(account, {"metadata": {"name": "default"}})
    return refusal_of(partial(client.create, pods, body, dryRun="All", fieldValidation="Strict"))


def test_a_privileged_namespace_takes_the_plugins_pods(
    api_server: ApiServer, own: str, template: Json
) -> None:
    assert attempt(api_server.client, own, template, "privileged") is None


def test_a_namespace_with_the_baseline_refuses_them_and_says_why(
    api_server: ApiServer, own: str, template: Json
) -> None:
    """A simulated machine breaks the baseline by the folders of the host alone."""
    refusal = attempt(api_server.client, own, template, "baseline")
    assert refusal is not None
    reasons = refusal.message.partition('violates PodSecurity "baseline:latest": ')[2]
    privileged = template["spec"]["containers"][0]["securityContext"]["privileged"]
    assert ("privileged (" in reasons) is privileged
    assert "hostPath volumes (volumes " in reasons
    if not privileged:
        assert reasons.startswith("hostPath volumes (volumes ")
        assert reasons.count("(") == 1
