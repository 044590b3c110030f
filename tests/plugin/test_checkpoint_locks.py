"""Locks between threads, between processes, and after a process is killed."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plugin.checkpoint import CheckpointError, Locks, LockTimeoutError, claim_key, gpu_key
from plugin.preparer import Deadline
from tests.plugin.checkpoint_examples import UID

PATIENCE_SECONDS = 60.0

HOLDER = """
import sys
from pathlib import Path
from plugin.checkpoint import Locks
from plugin.preparer import Deadline
with Locks(Path(sys.argv[1])).hold(sys.argv[2:], Deadline(60)):
    print("held", flush=True)
    sys.stdin.read()
"""


def over() -> Deadline:
    """Return a deadline that is over, so that one try is made."""
    return Deadline(0)


def patient() -> Deadline:
    return Deadline(PATIENCE_SECONDS)


@contextmanager
def another_process(file: Path, *keys: str) -> Iterator["subprocess.Popen[str]"]:
    """Let another process hold locks until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file), *keys],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def locks(tmp_path: Path) -> Locks:
    return Locks(tmp_path / "locks")


def is_free(locks: Locks, key: str) -> bool:
    try:
        with locks.hold([key], over()):
            return True
    except LockTimeoutError:
        return False


def test_a_lock_is_held_once_and_the_error_names_it(locks: Locks) -> None:
    with locks.hold([claim_key(UID)], patient()):
        with (
            pytest.raises(LockTimeoutError, match=f"still at work on claim {UID}") as caught,
            locks.hold([claim_key(UID)], over()),
        ):
            pytest.fail("it was held twice")
        assert caught.value.transient
    assert is_free(locks, claim_key(UID))


def test_claims_on_different_gpus_do_not_wait_for_each_other(locks: Locks) -> None:
    """D51: there is no lock of the whole node."""
    with locks.hold([claim_key("a"), gpu_key("GPU-0")], over()):
        with locks.hold([claim_key("b"), gpu_key("GPU-1")], over()):
            assert not is_free(locks, gpu_key("GPU-0"))
            assert not is_free(locks, gpu_key("GPU-1"))
        assert is_free(locks, gpu_key("GPU-1"))


def test_nothing_stays_held_when_one_of_several_is_not_free(locks: Locks) -> None:
    with locks.hold([gpu_key("GPU-1")], over()):
        with (
            pytest.raises(LockTimeoutError),
            locks.hold([gpu_key("GPU-0"), gpu_key("GPU-1")], over()),
        ):
            pytest.fail("one of them was held")
        assert is_free(locks, gpu_key("GPU-0"))


def test_a_lock_is_let_go_when_the_work_fails(locks: Locks) -> None:
    with pytest.raises(KeyError), locks.hold([gpu_key("GPU-0")], over()):
        raise KeyError
    assert is_free(locks, gpu_key("GPU-0"))


def test_who_waits_gets_it_as_soon_as_it_is_free(locks: Locks) -> None:
    got = threading.Event()

    def wait() -> None:
        with locks.hold([gpu_key("GPU-0")], patient()):
            got.set()

    thread = threading.Thread(target=wait)
    with locks.hold([gpu_key("GPU-0")], over()):
        thread.start()
        assert not got.wait(0.05)
    assert got.wait(PATIENCE_SECONDS)
    thread.join()


def test_who_waits_is_called_off(locks: Locks) -> None:
    deadline = patient()
    with locks.hold([gpu_key("GPU-0")], over()):
        threading.Timer(0.02, deadline.cancel).start()
        with pytest.raises(LockTimeoutError), locks.hold([gpu_key("GPU-0")], deadline):
            pytest.fail("it was held twice")


def test_threads_take_turns_on_shared_gpus_without_standing_in_a_circle(locks: Locks) -> None:
    inside: set[str] = set()
    clashes: list[str] = []
    pause = threading.Event()

    def work(names: tuple[str, ...]) -> None:
        for _ in range(20):
            with locks.hold([gpu_key(name) for name in names], patient()):
                clashes.extend(inside & set(names))
                inside.update(names)
                pause.wait(0.001)  # another thread runs, and would clash here
                inside.difference_update(names)

    circle = [("a", "b"), ("b", "c"), ("c", "a"), ("b", "a")]
    threads = [threading.Thread(target=work, args=(names,)) for names in circle]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
    assert clashes == []


def test_locks_are_taken_in_one_order_whatever_order_they_are_asked_in(locks: Locks) -> None:
    def work() -> None:
        with locks.hold([gpu_key("b"), claim_key("z"), gpu_key("a")], patient()):
            pass

    thread = threading.Thread(target=work)
    pause = threading.Event()
    with locks.hold([gpu_key("b")], over()):
        thread.start()
        # It waits for the last, and has got those before it meanwhile.
        for key in (claim_key("z"), gpu_key("a")):
            while is_free(locks, key):
                assert thread.is_alive()
                pause.wait(0.001)
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def test_two_instances_of_a_rolling_update_exclude_each_other(tmp_path: Path) -> None:
    """F3: per claim and per physical GPU."""
    locks = Locks(tmp_path / "locks")
    with another_process(tmp_path / "locks", claim_key(UID), gpu_key("GPU-0")) as process:
        assert not is_free(locks, claim_key(UID))
        assert not is_free(locks, gpu_key("GPU-0"))
        assert is_free(locks, gpu_key("GPU-1"))
        process.kill()
        process.wait()
        # The kernel lets go of what a killed process held.
        assert is_free(locks, claim_key(UID))
        assert is_free(locks, gpu_key("GPU-0"))


def test_a_place_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(CheckpointError, match="file of locks cannot be opened"),
        Locks(tmp_path / "none" / "locks").hold([], over()),
    ):
        pytest.fail("there is no such folder")
