"""ComputeDomain and ComputeDomainClique as objects: every violation at once, in our sentences."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_config.catalogue import RULES
from dra_config.loading import examine
from dra_config.rules.compute_domain_objects import judge_object
from dra_config.violations import Target, Violation

UID = "0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376"
CLIQUE = "7d1c2b3a-0000-4000-8000-5f5e5d5c5b5a.1"
OTHER = "7d1c2b3a-0000-4000-8000-5f5e5d5c5b5a.2"
DOMAIN_LABEL = "resource.nvidia.com/computeDomain"
CLIQUE_LABEL = "resource.nvidia.com/computeDomain.cliqueID"


def domain(*, metadata: object = None, **fields: object) -> dict[str, Any]:
    return {
        "apiVersion": "resource.nvidia.com/v1beta1",
        "kind": "ComputeDomain",
        "metadata": metadata or {"name": "training", "namespace": "team-a"},
        **fields,
    }


def spec(name: object = "training-channel", **fields: object) -> dict[str, Any]:
    """Return a spec with that template name and *fields* of its channel."""
    return {"channel": {"resourceClaimTemplate": {"name": name}, **fields}}


def member(number: int, **fields: object) -> dict[str, Any]:
    entry = {
        "nodeName": f"node-{number}",
        "ipAddress": f"10.0.4.{number}",
        "cliqueID": CLIQUE,
        "index": number,
    }
    return {**entry, **fields}


def clique(
    *daemons: object, name: object = f"{UID}.{CLIQUE}", labels: object = None
) -> dict[str, Any]:
    both = {DOMAIN_LABEL: UID, CLIQUE_LABEL: CLIQUE}
    return {
        "apiVersion": "resource.nvidia.com/v1beta1",
        "kind": "ComputeDomainClique",
        "metadata": {
            "name": name,
            "namespace": "nvidia-dra",
            "labels": both if labels is None else labels,
        },
        **({"daemons": [*daemons]} if daemons else {}),
    }


def found(tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(violation.rule, violation.field) for violation in judge_object(tree)]


def only(tree: Mapping[str, Any]) -> Violation:
    (violation,) = judge_object(tree)
    return violation


@pytest.mark.parametrize(
    "tree",
    [
        domain(spec=spec()),
        domain(spec={"numNodes": 0, **spec("bench.channel", allocationMode="All")}),
        domain(spec={"numNodes": None, **spec(allocationMode=None)}, status=None),
        domain(
            spec=spec("a" * 253),
            status={
                "status": "NotReady",
                "nodes": [
                    {"name": "n", "ipAddress": "10.0.4.11", "cliqueID": "", "index": -1},
                    {"name": "m", "ipAddress": "10.0.4.12", "cliqueID": CLIQUE, "status": "Ready"},
                ],
            },
        ),
        domain(
            metadata={"generateName": "a-", "annotations": {"a": "b"}, "finalizers": ["f"]},
            spec=spec(),
        ),
        clique(),
        clique(member(0, status="Ready"), member(1, status="NotReady")),
        clique(member(0, ipAddress="fd00::4:b"), member(17)),
        clique({**member(1), "index": None}),
    ],
)
def test_a_sound_object_has_no_findings(tree: dict[str, Any]) -> None:
    assert found(tree) == []


@pytest.mark.parametrize(
    ("tree", "rule", "field"),
    [
        (domain(), "DRA830", "spec"),
        (domain(spec=None), "DRA830", "spec"),
        (domain(spec={}), "DRA830", "spec.channel"),
        (domain(spec={"numNodes": 0}), "DRA830", "spec.channel"),
        (domain(spec={"channel": {}}), "DRA830", "spec.channel.resourceClaimTemplate"),
        (domain(spec=spec(None)), "DRA830", "spec.channel.resourceClaimTemplate.name"),
        (domain(spec=spec("")), "DRA832", "spec.channel.resourceClaimTemplate.name"),
        (domain(spec=spec("Training")), "DRA832", "spec.channel.resourceClaimTemplate.name"),
        (
            domain(spec=spec("x\n  namespace: kube-system")),
            "DRA832",
            "spec.channel.resourceClaimTemplate.name",
        ),
        (domain(spec=spec("training\n")), "DRA832", "spec.channel.resourceClaimTemplate.name"),
        (domain(spec=spec("a" * 254)), "DRA832", "spec.channel.resourceClaimTemplate.name"),
        (domain(spec=spec("a..b")), "DRA832", "spec.channel.resourceClaimTemplate.name"),
        (domain(spec=spec(5)), "DRA013", "spec.channel.resourceClaimTemplate.name"),
        (domain(spec={"numNodes": 4, **spec()}), "DRA836", "spec.numNodes"),
        (domain(spec={"numNodes": -1, **spec()}), "DRA843", "spec.numNodes"),
        (domain(spec={"numNodes": "4", **spec()}), "DRA013", "spec.numNodes"),
        (domain(spec={"numNodes": 4.0, **spec()}), "DRA013", "spec.numNodes"),
        (domain(spec={"numNodes": 2**63, **spec()}), "DRA013", "spec.numNodes"),
        (domain(spec=spec(allocationMode="Many")), "DRA843", "spec.channel.allocationMode"),
        (domain(spec=spec(allocationMode="")), "DRA843", "spec.channel.allocationMode"),
        (domain(spec={"allocationMode": "All", **spec()}), "DRA010", "spec.allocationMode"),
        (domain(spec={**spec(), "NumNodes": 0}), "DRA012", "spec.NumNodes"),
        (domain(spec=spec(), status={"status": "ready"}), "DRA013", "status.status"),
        (
            domain(spec=spec(), status={"nodes": [{"name": "n", "ipAddress": "::1"}]}),
            "DRA014",
            "status.nodes[0].cliqueID",
        ),
        (domain(spec="all"), "DRA013", "spec"),
        (
            domain(spec=spec()) | {"apiVersion": "resource.nvidia.com/v1"},
            "DRA006",
            "apiVersion",
        ),
        (clique(name="something-else"), "DRA850", "metadata.name"),
        (clique(name=None), "DRA850", "metadata.name"),
        (clique(name=f"{UID}.{OTHER}"), "DRA850", f"metadata.labels[{CLIQUE_LABEL}]"),
        (
            clique(labels={DOMAIN_LABEL: UID}),
            "DRA850",
            f"metadata.labels[{CLIQUE_LABEL}]",
        ),
        (
            clique(labels={DOMAIN_LABEL: UID.upper(), CLIQUE_LABEL: CLIQUE}),
            "DRA850",
            f"metadata.labels[{DOMAIN_LABEL}]",
        ),
        (clique(member(0, cliqueID=OTHER)), "DRA851", "daemons[0].cliqueID"),
        (clique(member(0, cliqueID="")), "DRA851", "daemons[0].cliqueID"),
        (clique(member(18)), "DRA852", "daemons[0].index"),
        (clique(member(1, index=-1)), "DRA852", "daemons[0].index"),
        (clique(member(1, index=1.0)), "DRA013", "daemons[0].index"),
        (clique(member(1, index="1"), member(0)), "DRA013", "daemons[0].index"),
        (clique(member(3), member(4, index=3)), "DRA853", "daemons[1].index"),
        (clique(member(0), member(1, index=None)), "DRA853", "daemons[1].index"),
        (clique(member(0, ipAddress="node-1.cluster.local")), "DRA854", "daemons[0].ipAddress"),
        (clique(member(0, ipAddress="10.0.4.011")), "DRA854", "daemons[0].ipAddress"),
        (clique(member(0, ipAddress="fe80::1%eth0")), "DRA854", "daemons[0].ipAddress"),
        (clique(member(0, nodeName=None)), "DRA014", "daemons[0].nodeName"),
        (clique(member(0, status="ready")), "DRA013", "daemons[0].status"),
        (clique(member(0, node="x")), "DRA010", "daemons[0].node"),
        (clique(None), "DRA013", "daemons[0]"),
    ],
)
def test_one_mistake_gives_one_finding(tree: dict[str, Any], rule: str, field: str) -> None:
    violation = only(tree)
    assert (violation.rule, violation.field) == (rule, field)
    assert violation.severity is RULES[rule].severity
    assert "pydantic" not in violation.message


@pytest.mark.parametrize(
    "name", ["123", "1e3", "1.5", "0x1f", "0o17", "017", "true", "yes", "off", "n", "null", "0b1"]
)
def test_a_template_name_that_yaml_reads_as_something_else_is_a_warning(name: str) -> None:
    violation = only(domain(spec=spec(name)))
    assert violation.rule == "DRA833"
    assert f"'{name}'" in violation.message


@pytest.mark.parametrize("name", ["123a", "1.2.3", "truely", "2026-01-01", "08.x", "nil", "1e3e"])
def test_a_template_name_that_stays_a_text_is_fine(name: str) -> None:
    assert found(domain(spec=spec(name))) == []


def test_everything_is_reported_at_once() -> None:
    tree = clique(
        member(0, ipAddress="nowhere", cliqueID=OTHER, Status="Ready"),
        member(0, nodeName=None, index=40),
        member(2, index="2"),
        labels={DOMAIN_LABEL: "x", CLIQUE_LABEL: OTHER},
    )
    assert sorted(found({**tree, "spec": {}})) == [
        ("DRA010", "spec"),
        ("DRA012", "daemons[0].Status"),
        ("DRA013", "daemons[2].index"),
        ("DRA014", "daemons[1].nodeName"),
        ("DRA850", f"metadata.labels[{CLIQUE_LABEL}]"),
        ("DRA850", f"metadata.labels[{DOMAIN_LABEL}]"),
        ("DRA851", "daemons[0].cliqueID"),
        ("DRA852", "daemons[1].index"),
        ("DRA854", "daemons[0].ipAddress"),
    ]


def test_what_is_missing_is_shown_at_its_parent_and_what_is_wrong_at_its_value() -> None:
    assert only(domain()).target is Target.PARENT
    assert only(clique(member(0, ipAddress=None))).target is Target.PARENT
    assert only(clique(member(1, index=-1))).target is Target.VALUE


def test_the_sentences_name_the_value_and_what_to_write() -> None:
    assert only(clique(member(18))).message == (
        "18 is beyond the last place; write 0 to 17, since a clique has 18 places unless the "
        "installation sets another number"
    )
    named = only(clique(name="something-else"))
    assert named.suggestion == f"{UID}.{CLIQUE}"
    assert "'something-else'" in named.message
    assert only(domain(spec=spec("Training"))).suggestion == "training"
    assert only(domain(spec=spec(allocationMode="all"))).message == (
        "'all' is not an allocation mode of channels; write one of Single, All; the nearest is All"
    )


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"apiVersion": "v1", "kind": "ComputeDomain"},
        {"apiVersion": 1, "kind": "ComputeDomain"},
        {"apiVersion": "resource.nvidia.com/v1beta1", "kind": ["ComputeDomain"]},
        {"apiVersion": "resource.nvidia.com/v1beta1", "kind": "GpuConfig"},
        {"apiVersion": "example.com/v1beta1", "kind": "ComputeDomain"},
    ],
)
def test_other_objects_are_left_to_others(tree: dict[str, Any]) -> None:
    assert found(tree) == []


@pytest.mark.parametrize("tree", [domain(spec=spec()), clique()])
def test_an_object_is_never_legal_as_parameters(tree: dict[str, Any]) -> None:
    for driver in ("gpu.nvidia.com", "compute-domain.nvidia.com"):
        examined = examine(tree, driver=driver)
        assert [violation.rule for violation in examined.violations] == ["DRA009"]


NAMES = st.sampled_from(
    [
        *("metadata", "spec", "status", "daemons", "name", "labels", "channel", "numNodes", "x"),
        *("nodes", "resourceClaimTemplate", "allocationMode", "index", "ipAddress", "nodeName"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


@given(st.sampled_from(["ComputeDomain", "ComputeDomainClique"]), st.dictionaries(NAMES, VALUES))
def test_no_object_is_beyond_judgment(kind: str, fields: dict[str, Any]) -> None:
    tree = {**fields, "apiVersion": "resource.nvidia.com/v1beta1", "kind": kind}
    for violation in judge_object(tree):
        assert violation.rule in RULES
        assert violation.message
