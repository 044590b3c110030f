"""Objects that were stored before a rule got stricter, or while a gate was still on, live on."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.chart.chart import Helm, Json
from tests.cluster.api_server import ApiServer
from tests.cluster.binaries import Settings, provide
from tests.cluster.client import Client, Refusal
from tests.cluster.e2e.beside import Beside, beside
from tests.cluster.e2e.bodies import BAD, GOOD, GPU, KINDS, MPS, VERSIONS, body, entry, path

FINALIZER = "example.com/cleaned-up"


@pytest.fixture(scope="module")
def webhook(api_server: ApiServer, cluster_settings: Settings) -> Iterator[Beside]:
    helm = Helm(provide(cluster_settings, only=("helm",)).helm)
    with beside(api_server, helm) as running:
        yield running


@contextmanager
def while_nobody_judges(webhook: Beside) -> Iterator[Json]:
    """Let anything in, as an older version does that lacks a rule."""
    webhook.ask_no_more()
    try:
        yield BAD
    finally:
        webhook.ask()


@contextmanager
def while_the_gate_is_on(webhook: Beside) -> Iterator[Json]:
    """Let MPS in."""
    webhook.restart("MPSSupport=true")
    try:
        yield MPS
    finally:
        webhook.restart()


PURPOSES = ("label", "finalizer", "status", "delete", "config")


def name_of(purpose: str, version: str) -> str:
    return f"old-{purpose}-{version}"


@pytest.fixture(scope="module", params=[while_nobody_judges, while_the_gate_is_on])
def old(request: pytest.FixtureRequest, webhook: Beside) -> Iterator[Json]:
    """Store objects of each kind in each version; yield the config, which is refused by now."""
    before: Callable[[Beside], AbstractContextManager[Json]] = request.param
    kept: list[str] = []
    try:
        with before(webhook) as parameters:
            for kind, version, purpose in itertools.product(KINDS, VERSIONS, PURPOSES):
                one = body(kind, name_of(purpose, version), parameters, version=version)
                one["metadata"]["finalizers"] = [FINALIZER]
                webhook.client.create(path(kind, namespace="default", version=version), one)
                kept.append(path(kind, name_of(purpose, version), namespace="default"))
        assert webhook.refusal(parameters)
        yield parameters
    finally:
        for place in kept:
            if webhook.client.find(place) is not None:
                webhook.client.patch(place, {"metadata": {"finalizers": None}})
                webhook.client.delete(place)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def client(webhook: Beside) -> Client:
    return webhook.client


@pytest.mark.usefixtures("old")
def test_metadata_can_be_changed(client: Client, kind: str, version: str) -> None:
    place = path(kind, name_of("label", version), namespace="default", version=version)
    found = client.get(place)
    client.replace(place, found | {"metadata": found["metadata"] | {"labels": {"by": "put"}}})
    assert client.get(place)["metadata"]["labels"] == {"by": "put"}
    client.patch(place, {"metadata": {"annotations": {"by": "patch"}}})
    assert client.get(place)["metadata"]["annotations"] == {"by": "patch"}
    assert client.get(place)["spec"] == found["spec"]


@pytest.mark.usefixtures("old")
def test_finalizers_come_and_go(client: Client, kind: str, version: str) -> None:
    place = path(kind, name_of("finalizer", version), namespace="default", version=version)
    for finalizers in ([FINALIZER, "example.com/another"], [FINALIZER]):
        client.patch(place, {"metadata": {"finalizers": finalizers}})
        assert client.get(place)["metadata"]["finalizers"] == finalizers


@pytest.mark.usefixtures("old")
def test_deletion_waits_for_the_finalizer_and_then_happens(
    client: Client, kind: str, version: str
) -> None:
    place = path(kind, name_of("delete", version), namespace="default", version=version)
    client.delete(place)
    assert client.get(place)["metadata"]["deletionTimestamp"]
    # Controllers still say what they do while it goes.
    client.patch(place, {"metadata": {"labels": {"going": "yes"}}})
    client.patch(place, {"metadata": {"finalizers": None}})
    assert client.find(place) is None


def test_a_claim_can_be_allocated_reserved_and_freed(
    client: Client, old: Json, version: str
) -> None:
    """What the scheduler and the driver write: it repeats the claim's own config."""
    place = path("ResourceClaim", name_of("status", version), namespace="default", version=version)
    result = {"request": "gpu", "driver": GPU, "pool": "node1", "device": "gpu-0"}
    allocation = {
        "devices": {"results": [result], "config": [{"source": "FromClaim", **entry(old)}]}
    }
    pod = {"resource": "pods", "name": "worker", "uid": "7d1b0b8c-35c1-4a24-8a8a-21b3a1b0ccba"}
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Prepared",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    device = {"driver": GPU, "pool": "node1", "device": "gpu-0", "conditions": [ready]}
    for status in (
        {"allocation": allocation},
        {"allocation": allocation, "reservedFor": [pod]},
        {"allocation": allocation, "reservedFor": [pod], "devices": [device]},
        {"allocation": allocation},
        {},
    ):
        found = client.get(place)
        client.replace(f"{place}/status", found | {"status": status})
        assert client.get(place).get("status", {}) == status


@pytest.mark.parametrize("sent", VERSIONS)
def test_a_class_keeps_its_old_config_and_takes_no_second_one_of_its_sort(
    client: Client, old: Json, version: str, sent: str
) -> None:
    """A class is the only one of the three whose configs may change once it is stored."""
    place = path("DeviceClass", name_of("config", version), namespace="", version=sent)
    found = client.get(place)
    beside = found | {"spec": {"config": [*found["spec"]["config"], entry(GOOD)]}}
    client.replace(place, beside)
    worse = found | {"spec": {"config": [entry(old | {"shade": "dark"})]}}
    del worse["metadata"]["resourceVersion"]
    with pytest.raises(Refusal, match="DRA010"):
        client.replace(place, worse)
    client.replace(place, worse | {"spec": found["spec"]})


@pytest.mark.usefixtures("old")
def test_a_new_object_with_such_a_config_is_refused(
    webhook: Beside, old: Json, kind: str, version: str
) -> None:
    one = body(kind, "new", old, version=version)
    with pytest.raises(Refusal, match="DRA"):
        webhook.client.create(path(kind, namespace="default", version=version), one)
