"""The editor's schema: opaque parameters typed by their driver, and everything else left open."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from dra_config import scheme
from dra_config.claims import CONFIG_LISTS, GROUP, SERVED_VERSIONS
from dra_config.cli.commands import COMMANDS
from dra_config.schema import OPAQUE_PARAMETERS, documents, manifest_schema

SCHEMA = manifest_schema()
EDITOR = Draft7Validator(SCHEMA)
PARAMETERS = Draft202012Validator(documents()[OPAQUE_PARAMETERS])
ROOT = Path(__file__).resolve().parents[2]
CASES = [
    path
    for path in sorted((ROOT / "tests" / "corpus").glob("*/*/*.json"))
    if not path.name.endswith(".expect.json")
]
MIG = {"apiVersion": "resource.nvidia.com/v1beta1", "kind": "MigDeviceConfig"}
BROKEN = {**MIG, "fabricTopologyConfig": {}}
BEYOND = {"duplicate-keys.json", "old-version.yaml"}
"""Mistakes that no schema sees: JSON readers keep one of two keys, and an old version is legal."""


def wrapped(kind: str, version: str, driver: str, *parameters: Any) -> dict[str, Any]:
    """Return an object with *parameters* of *driver* where *kind* has them."""
    tree: Any = [{"opaque": {"driver": driver, "parameters": each}} for each in parameters]
    for name in reversed(CONFIG_LISTS[kind]):
        tree = {name: tree}
    return {"apiVersion": f"{GROUP}/{version}", "kind": kind, "metadata": {"name": "a"}, **tree}


def claim(parameters: Any, driver: str = scheme.GPU_DRIVER) -> dict[str, Any]:
    return wrapped("ResourceClaim", "v1", driver, parameters)


def trees(path: Path) -> Iterator[Any]:
    yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def test_it_is_sound_draft_07_and_every_reference_leads_somewhere() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    text = json.dumps(SCHEMA)
    assert "$defs" not in text
    for part in sub_schemas(SCHEMA):
        reference = part.get("$ref")
        if isinstance(reference, str):
            assert part.keys() == {"$ref"}, "draft-07 ignores what stands beside a reference"
            assert reference == "#" or reference.removeprefix("#/definitions/") in known()


def known() -> dict[str, Any]:
    definitions: dict[str, Any] = SCHEMA["definitions"]
    return definitions


def sub_schemas(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from sub_schemas(entry)


@pytest.mark.parametrize("kind", CONFIG_LISTS)
@pytest.mark.parametrize("version", SERVED_VERSIONS)
def test_parameters_are_typed_in_every_kind_and_version_that_is_served(
    kind: str, version: str
) -> None:
    assert EDITOR.is_valid(wrapped(kind, version, scheme.GPU_DRIVER, MIG, MIG))
    broken = wrapped(kind, version, scheme.GPU_DRIVER, MIG, BROKEN)
    (error,) = EDITOR.iter_errors(broken)
    assert [*error.absolute_path] == [*CONFIG_LISTS[kind], 1, "opaque", "parameters"]
    for later in ({**broken, "apiVersion": f"{GROUP}/v2"}, {**broken, "kind": "ResourceSlice"}):
        assert EDITOR.is_valid(later)
    assert not EDITOR.is_valid({"apiVersion": "v1", "kind": "List", "items": [None, broken]})
    listed = {"apiVersion": f"{GROUP}/{version}", "kind": f"{kind}List"}
    item = {"metadata": {}, "spec": broken["spec"]}
    assert not EDITOR.is_valid({**listed, "items": [item]})


@pytest.mark.parametrize("header", scheme.MODELS, ids="/".join)
def test_a_config_on_its_own_is_typed_by_its_header(header: tuple[str, str]) -> None:
    alone = {"apiVersion": header[0], "kind": header[1]}
    name = f"{header[0].replace('/', '.')}.{header[1]}"
    examples = known()[name]["examples"]
    assert examples
    assert all(EDITOR.is_valid(example) for example in examples)
    assert not EDITOR.is_valid({**alone, "unknown": 1})
    assert EDITOR.is_valid({**alone, "apiVersion": "other/v1", "unknown": 1})


@pytest.mark.parametrize(
    ("parameters", "driver", "accepted"),
    [
        (MIG, "gpu.nvidia.com", True),
        (MIG, "compute-domain.nvidia.com", False),
        (MIG, "other.example.com", True),
        (BROKEN, "other.example.com", True),
        ("text", "other.example.com", True),
        ("text", "gpu.nvidia.com", False),
        (None, "gpu.nvidia.com", False),
        ({}, "gpu.nvidia.com", False),
        ({**MIG, "kind": "ComputeDomain"}, "compute-domain.nvidia.com", False),
    ],
)
def test_the_driver_decides_what_may_stand_in_the_parameters(
    parameters: Any, driver: str, accepted: object
) -> None:
    assert EDITOR.is_valid(claim(parameters, driver)) is accepted


def test_parameters_of_our_drivers_cannot_be_left_out() -> None:
    without = claim(MIG)
    del without["spec"]["devices"]["config"][0]["opaque"]["parameters"]
    assert not EDITOR.is_valid(without)


def test_inside_of_a_claim_it_has_the_opinion_of_the_parameters_schema() -> None:
    verdicts = {True: 0, False: 0}
    for path in CASES:
        try:
            parameters = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            continue  # a case that is no JSON
        expected = PARAMETERS.is_valid(parameters)
        verdicts[expected] += 1
        kind = parameters.get("kind") if isinstance(parameters, dict) else None
        for driver in scheme.DRIVERS.values():
            accepted = EDITOR.is_valid(claim(parameters, driver.name))
            carried = expected and kind in [*driver.kinds]
            assert accepted is carried, (path, driver.name)
    assert min(verdicts.values()) > 40


def test_every_public_manifest_passes(shared_corpus: Path) -> None:
    count = 0
    for path in sorted((shared_corpus / "manifests").rglob("*")):
        if path.suffix not in (".yaml", ".yml", ".json"):
            continue
        try:
            found = [*trees(path)]
        except yaml.YAMLError:
            continue  # a template
        for tree in found:
            count += 1
            assert [error.message for error in EDITOR.iter_errors(tree)] == [], path
    assert count > 200


@pytest.mark.parametrize(
    "path",
    sorted(path for path in (ROOT / "examples").rglob("*") if path.suffix in (".yaml", ".json")),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_an_example_passes_and_a_mistake_does_not(path: Path) -> None:
    accepted = all(EDITOR.is_valid(tree) for tree in trees(path))
    assert accepted is (path.parent.name != "mistakes" or path.name in BEYOND)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["apiVersion", "kind", "spec", "items", "devices", "config", "opaque"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_the_snippets_of_the_how_to_are_what_they_say() -> None:
    page = (ROOT / "docs" / "how-to" / "editor.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w+)\n(.*?)```", page, re.DOTALL)
    assert {language for language, _ in blocks} == {"sh", "yaml", "json", "lua", "toml"}
    texts = dict(reversed(blocks))
    example = yaml.safe_load(texts["yaml"])
    assert EDITOR.is_valid(example)
    assert texts["yaml"].startswith("# yaml-language-server: $schema=")
    wrong = yaml.safe_load(texts["yaml"].replace("TimeSlicing", "Mps"))
    assert not EDITOR.is_valid(wrong)
    assert "yaml.schemas" in json.loads(texts["json"])
    for settings in (tomllib.loads(text) for language, text in blocks if language == "toml"):
        names = settings["language"][0]["language-servers"]
        assert names[-1] in settings["language-server"]
    told = {text.split()[1] for language, text in blocks if text.startswith("dra-config ")}
    assert told == {"schema", "explain"}
    assert told | {"server"} <= {*COMMANDS}


@given(ANYTHING)
def test_any_other_document_passes(tree: Any) -> None:
    assert EDITOR.is_valid(tree)


@given(ANYTHING)
def test_a_claim_passes_whatever_stands_around_its_configs(tree: Any) -> None:
    whole = claim(MIG)
    entry = whole["spec"]["devices"]["config"][0]
    for place in (whole, whole["spec"], whole["spec"]["devices"], entry, entry["opaque"]):
        place["other"] = tree
    assert EDITOR.is_valid(whole)
    assert EDITOR.is_valid({**whole, "spec": tree})


def test_words_for_the_editor_stand_at_the_values() -> None:
    strategy = known()["GpuSharing"]["properties"]["strategy"]
    assert strategy["enumDescriptions"][strategy["enum"].index("MPS")] == (
        "Needs feature gate MPSSupport."
    )
    sharing = known()["GpuSharing"]["properties"]
    assert sharing["mpsConfig"]["description"].startswith("Settings of MPS")
    settings = known()["MpsConfig"]["properties"]
    assert "8Gi" in settings["defaultPinnedDeviceMemoryLimit"]["patternErrorMessage"]
    fabric = known()["FabricSettings"]["properties"]
    assert [name for name, field in fabric.items() if field.get("doNotSuggest")] == [
        "partitionIds"
    ]
    assert "deprecationMessage" not in json.dumps(SCHEMA)
