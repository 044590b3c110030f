"""A release: refused unless the tree is ready, the same bytes twice, and a bill that holds."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from dra_config.version import __version__
from tools import release, sbom

ROOT = Path(__file__).resolve().parents[1]
SECTION = f"## [{__version__}] - 2026-11-24\n\n- Something.\n\n"


def git(root: Path, *words: str) -> None:
    """Run git as nobody in particular, at a fixed time."""
    identity = (
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.com",
        "-c",
        "commit.gpgsign=false",
    )
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "a change")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a checkout of what a release is made of, with a section in its changelog."""
    if shutil.which("git") is None:
        pytest.skip("this machine has no git")
    root = tmp_path / "a tree"
    root.mkdir()
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("dra_config", "schemas", "requirements"):
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    for name in (".gitignore", "CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    git(root, "init", "--quiet")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (root / "CHANGELOG.md").write_text(
        changelog if f"## [{__version__}]" in changelog else changelog + SECTION, encoding="utf-8"
    )
    commit(root)
    return root


def test_a_commit_gives_the_same_files_whenever_it_is_built(
    tree: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert release.main([], root=tree) == 0, capfd.readouterr().err
    first = {file.name: file.read_bytes() for file in (tree / "dist").iterdir()}
    assert set(first) == {
        f"dra_config-{__version__}-py3-none-any.whl",
        f"dra_config-{__version__}.tar.gz",
        f"dra_config-{__version__}.cdx.json",
        "SHA256SUMS",
    }
    for file in tree.rglob("*.py"):
        file.touch()
    (tree / "dist" / "left over").touch()
    assert release.main([], root=tree) == 0
    assert {file.name: file.read_bytes() for file in (tree / "dist").iterdir()} == first
    sums = dict(line.split()[::-1] for line in first["SHA256SUMS"].decode().splitlines())
    assert set(sums) == set(first) - {"SHA256SUMS"}
    assert all(hashlib.sha256(first[name]).hexdigest() == found for name, found in sums.items())


def test_a_tree_with_changes_is_refused(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "dra_config" / "new.py").touch()
    assert release.main([], root=tree) == 1
    assert "commit or remove dra_config/new.py" in capsys.readouterr().err
    assert not (tree / "dist").exists()


@pytest.mark.parametrize("section", ["", f"## [{__version__}] - 2026-11-24\n\n## [0.0.1] - x\n"])
def test_a_version_the_changelog_does_not_tell_of_is_refused(
    tree: Path, section: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "CHANGELOG.md").write_text(f"# Changelog\n\n{section}", encoding="utf-8")
    commit(tree)
    assert release.main([], root=tree) == 1
    assert f"no section '## [{__version__}] - YYYY-MM-DD'" in capsys.readouterr().err


def test_a_version_that_is_none_is_refused(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "dra_config" / "version.py").write_text('__version__ = "1.0.0.dev1"\n', "utf-8")
    assert release.main([], root=tree) == 1
    assert "holds no version such as 1.2.3" in capsys.readouterr().err


def test_what_is_no_checkout_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "dra_config").mkdir()
    shutil.copy(ROOT / "dra_config" / "version.py", tmp_path / "dra_config")
    assert release.main([], root=tmp_path) == 1
    assert "built from a git checkout" in capsys.readouterr().err


def test_the_bill_of_materials_is_valid_and_lists_every_pin() -> None:
    text = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    document = sbom.render(__version__, sbom.read_pins(text), 1_700_000_000)
    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    assert errors is None, errors
    pinned = re.findall(r"^(\S+)==(\S+)", text, re.MULTILINE)
    components = document["components"]
    assert isinstance(components, list)
    assert [(each["name"], each["version"]) for each in components] == pinned
    assert {"pydantic", "pydantic-core", "pyyaml"} <= {name for name, _ in pinned}


def test_the_bill_of_materials_says_what_depends_on_what() -> None:
    pins = [
        sbom.Pin("pydantic", "2.0", ("dra-config",)),
        sbom.Pin("pydantic-core", "2.1", ("pydantic",)),
    ]
    found = sbom.render("1.0.0", pins, 0)["dependencies"]
    assert found == [
        {"ref": "pkg:pypi/dra-config@1.0.0", "dependsOn": ["pkg:pypi/pydantic@2.0"]},
        {"ref": "pkg:pypi/pydantic@2.0", "dependsOn": ["pkg:pypi/pydantic-core@2.1"]},
        {"ref": "pkg:pypi/pydantic-core@2.1", "dependsOn": []},
    ]


def test_pins_are_read_with_those_who_want_them() -> None:
    first = (
        "a==1 \\\n    --hash=sha256:0\n    # via\n    #   b\n    #   dra-config (pyproject.toml)\n"
    )
    text = f"{first}b==2.0 ; x\n    # via a\n"
    assert sbom.read_pins(text) == [
        sbom.Pin("a", "1", ("b", "dra-config")),
        sbom.Pin("b", "2.0", ("a",)),
    ]
