"""Every example does what its README says, and every mistake is found as the file says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dra_config.claims import OpaqueConfig, judge_config
from dra_config.cli.judge import Criteria, judge_file
from dra_config.gates import FeatureGates
from dra_config.manifests import Document, format_of, read
from tools.demo.examples import Example, folders, read_example, read_gates

ROOT = Path(__file__).resolve().parents[1]
HEADINGS = [
    "Overview",
    "Allocation",
    "Requirements",
    "How to run",
    "Expected output",
    "Cleanup",
]
FOLDERS = folders(ROOT)
FILES = [
    read_example(ROOT, file)
    for folder in FOLDERS
    for file in sorted(folder.iterdir())
    if format_of(file.name) is not None
]
GOOD = [example for example in FILES if example.path.parent.name != "mistakes"]
MISTAKES = [example for example in FILES if example.path.parent.name == "mistakes"]
KINDS = {
    "GpuConfig",
    "MigDeviceConfig",
    "VfioDeviceConfig",
    "FabricTopologyConfig",
    "ComputeDomainChannelConfig",
}


def identity(example: Example) -> str:
    return example.path.as_posix()


def found_rules(example: Example, gates: FeatureGates) -> list[str]:
    """Return the id of every rule that the command line reports for the file of *example*."""
    path = ROOT / example.path
    verdict = judge_file(path.name, path.read_bytes(), Criteria(gates=gates), format_of(path.name))
    return [finding.rule for finding in verdict.findings]


def found_in_configs(example: Example, gates: FeatureGates) -> list[str]:
    """Return the same by asking the library about the configs alone, as the webhook does."""
    found: list[str] = []
    for subject in example.objects:
        spec = subject.tree["spec"]
        spec = spec.get("spec", spec)
        entries = spec.get("devices", spec).get("config", [])
        configs = (
            OpaqueConfig(
                index,
                entry["opaque"]["driver"],
                json.dumps(entry["opaque"]["parameters"]).encode(),
            )
            for index, entry in enumerate(entries)
        )
        for opaque in configs:
            found += [v.rule for v in judge_config(subject.kind, opaque, gates=gates)]
    return found


@pytest.mark.parametrize("example", GOOD, ids=identity)
def test_an_example_is_accepted_with_the_gates_of_its_readme(example: Example) -> None:
    gates = FeatureGates.parse(read_gates((ROOT / example.path).parent))
    assert example.rules == ()
    assert found_rules(example, gates) == []
    assert found_in_configs(example, gates) == []


@pytest.mark.parametrize("example", MISTAKES, ids=identity)
def test_a_mistake_gives_exactly_the_rules_that_its_file_says(example: Example) -> None:
    gates = FeatureGates.parse(read_gates((ROOT / example.path).parent))
    assert example.rules != ()
    assert found_rules(example, gates) == list(example.rules)


@pytest.mark.parametrize(
    "folder",
    [folder for folder in FOLDERS if read_gates(folder) and folder.name != "mistakes"],
    ids=lambda folder: folder.name,
)
def test_the_gates_of_a_readme_are_needed(folder: Path) -> None:
    examples = [example for example in GOOD if example.path.parent.name == folder.name]
    found = [rule for example in examples for rule in found_rules(example, FeatureGates())]
    assert set(found) & {"DRA102", "DRA301", "DRA401"}


def test_there_is_an_example_for_every_kind_that_users_write() -> None:
    shown = {
        kind
        for example in GOOD
        for kind in KINDS
        if f"kind: {kind}\n" in (ROOT / example.path).read_text(encoding="utf-8")
    }
    assert shown == KINDS


@pytest.mark.parametrize("example", FILES, ids=identity)
def test_an_example_is_written_for_the_current_api(example: Example) -> None:
    assert {subject.version for subject in example.objects} <= {"v1"}
    text = (ROOT / example.path).read_text(encoding="utf-8")
    documents = read(text, format=format_of(example.path.name))
    assert documents
    assert all(isinstance(document, Document) for document in documents)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_readme_has_the_six_headings_in_their_order(folder: Path) -> None:
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line[3:] for line in lines if line.startswith("## ")] == HEADINGS


def test_every_folder_has_a_readme_and_a_manifest() -> None:
    found = [path for path in (ROOT / "examples").iterdir() if path.is_dir()]
    assert sorted(found) == sorted(FOLDERS)
    assert {example.path.parent.name for example in FILES} == {folder.name for folder in FOLDERS}


def test_the_command_line_finds_all_examples_fine_but_the_mistakes() -> None:
    gates = ",".join(dict.fromkeys(read_gates(folder) for folder in FOLDERS[:-1]))
    command = [sys.executable, "-m", "dra_config", "validate", "--strict"]
    command += [f"--feature-gates={gates.strip(',')}"]
    good = [str(folder) for folder in FOLDERS if folder.name != "mistakes"]
    fine = subprocess.run([*command, *good], cwd=ROOT, capture_output=True, check=False)
    refused = subprocess.run(
        [*command, "examples/mistakes"], cwd=ROOT, capture_output=True, check=False
    )
    assert (fine.returncode, refused.returncode) == (0, 1), fine.stdout
