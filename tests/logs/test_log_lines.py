"""The log: whole lines of JSON, whoever writes and whatever a field holds."""

import json
import logging
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from logs.bridge import LogBridge
from logs.lines import Log, LogLevel, write_line

THREADS = 4
LINES = 50


class Written:
    """A log that writes into a list."""

    def __init__(self, threshold: int = LogLevel.DEBUG) -> None:
        self.written: list[bytes] = []
        self.log = Log(self.written.append, lambda: 1.5, threshold)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in b"".join(self.written).splitlines()]

    def only(self) -> Mapping[str, Any]:
        (line,) = self.lines()
        return line


def test_a_line_tells_time_level_and_message_first_and_then_its_fields() -> None:
    written = Written()
    written.log.event(logging.WARNING, "it is so", b=1, a=[True, None])
    assert b"".join(written.written) == (
        b'{"time":"1970-01-01T00:00:01.500000Z","level":"warning","message":"it is so",'
        b'"b":1,"a":[true,null]}\n'
    )


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (0, "debug"),
        (logging.DEBUG, "debug"),
        (LogLevel.INFO, "info"),
        (logging.WARNING - 1, "info"),
        (logging.WARNING, "warning"),
        (logging.ERROR, "error"),
        (logging.CRITICAL, "error"),
    ],
)
def test_a_level_has_the_name_of_the_highest_that_it_reaches(level: int, name: str) -> None:
    written = Written(threshold=0)
    written.log.event(level, "it is so")
    assert written.only()["level"] == name


def test_what_matters_less_than_the_threshold_is_not_written() -> None:
    written = Written(LogLevel.WARNING)
    written.log.event(LogLevel.INFO, "it is so")
    written.log.event(LogLevel.WARNING, "it is not so")
    assert [line["message"] for line in written.lines()] == ["it is not so"]
    assert [written.log.shows(level) for level in LogLevel] == [False, False, True, True]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(Path("a/b"), "a/b"), (OSError("no disk"), "no disk"), ({"a": {1}}, {"a": [1]})],
)
def test_a_field_that_is_no_json_is_written_as_it_shows_itself(
    value: object, shown: object
) -> None:
    written = Written()
    written.log.event(LogLevel.INFO, "it is so", field=value)
    assert written.only()["field"] == shown


def _circle() -> list[object]:
    circle: list[object] = []
    circle.append(circle)
    return circle


@pytest.mark.parametrize("value", [os.fsdecode(b"\xff"), {(1, 2): 3}, _circle(), 2**70])
def test_a_field_that_cannot_be_written_costs_neither_the_line_nor_the_caller(
    value: object,
) -> None:
    written = Written()
    written.log.event(LogLevel.INFO, "it is so", field=value, other="known")
    line = written.only()
    assert line["message"] == "it is so"
    assert "known" in str(line)


def test_a_message_that_is_no_text_is_written_in_its_escapes() -> None:
    written = Written()
    written.log.event(LogLevel.INFO, os.fsdecode(b"so\xff"))
    assert written.only()["message"] == r"so\udcff"


def test_a_line_that_cannot_be_written_is_lost_and_the_next_one_comes() -> None:
    answers = [OSError(28, "No space left on device"), None]
    written: list[bytes] = []

    def write(line: bytes) -> None:
        if (error := answers.pop(0)) is not None:
            raise error
        written.append(line)

    log = Log(write, lambda: 0.0, LogLevel.INFO)
    log.event(LogLevel.INFO, "lost")
    log.event(LogLevel.INFO, "kept")
    assert [json.loads(line)["message"] for line in written] == ["kept"]


def test_lines_of_several_threads_are_all_there_and_none_is_torn(tmp_path: Path) -> None:
    """Each byte is written by itself, and others may run meanwhile: any that does tears a line."""
    file = (tmp_path / "log").open("wb", buffering=0)

    def write(lines: bytes) -> None:
        for byte in lines:
            file.write(bytes((byte,)))

    log = Log(write, lambda: 0.0, LogLevel.INFO)
    together = threading.Barrier(THREADS)

    def tell(thread: int) -> None:
        together.wait()
        for number in range(LINES):
            if thread:
                log.event(LogLevel.INFO, "it is so", thread=thread, number=number)
            else:
                log.write(b'{"thread":0,"number":%d}\n' % number)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(tell, range(THREADS)))
    file.close()
    lines = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    found = [(line["thread"], line["number"]) for line in lines]
    assert sorted(found) == [(thread, n) for thread in range(THREADS) for n in range(LINES)]


def test_a_line_longer_than_a_pipe_holds_arrives_whole() -> None:
    reading, writing = os.pipe()
    line = b"x" * 300_000
    with os.fdopen(reading, "rb") as file, ThreadPoolExecutor(1) as threads:
        arrived = threads.submit(file.read)
        write_line(writing, line)
        os.close(writing)
        assert arrived.result() == line


def test_a_library_speaks_in_lines_of_ours_with_its_traceback() -> None:
    written = Written()
    logger = logging.Logger("a.library")  # noqa: LOG001 - one that nobody else has
    logger.addHandler(LogBridge(written.log))
    logger.info("it works")
    try:
        int("a defect")
    except ValueError:
        logger.critical("it is %s", "broken", exc_info=True)
    line = written.only()
    assert (line["level"], line["message"], line["logger"]) == (
        "error",
        "it is broken",
        "a.library",
    )
    assert line["traceback"].endswith("literal for int() with base 10: 'a defect'")


def test_a_record_that_its_library_has_written_wrongly_is_still_a_line() -> None:
    written = Written()
    record = partial(logging.LogRecord, "a.library", logging.WARNING, __file__, 1, "%d", ("x",))
    LogBridge(written.log).emit(record(None))
    line = written.only()
    assert (line["message"], line["logger"]) == ("%d", "a.library")
