"""The claim to write instead of a classic one, by the table of the old API and today's."""

from collections.abc import Mapping
from typing import Any

import pytest

from dra_config import rules
from dra_config.manifests import Document, read, to_python
from dra_config.rules import classic_selectors

ATTRIBUTES = 'device.attributes["gpu.nvidia.com"]'


def trees(text: str) -> list[dict[str, Any]]:
    """Return the objects of a YAML text."""
    documents = [result for result in read(text) if isinstance(result, Document)]
    return [to_python(document.root) for document in documents]


def instead_of(
    tree: Mapping[str, Any], neighbours: rules.Neighbours | None = None
) -> list[dict[str, Any]]:
    """Return the objects that DRA901 or DRA903 suggests for *tree*."""
    (violation,) = rules.judge(tree, neighbours=neighbours or {})
    return trees(violation.suggestion)


def classic(spec: Mapping[str, Any], kind: str = "ResourceClaim") -> dict[str, Any]:
    """Return a claim or template of v1alpha2 with *spec*."""
    spec = {"spec": dict(spec)} if kind == "ResourceClaimTemplate" else spec
    return {
        "apiVersion": "resource.k8s.io/v1alpha2",
        "kind": kind,
        "metadata": {"name": "training", "namespace": "team-a", "uid": "given by the server"},
        "spec": spec,
    }


def parameters(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return classic parameters called ``given``."""
    return {
        "apiVersion": "gpu.resource.nvidia.com/v1alpha1",
        "kind": kind,
        "metadata": {"name": "given", "namespace": "team-a"},
        "spec": spec,
    }


def devices(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``spec.devices`` of a claim."""
    found: dict[str, Any] = tree["spec"]["devices"]
    return found


@pytest.mark.parametrize("name", ["gpu.nvidia.com", "nvidia.com/gpu"])
def test_a_classic_class_becomes_the_device_class(name: str) -> None:
    (claim,) = instead_of(classic({"resourceClassName": name, "allocationMode": "Immediate"}))
    assert claim == {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": "training", "namespace": "team-a"},
        "spec": {
            "devices": {
                "requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com"}}]
            }
        },
    }


def test_a_template_stays_a_template() -> None:
    tree = classic({"resourceClassName": "gpu.nvidia.com"}, "ResourceClaimTemplate")
    tree["spec"]["metadata"] = {"labels": {"team": "a"}}
    (template,) = instead_of(tree)
    assert template["kind"] == "ResourceClaimTemplate"
    assert template["spec"]["metadata"] == {"labels": {"team": "a"}}
    assert template["spec"]["spec"]["devices"]["requests"][0]["name"] == "gpu"


def test_the_class_of_another_vendor_keeps_its_name() -> None:
    (claim,) = instead_of(classic({"resourceClassName": "gpu.example.com"}))
    assert devices(claim)["requests"][0]["exactly"] == {"deviceClassName": "gpu.example.com"}


def test_the_example_of_the_fork_has_two_ways_out() -> None:
    fabric = {"strategy": "Auto", "partitionSize": 4, "partitionIDs": ["partition-1"]}
    inline = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "GpuConfig",
        "sharing": {"strategy": "TimeSlicing"},
        "fabricTopologyConfig": fabric,
    }
    sized, named = instead_of(
        classic({"resourceClassName": "nvidia.com/gpu", "parameters": inline})
    )
    expected = {
        "requests": [
            {"name": "gpus", "exactly": {"deviceClassName": "gpu.nvidia.com", "count": 4}}
        ],
        "config": [
            {
                "requests": ["gpus"],
                "opaque": {
                    "driver": "gpu.nvidia.com",
                    "parameters": {
                        "apiVersion": "resource.nvidia.com/v1beta1",
                        "kind": "GpuConfig",
                        "sharing": {"strategy": "TimeSlicing"},
                        "fabricTopologyConfig": {"strategy": "Auto", "partitionSize": 4},
                    },
                },
            }
        ],
    }
    assert devices(sized) == expected
    fabric_of_named = devices(named)["config"][0]["opaque"]["parameters"]["fabricTopologyConfig"]
    assert fabric_of_named == {"strategy": "Manual", "partitionIDs": ["partition-1"]}


