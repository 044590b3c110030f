"""The chart on a whole node, once per TLS mode: install, upgrade, restarts, rotation, uninstall.

The tests of a mode share a release and run in this order.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cluster.client import Client, Refusal
from tests.cluster.e2e.bodies import BAD, BAD_RULES, GOOD, KINDS, MPS, body, path
from tests.cluster.e2e.census import LEFT, census, remove_crds
from tests.cluster.e2e.modes import MODES, Mode
from tests.cluster.e2e.release import PATIENCE_SECONDS, Release, namespace
from tests.cluster.e2e.stream import claims_without_a_pause
from tests.cluster.fixtures import missing
from tests.cluster.node import Node
from tests.cluster.waiting import wait_until
from tools.images.build import Image, obstacles, provide

MANY = 50
"""Claims that are answered at least while a test changes something; most often it is hundreds."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A release, and what the cluster held before it."""

    release: Release
    mode: Mode
    before: set[str]


@pytest.fixture(scope="module")
def image(node: Node) -> Image:
    """Give the node the webhook's image of this tree."""
    reasons = obstacles()
    if reasons:
        missing(" ".join(reasons))
    found = provide("webhook")
    node.import_image(found.archive)
    return found


@pytest.fixture(scope="module", params=[*MODES])
def installed(
    request: pytest.FixtureRequest,
    node: Node,
    image: Image,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installed]:
    """Install the chart in a TLS mode."""
    mode = MODES[request.param](node, tmp_path_factory.mktemp(request.param))
    release = Release(node, "e2e", image.name)
    with (
        mode.surroundings(),
        namespace(node.client, release.namespace),
        namespace(node.client, release.claims),
    ):
        tls = mode.values(release)
        before = census(node.client)
        try:
            release.bring("install", {"webhook": {"tls": tls}})
            release.wait_judging()
            yield Installed(release, mode, before)
        finally:
            release.uninstall()
            remove_crds(node.client)


@pytest.fixture
def release(installed: Installed) -> Release:
    return installed.release


def test_two_ready_pods_of_the_real_image_judge_for_the_api_server(
    release: Release, image: Image
) -> None:
    pods = release.pods()
    assert len(pods) == 2
    for pod in pods:
        (status,) = pod["status"]["containerStatuses"]
        assert (status["image"], status["ready"], status["restartCount"]) == (image.name, True, 0)
    assert len(release.bundles()) == 1
    for kind in KINDS:
        objects = path(kind, namespace=release.claims)
        with pytest.raises(Refusal, match="DRA101") as refused:
            release.client.create(objects, body(kind, "bad", BAD))
        assert (refused.value.code, refused.value.reason) == (422, "Invalid")
        causes = refused.value.status["details"]["causes"]
        assert {cause["message"].rpartition(", ")[2].rstrip(")") for cause in causes} == {
            *BAD_RULES
        }
        release.client.create(objects, body(kind, "good", GOOD))
        assert "good" in names(release.client, objects)
        assert "bad" not in names(release.client, objects)
        release.client.delete(f"{objects}/good")


def names(client: Client, objects: str) -> set[str]:
    return {one["metadata"]["name"] for one in client.list(objects)}


def test_an_upgrade_to_other_values_loses_no_claim(node: Node, release: Release) -> None:
    refused = release.refusal(MPS)
    assert refused is not None
    assert "MPSSupport" in refused.message
    old = {pod["metadata"]["uid"] for pod in release.pods()}
    with claims_without_a_pause(node.control_plane, release.claims) as stream:
        release.change({"featureGates": {"MPSSupport": True}})
    assert stream.meanwhile >= MANY
    # A pod that ends answers what it was asked before.
    wait_until(
        lambda: release.refusal(MPS) is None,
        seconds=PATIENCE_SECONDS,
        otherwise=lambda: f"still refused: {release.refusal(MPS)}",
    )
    assert not {pod["metadata"]["uid"] for pod in release.pods()} & old


def test_pods_that_restart_one_after_the_other_refuse_no_claim(
    node: Node, release: Release
) -> None:
    old = {pod["metadata"]["uid"] for pod in release.pods()}
    with claims_without_a_pause(node.control_plane, release.claims) as stream:
        node.run("kubectl", "rollout", "restart", *release.as_deployment)
        release.wait_rolled_out()
    assert stream.meanwhile >= MANY
    assert not {pod["metadata"]["uid"] for pod in release.pods()} & old


def test_another_certificate_under_load_fails_no_request(node: Node, installed: Installed) -> None:
    pods = {pod["metadata"]["uid"] for pod in installed.release.pods()}
    with claims_without_a_pause(node.control_plane, installed.release.claims) as stream:
        installed.mode.rotate(installed.release)
    assert stream.meanwhile >= MANY
    assert {pod["metadata"]["uid"] for pod in installed.release.pods()} == pods


def test_after_a_restart_of_the_api_server_there_is_nothing_to_do(
    node: Node, release: Release
) -> None:
    pods = {pod["metadata"]["uid"] for pod in release.pods()}
    node.control_plane.restart()
    # Its first word on any claim is ours or the storage's: it is never without the webhook.
    with claims_without_a_pause(node.control_plane, release.claims):
        pass
    found = release.pods()
    assert {pod["metadata"]["uid"] for pod in found} == pods
    assert [pod["status"]["containerStatuses"][0]["restartCount"] for pod in found] == [0, 0]


def test_an_uninstall_leaves_nothing_behind(installed: Installed) -> None:
    release = installed.release
    made = census(release.client) - installed.before
    assert {release.configuration, release.deployment} <= made
    release.uninstall()
    wait_until(
        lambda: census(release.client) <= installed.before | LEFT,
        seconds=PATIENCE_SECONDS,
        otherwise=lambda: f"left: {sorted(census(release.client) - installed.before - LEFT)}",
        pause_seconds=0.5,
    )
    assert census(release.client) == installed.before | LEFT
    claims = path("ResourceClaim", namespace=release.claims)
    release.client.create(claims, body("ResourceClaim", "nobody-judges", BAD), dryRun="All")
