"""No file, however odd, is beyond a verdict: findings come out, and never an exception."""

import json

from hypothesis import given
from hypothesis import strategies as st

from dra_config.catalogue import RULES
from dra_config.cli.judge import Criteria, judge_file

KEYS = st.sampled_from(
    [
        "spec",
        "devices",
        "config",
        "opaque",
        "driver",
        "parameters",
        "items",
        "metadata",
        "name",
        "apiVersion",
        "kind",
        "requests",
        "exactly",
        "sharing",
        "strategy",
        "mpsConfig",
        "fabricTopologyConfig",
        "partitionIDs",
        "parametersRef",
        "resourceClassName",
        "selector",
        "channel",
        "daemons",
        "labels",
        "KIND",
        "",
    ]
)
WORDS = st.sampled_from(
    [
        "resource.k8s.io/v1",
        "resource.k8s.io/v1alpha2",
        "resource.nvidia.com/v1beta1",
        "v1",
        "nvidia.com/v1beta1",
        "gpu.resource.nvidia.com/v1alpha1",
        "gpu.nvidia.com/v1alpha1",
        "ResourceClaim",
        "ResourceClaimTemplate",
        "DeviceClass",
        "List",
        "ResourceClaimList",
        "GpuConfig",
        "GpuConfiguration",
        "ComputeDomain",
        "ComputeDomainClique",
        "gpuconfig",
        "GpuClaimParameters",
        "MigDeviceClaimParameters",
        "ResourceClass",
        "gpu.nvidia.com",
        "compute-domain.nvidia.com",
        "MPS",
        "Auto",
        "{{ x }}",
        "/",
        "",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
OBJECTS = st.fixed_dictionaries(
    {"apiVersion": WORDS, "kind": WORDS},
    optional={"spec": VALUES, "metadata": VALUES, "items": st.lists(VALUES, max_size=3)},
)


def judge_all(text: str) -> None:
    """Judge *text* in every way and look at what comes out."""
    lines = text.split("\n")
    for criteria in (Criteria(), Criteria(as_parameters=True)):
        for finding in judge_file("a", text.encode(errors="replace"), criteria).findings:
            assert finding.rule in RULES
            assert finding.message
            assert 1 <= finding.line <= len(lines) + 1
            assert finding.column >= 1


@given(OBJECTS | VALUES)
def test_any_object_gets_a_verdict(tree: object) -> None:
    judge_all(json.dumps(tree))


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_claim_gets_a_verdict(spec: dict[str, object]) -> None:
    for version in ("v1", "v1alpha2", "v1alpha3"):
        for kind in ("ResourceClaim", "ResourceClaimTemplate", "DeviceClass"):
            head = {"apiVersion": f"resource.k8s.io/{version}", "kind": kind}
            judge_all(json.dumps({**head, "spec": spec}))
            judge_all(json.dumps({**head, "spec": {"spec": spec}}))


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_gets_a_verdict(text: str) -> None:
    judge_all(text)
