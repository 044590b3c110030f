"""Comments that silence a rule at one place."""

from pathlib import Path

import pytest

from dra_config.cli import main
from dra_config.cli.ignores import apply_ignores
from dra_config.cli.judge import Criteria, judge_file

GOOD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
CLAIM = """\
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: training}
spec:
  devices:
    config:
    - opaque:
        driver: gpu.nvidia.com
        parameters:
          apiVersion: resource.nvidia.com/v1beta1
          kind: GpuConfig
          sharing:
            # dra-config: ignore[DRA101] the fork knows it
            strategy: Mps
"""


def found(text: str) -> list[tuple[str, int, str]]:
    """Return rule, line and message of what remains."""
    raw = text.encode()
    verdict = apply_ignores(judge_file("a.yaml", raw, Criteria(), "yaml"), raw, "yaml")
    return [
        (finding.rule, finding.line, finding.message)
        for finding in verdict.findings
        if finding.severity != "note"
    ]


def rules(text: str) -> list[str]:
    """Return the rules of what remains."""
    return [rule for rule, _, _ in found(text)]


@pytest.mark.parametrize(
    "text",
    [
        f"{GOOD}sharing: {{strategy: mps}}  # dra-config: ignore[DRA101] a fork\n",
        f"{GOOD}sharing: {{strategy: mps}} #dra-config:ignore [ DRA101 ] a fork\n",
        f"{GOOD}# dra-config: ignore[DRA101] a fork\nsharing: {{strategy: mps}}\n",
        f"{GOOD}# dra-config: ignore[DRA101] a fork\n# and more\nsharing: {{strategy: mps}}\n",
        f"{GOOD}# dra-config: ignore[DRA101, DRA010] both\nsharing: {{strategy: mps, x: 1}}\n",
        f"{GOOD}sharing: {{strategy: mps}}  # dra-config: ignore[DRA101] a fork\r\n",
        CLAIM,
    ],
)
def test_a_comment_silences_its_line_or_the_next(text: str) -> None:
    assert "# " in text or "#d" in text
    assert rules(text) == []
    assert rules(text.replace("ignore", "ignored")) != []


def test_it_silences_neither_another_rule_nor_another_line() -> None:
    other = f"{GOOD}sharing: {{strategy: mps}}  # dra-config: ignore[DRA110] a fork\n"
    assert rules(other) == ["DRA101", "DRA945"]
    above = (
        f"{GOOD}x: 1  # dra-config: ignore[DRA101] behind something\nsharing: {{strategy: mps}}\n"
    )
    assert sorted(rules(above)) == ["DRA010", "DRA101", "DRA945"]


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("ignore[DRA101]", "gives no reason"),
        ("ignore", "names no rule"),
        ("ignore[] why", "names no rule"),
        ("ignore[DRA110] why", "DRA110 finds nothing here"),
        ("ignore[dra101] why", "there is no rule 'dra101'; did you mean DRA101?"),
    ],
)
def test_a_comment_that_silences_nothing_is_a_warning_at_its_place(
    comment: str, message: str
) -> None:
    text = f"{GOOD}sharing: {{strategy: mps}}\n# dra-config: {comment}\nsharing2: 1\n"
    warning = [entry for entry in found(text) if entry[0] == "DRA945"]
    assert [line for _, line, _ in warning] == [4]
    assert message in warning[0][2]


def test_without_a_reason_nothing_is_silenced() -> None:
    text = f"{GOOD}sharing: {{strategy: mps}}  # dra-config: ignore[DRA101]\n"
    assert rules(text) == ["DRA101", "DRA945"]


def test_each_idle_rule_of_a_comment_is_told() -> None:
    text = f"{GOOD}sharing: {{strategy: mps}}  # dra-config: ignore[DRA101, DRA110] a fork\n"
    ((rule, _, message),) = found(text)
    assert rule == "DRA945"
    assert message.startswith("DRA110 ")


@pytest.mark.parametrize(
    "value",
    [
        '"x # dra-config: ignore[DRA101] no comment"',
        "|\n    # dra-config: ignore[DRA101] no comment",
        ">-\n    text\n    # dra-config: ignore[DRA101] no comment",
        "x#dra-config:ignore[DRA101] no comment",
    ],
)
def test_text_that_looks_like_a_comment_is_none(value: str) -> None:
    assert found(f"kind: ConfigMap\ndata:\n  a: {value}\n") == []


def test_a_comment_behind_the_sign_of_a_block_is_one() -> None:
    text = "kind: ConfigMap\ndata:\n  a: |  # dra-config: ignore[DRA101] a comment\n    text\n"
    assert rules(text) == ["DRA945"]


def test_nobody_knows_what_is_idle_where_something_was_not_judged() -> None:
    idle = "kind: Pod  # dra-config: ignore[DRA101] not yet\n"
    assert rules(idle) == ["DRA945"]
    assert rules(f"{idle}---\na: [\n") == ["DRA940"]


def test_a_note_about_an_undecided_rule_is_use_enough() -> None:
    text = f"{GOOD}sharing: {{strategy: MPS}}  # dra-config: ignore[DRA102] the gate is on\n"
    assert rules(text) == []


def test_json_has_no_comments() -> None:
    raw = b'{"a": "# dra-config: ignore[DRA101] x"}'
    verdict = judge_file("a.json", raw, Criteria(), "json")
    assert apply_ignores(verdict, raw, "json") is verdict


def test_the_command_takes_comments_for_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(CLAIM, encoding="utf-8")
    assert main(["validate", "a.yaml"]) == 0
    Path("a.yaml").write_text(CLAIM.replace("Mps", "MPS"), encoding="utf-8")
    assert main(["validate", "a.yaml"]) == 0
    assert "a.yaml:13:13: warning[DRA945] DRA101 finds nothing here" in capsys.readouterr().out
    assert main(["validate", "--strict", "a.yaml"]) == 1
    assert main(["validate", "--strict", "--ignore", "DRA945", "a.yaml"]) == 0
