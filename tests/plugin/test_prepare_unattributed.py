"""Claims whose damaged record nothing explains, and the devices that are withheld for them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from plugin.checkpoint import Checkpoint, Format, Phase, Record
from plugin.prepare import ClaimGone, Unattributed, recover
from plugin.preparer import ClaimReference, Deadline, PrepareFailed
from plugin.publishing.allocatable import enumerate_devices
from tests.plugin.prepare_rig import (
    LONG_SECONDS,
    SHARES,
    SHORT_SLICES,
    Book,
    NodeRig,
    claim,
    opaque,
    result,
)

FIRST, SECOND, THIRD = claim(1), claim(2), claim(3)


@pytest.fixture
def rig(tmp_path: Path) -> NodeRig:
    rig = NodeRig(tmp_path)
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    rig.allocate(SECOND, [result("gpu-1")])
    rig.allocate(THIRD, [result("gpu-2")])
    rig.prepare(FIRST)
    rig.prepare(SECOND)
    return rig


def patience() -> Deadline:
    return Deadline(LONG_SECONDS)


def look(rig: NodeRig) -> tuple[str, ...]:
    return rig.unattributed.look(rig.preparer.prepare, patience)


def withheld(rig: NodeRig) -> Mapping[str, str]:
    return rig.unattributed.withheld(enumerate_devices(rig.machine.inventory(), Book()).devices)


def record(rig: NodeRig, of: ClaimReference = FIRST) -> Path:
    return rig.folder / "claims" / f"{of.uid}.record"


def blank(rig: NodeRig, of: ClaimReference = FIRST) -> None:
    """Damage a record so that nothing can be read from it."""
    record(rig, of).write_bytes(b"\0" * 4096)


def garble(rig: NodeRig, of: ClaimReference = FIRST) -> None:
    """Damage a record so that a person could still read it."""
    path = record(rig, of)
    path.write_bytes(path.read_bytes().replace(b"checksum=", b"checksum!"))


def lose(rig: NodeRig, how: Callable[[NodeRig, ClaimReference], None] = blank) -> None:
    """Lose the record of the first claim together with its CDI file, and start again."""
    how(rig, FIRST)
    rig.cdi.remove(FIRST.uid)
    start(rig)


def start(rig: NodeRig, *, boot_id: str | None = None) -> tuple[str, ...]:
    """Start the plugin; return what is said of unexplained claims."""
    rig.restart(boot_id=boot_id)
    rig.fetched.clear()
    recover(rig.node, patience)
    return look(rig)


def record_of(rig: NodeRig, of: ClaimReference) -> Record:
    found = rig.checkpoint.recall(of.uid)
    assert found is not None
    return found


def refusal(rig: NodeRig, of: ClaimReference) -> PrepareFailed:
    with pytest.raises(PrepareFailed) as caught:
        rig.prepare(of)
    return caught.value


# ---------------------------------------------------------------------------- nothing wrong


def test_without_damage_nothing_is_withheld_and_nobody_is_asked(rig: NodeRig) -> None:
    assert start(rig) == ()
    assert withheld(rig) == {}
    assert rig.unattributed.uids() == frozenset()
    assert rig.fetched == []


# ------------------------------------------------------------------------------- explained


def test_a_record_is_made_anew_from_the_cdi_file(rig: NodeRig) -> None:
    blank(rig)
    assert start(rig) == ()
    assert rig.fetched == []
    assert rig.node.checkpoint.set_aside.uids() == frozenset()
    assert withheld(rig) == {}
    assert record_of(rig, FIRST).phase is Phase.COMPLETED


def test_a_record_that_is_damaged_while_the_plugin_runs_is_made_anew_at_the_next_look(
    rig: NodeRig,
) -> None:
    start(rig)
    blank(rig)
    rig.checkpoint.all()
    assert set(withheld(rig)) >= {"gpu-0"}
    assert look(rig) == ()
    assert withheld(rig) == {}
    assert "made anew" in rig.told[-1]


@pytest.mark.parametrize("source", ["damaged text", "CDI file"])
def test_a_claim_whose_name_is_still_known_is_prepared_anew_after_one_question(
    rig: NodeRig, source: str
) -> None:
    devices = rig.prepare(FIRST)
    file = rig.cdi_file(FIRST)
    if source == "damaged text":
        garble(rig)
        rig.cdi.remove(FIRST.uid)
    else:
        blank(rig)
        (path,) = (rig.folder / "cdi").glob(f"*{FIRST.uid}*")
        path.write_text(path.read_text().replace("gpu.nvidia.com/record", "gpu.nvidia.com/none"))
    assert start(rig) == ()
    assert rig.fetched == [FIRST.uid]
    assert withheld(rig) == {}
    assert rig.cdi_file(FIRST) == file
    assert rig.prepare(FIRST) == devices
    assert rig.setting("gpu-0") == ("Default", "Short")
    rig.unprepare(FIRST)
    assert rig.setting("gpu-0") == ("Default", "Default")


def test_a_claim_that_the_kubelet_prepares_again_is_explained(rig: NodeRig) -> None:
    lose(rig)
    rig.prepare(FIRST)
    assert withheld(rig) == {}
    assert rig.unattributed.uids() == frozenset()
    assert look(rig) == ()
    assert rig.node.checkpoint.set_aside.uids() == frozenset()


# ----------------------------------------------------------------------------- unexplained


def test_devices_that_no_other_claim_holds_are_withheld(rig: NodeRig) -> None:
    lose(rig)
    reasons = withheld(rig)
    assert set(reasons) == set(rig.found) - {"gpu-1"}
    assert FIRST.uid in reasons["gpu-0"]
    assert str(rig.folder / "claims" / f"{FIRST.uid}.corrupt-*") in reasons["gpu-0"]
    (sentence,) = look(rig)
    assert sentence == reasons["gpu-0"]
    assert rig.unattributed.uids() == {FIRST.uid}
    assert rig.fetched == []


def test_a_claim_that_was_given_such_a_device_before_waits(rig: NodeRig) -> None:
    lose(rig)
    failure = refusal(rig, THIRD)
    assert not failure.permanent
    assert "gpu-2" in failure.sentence
    assert FIRST.uid in failure.sentence
    assert rig.checkpoint.recall(THIRD.uid) is None
    rig.unprepare(FIRST)
    assert rig.prepare(THIRD)


def test_a_claim_that_finds_the_damage_does_not_get_the_device_either(rig: NodeRig) -> None:
    start(rig)
    rig.allocate(THIRD, [result("gpu-0")])
    blank(rig)
    rig.cdi.remove(FIRST.uid)
    for _ in range(2):
        assert FIRST.uid in refusal(rig, THIRD).sentence


def test_admin_access_takes_nothing_away_and_waits_for_nobody(rig: NodeRig) -> None:
    lose(rig)
    rig.allocate(THIRD, [result("gpu-0", adminAccess=True)])
    assert rig.prepare(THIRD)


@pytest.mark.parametrize("answer", ["gone", "another"])
def test_a_claim_that_is_gone_from_the_server_may_still_be_in_use(
    rig: NodeRig, answer: str
) -> None:
    rig.claims[FIRST.uid] = (
        ClaimGone("It is gone.") if answer == "gone" else rig.claims[SECOND.uid]
    )
    lose(rig, garble)
    assert "gpu-0" in withheld(rig)
    (sentence,) = look(rig)
    assert FIRST.uid in sentence
    assert rig.fetched == [FIRST.uid], "nobody is asked twice for a claim that is gone"


def test_while_the_server_is_away_devices_are_withheld_and_it_is_asked_again(
    rig: NodeRig,
) -> None:
    there = rig.claims[FIRST.uid]
    rig.claims[FIRST.uid] = PrepareFailed("The server is away.", permanent=False)
    lose(rig, garble)
    (sentence,) = look(rig)
    assert "The server is away." in sentence
    assert "gpu-0" in withheld(rig)
    rig.claims[FIRST.uid] = there
    assert look(rig) == ()
    assert withheld(rig) == {}


def test_a_device_that_was_another_claims_stays_free_for_others_afterwards(rig: NodeRig) -> None:
    lose(rig)
    withheld(rig)
    rig.unprepare(SECOND)
    assert "gpu-1" not in withheld(rig)
    rig.allocate(THIRD, [result("gpu-1")])
    assert rig.prepare(THIRD)
    rig.unprepare(THIRD)
    start(rig)
    assert "gpu-1" in withheld(rig), "after a restart nobody knows that it was another claim's"


def test_a_device_that_a_claim_shares_may_be_the_lost_ones_too(tmp_path: Path) -> None:
    rig = NodeRig(tmp_path, gates=SHARES)
    rig.allocate(FIRST, [result("gpu-0", shareID="one")])
    rig.allocate(SECOND, [result("gpu-0", shareID="two")])
    rig.prepare(FIRST)
    rig.prepare(SECOND)
    lose(rig)
    assert "gpu-0" in withheld(rig)


def test_what_a_claim_watches_with_admin_access_may_be_the_lost_ones(tmp_path: Path) -> None:
    rig = NodeRig(tmp_path)
    rig.allocate(FIRST, [result("gpu-0")])
    rig.allocate(SECOND, [result("gpu-0", adminAccess=True)])
    rig.prepare(FIRST)
    rig.prepare(SECOND)
    lose(rig)
    assert "gpu-0" in withheld(rig)


def test_mig_devices_beside_one_that_is_held_are_withheld(tmp_path: Path) -> None:
    rig = NodeRig(tmp_path, "h100-mig")
    first, second, *others = (name for name, one in rig.found.items() if one.mig is not None)
    assert rig.found[first].gpu.uuid == rig.found[second].gpu.uuid
    rig.allocate(FIRST, [result(first)])
    rig.allocate(SECOND, [result(second)])
    rig.prepare(FIRST)
    rig.prepare(SECOND)
    lose(rig)
    assert set(withheld(rig)) == set(rig.found) - {second}
    assert others


def test_a_claim_without_a_device_of_ours_by_now_may_still_be_in_use(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0") | {"driver": "example.com"}])
    lose(rig, garble)
    (sentence,) = look(rig)
    assert "no device of this node any more" in sentence
    assert "gpu-0" in withheld(rig)
    assert rig.fetched == [FIRST.uid]


def test_what_a_claim_itself_has_begun_does_not_clear_it(rig: NodeRig) -> None:
    intent = rig.checkpoint.begin(FIRST, record_of(rig, FIRST).intent).intent
    lose(rig)
    rig.checkpoint.begin(FIRST, intent)
    assert "gpu-0" in withheld(rig)


def test_something_outside_of_the_node_may_know_the_claims_name(rig: NodeRig) -> None:
    lose(rig)
    asked: list[str] = []

    def name(uid: str) -> ClaimReference:
        asked.append(uid)
        return FIRST

    unattributed = Unattributed(
        rig.node, tell=lambda _, sentence: told.append(sentence), name=name
    )
    told: list[str] = []
    assert unattributed.look(rig.preparer.prepare, patience) == ()
    assert asked == [FIRST.uid]
    assert rig.fetched == [FIRST.uid]
    assert "prepared anew" in told[0]
    assert rig.node.checkpoint.set_aside.uids() == frozenset()


def test_two_lost_claims_do_not_wait_for_each_other(rig: NodeRig) -> None:
    garble(rig, SECOND)
    rig.cdi.remove(SECOND.uid)
    lose(rig)
    rig.prepare(SECOND)
    assert rig.unattributed.uids() == {FIRST.uid}
    assert FIRST.uid in refusal(rig, THIRD).sentence


# ---------------------------------------------------------------------------- how it ends


def test_a_restart_ends_nothing(rig: NodeRig) -> None:
    lose(rig)
    before = withheld(rig)
    start(rig)
    assert withheld(rig) == before


def test_the_kubelets_unprepare_ends_it(rig: NodeRig) -> None:
    lose(rig)
    rig.unprepare(FIRST)
    assert withheld(rig) == {}
    assert all(SECOND.uid in name or name == "boot-id" for name in rig.files())


def test_a_reboot_ends_it(rig: NodeRig) -> None:
    lose(rig)
    (sentence,) = start(rig, boot_id="second-boot")
    assert "reboot" in sentence
    assert withheld(rig) == {}
    assert start(rig) == ()


def test_a_record_that_a_loss_of_power_damaged_withholds_nothing(rig: NodeRig) -> None:
    start(rig)
    blank(rig)
    rig.cdi.remove(FIRST.uid)
    start(rig, boot_id="second-boot")
    assert withheld(rig) == {}


def test_an_operator_who_removes_the_file_ends_it(rig: NodeRig) -> None:
    lose(rig)
    assert withheld(rig)
    for path in (rig.folder / "claims").glob(f"{FIRST.uid}.corrupt-*"):
        path.unlink()
    assert withheld(rig) == {}
    assert rig.prepare(THIRD)


def test_a_failed_attempt_to_prepare_the_lost_claim_ends_nothing(rig: NodeRig) -> None:
    rig.refuse("gpu-0", "set_time_slice", "permission")
    lose(rig, garble)
    assert "gpu-0" in withheld(rig)
    rig.repair()
    assert look(rig) == ()
    assert withheld(rig) == {}


def test_a_record_that_only_a_newer_version_reads_explains_nothing(rig: NodeRig) -> None:
    lose(rig)
    Checkpoint(
        rig.folder / "claims", boot_id=rig.boot_id, form=Format(version=9, oldest_reader=9)
    ).begin(FIRST, record_of(rig, SECOND).intent)
    assert "gpu-0" in withheld(rig)
    (sentence,) = look(rig)
    assert "Install the newer version." in sentence


def test_a_boot_that_cannot_be_noted_is_told_of_and_withholds_on(rig: NodeRig) -> None:
    lose(rig)
    (rig.folder / "claims" / ".boot-id.part").mkdir()
    told = start(rig, boot_id="second-boot")
    assert "could not be compared" in told[0]


def test_the_cdi_file_of_a_claim_that_is_not_explained_stays(rig: NodeRig) -> None:
    blank(rig)
    (path,) = (rig.folder / "cdi").glob(f"*{FIRST.uid}*")
    path.write_text('{"annotations": {}}')
    start(rig)
    assert path.exists()
    rig.unprepare(FIRST)
    assert not path.exists()
