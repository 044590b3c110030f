"""The publisher's threads, lock and view of the server, against a server made of data."""

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Event, Semaphore, Thread

import pytest

from kube.errors import ExpiredError, KubeError, UnreachableError
from plugin.publishing.device import Device
from plugin.publishing.follower import OUTAGE_SECONDS, Follower
from plugin.publishing.layout import Offer
from plugin.publishing.mirror import Mirror
from plugin.publishing.publisher import Publisher
from plugin.publishing.reports import Published, ServerFound, ServerLost
from plugin.publishing.slices import SliceChanged, SliceDeleted, Snapshot
from plugin.publishing.writer_lock import WriterLock
from tests.plugin.publishing_fixtures import LONG_SECONDS, Reports
from tests.plugin.slice_server import MemoryServer, MemoryWatch, stored

DEVICE = Device(name="gpu-0", board="0")
CONTENT = {"devices": [{"name": "gpu-0"}]}


# ------------------------------------------------------------------------------- mirror


def mirror() -> Mirror:
    found = Mirror(Condition(), monotonic=lambda: 0.0)
    found.reset(Snapshot((stored(0, CONTENT, version=1),), "5"))
    return found


def versions(found: Mirror) -> list[str]:
    return [one.resource_version for one in found.slices() or ()]


def again(version: int) -> SliceChanged:
    """Return the slice of `mirror` at another moment."""
    one = stored(0, CONTENT, version=1)
    return SliceChanged(
        type(one)(one.name, one.uid, str(version), one.metadata, one.spec, one.meaning)
    )


def test_older_news_change_nothing_and_wake_nobody() -> None:
    found = mirror()
    found.apply(again(9))
    before = found.version
    found.apply(again(7))
    found.apply(again(9))
    assert versions(found) == ["9"]
    assert found.version == before


def test_news_of_our_own_write_wake_nobody() -> None:
    found = mirror()
    before = found.version
    found.wrote(again(9).slice)
    found.apply(again(9))
    assert versions(found) == ["9"]
    assert found.version == before


def test_what_we_deleted_is_not_brought_back_by_late_news() -> None:
    found = mirror()
    found.removed(stored(0, CONTENT, version=1))
    found.apply(again(9))
    assert versions(found) == []


def test_a_slice_that_was_deleted_before_we_learned_of_its_making_is_not_believed_in() -> None:
    found = mirror()
    fresh = stored(0, CONTENT, version=8)
    found.apply(SliceChanged(fresh))
    found.apply(SliceDeleted(fresh))
    found.wrote(fresh)
    assert versions(found) == ["1"]


def test_a_list_that_is_older_than_our_write_does_not_undo_it() -> None:
    found = mirror()
    found.wrote(stored(1, CONTENT, version=9))
    found.reset(Snapshot((stored(0, CONTENT, version=1),), "8"))
    assert versions(found) == ["1", "9"]
    found.reset(Snapshot((stored(0, CONTENT, version=1),), "10"))
    assert versions(found) == ["1"]


def test_after_forgetting_nothing_is_known_until_the_next_list() -> None:
    found = mirror()
    found.forget()
    found.apply(again(9))
    found.wrote(again(9).slice)
    assert found.slices() is None


# ----------------------------------------------------------------------------- follower


@dataclass
class Pauses:
    """Notes how long a follower wants to wait, and ends it after so many times."""

    most: int
    seconds: list[float] = field(default_factory=list)
    follower: Follower | None = None

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == self.most:
            assert self.follower
            self.follower.stop()


def follow(server: MemoryServer, pauses: Pauses, reports: Reports) -> Mirror:
    """Run a follower until its last pause."""
    clock = itertools.count(0, 100)
    found = Mirror(Condition(), monotonic=lambda: 0.0)
    pauses.follower = Follower(
        server,
        found,
        tell=reports,
        monotonic=lambda: next(clock),
        jitter=lambda longest: longest / 4,
        pause=pauses,
    )
    pauses.follower.run()
    return found


