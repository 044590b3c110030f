"""The text of a record, its two slots, and versions that read each other's."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.checkpoint import (
    FORMAT,
    Effect,
    Format,
    Intent,
    NewerRecordError,
    Phase,
    Record,
    record_from_text,
    text_of_record,
)
from plugin.checkpoint.codec import InvalidTextError
from plugin.checkpoint.slots import (
    RELEASE_BYTES,
    DamagedError,
    fits,
    new_file,
    overwrite,
    read_slots,
    room_for,
)
from plugin.durable_files import unobserved
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

KEPT = Path(__file__).with_name("checkpoint_records")
"""A record in each format that was ever released, as a plugin of that time wrote it."""

COMPLETED = Record(
    claim=claim(),
    phase=Phase.COMPLETED,
    boot_id=BOOT,
    intent=intent(0, 1),
    effects=(mode(0), mode(1)),
    devices=devices(UID, 0, 1),
)


def texts(**more: Any) -> st.SearchStrategy[str]:
    return st.text(max_size=40, **more)


RECORDS = st.builds(
    Record,
    claim=st.builds(type(claim()), namespace=texts(), name=texts(), uid=texts()),
    phase=st.sampled_from(Phase),
    boot_id=texts(),
    intent=st.builds(
        Intent,
        holdings=st.lists(
            st.builds(
                type(holding()),
                request=texts(),
                pool=texts(),
                device=texts(),
                share_id=st.none() | texts(),
                admin_access=st.booleans(),
                gpu_uuid=texts(),
                device_uuid=texts(),
                pci_address=texts(),
                config=texts(),
            ),
            max_size=3,
        ).map(tuple),
    ),
    effects=st.lists(
        st.builds(Effect, kind=texts(), subject=texts(), before=texts(), details=texts()),
        max_size=3,
    ).map(tuple),
    devices=st.lists(
        st.builds(
            type(devices()[0]),
            requests=st.lists(texts(), max_size=2).map(tuple),
            pool=texts(),
            device=texts(),
            cdi_device_ids=st.lists(texts(), max_size=2).map(tuple),
            share_id=st.none() | texts(),
        ),
        max_size=3,
    ).map(tuple),
    unknown=st.just("{}"),
)


# --- text ------------------------------------------------------------------------------


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert record_from_text(text_of_record(record)) == record


@given(st.recursive(st.none() | st.booleans() | st.integers() | texts(), st.lists) | st.binary())
def test_no_text_raises_anything_but_our_own_errors(value: Any) -> None:
    text = value if isinstance(value, bytes) else json.dumps(value)
    with pytest.raises(InvalidTextError):
        record_from_text(text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"claim": None}, "these fields are wrong: claim"),
        ({"claim": {"namespace": "a", "name": "b"}}, "claim.uid"),
        ({"phase": "Elsewhere"}, "phase"),
        ({"intent": {"holdings": [{}]}}, "intent.holdings.0.device"),
        ({"boot_id": 7}, "boot_id"),
        ({"format": None}, "it names no format"),
        ({"oldest_reader": "1"}, "it names no format"),
        ({"format": 0}, "there never was a format 0"),
    ],
)
def test_a_record_without_what_it_needs_is_refused_at_the_door(
    change: dict[str, Any], reason: str
) -> None:
    """D47: nothing inside has to ask whether a field is there."""
    fields = json.loads(text_of_record(COMPLETED))
    with pytest.raises(InvalidTextError, match=reason.replace(".", r"\.")):
        record_from_text(json.dumps(fields | change))


# --- versions --------------------------------------------------------------------------


def split_boot(fields: dict[str, Any]) -> dict[str, Any]:
    """Make of format 1 an invented format 2, in which the namespace stands at the top."""
    return {"namespace": fields["claim"]["namespace"], **fields}


NEXT = Format(version=2, oldest_reader=1, upgrades={1: split_boot})
FAR = Format(version=3, oldest_reader=3, upgrades={1: split_boot, 2: lambda fields: fields})


@pytest.mark.parametrize("path", sorted(KEPT.iterdir()), ids=lambda path: path.stem)
def test_records_of_every_released_format_are_read(path: Path, tmp_path: Path) -> None:
    opened = checkpoint(tmp_path)
    record_file(tmp_path).write_bytes(path.read_bytes())
    assert opened.recall(UID) == COMPLETED


def test_there_is_a_kept_record_of_the_present_format() -> None:
    newest = read_slots((KEPT / f"format-{FORMAT.version}.record").read_bytes())
    assert json.loads(newest.content)["format"] == FORMAT.version
    assert newest.content == text_of_record(COMPLETED), "the format changed: give it a number"


def test_a_newer_plugin_reads_what_an_older_one_wrote() -> None:
    upgraded = record_from_text(text_of_record(COMPLETED), NEXT)
    assert upgraded == replace(COMPLETED, unknown='{"namespace":"default"}')


def test_an_older_plugin_reads_and_changes_what_a_newer_one_wrote(tmp_path: Path) -> None:
    """D44: a downgrade neither refuses a record nor loses the new fields."""
    checkpoint(tmp_path, form=NEXT).begin(claim(), intent())
    file = record_file(tmp_path)
    new = replace(record_from_text(read_slots(file.read_bytes()).content), unknown='{"new":[1]}')
    content = text_of_record(new, NEXT)
    file.write_bytes(new_file(content, slot_bytes=room_for(content)))

    old = checkpoint(tmp_path)
    assert old.release(UID).claim == claim()
    assert json.loads(read_slots(file.read_bytes()).content)["new"] == [1]
    again = checkpoint(tmp_path, form=NEXT).recall(UID)
    assert again is not None
    assert again.phase is Phase.RELEASING


def test_a_record_that_only_a_newer_plugin_reads_stays_where_it_is(tmp_path: Path) -> None:
    checkpoint(tmp_path, form=FAR).begin(claim(), intent())
    before = record_file(tmp_path).read_bytes()
    opened = checkpoint(tmp_path)
    message = f"claim {UID} has format 3, .* Install the newer version"
    for change in (opened.recall, opened.release, opened.undone):
        with pytest.raises(NewerRecordError, match=message):
            change(UID)
    (newer,) = opened.all().newer
    assert newer.uid == UID
    assert record_file(tmp_path).read_bytes() == before


def test_a_newer_record_without_a_claim_is_told_all_the_same() -> None:
    with pytest.raises(NewerRecordError) as caught:
        record_from_text('{"format":9,"oldest_reader":9,"claims":[]}')
    assert caught.value.uid == ""


# --- slots -----------------------------------------------------------------------------


def test_the_file_takes_all_its_space_when_it_is_made() -> None:
    content = text_of_record(COMPLETED)
    file = new_file(content, slot_bytes=room_for(content))
    assert len(file) == 2 * room_for(content)
    assert b"\0" not in file, "a hole takes no space"


@given(size=st.integers(0, 20_000))
def test_there_is_room_for_as_much_again_and_the_release(size: int) -> None:
    content = b"x" * size
    slots = read_slots(new_file(content, slot_bytes=room_for(content)))
    assert slots.content == content
    assert fits(2 * content, slots, spare_bytes=RELEASE_BYTES - 1)
    assert not fits(b"x" * slots.slot_bytes, slots)


@given(torn=st.data(), old=st.binary(max_size=900), new=st.binary(max_size=900))
def test_an_overwrite_that_is_torn_anywhere_leaves_the_old_content_or_the_new(
    torn: st.DataObject, old: bytes, new: bytes
) -> None:
    before = new_file(old, slot_bytes=2048)
    with tempfile.TemporaryDirectory(prefix="torn-") as folder:
        path = Path(folder, "file")
        path.write_bytes(before)
        overwrite(path, new, read_slots(before), durable=True, steps=unobserved)
        after = path.read_bytes()
    assert len(after) == len(before)
    assert read_slots(after).content == new
    # A disk writes sectors in any order, and the last ones perhaps not at all.
    written = torn.draw(st.sets(st.integers(0, len(after) // 512 - 1)))
    mixed = b"".join(
        (after if sector in written else before)[sector * 512 :][:512]
        for sector in range(len(after) // 512)
    )
    cut = torn.draw(st.integers(0, len(after)))
    for found in (mixed, after[:cut] + before[cut:]):
        assert read_slots(found).content in {old, new}


@given(place=st.integers(0, 4095), change=st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, change: int) -> None:
    content = text_of_record(COMPLETED)[:900]
    file = bytearray(new_file(content, slot_bytes=2048))
    file[place] ^= change
    try:
        assert read_slots(bytes(file)).content == content
    except DamagedError:
        assert place < 98 + len(content), "the rest is only space"


@pytest.mark.parametrize("size", [0, 1, 100, 4095, 4097])
def test_a_file_of_another_size_is_none_of_ours(size: int) -> None:
    with pytest.raises(DamagedError, match=f"a file of {size} bytes is none of ours"):
        read_slots(b" " * size)
