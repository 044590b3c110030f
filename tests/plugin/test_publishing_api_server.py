"""Slices on a real API server: accepted, repaired, and back after it was away."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Condition

import pytest

from kube.client import Client as OurClient
from kube.errors import ForbiddenError, NotFoundError
from kube.events import EventWriter
from plugin.publishing.device import Consumption, CounterSet, Device, Taint, TaintEffect
from plugin.publishing.dialects import DIALECTS, Dialect
from plugin.publishing.layout import Offer
from plugin.publishing.mirror import Mirror
from plugin.publishing.node_events import NodeEvents
from plugin.publishing.reconciler import Reconciler, Settled
from plugin.publishing.reports import Contested, Published, ServerFound, ServerLost
from tests.cluster.api_server import ApiServer
from tests.cluster.client import path_of
from tests.cluster.waiting import wait_until
from tests.plugin.publishing_fixtures import (
    DRIVER,
    LONG_SECONDS,
    SLICES,
    Site,
    offer_of,
    site,
)


@pytest.fixture
def here(api_server: ApiServer, tmp_path: Path) -> Iterator[Site]:
    with site(api_server.control_plane.kubeconfig, api_server.client, tmp_path) as found:
        yield found


def partitioned(boards: int, partitions: int) -> Offer:
    """Return boards that are cut, with a taint of each effect on each first partition."""
    taints = tuple(
        Taint(key=f"gpu.nvidia.com/{effect.value}", value="79", effect=effect)
        for effect in TaintEffect
    )
    sets = tuple(
        CounterSet(
            name=f"gpu-{board}-counter-set",
            board=f"board-{board}",
            counters={"memory": 80 * 2**30, **{f"memory-slice-{one}": 1 for one in range(8)}},
        )
        for board in range(boards)
    )
    return Offer(
        counter_sets=sets,
        devices=tuple(
            Device(
                name=f"gpu-{board}-part-{part}",
                board=f"board-{board}",
                taints=() if part else taints,
                attributes={"simulated": True},
                consumes=(
                    Consumption(
                        counter_set=sets[board].name, counters={f"memory-slice-{part % 8}": 1}
                    ),
                ),
            )
            for board in range(boards)
            for part in range(partitions)
        ),
    )


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.version)
@pytest.mark.parametrize("profile", ["h100", "h100-mig", "mixed", "broken", "gb200"])
def test_the_devices_of_every_machine_are_accepted_in_every_version_of_the_api(
    here: Site, tmp_path: Path, profile: str, dialect: Dialect
) -> None:
    offer = offer_of(profile, tmp_path / "machine")
    with here.publisher((dialect,)) as publisher:
        publisher.publish(offer)
        assert publisher.wait_published(LONG_SECONDS)
        assert here.devices() == [device.name for device in offer.devices]
        assert here.complete()
        assert len(here.reports.of(Published)) == 1


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.version)
def test_taints_and_counters_of_many_boards_are_accepted_in_every_version_of_the_api(
    here: Site, dialect: Dialect
) -> None:
    """D83, D97: the reference driver publishes neither nine counter sets nor effect None before
    1.35.
    """
    offer = partitioned(boards=9, partitions=10)
    with here.publisher((dialect,)) as publisher:
        publisher.publish(offer)
        assert publisher.wait_published(LONG_SECONDS)
        assert here.devices() == [device.name for device in offer.devices]
        assert here.complete()
        # Nine counter sets need two slices.
        assert len(here.slices()) == 2 + 9


def test_more_devices_than_a_slice_holds_are_accepted(here: Site) -> None:
    """D84: the reference driver publishes one slice whatever comes."""
    offer = Offer(
        devices=tuple(Device(name=f"gpu-{number}", board=str(number)) for number in range(150))
    )
    with here.publisher() as publisher:
        publisher.publish(offer)
        assert publisher.wait_published(LONG_SECONDS)
        assert here.devices() == [device.name for device in offer.devices]
        assert here.complete()


def test_slices_belong_to_the_node(here: Site) -> None:
    with here.publisher() as publisher:
        publisher.publish(Offer())
        assert publisher.wait_published(LONG_SECONDS)
    node = here.client.get(path_of("v1", "nodes", here.node))
    (one,) = here.slices()
    (owner,) = one["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Node", node["metadata"]["uid"])
    assert one["spec"]["pool"] == {
        "name": here.node,
        "generation": 1,
        "resourceSliceCount": 1,
    }


def offer_of_two() -> Offer:
    return Offer(
        devices=tuple(
            Device(name=f"gpu-{number}", board=str(number), capacity={"memory": 2**33})
            for number in range(2)
        )
    )


def test_slices_that_somebody_deletes_or_changes_are_repaired(here: Site) -> None:
    offer = offer_of_two()
    with here.publisher() as publisher:
        publisher.publish(offer)
        assert publisher.wait_published(LONG_SECONDS)
        (first,) = here.slices()

        here.client.delete(f"{SLICES}/{first['metadata']['name']}")
        here.reports.wait(lambda: len(here.reports.of(Published)) == 2)
        (second,) = here.slices()
        assert second["metadata"]["uid"] != first["metadata"]["uid"]

        here.client.patch(
            f"{SLICES}/{second['metadata']['name']}", {"spec": {"devices": [{"name": "intruder"}]}}
        )
        here.reports.wait(lambda: len(here.reports.of(Published)) == 3)
        assert here.devices() == ["gpu-0", "gpu-1"]

        here.client.patch(
            f"{SLICES}/{second['metadata']['name']}", {"metadata": {"ownerReferences": None}}
        )
        here.reports.wait(lambda: len(here.reports.of(Published)) == 4)
        assert here.slices()[0]["metadata"]["ownerReferences"]
        assert publisher.wait_published(LONG_SECONDS)
        repaired = [one for one in here.reports.of(Published) if isinstance(one, Published)]
        assert [one.repaired for one in repaired] == [False, True, True, True]


@pytest.mark.parametrize("other", [{"nodeName": "elsewhere"}, {"driver": "other.example"}])
def test_slices_of_other_nodes_and_drivers_are_left_alone(
    here: Site, other: dict[str, str]
) -> None:
    path = f"{SLICES}/{_made_slice(here, **other)}"
    before = here.client.get(path)
    try:
        with here.publisher() as publisher:
            publisher.publish(offer_of_two())
            assert publisher.wait_published(LONG_SECONDS)
        assert here.client.get(path) == before
    finally:
        here.client.delete(path)


def test_a_label_of_somebody_else_is_none_of_our_business(here: Site) -> None:
    with here.publisher() as publisher:
        publisher.publish(offer_of_two())
        assert publisher.wait_published(LONG_SECONDS)
        (one,) = here.slices()
        name = one["metadata"]["name"]
        here.client.patch(f"{SLICES}/{name}", {"metadata": {"labels": {"team": "ml"}}})
        publisher.publish(Offer(devices=offer_of_two().devices[:1]))
        assert publisher.wait_published(LONG_SECONDS)
        (after,) = here.slices()
        assert after["metadata"]["labels"] == {"team": "ml"}
        assert after["metadata"]["uid"] == one["metadata"]["uid"]


def test_a_start_costs_four_requests_a_second_one_three_and_no_more_follow(
    here: Site, api_server: ApiServer, tmp_path: Path
) -> None:
    """D90: the reference driver has five requests a second for claims and slices together."""
    offer = offer_of("h100-mig", tmp_path / "machine")
    with here.publisher() as publisher:
        publisher.publish(offer)
        assert publisher.wait_published(LONG_SECONDS)
    started = here.requests(api_server.control_plane.audit())
    assert sorted(started) == [
        "create resourceslices",
        "get nodes",
        "list resourceslices",
        "watch resourceslices",
    ]
    with here.publisher() as publisher:
        publisher.publish(offer)
        assert publisher.wait_published(LONG_SECONDS)
        # A change of somebody else's slices wakes nobody.
        publisher.publish(offer)
        assert publisher.wait_published(LONG_SECONDS)
    again = here.requests(api_server.control_plane.audit())[len(started) :]
    assert sorted(again) == ["get nodes", "list resourceslices", "watch resourceslices"]


def test_a_taint_keeps_its_time_when_its_slice_is_written_again(here: Site) -> None:
    """D91: the reference driver's first publication drops the taints that its monitor has set."""

    def offer(*, memory: int) -> Offer:
        taint = Taint(key="gpu.nvidia.com/xid", value="79", effect=TaintEffect.NO_SCHEDULE)
        return Offer(
            devices=(
                Device(name="gpu-0", board="0", taints=(taint,), capacity={"memory": memory}),
            )
        )

    with here.publisher() as publisher:
        publisher.publish(offer(memory=1))
        assert publisher.wait_published(LONG_SECONDS)
        (before,) = here.slices()
        (taint,) = before["spec"]["devices"][0]["taints"]
        name = before["metadata"]["name"]
        # The server counts whole seconds, so a new time could look like the old one.
        old = {**taint, "timeAdded": "2026-01-01T00:00:00Z"}
        device = {**before["spec"]["devices"][0], "taints": [old]}
        here.client.patch(f"{SLICES}/{name}", {"spec": {"devices": [device]}})
        publisher.publish(offer(memory=2))
        assert publisher.wait_published(LONG_SECONDS)
        (after,) = here.slices()
        assert after["spec"]["devices"][0]["taints"] == [old]
        assert after["spec"]["devices"][0]["capacity"]["memory"]["value"] == "2"


