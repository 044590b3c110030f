"""What is published: the wheel, the sdist and the pins, tried the way a user meets them."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
PIP = (sys.executable, "-m", "pip")
SUPPORTED_MINORS = (11, 12, 13, 14)

GOOD = {
    "apiVersion": "resource.nvidia.com/v1beta1",
    "kind": "GpuConfig",
    "sharing": {"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "Default"}},
}
BAD = {**GOOD, "sharing": {"strategy": "Sideways"}}


def environment() -> dict[str, str]:
    """Return the environment without what points Python at this checkout."""
    ours = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {key: value for key, value in os.environ.items() if key not in ours}


def run(*arguments: str | Path, cwd: Path) -> str:
    """Run a program in *cwd* and return what it printed; fail with its output if it fails."""
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(source: Path, kind: str, into: Path) -> Path:
    """Build an sdist or a wheel of *source* without the network and return its path."""
    run(
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        f"--{kind}",
        "--outdir",
        into,
        source,
        cwd=into,
    )
    (built,) = into.glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return built


def contents(wheel: Path) -> Mapping[str, int]:
    """Return the checksum of every file in *wheel* by its name."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist()}


def install(python: Path, folder: Path, wheel: Path) -> Path:
    """Make an environment of *python* in *folder* with the pinned runtime and *wheel*.

    Returns:
        The environment's folder of programs.

    """
    run(python, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    scripts = folder / "bin"
    pip = (*PIP, "--python", scripts / "python", "install", "--quiet", "--no-compile")
    run(*pip, "--require-hashes", "-r", REQUIREMENTS / "runtime.txt", cwd=folder.parent)
    run(*pip, "--no-deps", "--no-index", wheel, cwd=folder.parent)
    return scripts


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for everything here; its name has a space in it."""
    return tmp_path_factory.mktemp("a path with spaces")


@pytest.fixture(scope="session")
def wheel(folder: Path) -> Path:
    """Build the wheel from the working tree."""
    into = folder / "wheel"
    into.mkdir()
    return build(ROOT, "wheel", into)


@pytest.fixture(scope="session")
def sdist(folder: Path) -> Path:
    """Build the sdist from the working tree."""
    into = folder / "sdist"
    into.mkdir()
    return build(ROOT, "sdist", into)


@pytest.fixture(scope="session")
def scripts(folder: Path, wheel: Path) -> Path:
    """Install the wheel into an empty environment and return its folder of programs."""
    return install(Path(sys.executable), folder / "empty environment", wheel)


def test_the_wheel_holds_the_library_its_schemas_and_nothing_else(wheel: Path) -> None:
    names = set(contents(wheel))
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {
        "dra_config"
    }
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "dra_config").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    schemas = {
        f"dra_config/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "schemas").rglob("*")
        if path.is_file()
    }
    assert schemas, "the repository has no schemas"
    assert "dra_config/py.typed" in names
    assert {name for name in names if ".dist-info/" not in name} == sources | schemas
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_wheel_asks_for_pydantic_and_a_yaml_parser_and_no_more(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
    required = re.findall(r"^Requires-Dist: ([\w.-]+)(.*)$", metadata, re.MULTILINE)
    assert {name for name, rest in required if "extra ==" not in rest} == {"pydantic", "pyyaml"}
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, folder: Path) -> None:
    into = folder / "wheel from the sdist"
    offline = ("--no-index", "--no-deps", "--no-build-isolation")
    run(*PIP, "wheel", "--quiet", *offline, "--wheel-dir", into, sdist, cwd=folder)
    (built,) = into.glob("*.whl")
    assert contents(built) == contents(wheel)


def test_the_installed_command_says_its_version(scripts: Path, folder: Path) -> None:
    text = (ROOT / "dra_config" / "version.py").read_text(encoding="utf-8")
    (version,) = re.findall(r'__version__ = "(.+)"', text)
    assert version in run(scripts / "dra-config", "--version", cwd=folder)


@pytest.mark.parametrize(("config", "code"), [(GOOD, 0), (BAD, 1)], ids=["good", "bad"])
def test_the_installed_command_judges_a_config(
    scripts: Path, tmp_path: Path, config: dict[str, object], code: int
) -> None:
    path = tmp_path / "a config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    done = subprocess.run(
        [scripts / "dra-config", "validate", path],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if code:
        assert "Sideways" in done.stdout


def interpreter(minor: int) -> Path | None:
    """Return a CPython 3.*minor* of this machine that starts, or None."""
    name = f"python3.{minor}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [
        Path(sys.executable),
        *(Path(entry) / name for entry in os.get_exec_path()),
        *sorted((pyenv / "versions").glob(f"3.{minor}.*/bin/{name}"), reverse=True),
    ]
    probe = "import sys; print(sys.implementation.name, sys.version_info[1])"
    for candidate in candidates:
        if not candidate.is_file():
            continue
        # pyenv puts a shim on PATH for every version it has and starts only the chosen one.
        done = subprocess.run(
            [candidate, "-c", probe], capture_output=True, text=True, check=False
        )
        if done.stdout.split() == ["cpython", str(minor)]:
            return candidate
    return None


@pytest.mark.parametrize("minor", SUPPORTED_MINORS)
def test_the_wheel_works_on_every_supported_python(minor: int, wheel: Path, folder: Path) -> None:
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"this machine has no CPython 3.{minor}")
    scripts = install(python, folder / f"environment of 3.{minor}", wheel)
    program = (
        "import sys, dra_config\n"
        f"assert sys.version_info[:2] == (3, {minor})\n"
        "gates = dra_config.FeatureGates.parse('TimeSlicingSettings=true')\n"
        f"print(dra_config.load({json.dumps(GOOD)!r}, gates=gates).config)"
    )
    assert "TimeSlicing" in run(scripts / "python", "-I", "-W", "error", "-c", program, cwd=folder)
    assert run(scripts / "dra-config", "--version", cwd=folder).strip()


def declared(name: str) -> set[str]:
    """Return the names of the requirements in pyproject.toml that a file of pins is made from."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    entries = [*document["project"]["dependencies"]]
    if name != "runtime.txt":
        entries += document["project"]["optional-dependencies"]["webhook"]
    if name == "dev.txt":
        groups = document["dependency-groups"]
        entries += [*groups["test"], *groups["lint"], *groups["lock"]]
    return {re.split(r"[\[><=; ]", entry)[0] for entry in entries}


def pins(name: str) -> dict[str, str]:
    """Return the exact version of each requirement that a file pins, by its name."""
    text = (REQUIREMENTS / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["runtime.txt", "webhook.txt", "dev.txt"])
def test_pins_cover_what_the_project_declares_and_carry_hashes(name: str) -> None:
    text = (REQUIREMENTS / name).read_text(encoding="utf-8")
    assert declared(name) <= set(pins(name)), "run `make lock`"
    entries = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)
    assert all("--hash=sha256:" in entry for entry in entries if entry.strip())
    assert "://" not in text
    assert not re.search(r"^--", text, re.MULTILINE), "options such as an index have no place here"


@pytest.mark.parametrize(("small", "large"), [("runtime", "webhook"), ("webhook", "dev")])
def test_every_audience_gets_the_same_versions(small: str, large: str) -> None:
    assert pins(f"{small}.txt").items() <= pins(f"{large}.txt").items()
