"""What the READMEs show is what happens."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dra_config.gates import FeatureGates
from flags.given import InvalidSettings
from webhook.settings import parse_settings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = "console"


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of *text* in one language."""
    return [body for found, body in FENCE.findall(text) if found == language]


def transcripts(path: Path) -> list[tuple[str, str]]:
    """Return each command of a README with the output that is shown below it."""
    found: list[tuple[str, str]] = []
    for block in blocks(path.read_text(encoding="utf-8"), CONSOLE):
        for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = shown.partition("\n")
            found.append((command, output))
    return found


def run(command: str) -> str:
    """Return what a command of ``dra-config`` prints into a pipe."""
    program, *words = shlex.split(command)
    assert program == "dra-config"
    unset = {"FABRIC_TOPOLOGY_SUPPORT", "NO_COLOR", "DRA_CONFIG_DEBUG"}
    done = subprocess.run(
        [sys.executable, "-m", "dra_config", *words],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in unset},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


SHOWN = [
    pytest.param(command, output, id=f"{path.relative_to(ROOT)}: {command[-30:]}")
    for path in [ROOT / "README.md", *sorted(ROOT.glob("examples/*/README.md"))]
    for command, output in transcripts(path)
]


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_a_transcript_is_true(command: str, output: str) -> None:
    assert run(command) == output


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("examples/*/README.md")), ids=lambda path: path.parent.name
)
def test_an_example_shows_the_command_that_judges_it(path: Path) -> None:
    folder = path.parent.relative_to(ROOT).as_posix()
    assert [command for command, _ in transcripts(path) if command.endswith(f" {folder}")]


def test_the_first_commands_are_the_demo_and_the_tests() -> None:
    assert FENCE.findall(README)[0] == ("sh", "make demo\nmake test\n")


def test_the_problem_is_told_in_three_sentences() -> None:
    paragraph = README.split("\n\n")[1]
    assert len(re.findall(r"[.!?](?:\s|$)", paragraph)) == 3


def test_the_python_snippet_runs_and_prints_what_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (snippet,) = blocks(README, "python")
    assert len(ast.parse(snippet).body) == 3
    exec(compile(snippet, "README.md", "exec"), {})  # noqa: S102 - this is the snippet's test
    assert capsys.readouterr().out.startswith("[\"DRA101 sharing.strategy: 'Mps' is")
    exec(compile(snippet.replace('"Mps"', '"MPS"'), "README.md", "exec"), {})  # noqa: S102
    assert capsys.readouterr().out.startswith("Gpu(sharing=Mps(")


def test_the_webhook_is_described_with_flags_that_it_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All of them stand on its reference page, as `tests/webhook/test_reference_page.py` holds."""
    with pytest.raises(SystemExit):
        parse_settings(["--help"], {})
    known = set(re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    section = README.partition("## In a cluster\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(--[a-z-]+)`", section))
    assert named
    assert named <= known


def test_the_ports_of_the_webhook_are_its_defaults() -> None:
    settings = parse_settings([], {})
    assert f"`--port` ({settings.port})" in README
    assert f"`--probe-port` ({settings.probe_port})" in README
    with pytest.raises(InvalidSettings, match="--port"):
        parse_settings([], {"DRA_CONFIG_WEBHOOK_PORT": "none"})


def test_every_gate_in_a_readme_exists() -> None:
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("examples/*/README.md")]
    lists = re.findall(r"--feature-gates[= ]([A-Za-z=,]+)", "\n".join([README, *texts]))
    assert lists
    for gates in lists:
        assert FeatureGates.parse(gates) != FeatureGates()


def test_everything_it_points_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    map_of_the_house = README.partition("## Map of the house\n")[2].partition("\n## ")[0]
    places = re.findall(r"^\| (`.*?) \|", map_of_the_house, flags=re.MULTILINE)
    named = [name for place in places for name in re.findall(r"`([^`]+)`", place)]
    missing = [name for name in [*links, *named] if not (ROOT / name).exists()]
    assert not missing


def test_the_count_of_equal_verdicts_is_that_of_the_page_it_points_to() -> None:
    page = (ROOT / "docs/reference/parity.md").read_text(encoding="utf-8")
    found = re.search(r"^\| equal \| (\d+) \|", page, flags=re.MULTILINE)
    assert found is not None
    assert f"On {int(found[1]):,} of these we agree" in README


def test_it_is_not_long() -> None:
    assert len(README.splitlines()) <= 150
