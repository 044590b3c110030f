"""The life of a record, what happens to damaged ones, and who holds a GPU."""

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plugin.checkpoint import (
    CheckpointError,
    CorruptRecordError,
    Effect,
    Holders,
    Intent,
    NoRecordError,
    Phase,
    text_of_record,
)
from plugin.durable_files import UnsafeNameError
from tests.plugin.checkpoint_examples import (
    BOOT,
    UID,
    checkpoint,
    claim,
    devices,
    holding,
    intent,
    mode,
    record_file,
)

ON_OPEN = ("pwrite", "fsync", "fdatasync")
"""Calls whose first argument is an open file."""

OTHER = "6d0d1d6e-0002-4000-8000-000000000002"


def test_a_claim_is_begun_completed_taken_back_and_forgotten(tmp_path: Path) -> None:
    opened = checkpoint(tmp_path)
    assert opened.recall(UID) is None
    begun = opened.begin(claim(), intent(0, 1))
    assert (begun.phase, begun.boot_id, begun.devices) == (Phase.BEGUN, BOOT, ())
    opened.note(UID, mode(0))
    opened.note(UID, mode(1))
    completed = opened.complete(UID, devices(UID, 0, 1))
    # D40: the name is retained, so that the claim can be asked for.
    assert completed.claim == claim()
    assert checkpoint(tmp_path).recall(UID) == completed
    assert opened.release(UID).phase is Phase.RELEASING
    assert opened.release(UID).effects == (mode(0), mode(1))
    assert opened.undone(UID).effects == (mode(0),)
    assert opened.undone(UID).effects == ()
    assert checkpoint(tmp_path).recall(UID) == opened.recall(UID)
    opened.forget(UID)
    opened.forget(UID)
    assert opened.recall(UID) is None
    assert list((tmp_path / "claims").iterdir()) == []


def test_a_release_that_goes_on_is_not_written_again(tmp_path: Path) -> None:
    opened = checkpoint(tmp_path)
    opened.begin(claim(), intent())
    released = opened.release(UID)
    before = record_file(tmp_path).read_bytes()
    assert opened.release(UID) == released
    assert record_file(tmp_path).read_bytes() == before


def test_a_claim_without_a_record_cannot_be_changed(tmp_path: Path) -> None:
    opened = checkpoint(tmp_path)
    with pytest.raises(NoRecordError, match=f"Claim {UID} has no record"):
        opened.complete(UID, devices())
    for change in (opened.release, opened.undone):
        with pytest.raises(NoRecordError):
            change(UID)
    with pytest.raises(NoRecordError):
        opened.note(UID, mode())
    opened.begin(claim(), intent())
    with pytest.raises(NoRecordError, match="has no effect to take back"):
        opened.undone(UID)


