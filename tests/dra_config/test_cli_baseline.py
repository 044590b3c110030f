"""A baseline: what a team has and lives with."""

import json
import os
from pathlib import Path

import pytest

from dra_config.cli import baseline, main
from dra_config.cli.files import Source

GOOD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
BAD = f"{GOOD}sharing: {{strategy: mps}}\n"
WORSE = f"{BAD}x: 1\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FABRIC_TOPOLOGY_SUPPORT", raising=False)
    Path("x").mkdir()
    Path("x/a.yaml").write_text(BAD, encoding="utf-8")


def test_what_was_written_is_known_from_then_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--write-baseline", "known.json", "x"]) == 0
    out, err = capsys.readouterr()
    assert "0 errors" in out
    assert err == "dra-config: wrote 1 finding to known.json\n"
    assert main(["validate", "x"]) == 1
    capsys.readouterr()
    assert main(["validate", "--baseline", "known.json", "x"]) == 0
    out, err = capsys.readouterr()
    assert "0 errors" in out
    assert err == "dra-config: 1 finding of known.json not shown\n"


def test_only_what_is_new_is_shown_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    main(["validate", "--write-baseline", "known.json", "x"])
    Path("x/a.yaml").write_text(f"# moved\n\n{WORSE}", encoding="utf-8")
    capsys.readouterr()
    assert main(["validate", "--baseline", "known.json", "x"]) == 1
    out = capsys.readouterr().out
    assert "1 error," in out
    assert "a.yaml:6:1: error[DRA010]" in out


def test_a_second_finding_like_a_known_one_is_new() -> None:
    main(["validate", "--write-baseline", "known.json", "x"])
    Path("x/a.yaml").write_text(f"{BAD}---\n{BAD}", encoding="utf-8")
    assert main(["validate", "--baseline", "known.json", "x"]) == 1


def test_it_holds_from_any_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    main(["validate", "--write-baseline", "known.json", "x"])
    assert json.loads(Path("known.json").read_bytes())["findings"][0]["path"] == "x/a.yaml"
    monkeypatch.chdir("x")
    assert main(["validate", "--baseline", "../known.json", "a.yaml"]) == 0


def test_entries_that_nothing_matches_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x/b.yaml").write_text(BAD, encoding="utf-8")
    main(["validate", "--write-baseline", "known.json", "x"])
    capsys.readouterr()
    Path("x/a.yaml").write_text(GOOD, encoding="utf-8")
    assert main(["validate", "--baseline", "known.json", "x"]) == 0
    told = capsys.readouterr().err.splitlines()[-1]
    assert "nothing matches 1 finding of known.json any more" in told
    assert told.endswith("x/a.yaml: DRA101 sharing.strategy")
    # What was not judged may well be there still, but not what is gone.
    assert main(["validate", "--baseline", "known.json", "x/b.yaml"]) == 0
    assert "any more" not in capsys.readouterr().err
    Path("x/a.yaml").unlink()
    assert main(["validate", "--baseline", "known.json", "x/b.yaml"]) == 0
    assert "any more" in capsys.readouterr().err


def test_a_baseline_is_the_same_whatever_the_order() -> None:
    Path("x/b.yaml").write_text(WORSE, encoding="utf-8")
    main(["validate", "--write-baseline", "one.json", "x/a.yaml", "x/b.yaml"])
    main(["validate", "--write-baseline", "two.json", "x/b.yaml", "x/a.yaml"])
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()
    assert len(Path("one.json").read_text(encoding="utf-8").splitlines()) == 8


def test_nothing_found_is_an_empty_baseline() -> None:
    Path("x/a.yaml").write_text(GOOD, encoding="utf-8")
    assert main(["validate", "--write-baseline", "known.json", "x"]) == 0
    assert json.loads(Path("known.json").read_bytes()) == {"version": 1, "findings": []}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "cannot read the baseline known.json"),
        ("{", "known.json is no baseline"),
        ("[]", "known.json is no baseline of version 1"),
        ('{"version": 2}', "known.json is no baseline of version 1"),
        ('{"version": 1}', "lacks 'findings'"),
        ('{"version": 1, "findings": [{"path": "a"}]}', "lacks 'fingerprint'"),
        ('{"version": 1, "findings": [1]}', "known.json is no baseline"),
        ("\ufeff\udcff", "known.json is no baseline"),
    ],
)
def test_a_file_that_is_no_baseline_is_wrong_usage(
    text: str | None, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        Path("known.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    assert main(["validate", "--baseline", "known.json", "x"]) == 2
    assert sentence in capsys.readouterr().err


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["validate", "--write-baseline", "known.json", "x"])
    before = Path("known.json").read_bytes()
    Path("x/a.yaml").write_text(WORSE, encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(["validate", "--write-baseline", "known.json", "x"]) == 2
    assert "cannot write the baseline known.json: no space" in capsys.readouterr().err
    assert Path("known.json").read_bytes() == before
    assert sorted(path.name for path in Path().iterdir()) == ["known.json", "x"]
    assert baseline.folder_of("known.json") == str(Path.cwd())


def test_an_interrupted_run_writes_no_baseline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(Source, "read", stop)
    assert main(["validate", "--write-baseline", "known.json", "x"]) == 130
    assert "known.json was not written" in capsys.readouterr().err
    assert not Path("known.json").exists()


@pytest.mark.parametrize("other", [["--baseline", "a"], ["--diff-from", "HEAD"]])
def test_a_baseline_is_of_everything(other: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--write-baseline", "known.json", *other, "x"]) == 2
    assert "writes all that is found" in capsys.readouterr().err
