"""When the process ends, and with which status."""

import signal
import threading
from collections.abc import Iterator

import pytest

from plugin.ending import FAILED, REPLACED_DRIVER, STOPPED, Ending
from plugin.hardware.errors import VersionMismatchError
from tests.plugin.rpc_kubelet import Lines


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def ending(lines: Lines) -> Iterator[Ending]:
    """Return an ending, and let threads and signals be as they were afterwards."""
    hook = threading.excepthook
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield Ending(lines)
    threading.excepthook = hook
    for number, handler in handlers.items():
        signal.signal(number, handler)


def died(ending: Ending, error: Exception) -> None:
    """Let a thread of the process die of *error*."""

    def work(_: threading.Event) -> None:
        raise error

    ending.watch_threads()
    thread = ending.thread("devices", work)
    thread.start()
    thread.join()


def test_the_first_who_asks_for_the_end_decides_the_status(ending: Ending) -> None:
    assert not ending.requested.is_set()
    ending.request(REPLACED_DRIVER)
    ending.request(FAILED)
    assert ending.requested.is_set()
    assert ending.status == REPLACED_DRIVER


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_a_good_end(ending: Ending, number: signal.Signals) -> None:
    ending.obey_signals()
    signal.raise_signal(number)
    assert ending.requested.wait(10)
    assert ending.status == STOPPED


def test_a_thread_that_dies_of_a_defect_ends_the_process_with_its_traceback(
    ending: Ending, lines: Lines
) -> None:
    died(ending, KeyError("a defect"))
    assert ending.status == FAILED
    (line,) = lines.lines
    assert line["thread"] == "devices"
    assert "KeyError: 'a defect'" in line["traceback"]


def test_a_driver_that_was_replaced_is_no_defect(ending: Ending, lines: Lines) -> None:
    died(ending, VersionMismatchError("Library and driver differ."))
    assert ending.status == REPLACED_DRIVER
    (line,) = lines.lines
    assert line["reason"] == "Library and driver differ."
    assert "traceback" not in line
