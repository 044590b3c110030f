"""What convert and fix promise, held against manifests that hypothesis writes in every style."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_config.cli.fix import plan_repairs
from dra_config.cli.judge import Criteria, judge_file
from dra_config.cli.objects import configs_of, unfold
from dra_config.cli.offers import with_edits
from dra_config.cli.rewriting.conversion import DEPRECATIONS, plan_conversion
from dra_config.cli.rewriting.documents import Rewritten, rewrite
from dra_config.cli.rewriting.source_text import Edit, SourceText
from dra_config.loading import examine
from dra_config.manifests import Document, read, to_json

ROOT = Path(__file__).resolve().parents[2]
V1BETA1 = "resource.nvidia.com/v1beta1"
UID = "0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376"

# ------------------------------------------------------------- what the manifests say

_sharings = st.sampled_from(
    [
        {"strategy": "MPS"},
        {"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "Long"}},
        {"strategy": "MPS", "mpsConfig": {"defaultPinnedDeviceMemoryLimit": "1536Ki"}},
        {"strategy": "TimeSlicing", "mpsConfig": {}},
        {"strategy": "MPS", "mpsConfig": {"multiUser": True}},
    ]
)
_fabrics = st.sampled_from(
    [
        {"strategy": "Manual", "partitionIds": ["a", "b"]},
        {"partitionIds": ["a"]},
        {"partitionIds": None, "partitionIDs": ["a"], "strategy": "Manual"},
        {"strategy": "Disabled"},
    ]
)


def _config(version: str, kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    header = {"apiVersion": st.just(version), "kind": st.just(kind)}
    return st.fixed_dictionaries(header, optional=fields)


_configs = st.one_of(
    _config("gpu.nvidia.com/v1alpha1", "GpuConfig", sharing=_sharings),
    _config("gpu.nvidia.com/v1alpha1", "MigDeviceConfig", sharing=_sharings),
    _config(
        "gpu.resource.nvidia.com/v1alpha1",
        "GpuConfiguration",
        sharing=_sharings | st.lists(_sharings, max_size=2),
    ),
    _config("nvidia.com/v1beta1", "GpuConfig", sharing=_sharings, fabricTopologyConfig=_fabrics),
    _config(V1BETA1, "GpuConfig", sharing=_sharings, fabricTopologyConfig=_fabrics),
    _config(V1BETA1, "FabricTopologyConfig", partitionIds=st.just(["x"])),
)
_wrong_configs = st.one_of(
    _config(
        V1BETA1,
        "GpuConfig",
        Sharing=st.sampled_from([{"Strategy": "mps"}, {"mpsConfig": {}}, {"strategy": "fair"}]),
        FabricTopologyConfig=_fabrics,
    ),
    _config(
        V1BETA1,
        "GpuConfig",
        sharing=st.sampled_from(
            [
                {"strategy": "timeslicing", "timeSlicingConfig": {"Interval": "LONG"}},
                {"timeSlicingConfig": {"interval": "Short"}},
                {"timeSlicingConfig": {}, "mpsConfig": {}},
                {"strategy": "MPS", "mpsConfig": {"defaultPinnedDeviceMemoryLimit": "8gib"}},
                {
                    "strategy": "mps",
                    "mpsConfig": {"defaultPerDevicePinnedMemoryLimit": {"0": "1 GB", "1": "8g"}},
                },
            ]
        ),
        unknown=st.just(1),
    ),
    _config(
        V1BETA1,
        "ComputeDomainChannelConfig",
        domainID=st.sampled_from([UID, UID.upper(), "no"]),
        allocationMode=st.sampled_from(["all", "Single", "none"]),
    ),
    _config(V1BETA1, "VfioDeviceConfig", iommu=st.just({"backendPolicy": "legacyonly"})),
    _configs,
)
_details = st.fixed_dictionaries(
    {"deviceClassName": st.just("gpu.nvidia.com")},
    optional={
        "count": st.integers(1, 8),
        "selectors": st.just([{"cel": {"expression": "a == b\n\n&& c # no comment"}}]),
        "adminAccess": st.booleans(),
    },
)
_requests = st.builds(lambda details: {"name": "gpus", **details}, _details) | st.just(
    {"name": "either", "firstAvailable": [{"name": "x", "deviceClassName": "c"}]}
)
_drivers = st.sampled_from(["gpu.nvidia.com", "gpu.nvidia.com", "GPU.nvidia.com", "other.example"])


def _opaque(configs: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda driver, parameters: {"opaque": {"driver": driver, "parameters": parameters}},
        _drivers,
        configs,
    )


def _claims(configs: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    devices = st.fixed_dictionaries(
        {"requests": st.lists(_requests, min_size=1, max_size=3)},
        optional={"config": st.lists(_opaque(configs), min_size=1, max_size=2)},
    )
    versions = st.sampled_from(["v1", "v1beta1", "v1beta2", "v1alpha2"])
    return st.builds(
        lambda version, spec, templated: {
            "apiVersion": f"resource.k8s.io/{version}",
            "kind": "ResourceClaimTemplate" if templated else "ResourceClaim",
            "metadata": {"name": "claim", "labels": {"on": "off"}},
            "spec": {"spec": {"devices": spec}} if templated else {"devices": spec},
        },
        versions,
        devices,
        st.booleans(),
    )


_others = st.just({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1}})

# -------------------------------------------------------------- how they are written


class _Writer:
    """Writes YAML by hand: each text in its quotes, each object in its style, comments between."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self.comments = 0

    def comment(self) -> str:
        if self._draw(st.integers(0, 4)):
            return ""
        self.comments += 1
        return f"  # remark {self.comments} here"

    def text(self, value: object) -> str:
        if not isinstance(value, str):
            return json.dumps(value)
        if "\n" in value or self._draw(st.booleans()):
            return json.dumps(value)
        if value in ("on", "off") or value[:1].isdigit() or self._draw(st.booleans()):
            return f"'{value}'"
        return value

    def inline(self, value: object) -> str:
        if isinstance(value, dict):
            members = cast("dict[str, object]", value).items()
            written = (f"{self.text(key)}: {self.inline(member)}" for key, member in members)
            return "{" + ", ".join(written) + "}"
        if isinstance(value, list):
            return f"[{', '.join(map(self.inline, cast('list[object]', value)))}]"
        return self.text(value)

    def block(self, value: object, step: int, first: bool = False) -> list[str]:  # noqa: FBT001, FBT002
        """Return the lines of an object or a list; the first one without a comment above."""
        lines: list[str] = []
        if isinstance(value, list):
            for item in cast("list[object]", value):
                inner = self._value(item, step)
                lines.append(f"- {inner[0]}")
                lines += [f"  {line}" if line else line for line in inner[1:]]
            return lines
        for number, (key, member) in enumerate(cast("dict[str, object]", value).items()):
            if number or not first:
                remark = self.comment()
                lines += [remark.strip()] if remark else []
            name = self.text(key)
            if isinstance(member, str) and "\n" in member and self._draw(st.booleans()):
                lines.append(f"{name}: |-{self.comment()}")
                lines += [" " * step + line if line else line for line in member.split("\n")]
            elif isinstance(member, dict | list) and member and self._draw(st.integers(0, 3)):
                lines.append(f"{name}:{self.comment()}")
                indent = 0 if isinstance(member, list) and self._draw(st.booleans()) else step
                inner = self.block(member, step)
                lines += [" " * indent + line if line else line for line in inner]
            else:
                lines.append(f"{name}: {self.inline(member)}{self.comment()}")
        return lines

    def _value(self, item: object, step: int) -> list[str]:
        if isinstance(item, dict) and item and self._draw(st.integers(0, 3)):
            return self.block(item, step, first=True)
        return [f"{self.inline(item)}{self.comment()}"]


