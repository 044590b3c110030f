"""What is found in documents: which objects are ours, and where a finding points to."""

import pytest

from dra_config.catalogue import Severity
from dra_config.cli.findings import FileVerdict
from dra_config.cli.judge import Criteria, judge_file
from dra_config.cli.targets import Implementation, for_target
from dra_config.gates import FeatureGates
from dra_config.violations import Violation

HEAD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
CLAIM = """\
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: training}
spec:
  devices:
    config:
    - opaque:
        driver: gpu.nvidia.com
        parameters: {apiVersion: resource.nvidia.com/v1beta1, kind: GpuConfig, %s}
"""


def verdict(text: str, criteria: Criteria | None = None) -> FileVerdict:
    """Return what is found in *text*."""
    return judge_file("a", text.encode(), criteria or Criteria(gates=FeatureGates()))


def found(text: str) -> list[tuple[str, str, int, int]]:
    """Return rule, field, line and column of each finding in *text*."""
    return [(f.rule, f.field, f.line, f.column) for f in verdict(text).findings]


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, name: b}\n",
        "apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: {resourceClaims: []}}}\n",
        "apiVersion: nvidia.com/v1\nkind: ClusterPolicy\nspec: {}\n",
        "apiVersion: nvidia.com/v1alpha1\nkind: NVIDIADriver\n",
        "apiVersion: example.com/v1\nkind: ResourceClaim\nspec: {resourceClassName: a}\n",
        "apiVersion: resource.k8s.io/v1beta1\nkind: ResourceSlice\n",
        "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nspec: 7\n",
        "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nspec: {devices: {config: {}}}\n",
        "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nspec: {config: [1, {}]}\n",
        "kind: Config\n",
        "- a\n- b\n",
        "just text\n",
        "kind: [GpuConfig]\n",
        "",
    ],
)
def test_what_is_not_ours_passes_untouched(text: str) -> None:
    assert verdict(text).findings == ()
    assert verdict(text).configs == 0


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (HEAD, ""),
        ("apiVersion: resource.nvidia.com/v1beta1\nkind: gpuconfig\n", "DRA007"),
        ("apiVersion: resource.nvidia.com/v1beta1\nkind: Unheard\n", "DRA007"),
        ("apiVersion: resource.nvidia.com/v7\nkind: GpuConfig\n", "DRA006"),
        ("apiVersion: gpu.nvidia.com/v1alpha1\nkind: GpuConfig\n", "DRA015"),
        ("apiVersion: nvidia.com/v1beta1\nkind: GpuConfig\n", "DRA015"),
        ("apiVersion: gpu.resource.nvidia.com/v1alpha1\nkind: GpuConfiguration\n", "DRA015"),
        ("apiVersion: example.com/v1\nkind: VFIODeviceConfig\n", "DRA006"),
        ("kind: GpuConfig\n", "DRA004"),
        ("apiVersion: resource.nvidia.com/v1beta1\n", "DRA005"),
        ("apiversion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n", "DRA012"),
        (f"{HEAD}kind: GpuConfig\n", "DRA011"),
    ],
)
def test_a_config_on_its_own_is_known_by_its_group_or_its_kind(text: str, rule: str) -> None:
    found_rules = [finding[0] for finding in found(text)]
    assert rule in found_rules or not (rule or found_rules)
    assert verdict(text).configs == 1


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1beta2", "v1alpha3"])
@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("ResourceClaim", "{devices: {config: [%s]}}", "spec.devices.config[0]"),
        (
            "ResourceClaimTemplate",
            "{spec: {devices: {config: [%s]}}}",
            "spec.spec.devices.config[0]",
        ),
        ("DeviceClass", "{config: [%s]}", "spec.config[0]"),
    ],
)
def test_configs_are_found_in_every_version(
    version: str, kind: str, spec: str, field: str
) -> None:
    parameters = "{apiVersion: resource.nvidia.com/v1beta1, kind: GpuConfig, a: 1}"
    opaque = f"{{opaque: {{driver: gpu.nvidia.com, parameters: {parameters}}}}}"
    text = f"apiVersion: resource.k8s.io/{version}\nkind: {kind}\nspec: {spec % opaque}\n"
    fields = [finding[1] for finding in found(text) if finding[0] == "DRA010"]
    assert fields == [f"{field}.opaque.parameters.a"]
    assert verdict(text).configs == 1


def test_items_of_a_list_are_judged_with_their_paths() -> None:
    item = "\n".join(f"  {line}" for line in (CLAIM % "a: 1").splitlines())
    text = f"apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n-{item[1:]}\n"
    field = "items[1].spec.devices.config[0].opaque.parameters.a"
    assert found(text) == [("DRA010", field, 13, 82)]


def test_items_of_a_typed_list_are_what_the_list_says() -> None:
    text = """\
apiVersion: resource.k8s.io/v1beta1
kind: ResourceClaimList
items:
- metadata: {name: a}
  spec: {devices: {config: [{opaque: {driver: gpu.nvidia.com}}]}}
"""
    (outer, inner) = verdict(text).findings
    assert (outer.rule, outer.field) == ("DRA902", "items[0].apiVersion")
    assert (inner.rule, inner.field) == (
        "DRA002",
        "items[0].spec.devices.config[0].opaque.parameters",
    )
    assert inner.subject.kind == "ResourceClaim"
    assert inner.subject.name == "a"


def test_a_key_twice_in_an_item_is_told_once_and_only_in_ours() -> None:
    text = """\
kind: List
items:
- {kind: Pod, metadata: {name: a, name: b}}
- {kind: DeviceClass, apiVersion: resource.k8s.io/v1, metadata: {name: a, name: b}}
"""
    assert found(text) == [("DRA927", "items[1].metadata.name", 4, 75)]


