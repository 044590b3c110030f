"""Versions of the Kubernetes objects around a config: classic, gone, on its way out."""

from collections.abc import Mapping
from typing import Any

import pytest

from dra_config import rules
from dra_config.manifests import Document, read, to_python
from dra_config.violations import Target

KINDS = ("ResourceClaim", "ResourceClaimTemplate", "DeviceClass")


def tree(version: str, kind: str = "ResourceClaim", **members: object) -> dict[str, Any]:
    """Return an object of resource.k8s.io."""
    return {"apiVersion": f"resource.k8s.io/{version}", "kind": kind, **members}


def judged(given: Mapping[str, Any]) -> list[str]:
    """Return the ids of the rules that *given* breaks."""
    return [violation.rule for violation in rules.judge(given)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v1", []),
        ("v1beta2", ["DRA902"]),
        ("v1beta1", ["DRA902"]),
        ("v1alpha3", ["DRA903"]),
        ("v2", ["DRA903"]),
        ("V1", ["DRA903"]),
    ],
)
def test_a_version_is_served_or_on_its_way_out_or_gone(
    kind: str, version: str, expected: list[str]
) -> None:
    assert judged(tree(version, kind)) == expected


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2"])
def test_classic_versions_are_told_once(version: str) -> None:
    assert judged(tree(version)) == ["DRA901"]
    assert judged(tree(version, "ResourceClaimTemplate")) == ["DRA901"]
    assert judged(tree(version, "ResourceClass")) == ["DRA901"]
    assert judged(tree(version, "DeviceClass")) == ["DRA903"]


@pytest.mark.parametrize("field", ["resourceClassName", "parametersRef", "parameters"])
@pytest.mark.parametrize("version", ["v1", "v1beta2"])
def test_a_classic_field_is_found_in_a_version_of_today(version: str, field: str) -> None:
    given = tree(version, spec={field: "x"})
    violation = next(rules.judge(given))
    assert (violation.rule, violation.field, violation.target) == (
        "DRA901",
        f"spec.{field}",
        Target.KEY,
    )
    template = tree(version, "ResourceClaimTemplate", spec={"spec": {field: "x"}})
    assert next(rules.judge(template)).field == f"spec.spec.{field}"


@pytest.mark.parametrize(
    "given",
    [
        {"apiVersion": "resource.k8s.io/v1alpha3", "kind": "DeviceTaintRule"},
        {"apiVersion": "resource.k8s.io/v1beta1", "kind": "ResourceSlice"},
        {"apiVersion": "example.com/v1alpha2", "kind": "ResourceClaim"},
        {"apiVersion": "v1", "kind": "Pod"},
        {"apiVersion": 7, "kind": ["ResourceClaim"]},
        {},
    ],
)
def test_other_objects_pass(given: dict[str, Any]) -> None:
    assert judged(given) == []


def test_a_removed_version_is_written_anew() -> None:
    request = {"name": "gpu", "deviceClassName": "gpu.nvidia.com", "count": 2}
    given = tree(
        "v1alpha3",
        metadata={"name": "training", "managedFields": []},
        spec={"controller": "x", "devices": {"requests": [request], "config": []}},
        status={},
    )
    (violation,) = rules.judge(given)
    (document,) = read(violation.suggestion)
    assert isinstance(document, Document)
    assert to_python(document.root) == {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": "training"},
        "spec": {
            "devices": {
                "requests": [
                    {"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com", "count": 2}}
                ],
                "config": [],
            }
        },
    }


@pytest.mark.parametrize(
    "request_",
    [
        {"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com"}},
        {"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com"}, "count": 2},
        {"name": "gpu", "firstAvailable": [{"name": "a", "deviceClassName": "x"}]},
        "no request",
    ],
)
def test_a_request_in_the_shape_of_today_is_left_alone(request_: object) -> None:
    given = tree("v2", spec={"devices": {"requests": [request_]}})
    (violation,) = rules.judge(given)
    (document,) = read(violation.suggestion)
    assert isinstance(document, Document)
    assert to_python(document.root)["spec"] == given["spec"]


def test_a_claim_of_today_under_a_classic_version_keeps_its_devices() -> None:
    request = {"name": "two", "exactly": {"deviceClassName": "gpu.nvidia.com", "count": 2}}
    given = tree("v1alpha2", spec={"devices": {"requests": [request]}})
    (violation,) = rules.judge(given)
    (document,) = read(violation.suggestion)
    assert isinstance(document, Document)
    assert to_python(document.root)["spec"] == given["spec"]


def test_a_compute_domain_is_judged_too() -> None:
    given = {"apiVersion": "resource.nvidia.com/v1beta1", "kind": "ComputeDomain", "spec": {}}
    assert "DRA830" in judged(given)


def test_the_judged_kinds_are_known_beforehand() -> None:
    assert rules.is_judged("resource.k8s.io", "DeviceClass")
    assert rules.is_judged("gpu.resource.nvidia.com", "GpuClaimParameters")
    assert not rules.is_judged("resource.k8s.io", "ResourceSlice")
    assert not rules.is_judged("", "DeviceClass")