@st.composite
def _files(draw: st.DrawFn, configs: st.SearchStrategy[Any]) -> tuple[bytes, int]:
    """Draw a file and how many comments it has."""
    documents = draw(st.lists(_claims(configs) | configs | _others, min_size=1, max_size=3))
    writer = _Writer(draw)
    step = draw(st.sampled_from([2, 4]))
    if draw(st.integers(0, 4)) == 0:
        indent = draw(st.sampled_from([None, 2, "\t"]))
        return json.dumps(documents[0], indent=indent).encode(), 0
    parts = ["\n".join(writer.block(document, step)) for document in documents]
    text = "\n---\n".join(parts) + draw(st.sampled_from(["", "\n", "\n\n"]))
    text = draw(st.sampled_from(["", "\ufeff"])) + text
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))).encode(), writer.comments


# ---------------------------------------------------------------------- the promises


def _convert(text: bytes) -> Rewritten:
    return rewrite(text, None, plan_conversion)


def _fix(text: bytes) -> Rewritten:
    return rewrite(text, None, plan_repairs)


def _rules(text: bytes) -> Counter[tuple[str, str]]:
    verdict = judge_file("a.yaml", text, Criteria())
    return Counter((finding.rule, str(finding.severity)) for finding in verdict.findings)


def _settled(text: bytes) -> dict[object, object]:
    """Return the settled configs of the drivers that we know, by their place."""
    settled: dict[object, object] = {}
    for document in read(text):
        assert isinstance(document, Document)
        for found in unfold(document.root):
            for config in configs_of(found):
                if config.driver == "gpu.nvidia.com" and config.parameters is not None:
                    raw = to_json(config.parameters)
                    examined = examine(raw, driver=config.driver).config
                    settled[document.index, found.path, config.path] = examined
            if found.is_bare_config:
                settled[document.index, found.path] = examine(to_json(found.node)).config
    return settled


@given(_files(_configs))
def test_converting_twice_is_converting_once(case: tuple[bytes, int]) -> None:
    once = _convert(case[0])
    twice = _convert(once.after)
    assert twice.after == once.after
    assert [r.reason for r in twice.refusals] == [r.reason for r in once.refusals]


