"""A file in which nothing is wrong is told at a glance, and the glance never hides a finding."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dra_config import scheme
from dra_config.carriers import CONFIG_LISTS
from dra_config.cli import judge
from dra_config.cli.criteria import Criteria
from dra_config.cli.findings import FileVerdict
from dra_config.cli.glance import judge_file
from dra_config.cli.judge import judge_whole_file
from dra_config.gates import FeatureGates
from dra_config.manifests import MAX_DEPTH, Format
from dra_config.v1beta1 import API_VERSION, from_hub
from tests.dra_config.strategies import (
    GATES,
    Tree,
    any_json,
    driver_of,
    hub_configs,
    spoiled,
    wire_configs,
)

thoroughly = settings(max_examples=3 * settings().max_examples)
criteria = st.builds(
    Criteria,
    gates=st.sampled_from([None, FeatureGates(), GATES]),
    drivers=st.sampled_from([frozenset(scheme.DRIVERS), frozenset({scheme.GPU_DRIVER})]),
)
GPU: Tree = {"apiVersion": API_VERSION, "kind": "GpuConfig"}
MPS: Tree = {**GPU, "sharing": {"strategy": "MPS", "mpsConfig": {}}}
OURS = Criteria(gates=GATES)


def claim(
    *configs: Any, kind: str = "ResourceClaim", version: str = "resource.k8s.io/v1", **more: Any
) -> Tree:
    entries = [
        {"opaque": {"driver": driver_of(config.get("kind")), "parameters": config}}
        if isinstance(config, dict)
        else config
        for config in configs
    ]
    content: Any = entries
    for key in reversed(CONFIG_LISTS[kind]):
        content = {key: content}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, **content, **more}


def texts(*trees: Any) -> list[tuple[bytes, Format | None]]:
    """Return the same documents in every form that a file can have."""
    block = yaml.safe_dump_all(trees, default_flow_style=False, sort_keys=False)
    written: list[tuple[bytes, Format | None]] = [(block.encode(), "yaml"), (block.encode(), None)]
    for tree in trees:
        line = json.dumps(tree).encode()
        written += [(line, "json"), (line, "jsonl"), (line, None), (line, "yaml")]
    return written


def agree(text: bytes, held_against: Criteria, syntax: Format | None) -> FileVerdict:
    """Hold that a glance says nothing that reading does not say, and return what is said."""
    verdict = judge_file("a", text, held_against, syntax)
    assert verdict == judge_whole_file("a", text, held_against, syntax)
    return verdict


objects = st.builds(
    claim,
    wire_configs | spoiled() | any_json,
    kind=st.sampled_from(sorted(CONFIG_LISTS)),
    version=st.sampled_from(
        ["resource.k8s.io/v1", "resource.k8s.io/v1beta1", "resource.k8s.io/v2", "apps/v1"]
    ),
)


@thoroughly
@given(st.lists(objects | any_json, min_size=1, max_size=2), criteria)
def test_a_glance_never_changes_a_verdict(trees: list[Any], held_against: Criteria) -> None:
    for text, syntax in texts(*trees):
        agree(text, held_against, syntax)


@given(st.lists(hub_configs, max_size=2), criteria, st.booleans())
def test_a_list_is_judged_as_its_items_are(
    configs: list[Any],
    held_against: Criteria,
    bare: bool,  # noqa: FBT001 - drawn
) -> None:
    trees = [json.loads(from_hub(config).model_dump_json()) for config in configs]
    items = [claim(*trees), claim(kind="DeviceClass")]
    if bare:
        items = [{k: v for k, v in items[0].items() if k not in {"apiVersion", "kind"}}]
    kind = "ResourceClaimList" if bare else "List"
    for text, syntax in texts({"apiVersion": "resource.k8s.io/v1", "kind": kind, "items": items}):
        agree(text, held_against, syntax)


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reading fail, so that whatever is told is told at a glance."""
    monkeypatch.setattr(judge, "judge_whole_file", None)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize("kind", sorted(CONFIG_LISTS))
def test_sound_objects_are_told_at_a_glance(kind: str) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}}
    for text, syntax in texts(claim(MPS, GPU, kind=kind)):
        if syntax != "jsonl":
            assert judge_file("a", text, OURS, syntax) == FileVerdict("a", 1, 2, ())
    text = yaml.safe_dump_all([service, claim(MPS, kind=kind)], default_flow_style=False).encode()
    assert judge_file("a", text, OURS, "yaml") == FileVerdict("a", 2, 1, ())


@pytest.mark.usefixtures("unread")
def test_a_list_of_sound_objects_is_told_at_a_glance() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [claim(MPS), claim(MPS)]}
    assert judge_file("a", json.dumps(listed).encode(), OURS, "json").configs == len("ab")


ODD: dict[str, Any] = {
    "a config for an unknown gate": claim({**GPU, "sharing": {"strategy": "MPS"}}),
    "a config of nobody's driver": claim({"opaque": {"driver": "gpu.example.com"}}),
    "a config without parameters": claim({"opaque": {"driver": scheme.GPU_DRIVER}}),
    "a config that is odd": claim({**GPU, "sharing": {"strategy": "mps"}}),
    "a version that ends": claim(MPS, version="resource.k8s.io/v1beta1"),
    "a header in the wrong case": {"APIVersion": API_VERSION, "kind": "GpuConfig", "x": 1},
    "a config on its own": {**GPU, "x": 1},
    "a classic claim": claim(spec={"resourceClassName": "gpu.nvidia.com"}),
    "a domain": {"apiVersion": API_VERSION, "kind": "ComputeDomain", "spec": {}},
}


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_is_read(what: str) -> None:
    for text, syntax in texts(ODD[what]):
        assert agree(text, Criteria(gates=FeatureGates()), syntax).findings


@pytest.mark.parametrize(
    "text",
    [
        b'{"kind": "Pod", "kind": "Pod"}',
        json.dumps(claim(MPS)).replace('"kind"', '"kind": 1, "kind"').encode(),
        json.dumps(claim(MPS)).replace('"MPS"', '"\\u004dPS"').encode(),
        b'{"kind": "Pod", "a": NaN}',
        b'{"kind": "Pod"} {"kind": "Pod"}',
        b"[]",
        b'"\\ud800"',
        b'{"kind": "Pod", "a": "' + b"\xff" + b'"}',
        b"\xef\xbb\xbf" + json.dumps(claim(MPS)).encode(),
        b"\xc2\xa0" + json.dumps(claim(MPS)).encode(),
        b'{"kind": "Pod", "a": ' + b"9" * 5_000 + b"}",
        *(
            b'{"kind": "Pod", "a": ' + b"[" * depth + b"]" * depth + b"}"
            for depth in (MAX_DEPTH - 2, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 5_000)
        ),
    ],
)
def test_any_json_is_judged_as_reading_judges_it(text: bytes) -> None:
    for syntax in ("json", "jsonl", "yaml", None):
        agree(text, OURS, syntax)


def test_a_comment_to_us_is_read() -> None:
    text = yaml.safe_dump(claim(MPS)) + "# dra-config: ignore[DRA101] no reason\n"
    assert agree(text.encode(), OURS, "yaml").configs == 1
