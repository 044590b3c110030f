"""The command fix from end to end: what it repairs, and what it does not touch."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dra_config.cli import main
from dra_config.cli.rewriting.quantity_units import right_quantity

GPU = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
MIG = GPU.replace("GpuConfig", "MigDeviceConfig")
FABRIC = GPU.replace("GpuConfig", "FabricTopologyConfig")
CHANNEL = GPU.replace("GpuConfig", "ComputeDomainChannelConfig")
VFIO = GPU.replace("GpuConfig", "VfioDeviceConfig")
UID = "0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376"
MPS_LIMIT = "{{strategy: MPS, mpsConfig: {{defaultPinnedDeviceMemoryLimit: {}}}}}"
LIMIT = f"{GPU}sharing: {MPS_LIMIT}\n"
CLAIM = (
    "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nspec:\n  devices:\n    config:\n"
    "    - opaque:\n        driver: {}\n        parameters: {{apiVersion: "
    "resource.nvidia.com/v1beta1, kind: GpuConfig{}}}\n"
)

REPAIRED = {
    "the case of a key": (
        f"{GPU}Sharing: # c\n  Strategy: MPS\n",
        f"{GPU}sharing: # c\n  strategy: MPS\n",
    ),
    "a key in quotes": (
        f"{GPU}'Sharing': {{\"Strategy\": MPS}}\n",
        f"{GPU}'sharing': {{\"strategy\": MPS}}\n",
    ),
    "the header": (GPU.replace("kind", "Kind"), GPU),
    "a strategy": (f"{GPU}sharing: {{strategy: 'mps'}}\n", f"{GPU}sharing: {{strategy: 'MPS'}}\n"),
    "an interval": (
        f"{GPU}sharing:\n  strategy: timeslicing\n  timeSlicingConfig: {{interval: LONG}}\n",
        f"{GPU}sharing:\n  strategy: TimeSlicing\n  timeSlicingConfig: {{interval: Long}}\n",
    ),
    "a policy": (
        f"{VFIO}iommu: {{backendPolicy: preferiommufd}}\n",
        f"{VFIO}iommu: {{backendPolicy: PreferIommuFD}}\n",
    ),
    "a fabric strategy": (f"{FABRIC}strategy: auto\n", f"{FABRIC}strategy: Auto\n"),
    "a model": (
        f"{FABRIC}virtualizationModel: baremetal\n",
        f"{FABRIC}virtualizationModel: BareMetal\n",
    ),
    "a mode": (
        f"{CHANNEL}domainID: {UID}\nallocationMode: all\n",
        f"{CHANNEL}domainID: {UID}\nallocationMode: All\n",
    ),
    "a domain id": (f"{CHANNEL}domainID: {UID.upper()}\n", f"{CHANNEL}domainID: {UID}\n"),
    "an implied strategy": (
        f"{GPU}sharing:\n  # settings\n  mpsConfig: {{}}\n",
        f"{GPU}sharing:\n  # settings\n  strategy: MPS\n  mpsConfig: {{}}\n",
    ),
    "an implied strategy in braces": (
        f"{GPU}sharing: {{timeSlicingConfig: {{}}, mpsConfig: null}}\n",
        f"{GPU}sharing: {{strategy: TimeSlicing, timeSlicingConfig: {{}}, mpsConfig: null}}\n",
    ),
    "a quantity": (LIMIT.format("8gi"), LIMIT.format("8Gi")),
    "a quantity that reads as a number": (LIMIT.format("1048576B"), LIMIT.format('"1048576"')),
    "partitionIds": (
        f"{FABRIC}strategy: Manual\npartitionIds: [a]\n",
        f"{FABRIC}strategy: Manual\npartitionIDs: [a]\n",
    ),
    "the case of settings, but no strategy, which they leave open": (
        f"{GPU}sharing: {{TimeslicingConfig: {{}}, mpsConfig: {{}}}}\n",
        f"{GPU}sharing: {{timeSlicingConfig: {{}}, mpsConfig: {{}}}}\n",
    ),
    "one of two mistakes": (
        f"{GPU}sharing: {{strategy: mps, other: 1}}\n",
        f"{GPU}sharing: {{strategy: MPS, other: 1}}\n",
    ),
}
LEFT_ALONE = {
    "a good config": f"{GPU}sharing: {{strategy: MPS}}\n",
    "two spellings of a key": f"{GPU}sharing: {{strategy: MPS}}\nSharing: {{}}\n",
    "settings of two strategies": f"{GPU}sharing: {{mpsConfig: {{}}, timeSlicingConfig: {{}}}}\n",
    "a strategy in the wrong case that does not go with the settings": (
        f"{GPU}sharing: {{Strategy: MPS, timeSlicingConfig: {{}}}}\n"
    ),
    "a strategy without a value": f"{GPU}sharing: {{strategy: , mpsConfig: {{}}}}\n",
    "no settings": f"{GPU}sharing: {{}}\n",
    "time slices of a MIG device": f"{MIG}sharing: {{timeSlicingConfig: {{}}}}\n",
    "a word that is like another one": f"{GPU}sharing: {{strategy: MPSS}}\n",
    "a unit with two readings": LIMIT.format("8g"),
    "an error that would take another's place": f"{GPU}Sharing: {{strategy: fair}}\n",
    "a unit below the smallest limit": LIMIT.format("1Kb"),
    "a driver whose config would be read by somebody then": CLAIM.format("GPU.nvidia.com", ""),
    "a driver whose config is broken": CLAIM.format("GPU.nvidia.com", ", other: 1"),
    "objects of others": "apiVersion: apps/v1\nKind: Deployment\nSpec: {strategy: mps}\n",
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that writes a file into an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write_file


def findings(capsys: pytest.CaptureFixture[str], name: str) -> tuple[list[dict[str, object]], int]:
    """Return the findings of validate in a file, and how many of them are said to be fixable."""
    capsys.readouterr()
    main(["validate", "--output", "json", name])
    told = json.loads(capsys.readouterr().out)
    return told["findings"], told["summary"]["fixable"]


@pytest.mark.parametrize(("bad", "good"), REPAIRED.values(), ids=REPAIRED.keys())
def test_what_can_only_be_meant_in_one_way_is_repaired(
    write: Callable[..., Path], bad: str, good: str
) -> None:
    path = write("a.yaml", bad)
    assert main(["fix", "--write", "a.yaml"]) == 0
    assert path.read_text() == good
    assert main(["fix", "--check", "a.yaml"]) == 0


@pytest.mark.parametrize(("bad", "good"), REPAIRED.values(), ids=REPAIRED.keys())
def test_validate_marks_as_fixable_what_fix_takes_away(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str], bad: str, good: str
) -> None:
    write("bad.yaml", bad)
    write("good.yaml", good)
    before, fixable = findings(capsys, "bad.yaml")
    after, still_fixable = findings(capsys, "good.yaml")
    assert fixable == sum(bool(finding["fixable"]) for finding in before) > 0
    assert still_fixable == 0
    left = [finding["rule"] for finding in before if not finding["fixable"]]
    assert {str(f["rule"]) for f in after if f["severity"] == "error"} <= set(left)


def sarif_fixes(
    capsys: pytest.CaptureFixture[str], *words: str
) -> list[list[tuple[int, int, int, int, str]]]:
    """Return the replacements of each result of the SARIF log that has a fix, in their order."""
    capsys.readouterr()
    main(["validate", "--output", "sarif", *words])
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    fixes: list[list[tuple[int, int, int, int, str]]] = []
    for result in run["results"]:
        for fix in result.get("fixes", []):
            (change,) = fix["artifactChanges"]
            place = result["locations"][0]["physicalLocation"]
            assert change["artifactLocation"] == place["artifactLocation"]
            assert fix["description"]["text"].startswith("Write ")
            fixes.append([])
            for each in change["replacements"]:
                region = each["deletedRegion"]
                keys = ("startLine", "startColumn", "endLine", "endColumn")
                line, column, end_line, end_column = (region[key] for key in keys)
                written = each["insertedContent"]["text"]
                fixes[-1].append((line, column, end_line, end_column, written))
    return fixes


def replaced(text: str, replacements: list[tuple[int, int, int, int, str]]) -> str:
    """Return *text* with the replacements made one after the other, as SARIF asks for."""
    for line, column, end_line, end_column, written in replacements:
        starts = [0, *(match.end() for match in re.finditer(r"\r\n?|\n", text))]
        start = starts[line - 1] + column - 1
        text = text[:start] + written + text[starts[end_line - 1] + end_column - 1 :]
    return text


@pytest.mark.parametrize(("bad", "good"), REPAIRED.values(), ids=REPAIRED.keys())
def test_the_fixes_of_sarif_write_what_the_command_writes(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str], bad: str, good: str
) -> None:
    write("a.yaml", bad)
    fixes = sarif_fixes(capsys, "a.yaml")
    whole = {replacement for fix in fixes for replacement in fix}
    assert replaced(bad, sorted(whole, reverse=True)) == good
    assert len(fixes) == findings(capsys, "a.yaml")[1]
    if len(fixes) == 1:
        assert replaced(bad, fixes[0]) == good


def test_one_fix_of_sarif_repairs_one_finding_wherever_it_stands(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    claim = CLAIM.format("gpu.nvidia.com", ', sharing: {"\U0001f642": 1, strategy: mps}')
    text = "\ufeff" + f"{claim}---\n{LIMIT.format('8gi')}---\n{claim}".replace("\n", "\r\n")
    path = write("a.yaml", text)
    fixes = sarif_fixes(capsys, "a.yaml")
    assert len(fixes) == 3
    plain = text.removeprefix("\ufeff")
    first, limit, second = (replaced(plain, fix) for fix in fixes)
    assert first == plain.replace("mps", "MPS", 1)
    assert limit == plain.replace("8gi", "8Gi")
    assert second == "MPS".join(plain.rsplit("mps", 1))
    assert main(["fix", "--write", "a.yaml"]) == 0
    together = sorted((each for fix in fixes for each in fix), reverse=True)
    assert path.read_bytes().decode() == "\ufeff" + replaced(plain, together)


def test_a_fix_makes_the_repairs_that_it_needs(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    bad = f"{GPU}Sharing:\n  Strategy: mps\n"
    write("a.yaml", bad)
    (fix,) = sarif_fixes(capsys, "a.yaml")
    assert replaced(bad, fix) == f"{GPU}sharing:\n  strategy: MPS\n"


def test_what_the_command_refuses_to_write_has_no_fix_in_sarif(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    anchored = CLAIM.format("gpu.nvidia.com", ", sharing: {strategy: &a mps}")
    text = f"{anchored}metadata: {{annotations: {{x: *a}}}}\n"
    path = write("a.yaml", text)
    assert main(["fix", "--write", "a.yaml"]) == 1
    assert path.read_text() == text
    assert sarif_fixes(capsys, "a.yaml") == []
    assert findings(capsys, "a.yaml")[0]


def test_parameters_on_their_own_have_fixes_as_they_were_judged(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.yaml", f"{GPU}sharing: {{strategy: mps}}\n")
    words = ("--parameters", "--jobs", "2", "a.yaml")
    assert sarif_fixes(capsys, *words) == [[(3, 21, 3, 24, "MPS")]]


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE.keys())
def test_what_would_be_a_guess_stays(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str], text: str
) -> None:
    path = write("a.yaml", text)
    assert main(["fix", "--write", "a.yaml"]) == 0
    assert path.read_text() == text
    assert findings(capsys, "a.yaml")[1] == 0


def test_the_summary_says_how_many_can_be_repaired(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.yaml", REPAIRED["a strategy"][0])
    assert main(["validate", "a.yaml"]) == 1
    assert "\ndra-config fix can repair 1 of them\n" in capsys.readouterr().out


def test_only_selected_rules_are_repaired(write: Callable[..., Path]) -> None:
    path = write("a.yaml", f"{FABRIC}strategy: auto\nvirtualizationModel: baremetal\n")
    assert main(["fix", "--write", "--select", "dra410", "a.yaml"]) == 0
    assert path.read_text() == f"{FABRIC}strategy: auto\nvirtualizationModel: BareMetal\n"
    assert main(["fix", "--write", "--select", "DRA012,DRA402", "a.yaml"]) == 0
    assert path.read_text() == f"{FABRIC}strategy: Auto\nvirtualizationModel: BareMetal\n"


def test_a_rule_without_a_repair_cannot_be_selected(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.yaml", GPU)
    assert main(["fix", "--select", "DRA103", "a.yaml"]) == 2
    assert "DRA103 has no repair; there is one for DRA012, " in capsys.readouterr().err


def test_the_difference_comes_first_and_check_fails(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    bad, _ = REPAIRED["a strategy"]
    path = write("a.yaml", bad)
    assert main(["fix", "a.yaml"]) == 0
    assert "\n+sharing: {strategy: 'MPS'}\n" in capsys.readouterr().out
    assert main(["fix", "--check", "a.yaml"]) == 1
    assert path.read_text() == bad


def test_a_document_that_does_not_parse_is_told_and_its_neighbour_repaired(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = REPAIRED["a strategy"]
    path = write("a.yaml", f"a: [\n---\n{bad}")
    assert main(["fix", "--write", "a.yaml"]) == 1
    assert path.read_text() == f"a: [\n---\n{good}"
    assert "cannot repair a.yaml:1:4: " in capsys.readouterr().err


def test_a_strategy_in_json_is_written_as_json(write: Callable[..., Path]) -> None:
    head = '{\n  "apiVersion": "resource.nvidia.com/v1beta1",\n  "kind": "GpuConfig",\n'
    path = write("a.json", head + '  "sharing": {\n    "mpsConfig": {}\n  }\n}\n')
    assert main(["fix", "--write", "a.json"]) == 0
    added = '  "sharing": {\n    "strategy": "MPS",\n    "mpsConfig": {}\n  }\n}\n'
    assert path.read_text() == head + added


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("8gi", "8Gi"),
        ("8GI", "8Gi"),
        ("8KiB", "8Ki"),
        ("8kib", "8Ki"),
        ("1.5tib", "1.5Ti"),
        ("10GB", "10G"),
        ("10Gb", "10G"),
        ("10mb", "10M"),
        ("1KB", "1k"),
        ("1Kb", "1k"),
        ("64B", "64"),
        ("8 Gi", "8Gi"),
        ("8 GB", "8G"),
        ("8g", None),
        ("8K", None),
        ("8 m", None),
        ("8i", None),
        ("8iB", None),
        ("8 gigabytes", None),
        ("8,5Gi", None),
        ("Gi", None),
        ("", None),
        ("8Gi", None),
    ],
)
def test_a_unit_is_read_only_where_one_alone_can_be_meant(written: str, meant: str | None) -> None:
    assert right_quantity(written) == meant
