"""The text output: place, sentence, the line with carets, the text to write instead."""

from pathlib import Path

import pytest

from dra_config.cli import main
from dra_config.cli.report.excerpt import excerpt, printable

GOOD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("FABRIC_TOPOLOGY_SUPPORT", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)


def output(capsys: pytest.CaptureFixture[str], text: str, *options: str) -> str:
    """Return what is printed for a file ``a.yaml`` that holds *text*."""
    Path("a.yaml").write_text(text, encoding="utf-8", newline="")
    main(["validate", "a.yaml", *options])
    return capsys.readouterr().out


def test_a_finding_is_place_sentence_and_the_line_with_carets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert output(capsys, f"{GOOD}sharing:\n  strategy: mps  # why not\n") == (
        "a.yaml:4:13: error[DRA101] sharing.strategy: 'mps' is not a sharing strategy; write one "
        "of TimeSlicing, MPS; the nearest is MPS\n"
        "    4 |   strategy: mps  # why not\n"
        "      |             ^^^\n"
        "1 error, 0 warnings in 1 file, 1 document, 1 config\n"
        "dra-config fix can repair 1 of them\n"
    )


def test_what_to_write_instead_stands_below_indented(capsys: pytest.CaptureFixture[str]) -> None:
    out = output(capsys, "apiVersion: gpu.nvidia.com/v1alpha1\nkind: GpuConfig\n")
    assert out.splitlines()[3:6] == [
        "  write instead:",
        "    apiVersion: resource.nvidia.com/v1beta1",
        "    kind: GpuConfig",
    ]


def test_findings_stand_in_the_order_of_their_places(capsys: pytest.CaptureFixture[str]) -> None:
    text = "b: 1\napiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\nd: 1\nc: {}\n"
    lines = [line for line in output(capsys, text).splitlines() if line.startswith("a.yaml")]
    assert [line.split(":")[1] for line in lines] == ["1", "4", "5"]


def test_the_order_of_places_is_not_the_order_of_the_rules(
    capsys: pytest.CaptureFixture[str],
) -> None:
    opaque = "{opaque: {driver: gpu.nvidia.com, parameters: {}}}"
    text = (
        f"spec: {{config: [{opaque}]}}\nkind: DeviceClass\napiVersion: resource.k8s.io/v1beta1\n"
    )
    lines = [line for line in output(capsys, text).splitlines() if line.startswith("a.yaml")]
    assert [line.split("[")[1][:6] for line in lines] == ["DRA004", "DRA005", "DRA902"]


def test_a_template_is_named_as_such_without_being_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = output(capsys, "metadata:\n  name: {{ .Values.name }}\n")
    assert "a.yaml:2:9: note[DRA941] This is a Helm or Jinja template" in out
    assert "0 errors, 0 warnings, 1 note in 1 file" in out


def test_files_stand_in_the_order_given(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.yaml", "b.yaml"):
        Path(name).write_text("a: [", encoding="utf-8")
    main(["validate", "b.yaml", "a.yaml"])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:6] for line in lines if "DRA940" in line] == ["b.yaml", "a.yaml"]


@pytest.mark.parametrize(
    ("options", "no_color", "colored"),
    [
        ([], False, False),
        (["--color", "always"], False, True),
        (["--color", "always"], True, True),
        (["--color", "never"], False, False),
    ],
)
def test_colour_needs_a_terminal_or_an_order(
    options: list[str],
    *,
    no_color: bool,
    colored: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    assert ("\x1b[" in output(capsys, "a: [", *options)) is colored


@pytest.mark.parametrize(
    ("variable", "colored"), [(None, True), ("NO_COLOR", False), ("TERM", False)]
)
def test_a_terminal_gets_colour_unless_it_says_no(
    variable: str | None,
    *,
    colored: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    if variable is not None:
        monkeypatch.setenv(variable, "dumb")
    assert ("\x1b[1;31merror[DRA940]\x1b[0m" in output(capsys, "a: [")) is colored


def test_a_manifest_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out = output(capsys, f'{GOOD}sharing: "\u202eevil\u009b31m"\n')
    assert "\u202e" not in out
    assert "\u009b" not in out
    assert r"\u202eevil\x9b31m" in out


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_lines_are_found_whatever_ends_them(
    line_break: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = output(capsys, f"\ufeff{GOOD}sharing: 3\n".replace("\n", line_break))
    assert "a.yaml:3:10: error[DRA013]" in out
    assert "    3 | sharing: 3\n      |          ^\n" in out


def test_a_byte_order_mark_moves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    out = output(capsys, "\ufeffkind: GpuConfg\napiVersion: resource.nvidia.com/v1beta1\n")
    assert "    1 | kind: GpuConfg\n      |       ^^^^^^^^\n" in out


@pytest.mark.parametrize(
    ("source", "start", "end", "text", "carets"),
    [
        ("a: bc", 4, 6, "a: bc", "   ^^"),
        ("a: b", 4, 4, "a: b", "   ^"),
        ("a: b", 5, 9, "a: b", "    ^"),
        ("", 1, 1, "", "^"),
        ("\ta: b", 5, 6, "    a: b", "       ^"),
        ("漢字: b", 5, 6, "漢字: b", "      ^"),
        ("a: 漢字", 4, 6, "a: 漢字", "   ^^^^"),
        ("e\u0301: b", 5, 6, "e\u0301: b", "   ^"),
        ("a: \x1b", 4, 5, r"a: \x1b", "   ^^^^"),
        ("a: b   ", 4, 5, "a: b", "   ^"),
    ],
)
def test_carets_stand_below_what_they_mean(
    source: str, start: int, end: int, text: str, carets: str
) -> None:
    assert excerpt(source, start, end) == (text, carets)


@pytest.mark.parametrize("start", [1, 60, 5000, 9998])
def test_a_long_line_is_cut_around_the_place(start: int) -> None:
    source = "".join(chr(97 + index % 26) for index in range(10_000))
    text, carets = excerpt(source, start, start + 3)
    assert len(text) <= 102
    assert carets.strip() == "^^^"
    place = len(carets) - 3
    assert text[place : place + 3] == source[start - 1 : start + 2]
    assert text.startswith("…") == (start > 60 - 20)
    assert text.endswith("…") == (start < 9998)


def test_a_value_longer_than_the_excerpt_is_marked_to_its_end() -> None:
    text, carets = excerpt("a: " + "x" * 500, 4, 504)
    assert len(carets) == len(text) - 1


def test_printable_text_is_left_alone() -> None:
    assert printable("ä 漢 'x'") == "ä 漢 'x'"