def test_the_first_wait_of_an_outage_is_random_and_the_later_ones_are_all_ten_seconds() -> None:
    server = MemoryServer(fail=lambda _: UnreachableError("away"))
    pauses, reports = Pauses(4), Reports()
    follow(server, pauses, reports)
    assert pauses.seconds == [2.5, 10, 10, 10]
    assert OUTAGE_SECONDS == 10
    assert reports.told == [ServerLost(reason="away")]


def test_a_watch_that_expired_leads_to_another_list() -> None:
    server = MemoryServer(fail=lambda one: ExpiredError("old") if one == "watch" else None)
    pauses, reports = Pauses(2), Reports()
    follow(server, pauses, reports)
    assert server.requests == ["list", "watch", "list", "watch"]
    assert reports.told == [ServerFound()]
    assert max(pauses.seconds) < 1


@pytest.mark.parametrize("refused", ["list", "watch"])
def test_a_refused_question_is_asked_again_later_and_later_and_no_other(refused: str) -> None:
    """A refused watch once led to another list, after the pause of an outage that was none."""
    left = [UnreachableError("busy", refused=True, retry_after_seconds=2.0)] * 2

    def fail(request: str) -> KubeError | None:
        if request == refused and left:
            return left.pop()
        return ExpiredError("the end of this test") if request == "watch" else None

    server = MemoryServer(fail=fail)
    pauses, reports = Pauses(3), Reports()
    found = follow(server, pauses, reports)
    asked = {"list": ["list", "list", "list", "watch"], "watch": ["list", *3 * ["watch"]]}
    assert server.requests == asked[refused]
    # Two seconds and four, and a quarter of each by chance.
    assert pauses.seconds[:2] == [2.5, 5]
    assert reports.told == [ServerFound()]
    assert found.slices() is not None


def test_a_server_that_refuses_for_days_is_asked_every_half_minute() -> None:
    server = MemoryServer(fail=lambda _: UnreachableError("busy", refused=True))
    pauses = Pauses(2000)
    follow(server, pauses, Reports())
    assert pauses.seconds[0] == 1.25
    assert set(pauses.seconds[10:]) == {37.5}


def test_the_return_of_the_server_is_told() -> None:
    answers = iter([UnreachableError("away"), None, UnreachableError("away")])
    server = MemoryServer(fail=lambda _: next(answers))
    pauses, reports = Pauses(2), Reports()
    found = follow(server, pauses, reports)
    assert reports.told == [
        ServerLost(reason="away"),
        ServerFound(),
        ServerLost(reason="away"),
    ]
    assert found.slices() is None


@dataclass
class ShortServer(MemoryServer):
    """Ends every watch after one event."""

    begun: list[str] = field(default_factory=list)
    """Where each watch began."""

    def watch(self, resource_version: str) -> MemoryWatch:
        self.begun.append(resource_version)
        opened = super().watch(resource_version)
        version = next(self.clock)
        opened.queue.put(SliceChanged(stored(0, CONTENT, version=version)))
        opened.end()
        return opened


def test_a_watch_that_ends_by_itself_goes_on_without_a_list() -> None:
    server = ShortServer()
    clock = iter([0.0, 100.0, 100.0, 100.5, 200.0, 200.2])
    pauses = Pauses(2)
    pauses.follower = Follower(
        server,
        Mirror(Condition(), monotonic=lambda: 0.0),
        tell=Reports(),
        monotonic=lambda: next(clock),
        jitter=lambda longest: longest,
        pause=pauses,
    )
    pauses.follower.run()
    assert server.requests == ["list", "watch", "watch", "watch"]
    assert server.begun == ["1000", "1001", "1002"]
    # Only the two that lasted less than a second are followed by a pause.
    assert pauses.seconds == [1, 1]


# ---------------------------------------------------------------------------- publisher


@dataclass
class Running:
    """A publisher over a server made of data."""

    server: MemoryServer
    reports: Reports
    publisher: Publisher


Run = Callable[..., Running]


