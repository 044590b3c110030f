"""A node's plugin writes the ResourceSlices of its own node, and no others."""

from collections.abc import Iterator
from functools import partial

import pytest

from tests.chart.chart import Helm, Json, Rendered, with_tls
from tests.chart.installed import Release, account_on, installed, refusal_of, wait_refused
from tests.cluster.api_server import ApiServer
from tests.cluster.client import Client, path_of

ACCOUNT = "slices-dra-config-plugin"
SLICES = path_of("resource.k8s.io/v1", "resourceslices")


@pytest.fixture(scope="module")
def plugins(api_server: ApiServer, helm_4: Helm, secret_mode: Json) -> Iterator[Release]:
    """Yield a release whose plugin may write slices in every way, as far as RBAC goes."""
    client = api_server.client
    with installed(helm_4, api_server, "slices", secret_mode) as release:
        paths = [*wide_rights(client, release)]
        foreign = slice_of("node-b")
        with plugin_on(api_server, release, "node-a") as plugin:
            wait_refused(partial(write, plugin, foreign, dryRun="All"), "may write only")
        yield release
        for path in paths:
            client.delete(path)


def wide_rights(client: Client, release: Release) -> Iterator[str]:
    """Give the plugin's account and another one all rights on slices, and yield the paths."""
    rbac = "rbac.authorization.k8s.io/v1"
    subjects = [
        {"kind": "ServiceAccount", "name": name, "namespace": release.namespace}
        for name in (ACCOUNT, "another")
    ]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "wide"}
    rule = {"apiGroups": ["resource.k8s.io"], "resources": ["resourceslices"], "verbs": ["*"]}
    made: list[tuple[str, str, str, Json]] = [
        ("v1", "serviceaccounts", release.namespace, {"metadata": {"name": "another"}}),
        (rbac, "clusterroles", "", {"metadata": {"name": "wide"}, "rules": [rule]}),
        (
            rbac,
            "clusterrolebindings",
            "",
            {"metadata": {"name": "wide"}, "roleRef": reference, "subjects": subjects},
        ),
    ]
    for api_version, plural, inside, body in made:
        client.create(path_of(api_version, plural, namespace=inside), body)
        yield path_of(api_version, plural, body["metadata"]["name"], namespace=inside)


def plugin_on(server: ApiServer, release: Release, node: str, account: str = ACCOUNT) -> Client:
    return account_on(server, release.namespace, account, node)


def slice_of(node: str, name: str = "", **spec: object) -> Json:
    where = {"nodeName": node} if node else {}
    pool = {"name": node or "pool", "generation": 1, "resourceSliceCount": 1}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": name or f"slice-{node}"},
        "spec": {"driver": "gpu.nvidia.com", "pool": pool, "devices": []} | where | spec,
    }


def write(client: Client, one: Json, **params: str) -> Json:
    return client.create(SLICES, one, **params)


def test_a_plugin_writes_the_slices_of_its_own_node(
    api_server: ApiServer, plugins: Release
) -> None:
    with plugin_on(api_server, plugins, "node-a") as plugin:
        made = write(plugin, slice_of("node-a"))
        made["spec"]["pool"]["generation"] = 2
        path = f"{SLICES}/slice-node-a"
        plugin.replace(path, made)
        plugin.delete(path)
        assert plugin.find(path) is None


@pytest.mark.parametrize("node", ["", "node-b"])
def test_a_plugin_makes_no_slice_for_another_place(
    api_server: ApiServer, plugins: Release, node: str
) -> None:
    """D115: the reference driver's policy names an account that no pod has."""
    elsewhere = slice_of(node) if node else slice_of("", "everywhere", allNodes=True)
    with plugin_on(api_server, plugins, "node-a") as plugin:
        refusal = refusal_of(partial(write, plugin, elsewhere))
    assert refusal is not None
    assert refusal.code == 403
    assert "The kubelet plugin on node node-a may write only ResourceSlices" in refusal.message


def test_a_plugin_neither_changes_nor_deletes_the_slices_of_others(
    api_server: ApiServer, plugins: Release
) -> None:
    path = f"{SLICES}/slice-node-b"
    made = api_server.client.create(SLICES, slice_of("node-b"))
    made["spec"]["pool"]["generation"] = 2
    with plugin_on(api_server, plugins, "node-a") as plugin:
        for attempt in (
            partial(plugin.replace, path, made),
            partial(plugin.patch, path, {"metadata": {"labels": {"a": "b"}}}),
            partial(plugin.delete, path),
            partial(plugin.delete, SLICES),
        ):
            refusal = refusal_of(attempt)
            assert refusal is not None
            assert "may write only ResourceSlices whose spec.nodeName is node-a" in refusal.message
    api_server.client.delete(path)


def test_a_token_without_a_node_writes_nothing(api_server: ApiServer, plugins: Release) -> None:
    with plugin_on(api_server, plugins, "") as plugin:
        refusal = refusal_of(partial(write, plugin, slice_of("node-a")))
    assert refusal is not None
    assert "names no node, so it may write no ResourceSlice" in refusal.message


def test_other_accounts_are_none_of_the_policys_business(
    api_server: ApiServer, plugins: Release
) -> None:
    with plugin_on(api_server, plugins, "node-a", "another") as other:
        write(other, slice_of("node-b"), dryRun="All")


def test_the_policies_and_the_chart_agree_on_the_name_of_the_account(plugins: Release) -> None:
    rendered: Rendered = plugins.helm.render(
        with_tls("secret"), release=plugins.name, namespace=plugins.namespace
    )
    account = rendered.plugin_pod()["serviceAccountName"]
    user = f"system:serviceaccount:{plugins.namespace}:{account}"
    policies = rendered.of("ValidatingAdmissionPolicy")
    assert account == ACCOUNT
    assert len(policies) == 2
    for policy in policies:
        (condition,) = policy["spec"]["matchConditions"]
        assert condition["expression"] == f"request.userInfo.username == '{user}'"
