"""Threads are used again, are never too few, and do not outlive their use."""

import threading

from plugin.rpc.threads import Threads
from tests.plugin.rpc_kubelet import SECONDS, Gate


def names_of(threads: Threads, count: int) -> set[int]:
    """Return the threads that did so many pieces of work, one after another."""
    seen: set[int] = set()
    for _ in range(count):
        done = threading.Event()

        def work(done: threading.Event = done) -> None:
            seen.add(threading.get_ident())
            done.set()

        threads.run(work)
        assert done.wait(SECONDS)
        wait_until_idle(threads, 1)
    return seen


def wait_until_idle(threads: Threads, count: int) -> None:
    """Wait until so many threads wait for work."""
    pause = threading.Event()
    for _ in range(int(SECONDS / 0.01)):
        if len(threads._waiting) == count:
            return
        pause.wait(0.01)
    raise AssertionError(len(threads._waiting))


def test_work_after_work_is_done_by_one_thread() -> None:
    threads = Threads()
    assert len(names_of(threads, 20)) == 1
    threads.close()


def test_work_never_waits_for_other_work() -> None:
    threads, gate = Threads(kept=1), Gate()
    for _ in range(5):
        threads.run(gate.pass_through)
    gate.wait_arrived(5)
    gate.open()
    wait_until_idle(threads, 1)
    threads.close()


def test_a_thread_that_waits_ends_when_there_will_be_no_work() -> None:
    threads, ended = Threads(), threading.Event()
    thread: list[threading.Thread] = []

    def work() -> None:
        thread.append(threading.current_thread())
        ended.set()

    threads.run(work)
    assert ended.wait(SECONDS)
    wait_until_idle(threads, 1)
    threads.close()
    thread[0].join(SECONDS)
    assert not thread[0].is_alive()


def test_a_thread_that_is_busy_meanwhile_ends_after_its_work() -> None:
    threads, gate = Threads(), Gate()
    threads.run(gate.pass_through)
    gate.wait_arrived()
    threads.close()
    gate.open()
    wait_until_idle(threads, 0)