def test_of_two_equal_keys_the_last_counts() -> None:
    text = (CLAIM % "a: 1") + "spec: {devices: {}}\n"
    assert [finding[0] for finding in found(text)] == ["DRA927"]
    assert verdict(text).configs == 0


def test_a_driver_that_is_almost_ours_is_not_called_foreign() -> None:
    text = (CLAIM % "a: 1").replace("gpu.nvidia.com", "GPU.nvidia.com")
    assert [finding[0] for finding in found(text)] == ["DRA920"]


def test_lists_inside_lists_are_unfolded() -> None:
    text = "kind: List\nitems: [{kind: List, items: [{kind: GpuConfig}]}]\n"
    assert found(text) == [("DRA004", "items[0].items[0].apiVersion", 2, 30)]


def test_all_documents_of_a_file_are_judged_and_a_broken_one_hides_none() -> None:
    text = f"a: [\n---\n{HEAD}b: 1\n---\nx: {{{{ y }}}}\n---\n{HEAD}c: 1\n"
    assert [finding[0] for finding in found(text)] == ["DRA940", "DRA010", "DRA941", "DRA010"]
    assert verdict(text).documents == 4


def test_a_value_behind_an_alias_is_shown_where_the_alias_stands() -> None:
    text = f"x-shared: &shared {{strategy: mps}}\n{HEAD}sharing: *shared\n"
    rules = {rule: (line, column) for rule, _, line, column in found(text)}
    assert rules["DRA101"] == (1, 30)


def test_a_key_twice_is_shown_at_its_second_place() -> None:
    parameters = "sharing: {strategy: MPS, strategy: MPS}"
    rule, field, line, column = found(CLAIM % parameters)[0]
    assert (rule, field) == (
        "DRA011",
        "spec.devices.config[0].opaque.parameters.sharing.strategy",
    )
    assert (CLAIM % parameters).splitlines()[line - 1][column - 1 :].startswith("strategy: MPS}")


def test_a_key_twice_inside_parameters_of_another_driver_is_not_ours() -> None:
    other = (CLAIM % "a: 1, a: 2").replace("gpu.nvidia.com", "gpu.example.com")
    assert [finding[0] for finding in found(other)] == ["DRA944"]


def test_yaml_is_judged_as_the_json_that_kubectl_sends() -> None:
    mps = "sharing: {strategy: MPS, mpsConfig: {defaultActiveThreadPercentage: %s}}"
    gates = Criteria(gates=FeatureGates.parse("MPSSupport=true"))
    for text, rules in (("5e1", []), ("0o17", []), ("50.0", []), ("12:30:00", ["DRA013"])):
        findings = verdict(CLAIM % (mps % text), gates).findings
        assert [finding.rule for finding in findings] == rules, text


def test_a_config_with_an_action_in_quotes_is_a_template() -> None:
    text = CLAIM % 'sharing: {strategy: "{{ .Values.strategy }}"}'
    (finding,) = verdict(text).findings
    assert (finding.rule, finding.severity) == ("DRA941", Severity.NOTE)
    assert verdict(text).configs == 0
    bare = f'{HEAD}"{{{{ .Values.key }}}}": 1\n'
    assert [finding[0] for finding in found(bare)] == ["DRA941"]


def test_an_inline_config_of_a_classic_claim_is_judged_in_its_place() -> None:
    text = """\
apiVersion: resource.k8s.io/v1alpha2
kind: ResourceClaim
spec:
  parameters: {apiVersion: nvidia.com/v1beta1, kind: GpuConfig, sharing: {strategy: mps}}
"""
    assert [finding[:2] for finding in found(text)] == [
        ("DRA901", "apiVersion"),
        ("DRA101", "spec.parameters.sharing.strategy"),
    ]


def test_a_classic_claim_finds_its_parameters_in_another_document() -> None:
    text = """\
apiVersion: resource.k8s.io/v1alpha2
kind: ResourceClaim
spec:
  parametersRef: {kind: GpuClaimParameters, name: given}
---
apiVersion: gpu.resource.nvidia.com/v1alpha1
kind: GpuClaimParameters
metadata: {name: given}
spec: {count: 7}
"""
    first, *_ = verdict(text).findings
    assert "count: 7" in first.suggestion


def test_unknown_gates_make_notes_and_known_ones_errors() -> None:
    text = CLAIM % "sharing: {strategy: MPS}"
    assert [f.severity for f in verdict(text, Criteria()).findings] == [Severity.NOTE]
    assert [f.severity for f in verdict(text).findings] == [Severity.ERROR]


@pytest.mark.parametrize("rule", ["DRA203", "DRA814"])
def test_a_rule_of_the_other_implementation_is_a_note(rule: str) -> None:
    violation = Violation(rule, Severity.ERROR, ("spec",), "a sentence")
    assert for_target(violation, Implementation.REFERENCE) is violation
    weaker = for_target(violation, Implementation.OURS)
    assert weaker.severity is Severity.NOTE
    assert weaker.message == "a sentence (holds for dra-driver-nvidia-gpu)"
    everywhere = violation._replace(rule="DRA101")
    assert for_target(everywhere, Implementation.OURS) is everywhere


def test_bytes_that_are_no_text_are_a_finding() -> None:
    (finding,) = judge_file("a", b"a: \xff\n", Criteria()).findings
    assert (finding.rule, finding.line, finding.column) == ("DRA940", 1, 4)
