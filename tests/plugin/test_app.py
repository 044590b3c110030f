"""The plugin as a process: how it starts, what it tells, how it ends."""

import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kube.client import path_of
from tests.cluster.api_server import ApiServer
from tests.cluster.waiting import wait_until
from tests.plugin.machine_rigs import NvmlRig, profile
from tests.plugin.nvml.building import build
from tests.plugin.plugin_process import SECONDS, Host, kubelet_of, running, start

SLICES = path_of("resource.k8s.io/v1", "resourceslices")
NODES = path_of("v1", "nodes")
EVENTS = path_of("events.k8s.io/v1", "events", namespace="default")


@pytest.fixture
def host(api_server: ApiServer, tmp_path: Path) -> Iterator[Host]:
    """Return a node of which the API server knows, without a kubelet."""
    node = f"app-{uuid.uuid4().hex[:8]}"
    api_server.client.create(
        NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}
    )
    # The path of a socket has to be short.
    root = Path("/tmp") / node  # noqa: S108 - nobody else knows the name
    yield Host(
        node=node,
        kubeconfig=api_server.control_plane.kubeconfig,
        kubelet_root=root,
        cdi_root=tmp_path / "cdi",
    )
    shutil.rmtree(root, ignore_errors=True)
    for one in slices_of(api_server, node):
        api_server.client.delete(f"{SLICES}/{one['metadata']['name']}")
    api_server.client.delete(f"{NODES}/{node}")


def slices_of(api_server: ApiServer, node: str) -> list[dict[str, Any]]:
    found = api_server.client.list(SLICES, fieldSelector=f"spec.nodeName={node}")
    return list(found)


def devices_of(api_server: ApiServer, node: str) -> list[str]:
    return [
        device["name"]
        for one in slices_of(api_server, node)
        for device in one["spec"].get("devices", ())
    ]


def wait_devices(api_server: ApiServer, node: str, count: int) -> None:
    wait_until(
        lambda: len(devices_of(api_server, node)) == count,
        seconds=SECONDS,
        otherwise=lambda: f"the devices are {devices_of(api_server, node)}",
    )


def events_about(api_server: ApiServer, node: str) -> list[tuple[str, str]]:
    found = api_server.client.list(EVENTS)
    return [(one["reason"], one["note"]) for one in found if one["regarding"].get("name") == node]


def test_it_publishes_and_serves_and_leaves_the_slices_when_it_is_stopped(
    host: Host, api_server: ApiServer
) -> None:
    with running(host) as plugin, kubelet_of(host) as kubelet:
        told = plugin.wait_line("published")
        assert told["devices"] == 8
        assert devices_of(api_server, host.node) == [f"gpu-{number}" for number in range(8)]
        assert kubelet.get_info().name == "gpu.nvidia.com"
        kubelet.notify()
        metrics = plugin.metrics()
        assert plugin.stop() == 0
    assert plugin.noise == []
    for line in (
        "dra_config_plugin_registered 1.0",
        "dra_config_plugin_published_devices 8.0",
        "dra_config_plugin_present_devices 8.0",
        "dra_config_plugin_withheld_devices 0.0",
        'dra_config_plugin_prepared_devices{type="gpu"} 0.0',
        "dra_config_plugin_api_server_reachable 1.0",
    ):
        assert line in metrics.splitlines()
    assert len(devices_of(api_server, host.node)) == 8
    assert not host.places().dra.exists()
    assert not host.places().registration.exists()


def test_a_start_costs_four_requests_and_a_second_one_three(
    host: Host, api_server: ApiServer
) -> None:
    """F20: what a node asks for when a whole cluster starts."""

    audit = api_server.control_plane.audit

    def asked(since: int) -> list[str]:
        return sorted(
            event["verb"]
            for event in audit()[since:]
            if event["userAgent"].startswith("dra-config-plugin/")
            # A watch is told of twice.
            if (event["stage"] == "ResponseStarted") is (event["verb"] == "watch")
        )

    before = len(audit())
    with running(host) as plugin:
        plugin.wait_line("published")
        plugin.stop()
    assert asked(before) == ["create", "get", "list", "watch"]
    before = len(audit())
    with running(host) as plugin:
        wait_until(
            lambda: len(asked(before)) == 3, seconds=SECONDS, otherwise=lambda: str(asked(before))
        )
        plugin.stop()
    assert asked(before) == ["get", "list", "watch"]


def test_sigint_stops_it_too(host: Host) -> None:
    with running(host) as plugin:
        plugin.process.send_signal(signal.SIGINT)
        assert plugin.wait() == 0
    assert plugin.about("stopped")


def test_a_second_instance_in_the_same_place_does_not_start_and_says_why(host: Host) -> None:
    with running(host):
        second = start(host)
        assert second.wait() == 1
    (line,) = second.about("cannot start")
    assert line["reason"].startswith("Another instance of the driver answers at ")
    assert second.noise == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--simulate", "h1000"), "There is no profile 'h1000'; those that ship are a100, "),
        (("--kubeconfig", "/nowhere"), "'/nowhere' cannot be read"),
        (("--kubelet-root", "/proc/none"), "/proc/none"),
    ],
)
def test_what_stands_in_its_way_is_told_in_a_line(
    host: Host, options: tuple[str, ...], reason: str
) -> None:
    plugin = start(host, *options)
    assert plugin.wait() == 1
    (line,) = plugin.about("cannot start")
    assert reason in line["reason"]
    assert plugin.noise == []