@given(_files(_configs))
def test_the_verdict_of_what_is_converted_lacks_the_deprecations_only(
    case: tuple[bytes, int],
) -> None:
    converted = _convert(case[0])
    before, after = _rules(case[0]), _rules(converted.after)
    lost = before - after
    assert not after - before
    assert {rule for rule, _ in lost} <= DEPRECATIONS
    if not converted.refusals:
        assert not {rule for rule, _ in after} & DEPRECATIONS


@given(_files(_configs))
def test_what_is_converted_means_the_same(case: tuple[bytes, int]) -> None:
    assert _settled(_convert(case[0]).after) == _settled(case[0])


def _squeezed(text: bytes) -> str:
    """Return what is left of a file once everything that converting may change is taken out."""
    old = r"gpu\.resource\.nvidia\.com/v1alpha1|gpu\.nvidia\.com/v1alpha1|nvidia\.com/v1beta1"
    rest = re.sub(rf"\bresource\.{old.rpartition('|')[2]}|{old}", "V", text.decode())
    rest = re.sub(r"resource\.k8s\.io/v1(beta[12])?", "K", rest).replace("Configuration", "Config")
    rest = rest.replace("partitionIds", "partitionIDs").replace('"exactly"', "exactly")
    return re.sub(r"exactly *:|[ \n\r\t\[\]{},-]", "", rest)


@given(_files(_configs))
def test_converting_changes_nothing_but_the_old_parts(case: tuple[bytes, int]) -> None:
    converted = _convert(case[0])
    assert _squeezed(converted.after) == _squeezed(case[0])
    for text in (b"\r\n", b"\xef\xbb\xbf", b"Deployment"):
        assert (text in converted.after) == (text in case[0])
    assert converted.after.endswith(b"\n") == case[0].endswith(b"\n")


@given(_files(_wrong_configs))
def test_every_comment_survives(case: tuple[bytes, int]) -> None:
    text, comments = case
    for rewritten in (_convert(text), _fix(text)):
        found = re.findall(r"# remark (\d+) here\r?$", rewritten.after.decode(), re.MULTILINE)
        assert sorted(map(int, found)) == list(range(1, comments + 1))


@given(_files(_wrong_configs))
def test_a_repaired_file_has_fewer_errors_and_breaks_no_other_rule(
    case: tuple[bytes, int],
) -> None:
    fixed = _fix(case[0])
    before = judge_file("a.yaml", case[0], Criteria()).findings
    after = judge_file("a.yaml", fixed.after, Criteria()).findings
    errors, left = ([f.rule for f in fs if f.severity == "error"] for fs in (before, after))
    assert set(left) <= set(errors)
    promised = {f.rule for f in before if f.fixable}
    assert fixed.changed == bool(promised)
    if {f.rule for f in before if f.fixable and f.severity == "error"}:
        assert len(left) < len(errors)
    assert len(left) <= len(errors)
    assert not any(finding.fixable for finding in after)


@given(_files(_wrong_configs))
def test_the_edits_of_each_finding_repair_it_alone(case: tuple[bytes, int]) -> None:
    text = case[0]
    before = judge_file("a.yaml", text, Criteria())
    findings = with_edits(before, text, Criteria(), None).findings
    source = SourceText(text)
    errors = Counter(f.rule for f in findings if f.severity == "error")
    together: set[Edit] = set()
    for finding in findings:
        assert bool(finding.edits) == finding.fixable
        if not finding.edits:
            continue
        edits = [
            Edit(source.offset(e.line, e.column), source.offset(e.end_line, e.end_column), e.text)
            for e in finding.edits
        ]
        together.update(edits)
        after = judge_file("a.yaml", source.edited(edits), Criteria()).findings
        left = Counter(f.rule for f in after if f.severity == "error")
        assert left <= errors
        assert (
            Counter(f.rule for f in after)[finding.rule]
            < Counter(f.rule for f in findings)[finding.rule]
        )
    assert source.edited(together) == _fix(text).after


@given(_files(_wrong_configs))
def test_a_repair_leaves_every_accepted_config_its_meaning(case: tuple[bytes, int]) -> None:
    after = _settled(_fix(case[0]).after)
    accepted = {place: config for place, config in _settled(case[0]).items() if config is not None}
    assert {place: after[place] for place in accepted} == accepted


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_input_breaks_either(text: bytes) -> None:
    for rewritten in (_convert(text), _fix(text)):
        assert not rewritten.changed


@pytest.mark.parametrize("folder", ["../shared/corpus/manifests", "tests/corpus"])
def test_public_manifests_are_converted_and_repaired_as_promised(folder: str) -> None:
    paths = [
        path
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".yaml", ".yml", ".json"} and ".expect" not in path.name
    ]
    if not paths:
        pytest.skip("the corpus of real manifests is not here")
    for path in paths:
        text = path.read_bytes()
        converted = _convert(text)
        assert _convert(converted.after).after == converted.after, path
        lost = _rules(text) - _rules(converted.after)
        assert {rule for rule, _ in lost} <= DEPRECATIONS, path
        assert not _rules(converted.after) - _rules(text), path
        fixed = _fix(text)
        before = judge_file("a.yaml", text, Criteria()).findings
        assert fixed.changed == any(finding.fixable for finding in before), path
