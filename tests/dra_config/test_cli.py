"""The command line as a contract: usage, options, exit codes, what goes where."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import pytest

from dra_config.cli import entry, files, main
from dra_config.cli import validate as validate_command
from dra_config.cli.commands import COMMANDS
from dra_config.cli.settings import read_settings
from dra_config.cli.surroundings import Surroundings

GOOD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
BAD = f"{GOOD}sharing: {{strategy: mps}}\n"
MPS = f"{GOOD}sharing: {{strategy: MPS}}\n"
WARNED = f"{GOOD}sharing: {{strategy: MPS, mpsConfig: {{defaultActiveThreadPercentage: 0}}}}\n"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the developer's own shell says."""
    for name in ("FABRIC_TOPOLOGY_SUPPORT", "NO_COLOR", "DRA_CONFIG_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that writes a file into an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def pipe(monkeypatch: pytest.MonkeyPatch, text: bytes | str) -> None:
    """Put *text* on standard input."""
    raw = text.encode() if isinstance(text, str) else text
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        (GOOD, [], 0),
        (BAD, [], 1),
        (WARNED, [], 0),
        (WARNED, ["--strict"], 1),
        ("a: [", [], 1),
        ("a: {{ b }}", ["--strict"], 0),
        (MPS, [], 0),
        (MPS, ["--feature-gates", ""], 1),
        (MPS, ["--feature-gates", "MPSSupport=true"], 0),
        (MPS, ["--feature-gates=MPSSupport=true"], 0),
    ],
)
def test_the_exit_code_says_what_came_of_it(
    text: str, options: list[str], code: int, write: Callable[..., Path]
) -> None:
    write("a.yaml", text)
    assert main(["validate", *options, "a.yaml"]) == code


