"""--diff-from: only what changed since a commit."""

import os
import subprocess
from pathlib import Path

import pytest

from dra_config.cli import main

GOOD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
BAD = f"{GOOD}sharing: {{strategy: mps}}\n"
ODD = 'b "\u00fc\t.yaml'


def git(*words: str) -> None:
    """Run git as nobody in particular, without what the developer's own settings say."""
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com"]
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(
        ["git", *who, *words], check=True, capture_output=True, env={**os.environ, **quiet}
    )


def commit(message: str) -> None:
    """Commit everything."""
    git("add", "--all")
    git("commit", "--quiet", "--message", message)


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a repository with one commit of a bad file."""
    monkeypatch.chdir(tmp_path)
    for name in ("FABRIC_TOPOLOGY_SUPPORT", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    git("init", "--quiet", "--initial-branch=main")
    Path("a.yaml").write_text(f"{BAD}---\n{GOOD}", encoding="utf-8")
    Path("same.yaml").write_text(BAD, encoding="utf-8")
    commit("one")
    return tmp_path


def places(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Return the places of what is found since the commit before."""
    main(["validate", "--diff-from", "HEAD", *words])
    lines = capsys.readouterr().out.splitlines()
    return [line.partition(" ")[0] for line in lines if "error[" in line]


def test_what_did_not_change_is_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--diff-from", "HEAD", "."]) == 0
    assert "in 0 files" in capsys.readouterr().out


def test_only_findings_on_changed_lines_count(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(f"# above\n{BAD}---\n{GOOD}x: 1\n", encoding="utf-8")
    assert places(capsys, ".") == ["./a.yaml:8:1:"]
    assert places(capsys, str(Path("a.yaml").resolve()))[0].endswith("a.yaml:8:1:")
    git("add", "--all")
    assert places(capsys, "a.yaml") == ["a.yaml:8:1:"]


def test_a_new_file_counts_as_a_whole(capsys: pytest.CaptureFixture[str]) -> None:
    Path("new.yaml").write_text(BAD, encoding="utf-8")
    assert places(capsys, ".") == ["./new.yaml:3:21:"]
    git("add", "--all")
    assert places(capsys, ".") == ["./new.yaml:3:21:"]


def test_lines_around_a_gap_count_as_changed(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(BAD.replace("kind: GpuConfig\n", ""), encoding="utf-8")
    assert "a.yaml:1:1:" in places(capsys, "a.yaml")


def test_odd_names_are_read_right(capsys: pytest.CaptureFixture[str]) -> None:
    Path(ODD).write_text(GOOD, encoding="utf-8")
    commit("two")
    Path(ODD).write_text(f"{GOOD}x: 1\n", encoding="utf-8")
    assert len(places(capsys, ODD)) == 1


def test_text_that_looks_like_a_patch_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    Path("b.txt").write_text("1\n2\n3\n4\n", encoding="utf-8")
    commit("two")
    Path("b.txt").write_text("++ b/a.yaml\n2\nthree\n4\n", encoding="utf-8")
    # Taken for the head of a file, the first line would lay the second change to a.yaml.
    assert places(capsys, "a.yaml") == []


def test_it_works_from_a_folder_below_and_through_a_link(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("sub").mkdir()
    Path("sub/new.yaml").write_text(BAD, encoding="utf-8")
    monkeypatch.chdir("sub")
    assert places(capsys, "..") == ["../sub/new.yaml:3:21:"]
    link = repository.parent / f"{repository.name}-link"
    link.symlink_to(repository)
    assert len(places(capsys, str(link / "sub" / "new.yaml"))) == 1


def test_work_on_the_other_side_is_no_change_here(capsys: pytest.CaptureFixture[str]) -> None:
    git("checkout", "--quiet", "-b", "topic")
    Path("mine.yaml").write_text(BAD, encoding="utf-8")
    commit("mine")
    git("checkout", "--quiet", "main")
    Path("same.yaml").write_text(GOOD, encoding="utf-8")
    commit("theirs")
    git("checkout", "--quiet", "topic")
    assert main(["validate", "--diff-from", "main", "."]) == 1
    out = capsys.readouterr().out
    assert "mine.yaml:3:21" in out
    assert "same.yaml" not in out


@pytest.mark.parametrize("name", ["nothing", "--output=x", "-h", ""])
def test_an_unknown_commit_is_wrong_usage(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", f"--diff-from={name}", "."]) == 2
    assert f"git knows no commit {name!r}" in capsys.readouterr().err
    assert not Path("x^{commit}").exists()


def test_without_a_repository_the_reason_is_told(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(elsewhere.parent))
    monkeypatch.chdir(elsewhere)
    assert main(["validate", "--diff-from", "HEAD", "."]) == 2
    assert "--diff-from needs a git repository: not a git repository" in capsys.readouterr().err


def test_without_git_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["validate", "--diff-from", "HEAD", "."]) == 2
    assert "there is no git on the PATH" in capsys.readouterr().err


def test_standard_input_has_no_history(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--diff-from", "HEAD", "-"]) == 2
    assert "standard input has no history" in capsys.readouterr().err
