"""The API server sends the webhook the objects with a config of ours, and no others."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.chart.chart import CHART, Helm, Json, merged
from tests.chart.installed import (
    SOON_SECONDS,
    VERSIONS,
    Release,
    installed,
    namespace,
    refusal_of,
    wait_refused,
)
from tests.cluster.api_server import ApiServer
from tests.cluster.client import Client, path_of
from tests.cluster.waiting import wait_until

FAILED_CALL = "failed calling webhook"
EXCLUDED: Json = {"webhook": {"excludedNamespaces": ["left-alone"]}}


@pytest.fixture(scope="module")
def nobody_answers(api_server: ApiServer, helm_4: Helm, secret_mode: Json) -> Iterator[Release]:
    """Yield a release without pods: what is sent to its webhook is refused, the rest is not."""
    with installed(helm_4, api_server, "sent", merged(EXCLUDED, secret_mode)) as release:
        claim = claim_with(config("gpu.nvidia.com"))
        wait_refused(partial(create, api_server.client, "v1", claim), FAILED_CALL)
        yield release


def config(driver: str) -> Json:
    return {"opaque": {"driver": driver, "parameters": {"apiVersion": "a/v1", "kind": "B"}}}


def claim_with(*configs: Json) -> Json:
    return {"kind": "ResourceClaim", "spec": {"devices": {"config": [*configs]}}}


def template_with(*configs: Json) -> Json:
    return {
        "kind": "ResourceClaimTemplate",
        "spec": {"spec": {"devices": {"config": [*configs]}}},
    }


def class_with(*configs: Json) -> Json:
    return {"kind": "DeviceClass", "spec": {"config": [*configs]}}


PLURALS = {
    "ResourceClaim": "resourceclaims",
    "ResourceClaimTemplate": "resourceclaimtemplates",
    "DeviceClass": "deviceclasses",
}


def create(client: Client, version: str, one: Json, namespace_name: str = "default") -> Json:
    """Ask the server whether it would store an object."""
    kind = one["kind"]
    body = one | {
        "apiVersion": f"resource.k8s.io/{version}",
        "metadata": {"name": "one", "labels": {"asked": "true"}},
    }
    inside = "" if kind == "DeviceClass" else namespace_name
    path = path_of(f"resource.k8s.io/{version}", PLURALS[kind], namespace=inside)
    return client.create(path, body, dryRun="All", fieldValidation="Strict")


@pytest.mark.usefixtures("nobody_answers")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("make", [claim_with, template_with, class_with])
@pytest.mark.parametrize(
    "drivers",
    [
        ("gpu.nvidia.com",),
        ("compute-domain.nvidia.com",),
        ("GPU.nvidia.com",),
        ("Compute-Domain.NVIDIA.com",),
        ("gpu.example.com", "gpu.nvidia.com"),
    ],
    ids=",".join,
)
def test_a_config_of_ours_is_sent_whatever_its_case(
    client: Client, version: str, make: Callable[..., Json], drivers: tuple[str, ...]
) -> None:
    one = make(*map(config, drivers))
    refusal = refusal_of(partial(create, client, version, one))
    assert refusal is not None
    assert f'{FAILED_CALL} "{PLURALS[one["kind"]]}.dra-config.nvidia.com"' in refusal.message


@pytest.mark.usefixtures("nobody_answers")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "one",
    [
        claim_with(),
        claim_with(config("gpu.example.com")),
        claim_with(config("gpu.nvidia.com.example.com"), config("xgpu.nvidia.com")),
        {"kind": "ResourceClaim", "spec": {}},
        {"kind": "ResourceClaim", "spec": {"devices": {}}},
        template_with(),
        template_with(config("gpu.example.com")),
        {"kind": "ResourceClaimTemplate", "spec": {"spec": {}}},
        class_with(),
        class_with(config("gpu.example.com")),
        {"kind": "DeviceClass", "spec": {"selectors": [{"cel": {"expression": "true"}}]}},
    ],
    ids=str,
)
def test_what_is_not_ours_is_not_sent(client: Client, version: str, one: Json) -> None:
    """D7: the reference driver's webhook gates the claims of all drivers."""
    created = create(client, version, one)
    assert created["metadata"]["labels"] == {"asked": "true"}


@pytest.mark.usefixtures("nobody_answers")
@pytest.mark.parametrize("name", ["kube-system", "sent-system", "left-alone"])
def test_the_excluded_namespaces_are_left_alone(client: Client, name: str) -> None:
    with namespace(client, name):
        create(client, "v1", claim_with(config("gpu.nvidia.com")), name)


@pytest.mark.usefixtures("nobody_answers")
def test_a_stored_claim_can_still_go(client: Client) -> None:
    """The scheduler's finalizer comes and goes by an update, which is sent; a delete is not."""
    body = claim_with(config("gpu.nvidia.com")) | {
        "apiVersion": "resource.k8s.io/v1",
        "metadata": {"name": "going"},
    }
    with namespace(client, "left-alone") as own:
        path = path_of("resource.k8s.io/v1", "resourceclaims", namespace=own)
        client.create(path, body)
        client.delete(f"{path}/going")
        assert client.find(f"{path}/going") is None


@pytest.mark.usefixtures("nobody_answers")
def test_the_server_counts_what_the_alert_asks_for(client: Client) -> None:
    refusal_of(partial(create, client, "v1", claim_with(config("gpu.nvidia.com"))))
    lines = client.send("GET", "/metrics").text.splitlines()
    counted = [
        line
        for line in lines
        if line.startswith("apiserver_admission_webhook_rejection_count{")
        and 'name="resourceclaims.dra-config.nvidia.com"' in line
    ]
    assert any('error_type="calling_webhook_error"' in line for line in counted)


def test_under_ignore_an_object_is_let_in_and_counted(
    client: Client, nobody_answers: Release, secret_mode: Json
) -> None:
    attempt = partial(create, client, "v1", claim_with(config("gpu.nvidia.com")))
    loose = merged(EXCLUDED, secret_mode, {"webhook": {"failurePolicy": "Ignore"}})
    nobody_answers.upgrade(loose, "--skip-crds")
    try:
        wait_until(
            lambda: refusal_of(attempt) is None,
            seconds=SOON_SECONDS,
            otherwise=lambda: str(refusal_of(attempt)),
        )
        text = client.send("GET", "/metrics").text
        counted = "apiserver_admission_webhook_fail_open_count"
        assert (
            f'{counted}{{name="resourceclaims.dra-config.nvidia.com",type="validating"}}' in text
        )
    finally:
        nobody_answers.upgrade(merged(EXCLUDED, secret_mode), "--skip-crds")
        wait_refused(attempt, FAILED_CALL)


def test_without_cert_manager_an_install_stops_with_the_two_ways_out(
    api_server: ApiServer, helm: Helm
) -> None:
    run = api_server.run(helm.program, "install", "alone", CHART, "--skip-crds", check=False)
    assert run.code != 0
    assert "There are two ways out: install cert-manager first" in run.errors