def test_what_was_removed_during_an_outage_is_back_after_it(
    here: Site, api_server: ApiServer
) -> None:
    with here.publisher() as publisher:
        publisher.publish(offer_of_two())
        assert publisher.wait_published(LONG_SECONDS)
        process = api_server.control_plane.process
        process.stop()
        try:
            here.reports.wait(lambda: bool(here.reports.of(ServerLost)))
            assert not publisher.published
            publisher.publish(Offer(devices=offer_of_two().devices[:1]))
        finally:
            process.start()
            api_server.control_plane.wait_ready()
        here.reports.wait(lambda: len(here.reports.of(ServerFound)) == 2)
        assert publisher.wait_published(LONG_SECONDS)
        assert here.devices() == ["gpu-0"]
        assert len(here.reports.of(ServerLost)) == 1


def test_only_the_holder_of_the_lock_writes_and_the_next_one_goes_on_where_it_ended(
    here: Site,
) -> None:
    one, two = offer_of_two(), Offer(devices=offer_of_two().devices[:1])
    with here.publisher() as old, here.publisher() as new:
        old.publish(one)
        assert old.wait_published(LONG_SECONDS)
        new.publish(two)
        (before,) = here.slices()
        assert not new.published
        old.release()
        assert new.wait_published(LONG_SECONDS)
        (after,) = here.slices()
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert here.devices() == ["gpu-0"]


