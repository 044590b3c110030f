"""A settled config written back as v1beta1 settles to itself again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_config import hub
from dra_config.loading import load
from dra_config.quantity import parse_bytes
from dra_config.v1beta1 import from_hub
from dra_config.v1beta1.way_back import render_bytes
from tests.dra_config.strategies import (
    GATES,
    V1BETA1,
    Tree,
    driver_of,
    dumps,
    hub_configs,
    legacy_configs,
    limits_bytes,
    wire_configs,
)

UID = "0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376"


def settled(text: str) -> hub.Config:
    driver = driver_of(json.loads(text)["kind"])
    return load(text, driver=driver, gates=GATES).config


def written(config: hub.Config) -> Tree:
    tree: Tree = json.loads(from_hub(config).model_dump_json(exclude_unset=True))
    return tree


@given(hub_configs)
def test_a_settled_config_survives_the_way_to_the_wire_and_back(config: hub.Config) -> None:
    assert settled(from_hub(config).model_dump_json(exclude_unset=True)) == config


@given(hub_configs)
def test_the_way_back_does_not_mind_nulls(config: hub.Config) -> None:
    assert settled(from_hub(config).model_dump_json()) == config


@given(wire_configs | legacy_configs)
def test_writing_an_accepted_text_back_is_a_fixed_point(tree: Tree) -> None:
    once = settled(dumps(tree))
    twice = settled(from_hub(once).model_dump_json(exclude_unset=True))
    assert twice == once
    assert from_hub(twice) == from_hub(once)


@given(hub_configs)
def test_the_written_text_is_v1beta1_and_holds_no_null_and_no_empty_value(
    config: hub.Config,
) -> None:
    tree = written(config)
    assert tree["apiVersion"] == V1BETA1

    def check(value: object) -> None:
        assert value is not None
        assert value not in ({}, [])
        for child in value.values() if isinstance(value, dict) else ():
            check(child)

    check(tree)


NO_LIMITS: dict[str, int] = {}
AUTO = hub.Fabric(hub.FabricAuto(None), hub.VirtualizationModel.BARE_METAL, None, None, True)  # noqa: FBT003 - nothing but positions here
MPS = hub.Mps(None, None, NO_LIMITS, multi_user=False)


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        (hub.Gpu(None, hub.UNSPECIFIED), {"kind": "GpuConfig"}),
        (
            hub.Gpu(hub.TimeSlicing(hub.TimeSliceInterval.DEFAULT), hub.UNSPECIFIED),
            {"kind": "GpuConfig", "sharing": {"strategy": "TimeSlicing"}},
        ),
        (
            hub.Gpu(hub.TimeSlicing(hub.TimeSliceInterval.LONG), hub.UNSPECIFIED),
            {
                "kind": "GpuConfig",
                "sharing": {"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "Long"}},
            },
        ),
        (
            hub.Gpu(MPS, hub.UNSPECIFIED),
            {"kind": "GpuConfig", "sharing": {"strategy": "MPS"}},
        ),
        (
            hub.Gpu(None, AUTO),
            {"kind": "GpuConfig", "fabricTopologyConfig": {"strategy": "Auto"}},
        ),
        (
            hub.Mig(
                hub.Mps(0, 1536 * 2**20, {"0": 2**40, "1": 2**20 + 1}, multi_user=True),
            ),
            {
                "kind": "MigDeviceConfig",
                "sharing": {
                    "strategy": "MPS",
                    "mpsConfig": {
                        "defaultActiveThreadPercentage": 0,
                        "defaultPinnedDeviceMemoryLimit": "1536Mi",
                        "defaultPerDevicePinnedMemoryLimit": {"0": "1Ti", "1": "1048577"},
                        "multiUser": True,
                    },
                },
            },
        ),
        (
            hub.Mig(hub.MigTimeSlicing.WITHOUT_EFFECT),
            {"kind": "MigDeviceConfig", "sharing": {"strategy": "TimeSlicing"}},
        ),
        (
            hub.Vfio(hub.IommuBackendPolicy.LEGACY_ONLY, api_device_enabled=False),
            {"kind": "VfioDeviceConfig"},
        ),
        (
            hub.Vfio(hub.IommuBackendPolicy.PREFER_IOMMU_FD, api_device_enabled=True),
            {
                "kind": "VfioDeviceConfig",
                "iommu": {"backendPolicy": "PreferIommuFD", "enableAPIDevice": True},
            },
        ),
        (
            hub.FabricTopology(
                AUTO._replace(
                    strategy=hub.FabricManual(("a", "b")),
                    virtualization_model=hub.VirtualizationModel.SHARED_NVSWITCH,
                    min_bandwidth_gigabytes_per_second=0.0,
                    nvlink_preferred=False,
                )
            ),
            {
                "kind": "FabricTopologyConfig",
                "strategy": "Manual",
                "partitionIDs": ["a", "b"],
                "virtualizationModel": "SharedNVSwitch",
                "minBandwidth": 0.0,
                "preferNVLink": False,
            },
        ),
        (
            hub.ComputeDomainChannel(UID, hub.ChannelAllocationMode.SINGLE),
            {"kind": "ComputeDomainChannelConfig", "domainID": UID},
        ),
        (
            hub.ComputeDomainDaemon(UID),
            {"kind": "ComputeDomainDaemonConfig", "domainID": UID},
        ),
    ],
    ids=lambda part: dumps(part) if isinstance(part, dict) else type(part).__name__,
)
def test_what_absence_says_is_left_out(config: hub.Config, fields: Tree) -> None:
    assert written(config) == {"apiVersion": V1BETA1, **fields}


@pytest.mark.parametrize(
    ("fields", "config"),
    [
        ({"sharing": {"strategy": "TimeSlicing", "timeSlicingConfig": {}}}, "Default"),
        ({"sharing": {"strategy": "TimeSlicing", "timeSlicingConfig": None}}, "Default"),
        ({"sharing": {"strategy": "TimeSlicing"}}, "Default"),
    ],
    ids=str,
)
def test_an_absent_interval_settles_to_the_default(fields: Tree, config: str) -> None:
    found = settled(dumps({"apiVersion": V1BETA1, "kind": "GpuConfig", **fields}))
    assert found == hub.Gpu(hub.TimeSlicing(hub.TimeSliceInterval(config)), hub.UNSPECIFIED)


def test_absent_fabric_fields_settle_as_decided_and_an_absent_block_to_nothing() -> None:
    """No size and no thresholds: the defaults of the fork are deliberately not ours."""
    header = {"apiVersion": V1BETA1, "kind": "GpuConfig"}
    assert settled(dumps({**header, "fabricTopologyConfig": {}})) == hub.Gpu(None, AUTO)
    assert settled(dumps({**header, "fabricTopologyConfig": None})) == settled(dumps(header))
    alone = {"apiVersion": V1BETA1, "kind": "FabricTopologyConfig"}
    assert settled(dumps(alone)) == hub.FabricTopology(AUTO)


def test_limits_settle_to_whole_bytes() -> None:
    limits = {"0": "1048576.5", "1": "8Ei", "2": 2097152, "3": " 1Gi "}
    sharing = {"strategy": "MPS", "mpsConfig": {"defaultPerDevicePinnedMemoryLimit": limits}}
    found = settled(dumps({"apiVersion": V1BETA1, "kind": "GpuConfig", "sharing": sharing}))
    by_device = {"0": 1048577, "1": 2**63 - 1, "2": 2097152, "3": 2**30}
    expected = hub.Mps(None, None, by_device, multi_user=False)
    assert found == hub.Gpu(expected, hub.UNSPECIFIED)


@given(limits_bytes | st.integers(0, 2**63 - 1))
def test_bytes_are_written_without_loss(count: int) -> None:
    assert parse_bytes(render_bytes(count)) == count


def test_a_settled_config_cannot_be_changed() -> None:
    sharing = {"strategy": "MPS", "mpsConfig": {"defaultPerDevicePinnedMemoryLimit": {"0": "1Gi"}}}
    config = settled(dumps({"apiVersion": V1BETA1, "kind": "GpuConfig", "sharing": sharing}))
    assert isinstance(config, hub.Gpu)
    assert isinstance(config.sharing, hub.Mps)
    for shape, field in ((config, "sharing"), (config.sharing, "multi_user")):
        with pytest.raises(AttributeError):
            setattr(shape, field, None)
    limits: Any = config.sharing.pinned_memory_limit_bytes_by_device
    with pytest.raises(TypeError):
        limits["0"] = 0
