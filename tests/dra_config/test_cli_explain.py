"""The commands that explain: every kind, field, rule and gate is told, and from one list."""

import json
from typing import Any

import pytest
import yaml

from dra_config import scheme
from dra_config.catalogue import RULES
from dra_config.catalogue.rule import Severity
from dra_config.cli import main
from dra_config.cli.explaining.examples import example_of
from dra_config.cli.explaining.gates import needed_gates
from dra_config.cli.explaining.subjects import find_field, find_kind
from dra_config.gates import SPECS, FeatureGate, FeatureGates
from dra_config.loading import examine
from dra_config.schema import Field, Kind, documents, kinds, walk
from tools.generate import DOCUMENTS

Capture = pytest.CaptureFixture[str]
ALL_ON = FeatureGates(
    frozenset(
        {
            FeatureGate.TIME_SLICING_SETTINGS,
            FeatureGate.MPS_SUPPORT,
            FeatureGate.PASSTHROUGH_SUPPORT,
            FeatureGate.FABRIC_TOPOLOGY_SUPPORT,
        }
    )
)
FIELDS = [(kind, field) for kind in kinds() for field in walk(kind.fields)]
CONFIG_FIELDS = [
    (kind, field) for kind, field in FIELDS if (kind.api_version, kind.kind) in scheme.MODELS
]


def told(capsys: Capture, *words: str) -> str:
    assert main([*words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def refused(capsys: Capture, *words: str) -> str:
    assert main([*words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


def identity(value: object) -> str:
    if isinstance(value, Kind):
        return f"{value.api_version}:{value.kind}"
    return value.path if isinstance(value, Field) else f"{value}"


def test_a_field_is_told_with_all_that_is_known_of_it(capsys: Capture) -> None:
    page = told(capsys, "explain", "FabricTopologyConfig.strategy")
    assert "FIELD:       strategy <text>\n" in page
    assert "DEFAULT:     Auto\n" in page
    assert "  Auto      needs feature gate FabricTopologySupport\n" in page
    assert "  Disabled\n" in page
    assert "EXAMPLE:\n  strategy: Auto\n" in page
    page = told(capsys, "explain", "FabricTopologyConfig.minBandwidth")
    assert "UNIT:        GB/s\n" in page
    assert "<number, at least 0>" in page


def test_a_kind_is_told_with_its_fields_its_driver_and_its_gates(capsys: Capture) -> None:
    page = told(capsys, "explain", "gpuconfig")
    assert page.startswith("KIND:        GpuConfig\nAPI VERSION: resource.nvidia.com/v1beta1\n")
    assert "DRIVER:      gpu.nvidia.com\n" in page
    assert "  MPSSupport             for sharing.strategy MPS\n" in page
    assert "  sharing <object>\n    How the GPU is shared" in page
    assert "multiUser" not in page


def test_recursive_names_the_fields_at_any_depth(capsys: Capture) -> None:
    page = told(capsys, "explain", "--recursive", "GpuConfig")
    names = {line.split()[0] for line in page.partition("FIELDS:\n")[2].splitlines()}
    assert names == {field.name for field in walk(find_kind("GpuConfig", None).fields)}


def test_a_list_of_objects_is_entered_with_and_without_an_index(capsys: Capture) -> None:
    pages = {
        told(capsys, "explain", f"ComputeDomainClique.daemons{index}.index")
        for index in ("", "[]", "[0]")
    }
    assert len(pages) == 1
    assert "FIELD:       daemons[].index" in pages.pop()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["GpuConfg"], "there is no kind 'GpuConfg'; did you mean GpuConfig?"),
        (["Deployment"], "there is no kind 'Deployment'; there are GpuConfig, MigDeviceConfig,"),
        (
            ["GpuConfig.Sharing"],
            "GpuConfig has no field 'Sharing'; did you mean GpuConfig.sharing?",
        ),
        (["GpuConfig.stratgy"], "; did you mean GpuConfig.sharing.strategy?"),
        (["GpuConfig.sharing.zzz"], "; there are strategy, timeSlicingConfig, mpsConfig"),
        (["GpuConfig.kind.zzz"], "GpuConfig.kind has no field 'zzz'; it holds no fields"),
        (["GpuConfig", "--api-version", "v1"], "there is no apiVersion 'v1'; there are "),
        (["VfioDeviceConfig", "--api-version", "nvidia.com/v1beta1"], "; there are GpuConfig"),
        (["MigDeviceConfig.profile"], "a MIG profile is chosen by a selector of the request"),
        (["MigDeviceConfig.sharing.timeSlicingConfig"], "so a MIG device has no timeSlicing"),
        (["strategy"], "there is no kind 'strategy'; did you mean GpuConfig.sharing.strategy?"),
        (["MPSSupport"], "it is a feature gate, and dra-config gates lists them"),
        (["x" * 5000], "there is no kind '" + "x" * 58 + "\u2026; there are GpuConfig"),
        (["GpuConfig", "sharing"], "'sharing' is one word too many"),
        (["DRA1100"], "there is no rule DRA1100; did you mean DRA110?"),
        ([], "name a kind, a field such as GpuConfig.sharing, or a rule"),
        (["GpuConfig", "--output", "yaml"], "'yaml' is none of text, json"),
    ],
)
def test_an_unknown_word_is_answered_with_the_nearest_right_one(
    words: list[str], sentence: str, capsys: Capture
) -> None:
    assert sentence in refused(capsys, "explain", *words)


@pytest.mark.parametrize("kind", kinds(), ids=identity)
def test_every_kind_of_every_version_is_told_in_both_forms(kind: Kind, capsys: Capture) -> None:
    words = ["explain", kind.kind, "--api-version", kind.api_version]
    page = told(capsys, *words)
    tree = json.loads(told(capsys, *words, "--output", "json"))
    assert kind.description.split(".")[0][:40] in page
    assert (tree["apiVersion"], tree["kind"]) == (kind.api_version, kind.kind)
    assert [field["name"] for field in tree["fields"]] == [field.name for field in kind.fields]
    assert "fields" not in tree["fields"][-1]
    whole = json.loads(told(capsys, *words, "--output", "json", "--recursive"))
    assert [*json_paths(whole)] == [field.path for field in walk(kind.fields)]


def json_paths(tree: dict[str, Any]) -> list[str]:
    return [p for field in tree["fields"] for p in (field["path"], *json_paths(field))]


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=identity)
def test_every_field_is_told_by_its_path(kind: Kind, field: Field, capsys: Capture) -> None:
    words = ["explain", f"{kind.kind}.{field.path}", "--api-version", kind.api_version]
    page = " ".join(told(capsys, *words).split())
    assert " ".join(field.description.split()) in page
    assert (json.loads(told(capsys, *words, "--output", "json")))["path"] == field.path


