"""Completion: the scripts are those of the commands, and real shells complete with them."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dra_config.cli import main, quick
from dra_config.cli.commands import COMMANDS
from tools import completions

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / completions.FOLDER


def shell(name: str) -> str:
    """Return the program of a shell; skip where this machine has none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"this machine has no {name}")
    return found


@pytest.mark.parametrize("name", quick.SHELLS)
def test_the_scripts_are_those_of_the_commands(name: str) -> None:
    assert quick.script(name) == completions.render(name), "run `make generate`"


@pytest.mark.parametrize("name", quick.SHELLS)
def test_the_command_prints_the_script(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", name]) == 0
    quickly = capsys.readouterr().out
    assert quickly == (SCRIPTS / f"dra-config.{name}").read_text(encoding="utf-8")
    # A second way leads through the parser, for words that the quick way does not know.
    assert main(["completion", "--", name]) == 0
    assert capsys.readouterr().out == quickly


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["completion", "bush"], "'bush' is none of bash, zsh, fish; did you mean bash?"),
        (["completion"], "shell"),
        (["completon", "bash"], "did you mean completion?"),
    ],
)
def test_a_wrong_word_names_the_right_one(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert sentence.lower() in capsys.readouterr().err.lower()


def bash(words: str, folder: Path) -> list[str]:
    """Return what bash offers for the last of *words*, in *folder*."""
    program = (
        f'source "{SCRIPTS}/dra-config.bash"\n'
        f"COMP_WORDS=(dra-config {words})\n"
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
        "function=$(complete -p dra-config | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
        '"$function"\n'
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    done = subprocess.run(
        [shell("bash"), "--noprofile", "--norc", "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_offers_commands_options_and_files(tmp_path: Path) -> None:
    (tmp_path / "claim.yaml").touch()
    (tmp_path / "class.yaml").touch()
    assert set(COMMANDS) <= set(bash("''", tmp_path))
    assert bash("vali", tmp_path) == ["validate"]
    assert bash("completion ''", tmp_path) == ["bash", "zsh", "fish"]
    assert bash("validate --outp", tmp_path)[:1] == ["--output"]
    assert bash("validate --target dra-d", tmp_path) == ["dra-driver-nvidia-gpu"]
    assert {"claim.yaml", "class.yaml"} <= set(bash("validate cla", tmp_path))


def test_fish_offers_commands_options_and_files(tmp_path: Path) -> None:
    (tmp_path / "claim.yaml").touch()

    def offered(line: str) -> list[str]:
        program = f'source "{SCRIPTS}/dra-config.fish"; complete -C "{line}"'
        done = subprocess.run(
            [shell("fish"), "--no-config", "-c", program],
            cwd=tmp_path,
            # A home of its own: fish keeps a history and its variables there.
            env={**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".c")},
            capture_output=True,
            text=True,
            check=False,
        )
        return [entry.split("\t")[0] for entry in done.stdout.splitlines()]

    assert offered("dra-config vali") == ["validate"]
    assert offered("dra-config completion ") == ["bash", "zsh", "fish"]
    assert offered("dra-config validate --outp") == ["--output"]
    assert offered("dra-config validate --target dra-d") == ["dra-driver-nvidia-gpu"]
    assert "claim.yaml" in offered("dra-config validate cl")


class Terminal:
    """A shell on a terminal, into which a test types."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._seen = ""

    def type(self, text: str) -> None:
        """Type *text*."""
        os.write(self._descriptor, text.encode())

    def wait_for(self, text: str) -> None:
        """Wait until the terminal shows *text*, at most a minute."""
        while text not in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x08.?", "", self._seen):
            ready, _, _ = select.select([self._descriptor], [], [], 60)
            assert ready, f"the terminal shows no {text!r}:\n{self._seen!r}"
            self._seen += os.read(self._descriptor, 65536).decode(errors="replace")


@contextmanager
def terminal(*command: str, cwd: Path) -> Iterator[Terminal]:
    """Run *command* on a terminal of its own."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "HOME": str(cwd), "ZDOTDIR": str(cwd)}
    try:
        with subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        ) as process:
            try:
                yield Terminal(ours)
            finally:
                process.kill()
    finally:
        os.close(ours)
        os.close(theirs)


def test_zsh_completes_what_is_typed(tmp_path: Path) -> None:
    (tmp_path / "claim.yaml").touch()
    shutil.copy(SCRIPTS / "dra-config.zsh", tmp_path / "_dra-config")
    with terminal(shell("zsh"), "-f", "-i", cwd=tmp_path) as typed:
        typed.type('fpath=("$PWD" $fpath); autoload -Uz compinit; compinit -u -D; setopt nobeep\n')
        typed.type("dra-config() { print -r -- said $* }; print -r -- read''y\n")
        typed.wait_for("ready")
        typed.type("dra-config vali\t")
        typed.wait_for("dra-config validate ")
        typed.type("--target dra-d\t")
        typed.wait_for("--target dra-driver-nvidia-gpu ")
        typed.type("cl\t")
        typed.wait_for("claim.yaml")
        typed.type("\n")
        typed.wait_for("said validate --target dra-driver-nvidia-gpu claim.yaml")


@pytest.mark.parametrize("words", [["--version"], ["completion", "bash"]])
def test_what_is_quick_loads_no_parser(words: list[str]) -> None:
    program = (
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from dra_config.cli import main\ncode = main(sys.argv[1:])\n"
        "heavy = {'argparse', 'dataclasses', 'difflib', 'inspect', 'pathlib', 'traceback'}\n"
        "print(code, sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "0 []\n"
