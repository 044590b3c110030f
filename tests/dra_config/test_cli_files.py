"""From paths to files: folders, patterns, links, and what is not read."""

import errno
import os
from pathlib import Path

import pytest

from dra_config.cli import main
from dra_config.cli.files import EmptyFolder, Source, Unreachable, find_sources
from dra_config.cli.judge import Criteria, judge_file
from dra_config.manifests import MAX_FILE_BYTES

GOOD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(*names: str) -> None:
    """Write a good config into each of the files *names*."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(GOOD, encoding="utf-8")


def found(*paths: str) -> list[str]:
    """Return the files behind *paths*, all of which can be read."""
    sources = list(find_sources(paths))
    assert all(isinstance(source, Source) for source in sources), sources
    return [source.path for source in sources]


@pytest.mark.usefixtures("folder")
def test_a_folder_gives_its_manifests_in_order_and_what_lies_below() -> None:
    put("m/b.yaml", "m/a.yml", "m/c.json", "m/d.jsonl", "m/e.ndjson", "m/README.md", "m/z/a.YAML")
    put("m/.git/x.yaml", "m/node_modules/x.yaml", "m/.hidden.yaml")
    names = [".hidden.yaml", "a.yml", "b.yaml", "c.json", "d.jsonl", "e.ndjson", "z/a.YAML"]
    assert found("m") == [f"m/{name}" for name in names]


@pytest.mark.usefixtures("folder")
def test_what_is_named_is_read_whatever_its_name() -> None:
    put("notes.txt", ".hidden/x.yaml", "m/node_modules/x.yaml")
    assert found("notes.txt", ".hidden", "m/node_modules") == [
        "notes.txt",
        ".hidden/x.yaml",
        "m/node_modules/x.yaml",
    ]


@pytest.mark.usefixtures("folder")
def test_a_link_to_a_folder_is_entered_when_it_is_named_only() -> None:
    put("real/x.yaml")
    Path("m").mkdir()
    Path("m/link").symlink_to("../real", target_is_directory=True)
    Path("m/loop").symlink_to("../m", target_is_directory=True)
    put("m/a.yaml")
    assert found("m") == ["m/a.yaml"]
    assert found("m/link") == ["m/link/x.yaml"]


@pytest.mark.usefixtures("folder")
def test_a_file_is_judged_once_however_often_it_is_named() -> None:
    put("m/a.yaml")
    assert found("m/a.yaml", "m", "./m/a.yaml", "m/*.yaml") == ["m/a.yaml"]


@pytest.mark.usefixtures("folder")
def test_a_pattern_that_no_shell_expanded_is_expanded() -> None:
    put("m/a.yaml", "m/x/b.yaml", "m/x/c.txt", "m/README.md")
    assert found("m/*.yaml") == ["m/a.yaml"]
    assert found("m/**/*.yaml") == ["m/a.yaml", "m/x/b.yaml"]
    assert found("m/**") == ["m/a.yaml", "m/x/b.yaml"]
    assert found("m/*") == ["m/a.yaml", "m/x/b.yaml"]
    assert found("m/x/*.txt") == ["m/x/c.txt"]


@pytest.mark.usefixtures("folder")
def test_a_pattern_across_folders_says_nothing_of_an_empty_one() -> None:
    put("m/a.yaml", "m/docs/README.md")
    assert found("m/**") == ["m/a.yaml"]
    assert list(find_sources(["m/d*"])) == [EmptyFolder("m/docs")]


@pytest.mark.usefixtures("folder")
def test_a_file_whose_name_looks_like_a_pattern_is_a_file() -> None:
    put("[a].yaml", "a.yaml")
    assert found("[a].yaml") == ["[a].yaml"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("path", ["nowhere", "nowhere/*.yaml", "no\0where", ""])
def test_nothing_behind_a_path_is_told(path: str) -> None:
    (nothing,) = find_sources([path])
    assert isinstance(nothing, Unreachable)
    assert nothing.path == path


@pytest.mark.usefixtures("folder")
def test_a_folder_without_manifests_is_told_and_fails_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("m").mkdir()
    assert list(find_sources(["m"])) == [EmptyFolder("m")]
    assert main(["validate", "m"]) == 0
    assert capsys.readouterr().err == "dra-config: no YAML or JSON file in m\n"


@pytest.mark.usefixtures("folder")
def test_a_broken_link_in_a_folder_is_a_file_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    put("m/a.yaml")
    Path("m/b.yaml").symlink_to("nowhere")
    assert main(["validate", "m"]) == 2
    out, err = capsys.readouterr()
    assert err == "dra-config: cannot read m/b.yaml: no such file or directory\n"
    assert "in 1 file," in out


@pytest.mark.usefixtures("folder")
def test_a_pipe_in_a_folder_is_not_waited_for() -> None:
    put("m/a.yaml")
    os.mkfifo("m/pipe.yaml")
    assert found("m") == ["m/a.yaml"]


@pytest.mark.usefixtures("folder")
def test_a_file_that_opens_and_cannot_be_read_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    put("a.yaml")
    monkeypatch.setattr(Source, "read", fail)
    assert main(["validate", "a.yaml"]) == 2
    assert capsys.readouterr().err == "dra-config: cannot read a.yaml: input/output error\n"


@pytest.mark.usefixtures("folder")
def test_a_name_that_is_no_text_is_reported_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = os.fsdecode(b"\xff.yaml")
    Path(name).write_text("a: [", encoding="utf-8")
    assert main(["validate", "."]) == 1
    assert main(["validate", ".", "--output", "json"]) == 1
    assert r"./\udcff.yaml" in capsys.readouterr().out


def test_a_file_beyond_all_measure_is_refused_unread(folder: Path) -> None:
    large = folder / "large.yaml"
    with large.open("wb") as file:
        file.truncate(10 * MAX_FILE_BYTES)
    (source,) = find_sources([str(large)])
    assert isinstance(source, Source)
    text = source.read(None)
    assert len(text) == MAX_FILE_BYTES + 1
    (finding,) = judge_file("large.yaml", text, Criteria()).findings
    assert (finding.rule, finding.line, finding.column) == ("DRA942", 1, 1)
    assert finding.message == "The file has more than 16 MiB, which is the most that is read."


@pytest.mark.usefixtures("folder")
def test_the_suffix_decides_how_json_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    line = '{"apiVersion":"resource.nvidia.com/v1beta1","kind":"GpuConfig"}\n'
    bad = '{"apiVersion":"resource.nvidia.com/v1beta1","kind":"GpuConfg"}\n'
    Path("a.jsonl").write_text(f"{line}\n{bad}{{\n{line}", encoding="utf-8")
    assert main(["validate", "a.jsonl"]) == 1
    out = capsys.readouterr().out
    assert "a.jsonl:3:52: error[DRA007]" in out
    assert "a.jsonl:4:2: error[DRA940]" in out
    assert "4 documents, 3 configs" in out