def test_manual_with_names_has_one_meaning() -> None:
    inline = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "GpuConfig",
        "fabricTopologyConfig": {"strategy": "Manual", "partitionIDs": ["a"]},
    }
    (claim,) = instead_of(classic({"parameters": inline}))
    given = devices(claim)["config"][0]["opaque"]["parameters"]["fabricTopologyConfig"]
    assert given == inline["fabricTopologyConfig"]


def test_an_old_kind_with_a_list_of_one_is_renamed() -> None:
    inline = {
        "apiVersion": "gpu.resource.nvidia.com/v1alpha1",
        "kind": "GpuConfiguration",
        "sharing": [{"strategy": "MPS"}],
    }
    (claim,) = instead_of(classic({"parameters": inline}))
    assert devices(claim)["config"][0]["opaque"]["parameters"] == {
        "apiVersion": "resource.nvidia.com/v1beta1",
        "kind": "GpuConfig",
        "sharing": {"strategy": "MPS"},
    }


@pytest.mark.parametrize(
    ("kind", "class_name", "driver"),
    [
        ("MigDeviceConfig", "mig.nvidia.com", "gpu.nvidia.com"),
        ("VfioDeviceConfig", "vfio.gpu.nvidia.com", "gpu.nvidia.com"),
        (
            "ComputeDomainChannelConfig",
            "compute-domain-default-channel.nvidia.com",
            "compute-domain.nvidia.com",
        ),
    ],
)
def test_an_inline_config_chooses_the_class_of_its_devices(
    kind: str, class_name: str, driver: str
) -> None:
    inline = {"apiVersion": "resource.nvidia.com/v1beta1", "kind": kind}
    (claim,) = instead_of(classic({"resourceClassName": "gpu.nvidia.com", "parameters": inline}))
    assert devices(claim)["requests"][0]["exactly"] == {"deviceClassName": class_name}
    assert devices(claim)["config"][0]["opaque"]["driver"] == driver


def test_gpu_parameters_become_count_selector_and_config() -> None:
    given = parameters(
        "GpuClaimParameters",
        {
            "count": 2,
            "selector": {"uuid": "GPU-1"},
            "sharing": {"strategy": "TimeSlicing", "timeSlicingConfig": {"timeSlice": "Long"}},
        },
    )
    (claim,) = instead_of(given)
    assert devices(claim) == {
        "requests": [
            {
                "name": "gpus",
                "exactly": {
                    "deviceClassName": "gpu.nvidia.com",
                    "selectors": [{"cel": {"expression": f'{ATTRIBUTES}.uuid == "GPU-1"'}}],
                    "count": 2,
                },
            }
        ],
        "config": [
            {
                "requests": ["gpus"],
                "opaque": {
                    "driver": "gpu.nvidia.com",
                    "parameters": {
                        "apiVersion": "resource.nvidia.com/v1beta1",
                        "kind": "GpuConfig",
                        "sharing": {
                            "strategy": "TimeSlicing",
                            "timeSlicingConfig": {"interval": "Long"},
                        },
                    },
                },
            }
        ],
    }


def test_mig_parameters_become_a_profile_selector_and_a_constraint() -> None:
    (claim,) = instead_of(
        parameters(
            "MigDeviceClaimParameters",
            {"profile": "1g.5gb", "gpuClaimName": "parent", "sharing": {"strategy": "MPS"}},
        )
    )
    (request,) = devices(claim)["requests"]
    assert request["exactly"]["deviceClassName"] == "mig.nvidia.com"
    (selector,) = request["exactly"]["selectors"]
    assert selector["cel"]["expression"] == f'{ATTRIBUTES}.profile == "1g.5gb"'
    assert devices(claim)["constraints"] == [
        {"requests": ["mig"], "matchAttribute": "gpu.nvidia.com/parentUUID"}
    ]
    assert devices(claim)["config"][0]["opaque"]["parameters"]["kind"] == "MigDeviceConfig"


