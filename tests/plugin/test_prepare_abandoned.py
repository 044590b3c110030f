"""Claims that are gone while the kubelet says nothing."""

from pathlib import Path

import pytest

from dra_config.scheme import GPU_DRIVER
from plugin.checkpoint import claim_key
from plugin.hardware.simulation.ledger import Ledger
from plugin.prepare import AbandonedClaims, ClaimGone
from plugin.prepare.abandoned import APART_SECONDS
from plugin.preparer import Deadline, PrepareFailed
from tests.plugin.prepare_rig import (
    BOOT,
    LONG_SECONDS,
    SHORT_SLICES,
    NodeRig,
    allocated,
    claim,
    opaque,
    result,
)

FIRST, SECOND = claim(1), claim(2)


class Watched:
    """A node with two prepared claims, and a clock that is turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.rig = NodeRig(folder)
        self.rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
        self.rig.allocate(SECOND, [result("gpu-1")])
        self.rig.prepare(FIRST)
        self.rig.prepare(SECOND)
        self.rig.fetched.clear()
        self.now = 0.0
        self.claims = AbandonedClaims(
            self.rig.node,
            self.rig,
            driver=GPU_DRIVER,
            monotonic=lambda: self.now,
            tell=lambda of, sentence: self.rig.told.append(f"{of}: {sentence}"),
        )

    def look(self, *, after_seconds: float = 0, patience: float = LONG_SECONDS) -> tuple[str, ...]:
        self.now += after_seconds
        return self.claims.look(lambda: Deadline(patience))

    def lose(self) -> None:
        self.rig.claims[FIRST.uid] = ClaimGone("It is gone.")

    @property
    def released(self) -> bool:
        return self.rig.checkpoint.recall(FIRST.uid) is None


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


@pytest.mark.parametrize("how", ["gone", "another", "not allocated", "other device"])
def test_a_claim_that_is_gone_twice_five_minutes_apart_is_released(
    watched: Watched, how: str
) -> None:
    answers: dict[str, bytes | PrepareFailed] = {
        "gone": ClaimGone("It is gone."),
        "another": allocated(SECOND, [result("gpu-0")]),
        "not allocated": b'{"metadata":{"uid":"%s"}}' % FIRST.uid.encode(),
        "other device": allocated(FIRST, [result("gpu-5")]),
    }
    watched.rig.claims[FIRST.uid] = answers[how]
    assert watched.look() == ()
    assert watched.look(after_seconds=APART_SECONDS - 1) == ()
    assert not watched.released
    assert watched.look(after_seconds=1) == ()
    assert watched.released
    assert watched.rig.setting("gpu-0") == ("Default", "Default")
    assert len(watched.rig.told) == 1
    assert all(SECOND.uid in name for name in watched.rig.files())


def test_each_claim_is_asked_for_once(watched: Watched) -> None:
    watched.look()
    assert sorted(watched.rig.fetched) == sorted([FIRST.uid, SECOND.uid])


def test_a_claim_that_is_seen_in_between_is_kept(watched: Watched) -> None:
    there = watched.rig.claims[FIRST.uid]
    watched.lose()
    watched.look()
    watched.rig.claims[FIRST.uid] = there
    watched.look(after_seconds=APART_SECONDS)
    watched.lose()
    watched.look(after_seconds=APART_SECONDS)
    assert not watched.released


def test_an_answer_that_does_not_come_says_nothing(watched: Watched) -> None:
    watched.rig.claims[FIRST.uid] = PrepareFailed("The server is away.", permanent=False)
    for _ in range(3):
        assert watched.look(after_seconds=APART_SECONDS) == (f"{FIRST}: The server is away.",)
    assert not watched.released


def test_a_device_on_which_a_process_runs_is_kept(watched: Watched) -> None:
    watched.lose()
    watched.look()
    folder = watched.rig.folder / "machine"
    with Ledger(folder, boot_id=BOOT).change() as record:
        record.processes[watched.rig.gpu("gpu-0").uuid] = {4711}
    (sentence,) = watched.look(after_seconds=APART_SECONDS)
    assert "4711" in sentence
    assert not watched.released
    with Ledger(folder, boot_id=BOOT).change() as record:
        record.processes.clear()
    assert watched.look() == ()
    assert watched.released


def test_a_claim_that_somebody_is_at_work_on_is_left_alone(watched: Watched) -> None:
    watched.lose()
    watched.look()
    with watched.rig.locks.hold([claim_key(FIRST.uid)], Deadline(LONG_SECONDS)):
        (sentence,) = watched.look(after_seconds=APART_SECONDS, patience=0)
    assert FIRST.uid in sentence
    assert not watched.released
