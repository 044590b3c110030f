"""The places where people run it: pre-commit, a GitHub workflow, and one-off tool runners."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from dra_config.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
GOOD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
BAD = f"{GOOD}sharing: {{strategy: mps}}\n"
WARNED = GOOD.replace("resource.nvidia.com", "gpu.nvidia.com").replace("v1beta1", "v1alpha1")
NO_NETWORK = re.compile(
    r"Temporary failure in name resolution|ConnectionError|Failed to establish a new connection"
    r"|No matching distribution found for|Failed to fetch|error sending request|dns error"
)


def environment(**more: str) -> dict[str, str]:
    """Return the environment without what points Python or git at this checkout."""
    ours = re.compile(r"PYTHON|VIRTUAL_ENV|GIT_|PRE_COMMIT")
    return {**{k: v for k, v in os.environ.items() if not ours.match(k)}, **more}


def run(*command: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run *command* in *cwd* and return how it ended; skip where it needs a network it lacks."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and NO_NETWORK.search(done.stdout + done.stderr):
        pytest.skip("the package index cannot be reached")
    return done


def git(*words: str, cwd: Path) -> str:
    """Run git as nobody in particular."""
    identity = (
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.com",
        "-c",
        "init.defaultBranch=m",
    )
    done = run("git", *identity, "-c", "commit.gpgsign=false", *words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository whose only commit is the working tree as it is now."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no git checkout")
    folder = tmp_path_factory.mktemp("clone")
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git("init", "--quiet", cwd=folder)
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "--message", "a snapshot", cwd=folder)
    return folder


def test_pre_commit_runs_the_hook(snapshot: Path, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("pre-commit")
    if not program.is_file():
        pytest.skip("pre-commit is not in this environment")
    home = tmp_path / "home"
    project = tmp_path / "project"
    project.mkdir()
    hook = {"id": "dra-config", "args": ["--feature-gates=MPSSupport=true"]}
    repository = {"repo": str(snapshot), "rev": git("rev-parse", "HEAD", cwd=snapshot)}
    config = {"repos": [{**repository, "hooks": [hook]}]}
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (project / "good.yaml").write_text(GOOD, encoding="utf-8")
    (project / "notes.txt").write_text(BAD, encoding="utf-8")
    git("init", "--quiet", cwd=project)
    git("add", "--all", cwd=project)

    good = run(program, "run", "--all-files", cwd=project, PRE_COMMIT_HOME=str(home))
    assert good.returncode == 0, good.stdout + good.stderr
    assert re.search(r"^dra-config\.+Passed$", good.stdout, re.MULTILINE)

    (project / "bad one.yml").write_text(BAD, encoding="utf-8")
    git("add", "--all", cwd=project)
    bad = run(program, "run", "--all-files", cwd=project, PRE_COMMIT_HOME=str(home))
    assert bad.returncode == 1
    assert "bad one.yml:3:21: error[DRA101]" in bad.stdout
    assert "notes.txt" not in bad.stdout


def action() -> Mapping[str, Any]:
    """Return what action.yml says."""
    found: Mapping[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return found


def step(name: str) -> Mapping[str, Any]:
    """Return a step of the action by its name."""
    (found,) = (each for each in action()["runs"]["steps"] if each["name"] == name)
    return dict(found)


def run_step(
    name: str, inputs: Mapping[str, str], *, cwd: Path, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a step as the runner does: expressions are filled into its variables alone."""
    contexts = {"github.action_path": str(ROOT), "runner.temp": str(cwd / ".runner")}
    contexts |= {f"inputs.{key}": entry["default"] for key, entry in action()["inputs"].items()}
    contexts |= {f"inputs.{key}": value for key, value in inputs.items()}
    variables = {
        key: re.sub(r"\$\{\{ (\S+) \}\}", lambda match: contexts[match[1]], value)
        for key, value in step(name)["env"].items()
    }
    script = cwd / ".script.sh"
    script.write_text(step(name)["run"], encoding="utf-8")
    bash = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail")
    return run(*bash, script, cwd=cwd, **{**variables, **more})


