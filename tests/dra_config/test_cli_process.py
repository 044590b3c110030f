"""The command as a process of its own: pipes, signals, imports."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "dra_config")
BAD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\nsharing: {strategy: mps}\n"


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which this checkout is found."""
    # Without a buffer nothing is left in it when the process ends.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def test_the_exit_code_and_the_output_reach_the_shell() -> None:
    done = subprocess.run(
        [*COMMAND, "validate", "-"],
        input=BAD.encode(),
        capture_output=True,
        check=False,
        env=environment(),
    )
    assert done.returncode == 1
    assert done.stdout.startswith(b"-:3:21: error[DRA101]")
    assert done.stderr == b""


def test_a_reader_that_leaves_is_no_trouble(tmp_path: Path) -> None:
    config = BAD.replace("mps", "mps" * 20)
    (tmp_path / "many.yaml").write_text("---\n".join([config] * 2000), encoding="utf-8")
    with subprocess.Popen(
        [*COMMAND, "validate", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"many.yaml:3:21: error" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_reader_that_never_came_is_no_trouble() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "validate", "-"],
        input=BAD.encode(),
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        env=environment(),
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_no_mistake_of_ours() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "validate", "-"],
            input=BAD.encode(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            env=environment(),
        )
    assert done.returncode == 2
    assert done.stderr == b"dra-config: cannot write the output: No space left on device\n"


def test_control_c_leaves_a_partial_summary(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD, encoding="utf-8")
    with subprocess.Popen(
        [*COMMAND, "validate", str(tmp_path / "a.yaml"), "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(PYTHONUNBUFFERED="1"),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # The first file has been judged, so the process waits for its standard input.
        assert b"error[DRA101]" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert b"1 error, 0 warnings in 1 file" in process.stdout.read()
        assert process.stderr.read() == b""


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["validate", "--help"], ["vlidate"]])
def test_what_judges_nothing_imports_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys\nfrom dra_config.cli import main\nmain(sys.argv[1:])\n"
        "print(sorted({'pydantic', 'yaml'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        check=True,
        env=environment(),
    )
    assert done.stderr.splitlines()[-1] == b"[]"


def test_an_encoding_that_lacks_letters_does_not_stop_the_output() -> None:
    done = subprocess.run(
        [*COMMAND, "validate", "-"],
        input=BAD.replace("mps", "mäps").encode(),
        capture_output=True,
        check=False,
        env=environment(PYTHONIOENCODING="ascii"),
    )
    assert done.returncode == 1
    assert rb"'m\xe4ps' is not a sharing strategy" in done.stdout


def test_closed_streams_are_no_mistake_of_ours() -> None:
    def shell(redirection: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, "validate", "-"],
            input=BAD.encode(),
            capture_output=True,
            check=False,
            env=environment(),
        )

    without_input = shell("<&-")
    assert without_input.returncode == 2
    assert b"cannot read -: standard input is closed" in without_input.stderr
    without_output = shell(">&-")
    assert (without_output.returncode, without_output.stderr) == (1, b"")
