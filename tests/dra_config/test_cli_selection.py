"""Which rules speak: --select and --ignore."""

from pathlib import Path

import pytest

from dra_config.cli import main
from dra_config.cli.selection import Selection, UnknownRule, read_rules

GOOD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
TWO = f"{GOOD}sharing: {{strategy: mps}}\nshering: 1\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FABRIC_TOPOLOGY_SUPPORT", raising=False)
    Path("a.yaml").write_text(TWO, encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "code", "rules"),
    [
        ([], 1, {"DRA101", "DRA010"}),
        (["--select", "DRA101"], 1, {"DRA101"}),
        (["--ignore", "DRA101"], 1, {"DRA010"}),
        (["--ignore", "DRA101,DRA010"], 0, set[str]()),
        (["--ignore", "DRA101", "--ignore=DRA010"], 0, set[str]()),
        (["--select", "DRA101, DRA010", "--ignore", "DRA010"], 1, {"DRA101"}),
        (["--select", "DRA802"], 0, set[str]()),
    ],
)
def test_only_the_chosen_rules_speak_and_fail(
    options: list[str], code: int, rules: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", *options, "a.yaml"]) == code
    out = capsys.readouterr().out
    assert {rule for rule in ("DRA101", "DRA010") if f"[{rule}]" in out} == rules
    assert f"{len(rules)} error" in out


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("dra101", "did you mean DRA101?"),
        ("DRA1O1", "did you mean DRA101?"),
        ("unused-ignores", "did you mean DRA945 (unused-ignore)?"),
        ("DRA101,", "there is no rule ''"),
    ],
)
def test_an_unknown_rule_is_answered_with_the_nearest(
    word: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "--select", word, "a.yaml"]) == 2
    out, err = capsys.readouterr()
    assert meant in err
    assert out == ""


def test_a_word_like_no_rule_gets_no_hint() -> None:
    with pytest.raises(UnknownRule, match=r"^there is no rule 'zzz'$"):
        read_rules(["zzz"])


def test_a_file_that_does_not_parse_is_told_whatever_is_selected() -> None:
    assert Selection(select=frozenset({"DRA101"})).keeps("DRA940")
    assert not Selection(ignore=frozenset({"DRA940"})).keeps("DRA940")