def test_a_file_that_cannot_be_read_outranks_an_error_and_hides_nothing(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write("bad.yaml", BAD)
    assert main(["validate", "missing.yaml", "bad.yaml"]) == 2
    out, err = capsys.readouterr()
    assert "bad.yaml:3:21: error[DRA101]" in out
    assert err == "dra-config: cannot read missing.yaml: there is no such file or folder\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "name a command: validate"),
        (["valdate"], "there is no command 'valdate'; did you mean validate?"),
        (["explode"], "there is no command 'explode' (see dra-config --help)"),
        (["a.yaml"], "did you mean dra-config validate a.yaml?"),
        (["-"], "did you mean dra-config validate -?"),
        (["--verson"], "there is no option --verson; did you mean --version?"),
        (["validate"], "name a file, a folder, or - for standard input"),
        (["validate", "--ouput", "json", "a.yaml"], "no option --ouput; did you mean --output?"),
        (["validate", "--ouput=json", "a.yaml"], "no option --ouput; did you mean --output?"),
        (
            ["validate", "--output", "jsn", "a.yaml"],
            "'jsn' is none of text, json, sarif, junit, github, gitlab; did you mean json?",
        ),
        (["validate", "--color", "maybe", "a.yaml"], "'maybe' is none of auto, always, never"),
        (
            ["validate", "--target", "nvidia", "a.yaml"],
            "is none of dra-config, dra-driver-nvidia-gpu",
        ),
        (["validate", "--outp", "json", "a.yaml"], "no option --outp; did you mean --output?"),
        (["validate", "--output"], "expected one argument"),
        (["validate", "--verbose", "--quiet", "a.yaml"], "not allowed with"),
        (["validate", "--driver", "gpu.nvidia.com", "a.yaml"], "--driver goes with --parameters"),
        (
            ["validate", "--parameters", "--driver", "gpu.nvidia.cm", "a.yaml"],
            "not gpu.nvidia.cm; did you mean gpu.nvidia.com?",
        ),
        (
            ["validate", "--feature-gates", "MPSSuport=true", "a.yaml"],
            "'MPSSuport' is not a feature gate; the nearest one is MPSSupport (DRA980)",
        ),
        (
            ["validate", "--feature-gates", "MPSSupport=true,DynamicMIG=true", "a.yaml"],
            "exclude each other",
        ),
        (["validate", "--strict=yes", "a.yaml"], "--strict"),
    ],
)
def test_wrong_usage_is_answered_with_what_would_be_right(
    words: list[str],
    sentence: str,
    write: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("a.yaml", GOOD)
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert sentence in err
    assert out == ""


def test_options_may_stand_between_paths(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.yaml", GOOD)
    write("b.yaml", BAD)
    assert main(["validate", "a.yaml", "--strict", "b.yaml"]) == 1
    assert "in 2 files" in capsys.readouterr().out


def test_a_name_with_a_dash_stands_behind_two(write: Callable[..., Path]) -> None:
    write("-a.yaml", BAD)
    assert main(["validate", "--", "-a.yaml"]) == 1


def test_help_fits_a_screen_and_holds_an_example_and_the_exit_codes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["validate", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "helm template chart/ | dra-config validate -" in text
    assert [line[2] for line in lines[lines.index("exit codes:") + 1 :]] == list("0123")
    assert "--debug" not in text


def test_the_program_lists_its_commands_with_example_and_exit_codes_on_one_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    # A screen of 24 lines has room for the next prompt, too.
    assert len(lines) <= 23
    assert max(map(len, lines)) < 80
    assert "  validate   judge manifests and opaque configs" in lines
    for name in COMMANDS:
        assert any(line.startswith(f"  {name} ") for line in lines)
    assert lines[lines.index("example:") + 1].startswith("  dra-config validate ")
    assert [line[2] for line in lines[lines.index("exit codes:") + 1 :]] == list("0123")


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("dra-config 0.")


def test_without_gates_a_rule_that_needs_them_is_a_note_for_the_curious(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.yaml", MPS)
    assert main(["validate", "a.yaml"]) == 0
    assert capsys.readouterr().out == (
        "0 errors, 0 warnings, 1 note (1 hidden; --verbose shows them) in 1 file, 1 document, "
        "1 config\n1 rule not decided, because the feature gates of the cluster are unknown; "
        "--feature-gates tells them\n"
    )
    assert main(["validate", "--verbose", "a.yaml"]) == 0
    assert "a.yaml:3:21: note[DRA102] sharing.strategy:" in capsys.readouterr().out


def test_the_variable_switches_the_fabric_on_and_makes_the_gates_known(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("fabric.yaml", f"{GOOD}fabricTopologyConfig: {{}}\n")
    write("mps.yaml", MPS)
    assert main(["validate", "fabric.yaml", "--feature-gates", ""]) == 1
    monkeypatch.setenv("FABRIC_TOPOLOGY_SUPPORT", "true")
    assert main(["validate", "fabric.yaml", "--feature-gates", ""]) == 0
    assert main(["validate", "fabric.yaml"]) == 0
    assert main(["validate", "mps.yaml"]) == 1
    monkeypatch.setenv("FABRIC_TOPOLOGY_SUPPORT", "false")
    assert main(["validate", "mps.yaml"]) == 0


def test_a_variable_that_makes_no_sense_is_wrong_usage(
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("a.yaml", GOOD)
    monkeypatch.setenv("FABRIC_TOPOLOGY_SUPPORT", "ture")
    assert main(["validate", "a.yaml"]) == 2
    assert "FABRIC_TOPOLOGY_SUPPORT takes true or false, not 'ture'" in capsys.readouterr().err


def test_a_flag_against_the_variable_wins_with_a_warning(
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("a.yaml", f"{GOOD}fabricTopologyConfig: {{}}\n")
    monkeypatch.setenv("FABRIC_TOPOLOGY_SUPPORT", "true")
    assert main(["validate", "a.yaml", "--feature-gates", "FabricTopologySupport=false"]) == 1
    assert "(DRA990)" in capsys.readouterr().err


def test_parameters_are_judged_whatever_they_call_themselves(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.yaml", "apiVersion: v1\nkind: Pod\nspec: {}\n---\n- 1\n")
    assert main(["validate", "a.yaml"]) == 0
    assert main(["validate", "a.yaml", "--parameters"]) == 1
    out = capsys.readouterr().out
    assert "a.yaml:1:13: error[DRA006]" in out
    assert "a.yaml:5:1: error[DRA002]" in out


def test_parameters_for_the_other_driver_are_refused(write: Callable[..., Path]) -> None:
    write("a.yaml", GOOD)
    channel = "domainID: 0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376\nkind: ComputeDomainChannelConfig\n"
    write("b.yaml", f"apiVersion: resource.nvidia.com/v1beta1\n{channel}")
    assert main(["validate", "a.yaml", "b.yaml", "--parameters"]) == 0
    for driver, wrong in (("compute-domain.nvidia.com", "a"), ("gpu.nvidia.com", "b")):
        options = ["--parameters", "--driver", driver]
        assert main(["validate", f"{wrong}.yaml", *options]) == 1
        assert main(["validate", f"{'ab'.replace(wrong, '')}.yaml", *options]) == 0


def test_a_compute_domain_is_an_object_and_no_parameters(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    spec = "spec: {channel: {resourceClaimTemplate: {name: channel}}}\n"
    head = "apiVersion: resource.nvidia.com/v1beta1\nkind: ComputeDomain\nmetadata: {name: a}\n"
    write("a.yaml", head + spec)
    assert main(["validate", "a.yaml"]) == 0
    assert main(["validate", "a.yaml", "--parameters"]) == 1
    assert "DRA009" in capsys.readouterr().out


def test_quiet_shows_what_fails_and_nothing_else(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.yaml", WARNED)
    assert main(["validate", "--quiet", "a.yaml"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["validate", "--quiet", "--strict", "a.yaml"]) == 1
    assert "warning[DRA109]" in capsys.readouterr().out


def test_standard_input_is_called_by_its_dash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe(monkeypatch, BAD)
    assert main(["validate", "-"]) == 1
    assert capsys.readouterr().out.startswith("-:3:21: error[DRA101] sharing.strategy:")


def test_standard_input_named_twice_is_read_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe(monkeypatch, GOOD)
    assert main(["validate", "-", "-"]) == 0
    assert "in 1 file, 1 document, 1 config" in capsys.readouterr().out


def test_a_mistake_of_ours_is_one_sentence_and_a_code_of_its_own(
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def break_down(*_: object) -> None:
        raise LookupError("the cat")

    write("a.yaml", GOOD)
    monkeypatch.setattr(validate_command, "judge_file", break_down)
    assert main(["validate", "a.yaml"]) == 3
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "internal error" in sentence
    assert "LookupError: the cat; please report it" in sentence
    assert main(["validate", "--debug", "a.yaml"]) == 3
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("DRA_CONFIG_DEBUG", "1")
    assert main(["validate", "a.yaml"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupted_run_sums_up_what_it_has(
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("a.yaml", BAD)
    write("b.yaml", BAD)
    read = files.Source.read

    def read_once(source: files.Source, stdin: TextIO | None) -> bytes:
        if source.path == "b.yaml":
            raise KeyboardInterrupt
        return read(source, stdin)

    monkeypatch.setattr(files.Source, "read", read_once)
    assert main(["validate", "a.yaml", "b.yaml"]) == 130
    assert "in 1 file, 1 document, 1 config (interrupted" in capsys.readouterr().out
    assert main(["validate", "--output", "json", "a.yaml", "b.yaml"]) == 130
    whole = json.loads(capsys.readouterr().out)
    assert whole["summary"]["partial"] is True
    assert len(whole["findings"]) == 1


def test_the_clock_is_the_callers(write: Callable[..., Path]) -> None:
    write("a.yaml", GOOD)
    out = io.StringIO()
    times = iter([100.0, 102.5])
    surroundings = Surroundings(
        stdin=io.TextIOWrapper(io.BytesIO()),
        stdout=out,
        stderr=io.StringIO(),
        clock=lambda: next(times),
        settings=read_settings({}),
    )
    assert entry.run(["validate", "--output", "json", "a.yaml"], surroundings) == 0
    assert json.loads(out.getvalue())["summary"]["seconds"] == 2.5


@pytest.mark.parametrize(
    ("environment", "no_color", "debug"),
    [
        ({}, False, False),
        ({"NO_COLOR": ""}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "xterm", "DRA_CONFIG_DEBUG": "1"}, False, True),
    ],
)
def test_settings_are_what_the_environment_holds(
    environment: dict[str, str], *, no_color: bool, debug: bool
) -> None:
    settings = read_settings(environment)
    assert (settings.no_color, settings.debug) == (no_color, debug)