class NotingLock(WriterLock):
    """Notes how often somebody else held it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.refused = Semaphore(0)

    def acquire(self) -> bool:
        held = super().acquire()
        if not held:
            self.refused.release()
        return held


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    publishers: list[Publisher] = []

    def start(server: MemoryServer | None = None, lock: WriterLock | None = None) -> Running:
        reports = Reports()
        server = server or MemoryServer()
        publisher = Publisher(
            server,
            lock or WriterLock(tmp_path / "lock"),
            tell=reports,
            monotonic=time.monotonic,
            jitter=lambda _: 0.0,
        )
        publishers.append(publisher)
        publisher.start()
        return Running(server, reports, publisher)

    yield start
    for publisher in publishers:
        publisher.stop()


def test_nothing_is_written_before_somebody_offers_something(run: Run) -> None:
    here = run()
    here.reports.wait(lambda: bool(here.reports.of(ServerFound)))
    assert here.server.writes == []
    assert not here.publisher.published


def test_an_offer_is_published_and_repaired_until_the_end(run: Run) -> None:
    here = run()
    here.publisher.publish(Offer(devices=(DEVICE,)))
    assert here.publisher.wait_published(LONG_SECONDS)
    here.server.drop_slice(next(iter(here.server.by_name)))
    here.reports.wait(lambda: len(here.reports.of(Published)) == 2)
    assert here.publisher.wait_published(LONG_SECONDS)
    here.publisher.stop()
    assert len(here.server.by_name) == 1
    assert here.server.requests.count("list") == 1


def test_a_write_without_an_answer_is_followed_by_a_list(run: Run) -> None:
    refused = iter([UnreachableError("no answer")])

    def fail(request: str) -> KubeError | None:
        return next(refused, None) if request == "create" else None

    here = run(MemoryServer(fail=fail))
    here.publisher.publish(Offer(devices=(DEVICE,)))
    assert here.publisher.wait_published(LONG_SECONDS)
    assert here.server.writes == ["create", "create"]
    assert here.server.requests.count("list") == 2
    assert here.reports.of(ServerLost) == [ServerLost(reason="a write got no answer")]


def test_of_two_instances_the_second_waits_until_the_first_lets_go(run: Run) -> None:
    one = run()
    one.publisher.publish(Offer(devices=(DEVICE,)))
    assert one.publisher.wait_published(LONG_SECONDS)
    lock = NotingLock(one.publisher._lock._path)
    two = run(lock=lock)
    two.publisher.publish(Offer())
    # The second try follows only if nothing was written after the first.
    for _ in range(2):
        assert lock.refused.acquire(timeout=LONG_SECONDS)
    assert two.server.writes == []
    one.publisher.release()
    assert two.publisher.wait_published(LONG_SECONDS)
    one.publisher.publish(Offer())
    assert len(one.server.writes) == 1


def test_letting_go_waits_for_the_present_write_and_prevents_the_next(run: Run) -> None:
    begun, may_end = Event(), Event()

    def slow() -> None:
        begun.set()
        assert may_end.wait(LONG_SECONDS)

    here = run(MemoryServer(after_write=slow))
    here.publisher.publish(
        Offer(devices=tuple(Device(name=f"gpu-{one}", board=str(one)) for one in range(65)))
    )
    assert begun.wait(LONG_SECONDS)
    releasing = Thread(target=here.publisher.release)
    releasing.start()
    other = WriterLock(here.publisher._lock._path)
    assert not other.acquire()
    changed = here.publisher._changed
    with changed:
        assert changed.wait_for(lambda: here.publisher._released, LONG_SECONDS)
    may_end.set()
    releasing.join(LONG_SECONDS)
    assert other.acquire()
    other.release()
    assert here.server.writes == ["create"]


def test_a_publisher_that_never_started_can_be_stopped(tmp_path: Path) -> None:
    Publisher(
        MemoryServer(),
        WriterLock(tmp_path / "lock"),
        tell=Reports(),
        monotonic=time.monotonic,
        jitter=lambda _: 0.0,
    ).stop()


# --------------------------------------------------------------------------------- lock

HOLD = """
import sys
from pathlib import Path
from plugin.publishing.writer_lock import WriterLock
print(WriterLock(Path(sys.argv[1])).acquire(), flush=True)
sys.stdin.read()
"""


def test_a_process_that_is_killed_holds_no_lock(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"True\n"
        lock = WriterLock(path)
        assert not lock.acquire()
        assert not lock.held
        holder.kill()
        holder.wait()
        assert lock.acquire()
        assert lock.acquire()
        lock.release()
        assert not lock.held
