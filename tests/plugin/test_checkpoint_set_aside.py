"""Damaged records that are kept until their claim is explained."""

from pathlib import Path

import pytest

from plugin.checkpoint import CheckpointError, CorruptRecordError, SetAside
from tests.plugin.checkpoint_examples import BOOT, UID, checkpoint, claim, intent, record_file

OTHER = "6d0d1d6e-0001-4000-8000-000000000002"


def damage(folder: Path, content: bytes = b"?", uid: str = UID) -> None:
    """Begin a claim, damage its record, and let it be found."""
    opened = checkpoint(folder)
    opened.begin(claim(uid), intent())
    record_file(folder, uid).write_bytes(content)
    with pytest.raises(CorruptRecordError):
        opened.recall(uid)


def of(folder: Path, boot_id: str = BOOT) -> SetAside:
    return checkpoint(folder, boot_id=boot_id).set_aside


def test_a_claim_is_listed_once_however_often_its_record_was_damaged(tmp_path: Path) -> None:
    assert of(tmp_path).uids() == frozenset()
    damage(tmp_path)
    damage(tmp_path)
    damage(tmp_path, uid=OTHER)
    assert of(tmp_path).uids() == {UID, OTHER}


def test_what_is_left_of_a_record_is_read_the_newest_first(tmp_path: Path) -> None:
    for number in range(11):
        damage(tmp_path, b"%d" % number)
    assert of(tmp_path).texts(UID)[:2] == (b"10", b"9")
    assert of(tmp_path).texts(OTHER) == ()


def test_the_files_of_one_claim_can_be_removed(tmp_path: Path) -> None:
    damage(tmp_path)
    damage(tmp_path)
    damage(tmp_path, uid=OTHER)
    assert of(tmp_path).remove(UID)
    assert not of(tmp_path).remove(UID)
    assert of(tmp_path).uids() == {OTHER}


def test_the_pattern_for_operators_names_the_files(tmp_path: Path) -> None:
    damage(tmp_path)
    pattern = of(tmp_path).path(UID)
    assert [path.read_bytes() for path in pattern.parent.glob(pattern.name)] == [b"?"]


def test_files_of_others_are_no_claims(tmp_path: Path) -> None:
    of(tmp_path)
    for name in (f"{UID}.corrupt-x", "no uid.corrupt-1", ".corrupt-1"):
        (tmp_path / "claims" / name).touch()
    assert of(tmp_path).uids() == frozenset()


def test_a_folder_that_is_gone_is_explained(tmp_path: Path) -> None:
    found = of(tmp_path)
    (tmp_path / "claims").rmdir()
    with pytest.raises(CheckpointError, match="could not be listed"):
        found.uids()


# --- reboots ---------------------------------------------------------------------------


def test_a_reboot_ends_what_was_damaged_before_it(tmp_path: Path) -> None:
    of(tmp_path).begin_boot()
    damage(tmp_path)
    assert of(tmp_path).begin_boot() == frozenset()
    assert of(tmp_path).uids() == {UID}
    assert of(tmp_path, "next").begin_boot() == {UID}
    assert of(tmp_path).uids() == frozenset()
    damage(tmp_path)
    assert of(tmp_path, "next").begin_boot() == frozenset()
    assert of(tmp_path, "next").uids() == {UID}


def test_without_knowing_the_earlier_boot_nothing_is_forgotten(tmp_path: Path) -> None:
    damage(tmp_path)
    assert of(tmp_path, "next").begin_boot() == frozenset()
    assert of(tmp_path, "next").uids() == {UID}


def test_a_boot_that_cannot_be_noted_forgets_nothing_later(tmp_path: Path) -> None:
    """A full disk, played by a folder in the way of the marker."""
    of(tmp_path).begin_boot()
    (tmp_path / "claims" / ".boot-id.part").mkdir()
    with pytest.raises(CheckpointError, match="compared with the boot"):
        of(tmp_path, "next").begin_boot()
    damage(tmp_path)
    assert of(tmp_path, "after it").uids() == {UID}
    (tmp_path / "claims" / ".boot-id.part").rmdir()
    assert of(tmp_path, "next").begin_boot() == frozenset()
    assert of(tmp_path, "next").uids() == {UID}
