"""Configs that are surely right are recognised without a model, and never against its word."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dra_config import hub, scheme
from dra_config.gates import FeatureGates
from dra_config.loading import MAX_PARAMETERS_BYTES, examine, judge_gates, recognise
from dra_config.scheme import DRIVERS
from dra_config.v1beta1 import API_VERSION, from_hub
from dra_config.wire import Findings
from tests.dra_config.strategies import (
    GATES,
    Tree,
    any_json,
    driver_of,
    dumps,
    hub_configs,
    spoiled,
    wire_configs,
)

ROOT = Path(__file__).resolve().parents[2]
drivers = st.sampled_from(sorted(DRIVERS))
gate_choices = st.sampled_from(
    [None, FeatureGates(), GATES, FeatureGates.parse("DynamicMIG=true")]
)
thoroughly = settings(max_examples=5 * settings().max_examples)

DOMAIN = "0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376"
ODDITIES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3, 101, 1.0, 0.5, 2**70, "", " ", "auto", "MPS", "Manual"),
    *([], {}, [None], [""], ["a", "a"], {"0": None}, {"0": 1}, {"0": "1"}, {"x": "1Gi"}, "1Gi\n"),
)
SOUND: tuple[Tree, ...] = (
    {"kind": "GpuConfig"},
    {"kind": "GpuConfig", "sharing": {"strategy": "TimeSlicing"}},
    {
        "kind": "GpuConfig",
        "sharing": {"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "Long"}},
        "fabricTopologyConfig": {"strategy": "Auto", "partitionSize": 4, "preferNVLink": False},
    },
    {
        "kind": "GpuConfig",
        "sharing": {
            "strategy": "MPS",
            "mpsConfig": {
                "defaultActiveThreadPercentage": 50,
                "defaultPinnedDeviceMemoryLimit": "8Gi",
                "defaultPerDevicePinnedMemoryLimit": {"0": "12Gi", "1": "512Mi"},
                "multiUser": False,
            },
        },
        "fabricTopologyConfig": {"strategy": "Disabled", "virtualizationModel": "VGPU"},
    },
    {
        "kind": "MigDeviceConfig",
        "sharing": {
            "strategy": "MPS",
            "mpsConfig": {"defaultPerDevicePinnedMemoryLimit": {f"MIG-{DOMAIN}": "1Gi"}},
        },
    },
    {"kind": "VfioDeviceConfig", "iommu": {"backendPolicy": "PreferIommuFD"}},
    {"kind": "VfioDeviceConfig", "iommu": {"enableAPIDevice": True}},
    {"kind": "FabricTopologyConfig", "strategy": "Manual", "partitionIDs": ["p-1", "p/2"]},
    {"kind": "ComputeDomainChannelConfig", "domainID": DOMAIN, "allocationMode": "All"},
    {"kind": "ComputeDomainDaemonConfig", "domainID": DOMAIN},
)


def agree(tree: Any, driver: str, gates: FeatureGates | None) -> hub.Config | None:
    """Hold that nothing is recognised but what the models accept, and return what is."""
    recognised = recognise(tree, driver)
    if recognised is not None:
        found = Findings()
        judge_gates(recognised, gates, found)
        config = None if found.refused else recognised
        assert (config, tuple(found.violations)) == examine(
            dumps(tree), driver=driver, gates=gates
        )
    return recognised


def whole(tree: Tree) -> Tree:
    return {"apiVersion": API_VERSION, **tree}


@thoroughly
@given(wire_configs | spoiled() | any_json, drivers, gate_choices)
def test_what_is_recognised_is_what_the_models_accept(
    tree: Any, driver: str, gates: FeatureGates | None
) -> None:
    agree(tree, driver, gates)


@given(hub_configs, gate_choices)
def test_a_settled_config_is_recognised_as_what_it_is(
    config: hub.Config, gates: FeatureGates | None
) -> None:
    tree = json.loads(from_hub(config).model_dump_json(exclude_unset=True))
    recognised = agree(tree, driver_of(tree["kind"]), gates)
    assert recognised in (None, config)


@pytest.mark.parametrize("tree", SOUND)
def test_sound_configs_are_recognised(tree: Tree) -> None:
    assert agree(whole(tree), driver_of(tree["kind"]), GATES) is not None


@pytest.mark.parametrize("tree", SOUND)
@pytest.mark.parametrize("oddity", ODDITIES)
def test_an_oddity_anywhere_is_not_recognised_against_the_models(
    tree: Tree, oddity: object
) -> None:
    text = json.dumps(whole(tree))

    def replace_each(node: Any) -> None:
        for key in [*node] if isinstance(node, dict) else range(len(node)):
            kept = node[key]
            node[key] = oddity
            agree(root, driver_of(tree["kind"]), GATES)
            node[key] = kept
            if isinstance(kept, dict | list):
                replace_each(kept)
        if isinstance(node, dict):
            for name in NAMES - node.keys():
                node[name] = oddity
                agree(root, driver_of(tree["kind"]), GATES)
                del node[name]

    root = json.loads(text)
    replace_each(root)


NAMES = {
    *("sharing", "strategy", "timeSlicingConfig", "interval", "mpsConfig", "multiUser", "iommu"),
    *("defaultActiveThreadPercentage", "defaultPerDevicePinnedMemoryLimit", "partitionIDs"),
    *("partitionIds", "partitionSize", "preferNVLink", "minBandwidth", "fabricTopologyConfig"),
    *("defaultPinnedDeviceMemoryLimit", "domainID", "allocationMode", "backendPolicy", "more"),
}


def test_nothing_is_recognised_that_is_longer_than_an_api_server_takes() -> None:
    limits = {str(number): "1Mi" for number in range(10_000)}
    ids = [f"{number:064}" for number in range(200)]
    for tree in (
        {
            "sharing": {
                "strategy": "MPS",
                "mpsConfig": {"defaultPerDevicePinnedMemoryLimit": limits},
            }
        },
        {"fabricTopologyConfig": {"strategy": "Manual", "partitionIDs": ids}},
        {"fabricTopologyConfig": {"strategy": "Manual", "partitionIDs": ["x" * 20_000]}},
    ):
        config = whole({"kind": "GpuConfig", **tree})
        assert len(dumps(config)) > MAX_PARAMETERS_BYTES
        assert agree(config, scheme.GPU_DRIVER, GATES) is None


def test_the_list_of_headers_names_the_models() -> None:
    assert tuple(scheme.MODELS) == scheme.HEADERS
    assert {model.__name__ for model in scheme.MODELS.values()} == scheme.KINDS


def test_recognising_imports_no_pydantic() -> None:
    code = (
        "import sys; from dra_config.loading import recognise, judge_gates; "
        "recognise({}, 'gpu.nvidia.com'); sys.exit('pydantic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
