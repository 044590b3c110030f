"""The command that starts the language server, before and after an editor speaks to it."""

import subprocess
import sys
from pathlib import Path

import pytest

from dra_config.cli import main


def test_wrong_gates_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["server", "--feature-gates", "Mps=true"]) == 2
    assert "'Mps' is not a feature gate" in capsys.readouterr().err


def test_without_its_extra_the_server_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["server"]) == 2
    assert "pip install 'dra-config[server]'" in capsys.readouterr().err


def test_without_standard_input_nobody_can_be_served(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["server"]) == 2
    assert "standard input, which is closed" in capsys.readouterr().err


@pytest.mark.parametrize("said", [b"", b"hello\n", b"Content-Length: 5\r\n\r\nhello"])
def test_a_talker_that_is_no_editor_ends_without_a_traceback(root: Path, said: bytes) -> None:
    words = [sys.executable, "-m", "dra_config", "server"]
    run = subprocess.run(words, input=said, cwd=root, capture_output=True, check=False, timeout=60)
    assert run.returncode == 0
    assert b"mistake of ours" not in run.stdout + run.stderr