def test_wrong_settings_end_it_at_once_with_a_sentence(host: Host) -> None:
    plugin = start(host, "--feature-gates", "AllAlpha=true")
    assert plugin.wait() == 2
    assert plugin.lines == []
    assert plugin.noise[0].startswith("plugin: --feature-gates: ")


def test_a_gpu_that_breaks_disappears_alone_and_an_event_says_so(
    host: Host, api_server: ApiServer
) -> None:
    """D76: one GPU that cannot be read does not take the others away."""
    with running(host) as plugin:
        plugin.wait_line("published")
        wait_devices(api_server, host.node, 8)
    uuid_of = {
        device["name"]: device["attributes"]["uuid"]["string"]
        for one in slices_of(api_server, host.node)
        for device in one["spec"]["devices"]
    }
    (host.folder / "machine" / "faults").write_text(f"{uuid_of['gpu-3']} unreadable\n")
    with running(host) as plugin:
        wait_devices(api_server, host.node, 7)
        assert "gpu-3" not in devices_of(api_server, host.node)
        (line,) = plugin.about("not all devices are offered")
    wait_until(
        lambda: ("DevicesNotOffered", line["reason"]) in events_about(api_server, host.node),
        seconds=SECONDS,
        otherwise=lambda: str(events_about(api_server, host.node)),
    )


def test_a_new_instance_takes_over_from_one_that_is_stopped(
    host: Host, api_server: ApiServer
) -> None:
    """D56: a rolling update has two instances at work, and one of them at the slices."""
    first, second = (
        Host(
            node=host.node,
            kubeconfig=host.kubeconfig,
            kubelet_root=host.kubelet_root,
            cdi_root=host.cdi_root,
            pod_uid=f"6d0d1d6e-000{number}-4000-8000-000000000000",
        )
        for number in (1, 2)
    )
    with running(first) as old:
        old.wait_line("published")
        before = slices_of(api_server, host.node)
        with running(second) as new, kubelet_of(second) as kubelet:
            assert kubelet.get_info().name == "gpu.nvidia.com"
            assert old.stop() == 0
            api_server.client.delete(f"{SLICES}/{before[0]['metadata']['name']}")
            told = new.wait_line("published")
            assert told["devices"] == 8
            assert not first.places().dra.exists()
            assert second.places().dra.exists()


class TestOverTheLibrary:
    """The same process over a library in C that plays NVML."""

    @pytest.fixture
    def rig(self, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NvmlRig]:
        library = build(tmp_path_factory.mktemp("library"))
        rig = NvmlRig(profile("h100-mig"), tmp_path / "machine", library, deadline_seconds=SECONDS)
        yield rig
        rig.close()

    @pytest.fixture
    def real(self, host: Host, rig: NvmlRig) -> Host:
        return Host(
            node=host.node,
            kubeconfig=host.kubeconfig,
            kubelet_root=host.kubelet_root,
            cdi_root=host.cdi_root,
            options=("--driver-root", str(rig.trees.driver_root)),
        )

    def test_it_publishes_what_the_library_shows(
        self, real: Host, api_server: ApiServer, rig: NvmlRig
    ) -> None:
        with running(real) as plugin:
            plugin.wait_line("published")
            names = devices_of(api_server, real.node)
        migs = sum(len(gpu.mig_devices) for gpu in rig.machine.inventory().gpus)
        assert len([name for name in names if "-mig-" in name]) == migs > 0
        assert plugin.about("no claim can be prepared")[0]["reason"].endswith(" is missing")

    def test_without_a_driver_nothing_is_published_until_it_comes(
        self, real: Host, api_server: ApiServer, rig: NvmlRig
    ) -> None:
        """D85: no slice without devices appears while the driver is on its way."""
        rig.break_machine("no-library")
        with running(real) as plugin, kubelet_of(real) as kubelet:
            plugin.wait_line("not all devices are offered")
            assert kubelet.get_info().name == "gpu.nvidia.com"
            assert slices_of(api_server, real.node) == []
            rig.repair()
            plugin.wait_line("published")
            assert plugin.about("all devices are offered again")
        assert devices_of(api_server, real.node) != []

    def test_a_driver_that_was_replaced_ends_the_process(self, real: Host, rig: NvmlRig) -> None:
        rig.break_machine("other-version")
        plugin = start(real)
        assert plugin.wait() == 3
        assert plugin.about("the driver was replaced; starting anew")
        assert plugin.about("stopped") == [{**plugin.about("stopped")[0], "status": 3}]


def test_the_environment_is_read_where_no_flag_is_given(host: Host) -> None:
    plugin = start(host, environment={**os.environ, "DRA_CONFIG_PLUGIN_LOG_LEVEL": "loud"})
    assert plugin.wait() == 2
    assert plugin.noise[0].startswith("plugin: --log-level takes debug, info, ")
