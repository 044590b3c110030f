"""--jobs: several processes, one order; and the bar of a long run."""

import io
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from dra_config.cli import forks, jobs, main
from dra_config.cli.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
BAD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\nsharing: {strategy: mps}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FABRIC_TOPOLOGY_SUPPORT", raising=False)


def double(number: int) -> int:
    """Return twice *number*, in any process."""
    return 2 * number


def fail_at_100(number: int) -> int:
    """Refuse one number."""
    if number == 100:
        raise LookupError("the hundredth")
    return number


@pytest.mark.parametrize("count", [1, 2, 3, 100_000])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    assert list(jobs.in_order(double, range(500), count)) == list(range(0, 1000, 2))
    assert list(jobs.in_order(double, [], count)) == []


def test_results_come_in_order_where_no_process_can_be_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert list(jobs.in_order(double, range(200), 2)) == list(range(0, 400, 2))
    with pytest.raises(LookupError, match="the hundredth"):
        list(jobs.in_order(fail_at_100, range(200), 2))


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_what_has_been_done_is_told_before_an_exception() -> None:
    results = jobs.in_order(fail_at_100, range(500), 3)
    told = list(itertools.islice(results, 96))
    assert told == list(range(96))
    with pytest.raises(LookupError, match="the hundredth"):
        next(results)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_a_copy_that_ends_too_early_is_no_end_of_the_work() -> None:
    here = os.getpid()
    with pytest.raises(forks.CopyEndedError):
        list(forks.in_order(partial(leave_unless, here), iter([[1]] * 20), 1))


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_long_messages_in_both_directions_do_not_block() -> None:
    batches = [["x" * 300_000] * 2, ["y"], ["z" * 50_000] * 8] * 4
    assert list(forks.in_order(list, iter(batches), 2)) == batches


def leave_unless(process: int, batch: object) -> object:
    """End any process but that one."""
    if os.getpid() != process:
        os._exit(1)
    return batch


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10_000):
            taken.append(number)
            yield number

    results = jobs.in_order(double, items(), 2)
    assert next(results) == 0
    assert len(taken) < 1000
    results.close()  # type: ignore[attr-defined] # a generator, as every caller knows


@pytest.mark.parametrize("count", [1, 2])
def test_an_exception_comes_out_at_its_place(count: int) -> None:
    results = jobs.in_order(fail_at_100, range(200), count)
    with pytest.raises(LookupError, match="the hundredth"):
        list(results)


@pytest.mark.parametrize("form", ["text", "sarif", "junit"])
def test_the_output_is_the_same_whatever_the_jobs(
    form: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        name = f"{'ab'[number % 2]}{number}.yaml"
        Path(name).write_text(BAD * (number % 3 > 0) or "a: 1\n", encoding="utf-8")
    outputs: list[tuple[int, str, str]] = []
    for count in ("1", "2", "0"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
        code = main(
            ["validate", "--jobs", count, "--output", form, "b1.yaml", "-", "missing", "."]
        )
        outputs.append((code, *capsys.readouterr()))
    assert outputs[0] == outputs[1] == outputs[2]
    assert outputs[0][0] == 2
    assert outputs[0][1].count("is not a sharing strategy") >= 67


@pytest.mark.parametrize("word", ["-1", "two", "1.5", ""])
def test_a_number_of_jobs_that_is_none_is_wrong_usage(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", f"--jobs={word}", "."]) == 2
    assert "is no number of processes" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_control_c_leaves_a_partial_summary_of_several_processes() -> None:
    # One batch of files, and one that never ends.
    for number in range(32):
        Path(f"{number:03}.yaml").write_text(BAD, encoding="utf-8")
    os.mkfifo("pipe")
    words = ["validate", "--jobs", "2", ".", "pipe"]
    with subprocess.Popen(
        [sys.executable, "-m", "dra_config", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = iter(process.stdout.readline, b"")
        assert any(b"031.yaml:3:21: error[DRA101]" in line for line in lines)
        # A terminal sends it to every process of the run.
        os.killpg(process.pid, signal.SIGINT)
        # One process waits for a writer of the pipe, and does so no longer.
        out = process.stdout.read()
        assert process.wait() == 130
        assert b"in 32 files, 32 documents, 32 configs (interrupted, so this is not all)" in out
        assert process.stderr.read() == b""


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_bar_is_drawn_at_most_ten_times_a_second_and_taken_away() -> None:
    out = Terminal()
    now = 0.0
    progress = Progress(out, lambda: now, 1000)
    for _ in range(500):
        progress.step()
        now += 0.01
    assert 40 <= out.getvalue().count("\r") <= 51
    assert "[##" in out.getvalue()
    progress.clear()
    progress.clear()
    assert out.getvalue().endswith("files\r\x1b[K")


def test_few_files_draw_no_bar() -> None:
    out = Terminal()
    progress = Progress(out, lambda: 0.0, 20)
    progress.step()
    progress.clear()
    assert out.getvalue() == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_for_terminals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, terminal: bool
) -> None:
    for number in range(250):
        Path(f"{number}.yaml").write_text("a: 1\n", encoding="utf-8")
    err = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    assert main(["validate", "."]) == 0
    assert ("of 250 files" in err.getvalue()) is terminal
    assert "in 250 files" in capsys.readouterr().out