@pytest.mark.parametrize(("kind", "field"), CONFIG_FIELDS, ids=identity)
def test_every_field_of_a_config_has_a_sound_example(kind: Kind, field: Field) -> None:
    names = field.path.split(".")
    example = example_of(kind, find_field(kind, names))
    if field.deprecated:
        assert example is None
        return
    node: Any = example
    for name in names:
        node = node[name]
    header = {"apiVersion": kind.api_version, "kind": kind.kind}
    found = examine({**header, **(example or {})}, driver=driver_of(kind), gates=ALL_ON)
    assert [v for v in found.violations if v.severity is Severity.ERROR] == []


def driver_of(kind: Kind) -> str:
    return next(name for name, driver in scheme.DRIVERS.items() if kind.kind in driver.kinds)


DEFAULTS = [(kind, field) for kind, field in CONFIG_FIELDS if field.default is not None]


@pytest.mark.parametrize(("kind", "field"), DEFAULTS, ids=identity)
def test_a_default_is_what_the_models_settle_on_without_the_field(
    kind: Kind, field: Field
) -> None:
    around = whole_example(kind, field)
    without, given = json.loads(json.dumps(around)), json.loads(json.dumps(around))
    *above, name = field.path.split(".")
    for tree, value in ((without, None), (given, field.default)):
        node = tree
        for part in above:
            node = node[part]
        node[name] = value
    settled = [
        examine(tree, driver=driver_of(kind), gates=ALL_ON).config for tree in (without, given)
    ]
    assert settled[0] is not None
    assert settled[0] == settled[1]


def whole_example(kind: Kind, field: Field) -> dict[str, Any]:
    """Return a sound config in which the object around *field* exists."""
    header: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.kind}
    match field.path.split("."):
        case ["sharing", "timeSlicingConfig", _]:
            return {**header, "sharing": {"strategy": "TimeSlicing", "timeSlicingConfig": {}}}
        case ["sharing", "mpsConfig", _]:
            return {**header, "sharing": {"strategy": "MPS", "mpsConfig": {}}}
        case [block, _]:
            return {**header, block: {}}
        case _:
            return {**header, **kind.examples[0]}


def test_the_defaults_are_all_there() -> None:
    assert {field.path.rpartition(".")[2]: field.default for _, field in DEFAULTS} == {
        "interval": "Default",
        "multiUser": False,
        "strategy": "Auto",
        "virtualizationModel": "BareMetal",
        "preferNVLink": True,
        "backendPolicy": "LegacyOnly",
        "enableAPIDevice": False,
        "allocationMode": "Single",
    }