def test_only_the_owner_reads_records(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        checkpoint(tmp_path).begin(claim(), intent())
    finally:
        os.umask(old)
    assert stat.S_IMODE(record_file(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(record_file(tmp_path).parent.stat().st_mode) == 0o700


def test_changes_stay_in_the_file_that_was_made_at_first(tmp_path: Path) -> None:
    opened = checkpoint(tmp_path)
    opened.begin(claim(), intent(*range(8)))
    before = record_file(tmp_path).stat()
    opened.note(UID, mode())
    opened.complete(UID, devices(UID, *range(8)))
    opened.release(UID)
    after = record_file(tmp_path).stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert after.st_blocks * 512 >= after.st_size, "it has no holes"


def test_a_record_that_outgrows_its_space_gets_more(tmp_path: Path) -> None:
    opened = checkpoint(tmp_path)
    opened.begin(claim(), intent())
    small = record_file(tmp_path).stat().st_size
    big = Effect(kind="Mps", subject="a", before="", details="x" * small)
    opened.note(UID, big)
    grown = record_file(tmp_path).stat()
    assert grown.st_size > small
    assert opened.release(UID).effects == (big,)
    assert record_file(tmp_path).stat().st_ino == grown.st_ino
    recalled = opened.recall(UID)
    assert recalled is not None
    assert recalled.effects == (big,)


def test_a_release_always_fits_into_what_a_prepare_left(tmp_path: Path) -> None:
    """F9: however close the record came to the end of its space."""
    opened = checkpoint(tmp_path)
    empty = Effect(kind="Mps", subject="a", before="")
    begun = opened.begin(claim(), intent())
    room = record_file(tmp_path).stat().st_size // 2
    rest = room - len(text_of_record(replace(begun, effects=(empty,))))
    # The name of the longer phase is only a few bytes longer.
    for length in range(rest - 400, rest, 3):
        opened.begin(claim(), intent())
        opened.note(UID, replace(empty, details="x" * length))
        before = record_file(tmp_path).stat().st_ino
        opened.release(UID)
        assert record_file(tmp_path).stat().st_ino == before


@pytest.mark.parametrize(
    "uid", ["", ".", "..", "../x", "a/b", "a\0b", "a b", "-a", "a-", "é", "a" * 129]
)
def test_no_uid_leads_out_of_the_folder(uid: str, tmp_path: Path) -> None:
    opened = checkpoint(tmp_path)
    for change in (opened.recall, opened.forget, opened.remove_leftover, opened.release):
        with pytest.raises(UnsafeNameError, match="is no UID of a claim"):
            change(uid)
    with pytest.raises(UnsafeNameError):
        opened.begin(claim(uid), intent())
    assert list((tmp_path / "claims").iterdir()) == []


def test_a_record_of_another_boot_is_stale_and_stays(tmp_path: Path) -> None:
    """D46: what a reboot does not clear can still be taken back."""
    old = checkpoint(tmp_path)
    old.begin(claim(), intent())
    completed = old.complete(UID, devices())
    rebooted = checkpoint(tmp_path, boot_id="another")
    (found,) = rebooted.all().records
    assert found == completed
    assert rebooted.is_stale(found)
    assert not old.is_stale(found)
    anew = rebooted.begin(claim(), intent(), effects=found.effects)
    assert not rebooted.is_stale(anew)
    assert rebooted.recall(UID) == anew


# --- damage ----------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"{}", b" " * 4096, b"\0" * 4096])
def test_a_damaged_record_is_set_aside_and_told_once(content: bytes, tmp_path: Path) -> None:
    """D43: no crash loop, and nothing is deleted."""
    opened = checkpoint(tmp_path)
    for number in (1, 2):
        record_file(tmp_path).write_bytes(content)
        with pytest.raises(
            CorruptRecordError, match=f"record of claim {UID} is damaged"
        ) as caught:
            opened.recall(UID)
        assert caught.value.uid == UID
        assert caught.value.path.name == f"{UID}.corrupt-{number}"
        assert caught.value.path.read_bytes() == content
        assert opened.recall(UID) is None
    opened.begin(claim(), intent())
    opened.forget(UID)
    assert len(list((tmp_path / "claims").iterdir())) == 2


def test_one_damaged_record_hides_no_other(tmp_path: Path) -> None:
    opened = checkpoint(tmp_path)
    kept = opened.begin(claim(OTHER), intent())
    opened.begin(claim(), intent())
    record_file(tmp_path).write_bytes(b"?")
    contents = opened.all()
    assert contents.records == (kept,)
    assert [error.uid for error in contents.corrupt] == [UID]
    assert opened.all().corrupt == ()


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    opened = checkpoint(tmp_path)
    stranger = tmp_path / "claims" / "not ours.record"
    stranger.write_text("?")
    assert opened.all().records == ()
    assert stranger.read_text() == "?"


def test_what_is_left_of_a_record_in_the_making_can_be_removed(tmp_path: Path) -> None:
    opened = checkpoint(tmp_path)
    part = tmp_path / "claims" / f".{UID}.record.part"
    part.write_text("half")
    assert opened.all().leftovers == (UID,)
    kept = opened.begin(claim(OTHER), intent())
    part_beside = tmp_path / "claims" / f".{OTHER}.record.part"
    part_beside.write_text("half")
    for uid in opened.all().leftovers:
        opened.remove_leftover(uid)
    assert opened.all().leftovers == ()
    assert opened.all().records == (kept,)


def test_a_folder_that_is_gone_is_told_in_a_sentence(tmp_path: Path) -> None:
    opened = checkpoint(tmp_path)
    shutil.rmtree(tmp_path / "claims")
    with pytest.raises(CheckpointError, match=r"could not be listed: .*No such file"):
        opened.all()
    with pytest.raises(CheckpointError, match=r"could not be written: .*No such file"):
        opened.begin(claim(), intent())
    (tmp_path / "claims").write_text("")
    with pytest.raises(CheckpointError, match="could not be opened"):
        checkpoint(tmp_path)


# --- cost and holders ------------------------------------------------------------------


def test_a_claim_costs_the_same_however_many_are_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D45: no other record is opened, and none is written."""
    opened = checkpoint(tmp_path)
    for number in range(100):
        uid = f"6d0d1d6e-0003-4000-8000-{number:012}"
        opened.begin(claim(uid), intent(number))
        opened.complete(uid, devices(uid, number))
    touched: set[str] = set()
    real_open, real_read = os.open, Path.read_bytes

    def watched_open(path: str | Path, *arguments: int) -> int:
        touched.add(Path(path).name)
        return real_open(path, *arguments)

    def watched_read(path: Path) -> bytes:
        touched.add(path.name)
        return real_read(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", watched_open)
        patch.setattr(Path, "read_bytes", watched_read)
        opened.begin(claim(), intent())
        opened.note(UID, mode())
        opened.complete(UID, devices())
        opened.release(UID)
        opened.undone(UID)
        opened.forget(UID)
    assert touched == {"claims", f"{UID}.record", f".{UID}.record.part"}


def test_the_holders_of_a_gpu_are_found_whoever_recorded_them(tmp_path: Path) -> None:
    opened, beside = checkpoint(tmp_path), checkpoint(tmp_path)
    holders = Holders(opened)
    assert holders.of("GPU-0") == ()
    mine = opened.begin(claim(), intent(0, 1))
    theirs = beside.begin(claim(OTHER), intent(1))
    assert holders.of("GPU-0") == (mine,)
    assert holders.of("GPU-1") == (mine, theirs)
    assert holders.of("GPU-2") == ()
    completed = beside.complete(OTHER, devices(OTHER, 1))
    assert holders.of("GPU-1") == (mine, completed)
    moved = beside.begin(claim(OTHER), intent(2))
    assert holders.of("GPU-1") == (mine,)
    assert holders.of("GPU-2") == (moved,)
    opened.forget(UID)
    assert holders.of("GPU-0") == ()
    assert holders._seen.keys() == {OTHER}, "what is forgotten is not remembered here"


def test_admin_access_holds_nothing(tmp_path: Path) -> None:
    opened = checkpoint(tmp_path)
    opened.begin(claim(), Intent(holdings=(holding(0, admin_access=True), holding(1))))
    assert Holders(opened).of("GPU-0") == ()
    assert len(Holders(opened).of("GPU-1")) == 1


def test_a_damaged_record_is_no_reason_to_call_a_gpu_free(tmp_path: Path) -> None:
    opened = checkpoint(tmp_path)
    opened.begin(claim(), intent())
    holders = Holders(opened)
    record_file(tmp_path).write_bytes(b"?")
    with pytest.raises(CorruptRecordError):
        holders.of("GPU-0")


def test_records_of_others_are_read_once_to_find_holders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = checkpoint(tmp_path)
    for number in range(20):
        opened.begin(claim(f"6d0d1d6e-0003-4000-8000-{number:012}"), intent(number))
    holders = Holders(opened)
    assert len(holders.of("GPU-3")) == 1
    read: list[str] = []
    real_read = Path.read_bytes

    def watched_read(path: Path) -> bytes:
        read.append(path.name)
        return real_read(path)

    monkeypatch.setattr(Path, "read_bytes", watched_read)
    assert len(holders.of("GPU-3")) == 1
    assert read == ["6d0d1d6e-0003-4000-8000-000000000003.record"]


def test_who_holds_several_gpus_is_found_with_one_look_at_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = checkpoint(tmp_path)
    for uid, numbers in ((UID, (0, 1)), (OTHER, (1, 2))):
        opened.begin(claim(uid), intent(*numbers))
    holders, looks = Holders(opened), list[str]()
    files = opened.files

    def counted() -> dict[str, int]:
        looks.append("look")
        return files()

    monkeypatch.setattr(opened, "files", counted)
    found = holders.of_any(["GPU-0", "GPU-1", "GPU-2", "GPU-3"])
    assert [one.claim.uid for one in found] == sorted([UID, OTHER])
    assert looks == ["look"]
    assert holders.of_any([]) == ()
    monkeypatch.setattr(opened, "recall", lambda uid: pytest.fail(f"{uid} was read again"))
    assert len(holders.of_any(["GPU-1"])) == 2


def test_a_claim_that_comes_back_under_the_same_number_of_a_file_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems give the number of a removed file to the next one."""
    opened = checkpoint(tmp_path)
    monkeypatch.setattr(opened, "files", lambda: {UID: 7})
    opened.begin(claim(), intent(0))
    holders = Holders(opened)
    assert len(holders.of_any(["GPU-0"])) == 1
    opened.forget(UID)
    holders.forget(UID)
    opened.begin(claim(), intent(3))
    assert holders.of_any(["GPU-0"]) == ()
    assert len(holders.of_any(["GPU-3"])) == 1


# --- a loss of power -------------------------------------------------------------------


def test_a_change_to_the_machine_is_on_the_disk_before_it_is_made_and_nothing_else_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of calls is all that can be seen without pulling the plug."""
    opened = checkpoint(tmp_path)
    calls: list[str] = []

    def watch(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            target = arguments[0]
            path = Path(f"/proc/self/fd/{target}").readlink() if name in ON_OPEN else target
            calls.append(f"{name} {'folder' if path.is_dir() else 'file'}")
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, watched)

    for name in ON_OPEN:
        watch(os, name)
    watch(Path, "replace")
    watch(Path, "unlink")
    life: list[tuple[Callable[[], object], list[str]]] = [
        (
            lambda: opened.begin(claim(), intent()),
            ["pwrite file", "replace file"],
        ),
        (lambda: opened.note(UID, mode()), ["pwrite file", "fdatasync file", "fsync folder"]),
        (lambda: opened.complete(UID, devices()), ["pwrite file"]),
        (lambda: opened.release(UID), ["pwrite file"]),
        (lambda: opened.forget(UID), ["unlink file", "unlink file"]),
    ]
    for change, expected in life:
        calls.clear()
        change()
        assert calls == expected