def test_a_claim_takes_over_the_parameters_in_its_file() -> None:
    given = parameters("GpuClaimParameters", {"count": 3})
    reference = {"kind": "GpuClaimParameters", "name": "given"}
    tree = classic({"resourceClassName": "gpu.nvidia.com", "parametersRef": reference})
    (claim,) = instead_of(tree, {("GpuClaimParameters", "team-a", "given"): given})
    assert devices(claim)["requests"][0]["exactly"]["count"] == 3


def test_parameters_that_are_not_in_the_file_are_named_in_a_comment() -> None:
    reference = {"kind": "MigDeviceClaimParameters", "name": "given"}
    (violation,) = rules.judge(classic({"parametersRef": reference}))
    first, *_ = violation.suggestion.splitlines()
    assert first == "# MigDeviceClaimParameters given is not in this file:"
    (claim,) = trees(violation.suggestion)
    assert devices(claim)["requests"][0]["exactly"] == {"deviceClassName": "mig.nvidia.com"}


def test_a_name_cannot_break_out_of_the_comment() -> None:
    reference = {"kind": "GpuClaimParameters", "name": "x\nkind: Pod"}
    (violation,) = rules.judge(classic({"parametersRef": reference}))
    (claim,) = trees(violation.suggestion)
    assert claim["kind"] == "ResourceClaim"


@pytest.mark.parametrize(
    ("selector", "expression"),
    [
        ({"productName": "*A100-SXM*"}, 'productName.lowerAscii().matches("^.*a100-sxm.*$")'),
        ({"brand": "a.b"}, r'brand.lowerAscii().matches("^a\\.b$")'),
        (
            {"driverVersion": {"value": "v535.4", "operator": "LessThan"}},
            'driverVersion.compareTo(semver("535.4.0")) < 0',
        ),
        (
            {"cudaComputeCapability": {"value": "8.0", "operator": "GreaterThanOrEqualTo"}},
            'cudaComputeCapability.compareTo(semver("8.0.0")) >= 0',
        ),
    ],
)
def test_a_classic_selector_becomes_cel(selector: object, expression: str) -> None:
    assert classic_selectors.expression(selector) == (f"{ATTRIBUTES}.{expression}", ())


def test_memory_is_compared_as_a_quantity() -> None:
    selector = {"memory": {"value": "40Gi", "operator": "GreaterThan"}}
    expected = 'device.capacity["gpu.nvidia.com"].memory.compareTo(quantity("40Gi")) > 0'
    assert classic_selectors.expression(selector) == (expected, ())


def test_selectors_inside_one_another_keep_their_brackets() -> None:
    one, two = {"uuid": "1"}, {"uuid": "2"}
    selector = {"andExpression": [{"orExpression": [one, two]}, two]}
    first, second = f'{ATTRIBUTES}.uuid == "1"', f'{ATTRIBUTES}.uuid == "2"'
    assert classic_selectors.expression(selector) == (f"({first} || {second}) && {second}", ())


@pytest.mark.parametrize(
    "selector",
    [
        {"index": 0},
        {"migEnabled": True},
        {"driverVersion": {"value": "new", "operator": "Equals"}},
    ],
)
def test_what_no_attribute_expresses_is_named(selector: dict[str, object]) -> None:
    assert classic_selectors.expression(selector) == ("", tuple(selector))
    given = parameters("GpuClaimParameters", {"selector": selector})
    (violation,) = rules.judge(given)
    assert f"# No attribute selects by {next(iter(selector))} any more." in violation.suggestion


@pytest.mark.parametrize(
    "spec",
    [
        None,
        "text",
        [],
        {"resourceClassName": 7},
        {"parametersRef": "x"},
        {"parameters": {"kind": ["GpuConfig"]}},
        {"parameters": {"apiVersion": 1, "kind": "GpuConfig", "fabricTopologyConfig": 3}},
        {"devices": [], "resourceClassName": "a: b"},
    ],
)
@pytest.mark.parametrize("kind", ["ResourceClaim", "ResourceClaimTemplate"])
def test_no_nonsense_is_beyond_an_answer(spec: object, kind: str) -> None:
    tree = {"apiVersion": "resource.k8s.io/v1alpha2", "kind": kind, "spec": spec}
    (violation,) = rules.judge(tree)
    assert violation.rule == "DRA901"
    assert trees(violation.suggestion)
