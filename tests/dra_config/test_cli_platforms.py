"""What macOS and Windows do differently, as far as it can be tried elsewhere."""

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from dra_config.cli import jobs
from dra_config.cli.judge import Criteria, judge_file
from dra_config.manifests import format_of

ROOT = Path(__file__).resolve().parents[2]
BAD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\nsharing: {strategy: größer→}\n"


def validate(
    *paths: str | Path, text: bytes = b"", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run ``dra-config validate`` as a process with *text* on its standard input."""
    kept = {name: v for name, v in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    return subprocess.run(
        [sys.executable, "-m", "dra_config", "validate", *(str(path) for path in paths)],
        input=text,
        capture_output=True,
        check=False,
        env={**kept, "PYTHONPATH": str(ROOT), **variables},
    )


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("cp1252", b"gr\xf6\xdfer\\u2192"),  # Windows in western Europe
        ("cp437", b"gr\x94\xe1er\\u2192"),  # the console of an American Windows
        ("cp932", b"gr\\xf6\\xdfer\x81\xa8"),  # Windows in Japan
        ("ascii", b"gr\\xf6\\xdfer\\u2192"),
        ("utf-8", "größer→".encode()),
    ],
)
def test_a_terminal_shows_what_its_encoding_has(encoding: str, shown: bytes) -> None:
    done = validate("-", text=BAD.encode(), PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert done.returncode == 1, done.stderr
    assert shown in done.stdout
    assert done.stderr == b""


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_manifests_are_utf_8_whatever_the_locale(locale: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD, encoding="utf-8")
    path = tmp_path / "a.yaml"
    done = validate(path, LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 1, done.stderr
    assert b"DRA101" in done.stdout


def findings(text: bytes) -> list[tuple[str, int, int]]:
    """Return the rules and places in a file."""
    verdict = judge_file("a.yaml", text, Criteria())
    return [(each.rule, each.line, each.column) for each in verdict.findings]


def test_lines_may_end_as_windows_ends_them() -> None:
    assert findings(BAD.encode()) == [("DRA101", 3, 21)]
    assert findings(BAD.replace("\n", "\r\n").encode()) == findings(BAD.encode())


def test_an_editor_may_have_put_a_byte_order_mark() -> None:
    assert findings(b"\xef\xbb\xbf" + BAD.encode()) == findings(BAD.encode())


def test_what_an_old_powershell_redirects_is_refused_with_a_reason() -> None:
    (found,) = judge_file("a.yaml", BAD.encode("utf-16"), Criteria()).findings
    assert (found.rule, found.line, found.column) == ("DRA940", 1, 1)
    assert "not UTF-8" in found.message


@pytest.mark.parametrize("name", [r"C:\deploy\claim.YAML", r"\\server\share\claim.Yml"])
def test_the_suffix_counts_whatever_stands_before_it(name: str) -> None:
    assert format_of(name) == "yaml"


def test_a_name_in_decomposed_letters_is_the_same_file(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "größer.yaml")
    (tmp_path / name).write_text(BAD, encoding="utf-8")
    done = validate(tmp_path, PYTHONIOENCODING="utf-8")
    assert name.encode() in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="such a name can be written on Linux only")
def test_a_name_that_is_no_text_is_shown_nevertheless(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.yaml"
    Path(os.fsdecode(path)).write_text(BAD, encoding="utf-8")
    done = validate(tmp_path)
    assert done.returncode == 1
    assert b"\\udcff.yaml:3:21: error[DRA101]" in done.stdout


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_cores_are_counted_where_no_process_is_bound_to_some(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert jobs.core_count() == 3


MISSING_ON_WINDOWS = ("fcntl", "grp", "pwd", "resource", "termios")


def test_the_command_needs_no_module_that_windows_lacks(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD, encoding="utf-8")
    program = (
        f"import sys\nfor name in {MISSING_ON_WINDOWS!r}: sys.modules[name] = None\n"
        "from dra_config.cli import main\nsys.exit(main(sys.argv[1:]))"
    )
    for words, code in (
        (["validate", str(tmp_path)], 1),
        (["validate", "--help"], 0),
        (["--version"], 0),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert (done.returncode, done.stderr) == (code, b"")