def test_a_write_over_a_slice_that_changed_unheard_is_made_again(
    here: Site, api_server: ApiServer
) -> None:
    """A writer whose watch hears nothing meets the conflict itself."""
    with here.client_of_ours() as client:
        server = here.server(client)
        mirror = Mirror(Condition(), monotonic=time.monotonic)
        mirror.reset(server.connect())
        reconciler = Reconciler(
            server,
            mirror,
            tell=here.reports,
            monotonic=time.monotonic,
            jitter=lambda _: 0.0,
            may_write=lambda: True,
        )
        offer = offer_of_two()
        while not isinstance(reconciler.turn(offer), Settled):
            pass
        (one,) = here.slices()
        here.client.patch(
            f"{SLICES}/{one['metadata']['name']}", {"metadata": {"labels": {"a": "b"}}}
        )
        smaller = Offer(devices=offer.devices[:1])
        while not isinstance(reconciler.turn(smaller), Settled):
            pass
    assert here.devices() == ["gpu-0"]
    codes = [
        event["responseStatus"]["code"]
        for event in api_server.control_plane.audit()
        if event.get("userAgent") == f"test-{here.node}" and event["verb"] == "update"
    ]
    assert codes == [409, 200]


PERMISSIONS = [
    {
        "apiGroups": ["resource.k8s.io"],
        "resources": ["resourceslices"],
        "verbs": ["create", "delete", "get", "list", "update", "watch"],
    },
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]},
]
"""All that publishing asks for."""


def test_the_permissions_of_publishing_are_enough_and_all_are_used(
    here: Site, api_server: ApiServer
) -> None:
    rbac = "rbac.authorization.k8s.io/v1"
    role = path_of(rbac, "clusterroles")
    binding = path_of(rbac, "clusterrolebindings")
    control_plane = api_server.control_plane
    leaf = control_plane.authority.leaf(here.node, here.node)
    named = {"metadata": {"name": here.node}}
    here.client.create(role, {**named, "rules": PERMISSIONS})
    here.client.create(
        binding,
        {
            **named,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": here.node,
            },
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": here.node}
            ],
        },
    )
    here.kubeconfig = control_plane.authority.kubeconfig(
        here.node, server=control_plane.url, leaf=leaf
    )
    try:
        with here.client_of_ours() as client:
            # The permissions are known to the server a moment after they were written.
            wait_until(
                lambda: _is_allowed(client),
                seconds=LONG_SECONDS,
                otherwise=lambda: "it stays forbidden",
            )
            here.server(client).read(_made_slice(here))
            with here.publisher() as publisher:
                publisher.publish(partitioned(boards=2, partitions=1))
                assert publisher.wait_published(LONG_SECONDS)
                publisher.publish(offer_of_two())
                assert publisher.wait_published(LONG_SECONDS)
            writer = EventWriter(
                client,
                controller=DRIVER,
                instance=here.node,
                now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
                monotonic=time.monotonic,
            )
            NodeEvents(writer, here.node)(Contested(repairs=5, seconds=30.0))
    finally:
        here.client.delete(f"{binding}/{here.node}")
        here.client.delete(f"{role}/{here.node}")
    used = {
        (event["objectRef"]["resource"], event["verb"])
        for event in control_plane.audit()
        if event.get("userAgent") == f"test-{here.node}"
        and event["responseStatus"]["code"] < 300
        and event.get("objectRef")
    }
    listed = {
        (resource, verb)
        for rule in PERMISSIONS
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert used == listed


def _is_allowed(client: OurClient) -> bool:
    try:
        client.list(SLICES)
        client.get(path_of("v1", "nodes", "none"))
    except ForbiddenError:
        return False
    except NotFoundError:
        return True
    return True


def _made_slice(here: Site, **other: str) -> str:
    """Make a slice as somebody else would, which is obsolete at once."""
    made = here.client.create(
        SLICES,
        {
            "metadata": {"name": f"strange-{here.node}"},
            "spec": {
                "driver": DRIVER,
                "nodeName": here.node,
                "pool": {"name": here.node, "generation": 1, "resourceSliceCount": 1},
                "devices": [],
                **other,
            },
        },
    )
    name: str = made["metadata"]["name"]
    return name