@pytest.mark.parametrize(
    "kind", [k for k in kinds() if not k.kind.endswith("Domain")], ids=identity
)
def test_the_gates_of_a_kind_are_those_that_the_loader_asks_for(kind: Kind) -> None:
    if (kind.api_version, kind.kind) not in scheme.MODELS:
        assert [*needed_gates(kind.fields)] == []
        return
    told_gates = {need.feature_gate for need in needed_gates(kind.fields)}
    asked = set()
    blocks: list[dict[str, Any]] = [
        {},
        {"sharing": {"strategy": "MPS"}},
        {"sharing": {"strategy": "TimeSlicing"}},
        {"fabricTopologyConfig": {}},
        {"strategy": "Manual", "partitionIDs": ["a"]},
    ]
    for block in blocks:
        tree = {"apiVersion": kind.api_version, "kind": kind.kind, **block}
        examined = examine(tree, driver=driver_of(kind), gates=None)
        asked |= {
            f"{gate}"
            for v in examined.violations
            if v.severity is Severity.NOTE
            for gate in SPECS
            if f"needs feature gate {gate} " in v.message
        }
    assert told_gates == asked


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_the_page_of_a_rule_holds_what_the_catalogue_says(rule: Any, capsys: Capture) -> None:
    page = told(capsys, "explain", rule.id.lower())
    flat = " ".join(page.split())
    assert page.startswith(f"RULE:      {rule.id} {rule.name}\nSEVERITY:  {rule.severity}\n")
    for text in (rule.why, rule.fix, rule.bad, rule.good, *rule.judges):
        assert " ".join(text.split()) in flat
    tree = json.loads(told(capsys, "explain", rule.id, "--output", "json"))
    assert tree["id"] == rule.id
    assert (tree["bad"] or "") == rule.bad


def test_lists_name_every_rule_and_every_gate(capsys: Capture) -> None:
    assert [line.split()[0] for line in told(capsys, "rules").splitlines()] == [*RULES]
    assert [line.split()[0] for line in told(capsys, "gates").splitlines()] == [*SPECS]
    rules = json.loads(told(capsys, "rules", "--output", "json"))["rules"]
    gates = json.loads(told(capsys, "gates", "--output", "json"))["gates"]
    assert [rule["id"] for rule in rules] == [*RULES]
    assert {gate["name"]: gate["default"] for gate in gates} == {
        f"{gate}": spec.default for gate, spec in SPECS.items()
    }


@pytest.mark.parametrize(
    ("command", "page"), [("rules", "rules.md"), ("gates", "feature-gates.md")]
)
def test_markdown_is_the_reference_page(command: str, page: str, capsys: Capture) -> None:
    path = f"docs/reference/{page}"
    assert told(capsys, command, "--output", "markdown") == DOCUMENTS[path]()


def test_schemas_are_printed_by_kind_or_all_together(capsys: Capture) -> None:
    known = documents()
    assert json.loads(told(capsys, "schema")) == known["opaque-parameters.json"]
    served = known["resource.nvidia.com/v1beta1/GpuConfig.json"]
    assert json.loads(told(capsys, "schema", "gpuconfig")) == served
    old = json.loads(told(capsys, "schema", "GpuConfig", "--api-version", "nvidia.com/v1beta1"))
    assert old == known["nvidia.com/v1beta1/GpuConfig.json"]
    listed = told(capsys, "schema", "--list").splitlines()
    assert [line.split()[0] for line in listed] == [*known, "manifest.json"]
    assert json.loads(told(capsys, "schema", "--manifest"))["$id"].endswith(":manifest")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["GpuConfig", "--list"], "--list and --manifest stand alone"),
        (["--api-version", "nvidia.com/v1beta1"], "--api-version goes with a KIND"),
        (["--list", "--manifest"], "not allowed with"),
        (["Gpuconfik"], "did you mean GpuConfig?"),
    ],
)
def test_options_of_schema_that_contradict_are_refused(
    words: list[str], sentence: str, capsys: Capture
) -> None:
    assert sentence in refused(capsys, "schema", *words)


def test_examples_on_the_pages_are_yaml(capsys: Capture) -> None:
    for kind, field in FIELDS:
        words = ["explain", f"{kind.kind}.{field.path}", "--api-version", kind.api_version]
        text = told(capsys, *words).partition("\nEXAMPLE:\n")[2].partition("\nFIELDS:\n")[0]
        if text:
            assert yaml.safe_load(text) == example_of(
                kind, find_field(kind, field.path.split("."))
            )


@pytest.mark.parametrize("command", ["explain", "rules", "gates", "schema", "server"])
def test_the_help_fits_a_screen_and_names_example_and_exit_codes(
    command: str, capsys: Capture
) -> None:
    page = told(capsys, command, "--help")
    assert len(page.splitlines()) <= 24
    assert max(map(len, page.splitlines())) <= 80
    assert f"example:\n  dra-config {command}" in page
    assert "exit codes:" in page