def validate(tmp_path: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the step that validates, with this checkout in place of what was installed."""
    done = {key.replace("_", "-"): value for key, value in inputs.items()}
    more = {"DRA_CONFIG_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    return run_step("Validate", done, cwd=tmp_path, **more)


def test_the_action_takes_its_inputs_as_variables_only() -> None:
    assert set(action()["inputs"]) == {"paths", "feature-gates", "strict", "output"}
    assert action()["runs"]["using"] == "composite"
    for each in action()["runs"]["steps"]:
        assert "${{" not in each["run"]
        assert each["shell"] == "bash"


def test_the_action_judges_every_path_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "bad one.yaml").write_text(BAD, encoding="utf-8")
    (tmp_path / "good.yaml").write_text(GOOD, encoding="utf-8")
    assert validate(tmp_path, output="text", paths="good.yaml").returncode == 0
    both = validate(tmp_path, output="text", paths="good.yaml\nbad one.yaml\n")
    assert both.returncode == 1
    assert "bad one.yaml:3:21: error[DRA101]" in both.stdout
    assert "in 2 files" in both.stdout
    # Left out, the folder of the job is judged.
    assert "error" in validate(tmp_path).stdout


@pytest.mark.parametrize(
    ("gates", "code"), [("unknown", 0), ("defaults", 1), ("MPSSupport=true", 0)]
)
def test_the_action_hands_the_gates_on(tmp_path: Path, gates: str, code: int) -> None:
    (tmp_path / "a.yaml").write_text(f"{GOOD}sharing: {{strategy: MPS}}\n", encoding="utf-8")
    done = validate(tmp_path, feature_gates=gates)
    assert done.returncode == code, done.stdout + done.stderr


@pytest.mark.parametrize(("strict", "code"), [("false", 0), ("true", 1), ("yes", 2)])
def test_the_action_is_strict_when_asked(tmp_path: Path, strict: str, code: int) -> None:
    (tmp_path / "a.yaml").write_text(WARNED, encoding="utf-8")
    done = validate(tmp_path, strict=strict)
    assert done.returncode == code, done.stdout + done.stderr


def test_no_input_of_the_action_is_run_or_read_as_an_option(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit('a stranger was imported')\n", "utf-8")
    done = validate(tmp_path, paths="$(touch oops)\n--help\n`touch oops`", output="text")
    assert done.returncode == 2
    assert not (tmp_path / "oops").exists()
    assert "cannot read" in done.stderr
    assert "stranger" not in done.stderr
    assert "usage:" not in done.stdout


def test_the_action_installs_what_its_own_commit_holds(tmp_path: Path) -> None:
    environment_file = tmp_path / "env"
    installed = run_step("Install dra-config", {}, cwd=tmp_path, GITHUB_ENV=str(environment_file))
    assert installed.returncode == 0, installed.stdout + installed.stderr
    python = environment_file.read_text(encoding="utf-8").strip().partition("=")[2]
    (tmp_path / "a.yaml").write_text(BAD, encoding="utf-8")
    done = run_step("Validate", {"output": "text"}, cwd=tmp_path, DRA_CONFIG_PYTHON=python)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "error[DRA101]" in done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the working tree."""
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder)
    done = run(*build, ROOT, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.parametrize("runner", ["uvx", "pipx"])
def test_a_tool_runner_needs_the_wheel_alone(runner: str, wheel: Path, tmp_path: Path) -> None:
    beside = Path(sys.executable).with_name(runner)
    program = str(beside) if beside.is_file() else shutil.which(runner)
    if program is None:
        pytest.skip(f"this machine has no {runner}")
    words = ["--from", str(wheel)] if runner == "uvx" else ["run", "--spec", str(wheel)]
    folders = {
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "UV_PYTHON": sys.executable,
    }
    project = tmp_path / "project"
    project.mkdir()
    (project / "claim.yaml").write_text(GOOD, encoding="utf-8")
    command = (program, *words, "dra-config", "validate", ".")
    good = run(*command, cwd=project, **folders)
    assert good.returncode == 0, good.stdout + good.stderr
    (project / "claim.yaml").write_text(BAD, encoding="utf-8")
    bad = run(*command, cwd=project, **folders)
    assert bad.returncode == 1, bad.stdout + bad.stderr
    assert "claim.yaml:3:21: error[DRA101]" in bad.stdout


def snippets(name: str, language: str) -> list[str]:
    """Return the code blocks of a language in a how-to."""
    text = (ROOT / "docs" / "how-to" / name).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["ci.md", "pre-commit.md"])
def test_the_snippets_of_the_how_tos_are_yaml_that_names_what_exists(name: str) -> None:
    found = snippets(name, "yaml")
    assert found
    for text in found:
        yaml.safe_load(text)
        for command in re.findall(r"dra-config ([a-z]+)", text):
            assert command in COMMANDS
        for block in re.findall(r"uses: \S+dra-config@\S+\n +with:\n((?: +\S.*\n)+)", text):
            assert set(yaml.safe_load(block)) <= set(action()["inputs"])


def test_the_hook_names_a_command_that_exists() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["id"] == "dra-config"
    assert hook["types_or"] == ["yaml", "json"]
    assert hook["entry"].split()[1] in COMMANDS
