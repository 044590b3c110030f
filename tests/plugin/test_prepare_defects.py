"""Known weaknesses of the reference driver (D and a number) that preparing a claim must not have.

The list of them is not part of this repository; each test says what the row is about.
"""

import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dra_config.scheme import GPU_DRIVER
from plugin.checkpoint import Holder, Holding, Intent, Phase
from plugin.hardware.facts import ComputeMode
from plugin.hardware.simulation.partitioning import GpuInstancePlan
from plugin.prepare import AbandonedClaims, ClaimGone, recover
from plugin.prepare.abandoned import APART_SECONDS
from plugin.prepare.allocated_claim import read_claim
from plugin.prepare.conflicts import first_conflict
from plugin.preparer import ClaimFailed, Deadline, PrepareFailed
from tests.plugin.prepare_rig import (
    GATES,
    LONG_SECONDS,
    SHARES,
    SHORT_SLICES,
    NodeRig,
    allocated,
    claim,
    opaque,
    result,
)

FIRST, SECOND = claim(1), claim(2)
LONG_SLICES = {"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "Long"}}
SHARE = "11111111-2222-4333-8444-555555555555"
OTHER_SHARE = "11111111-2222-4333-8444-666666666666"
RESTING = ("Default", "Default")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def rig(tmp_path: Path) -> NodeRig:
    return NodeRig(tmp_path)


# ------------------------------------------------------------------ which config applies


def test_a_config_for_a_request_reaches_whichever_alternative_was_taken(rig: NodeRig) -> None:
    """D17: it compares names literally, so `gpus` does not reach `gpus/large`."""
    configs = [
        opaque(sharing=SHORT_SLICES, requests=["gpus"]),
        opaque(sharing=LONG_SLICES, requests=["others/small"]),
    ]
    results = [result("gpu-0", "gpus/large"), result("gpu-1", "others/large")]
    rig.allocate(FIRST, results, configs)
    rig.prepare(FIRST)
    assert rig.setting("gpu-0") == ("Default", "Short")
    assert rig.setting("gpu-1") == RESTING


def test_a_config_on_record_that_this_version_cannot_read_hinders_nobody(tmp_path: Path) -> None:
    """D18: it decodes stored configs strictly, so after a downgrade the device is lost."""
    rig = NodeRig(tmp_path, gates=SHARES)
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    rig.allocate(FIRST, [result("gpu-0", shareID=SHARE)], [opaque(sharing=SHORT_SLICES)])
    rig.allocate(SECOND, [result("gpu-0", shareID=OTHER_SHARE)], [opaque(sharing=SHORT_SLICES)])
    devices = rig.prepare(FIRST)
    record = rig.checkpoint.recall(FIRST.uid)
    assert record is not None
    (holding,) = record.intent.holdings
    newer = Intent(holdings=(replace(holding, config='{"kind":"GpuConfigOfTomorrow"}'),))
    rig.checkpoint.begin(FIRST, newer, effects=record.effects)
    rig.checkpoint.complete(FIRST.uid, devices)
    rig.restart()
    assert recover(rig.node, lambda: Deadline(LONG_SECONDS)) == ()
    assert rig.prepare(FIRST) == devices
    with pytest.raises(PrepareFailed, match=r"claim-1 .*configuration differs") as caught:
        rig.prepare(SECOND, Deadline(0))
    assert not caught.value.permanent
    rig.unprepare(FIRST)
    assert rig.setting("gpu-0") == ("ExclusiveProcess", "Default")
    assert rig.prepare(SECOND)


def test_a_config_that_reaches_nothing_is_told(rig: NodeRig) -> None:
    """D19: it skips a claim-wide config of the wrong kind without a word."""
    rig.allocate(FIRST, [result("gpu-0")], [opaque("MigDeviceConfig")])
    rig.prepare(FIRST)
    (sentence,) = rig.told
    assert "MigDeviceConfig names no request" in sentence
    assert "(DRA202)" in sentence


def test_a_config_that_loses_against_a_later_one_for_all_requests_is_told(rig: NodeRig) -> None:
    """D20: it lets the later one win in silence."""
    configs = [opaque(sharing=SHORT_SLICES, requests=["gpus"]), opaque(sharing=LONG_SLICES)]
    rig.allocate(FIRST, [result("gpu-0")], configs)
    rig.prepare(FIRST)
    assert rig.setting("gpu-0") == ("Default", "Long")
    assert ["(DRA206)" in sentence for sentence in rig.told] == [True]


def test_what_is_done_first_does_not_depend_on_chance(tmp_path: Path) -> None:
    """D23: it keeps the groups in a map, whose order changes from run to run."""
    configs = [
        opaque(sharing=SHORT_SLICES, requests=["c", "a"]),
        opaque(sharing=LONG_SLICES, requests=["b"]),
    ]
    results = [result("gpu-2", "a"), result("gpu-0", "b"), result("gpu-1", "c")]
    orders: set[tuple[str, ...]] = set()
    for number, order in enumerate(itertools.permutations(results)):
        rig = NodeRig(tmp_path / f"{number}")
        rig.allocate(FIRST, order, configs)
        rig.prepare(FIRST)
        record = rig.checkpoint.recall(FIRST.uid)
        assert record is not None
        names = {one.gpu.uuid: name for name, one in rig.found.items()}
        orders.add(tuple(names[one.subject] for one in record.effects))
    ((*shorter, longer),) = orders
    assert (sorted(shorter), longer) == (["gpu-1", "gpu-2"], "gpu-0")


# ---------------------------------------------------------------------------- the machine


@pytest.mark.parametrize("config", [None, LONG_SLICES])
def test_the_setting_of_a_shared_gpu_is_that_of_all_its_claims(
    tmp_path: Path, config: dict[str, object] | None
) -> None:
    """D30: the time slice is the whole GPU's, and it lets each claim overwrite the last one's."""
    rig = NodeRig(tmp_path, gates=SHARES)
    others = [] if config is None else [opaque(sharing=config)]
    rig.allocate(FIRST, [result("gpu-0", shareID=SHARE)], [opaque(sharing=SHORT_SLICES)])
    rig.allocate(SECOND, [result("gpu-0", shareID=OTHER_SHARE)], others)
    rig.prepare(FIRST)
    with pytest.raises(PrepareFailed, match="claims that share a device need equal ones"):
        rig.prepare(SECOND, Deadline(0))
    assert rig.setting("gpu-0") == ("Default", "Short")


def test_a_mig_device_in_the_place_of_another_is_not_taken_for_it(tmp_path: Path) -> None:
    """D73: ids are used again, and it does not compare the UUID."""
    rig = NodeRig(tmp_path, "h100-mig")
    name = next(name for name in rig.found if name.startswith("gpu-0-mig-"))
    rig.allocate(FIRST, [result(name)])
    rig.prepare(FIRST)
    mig = rig.found[name].mig
    assert mig is not None
    rig.cdi.remove(FIRST.uid)
    gpu_uuid = rig.gpu(name).uuid
    rig.machine.repartition(gpu_uuid, enabled=True, instances=())
    one = GpuInstancePlan(profile="1g.10gb+me", start=0)
    rig.machine.repartition(gpu_uuid, enabled=True, instances=(one,))
    (again,) = rig.machine.gpu(gpu_uuid).mig_devices
    assert again.gpu_instance_id == mig.gpu_instance_id
    assert again.uuid != mig.uuid
    with pytest.raises(PrepareFailed, match=f"{mig.uuid}.*does not exist any more"):
        rig.prepare(FIRST)
    rig.unprepare(FIRST)
    assert rig.machine.gpu(gpu_uuid).mig_devices == (again,)


def test_two_mig_devices_of_one_gpu_are_told_of(tmp_path: Path) -> None:
    """D64: CUDA sees one MIG device of a GPU, and nobody says that the other one lies idle."""
    rig = NodeRig(tmp_path, "h100-mig")
    (one, two), (other, *_) = (
        [name for name in rig.found if name.startswith(f"{gpu}-mig-")][:2]
        for gpu in ("gpu-0", "gpu-1")
    )
    rig.allocate(FIRST, [result(one, "a"), result(other, "b")])
    rig.prepare(FIRST)
    rig.allocate(SECOND, [result(two, "a"), result(one, "watch", adminAccess=True)])
    rig.prepare(SECOND)
    assert rig.told == []
    rig.unprepare(FIRST)
    rig.unprepare(SECOND)
    rig.allocate(FIRST, [result(one, "a"), result(two, "b")])
    assert len(rig.prepare(FIRST)) == 2
    (sentence,) = rig.told
    assert rig.gpu(one).uuid in sentence
    assert "(DRA507)" in sentence


# ----------------------------------------------------------------------------- conflicts


def holding(gpu: int, part: int | None, *, admin: bool, share: str | None) -> Holding:
    whole = f"GPU-{gpu}"
    return Holding(
        request="gpus",
        pool="node-a",
        device=f"gpu-{gpu}" if part is None else f"gpu-{gpu}-mig-{part}",
        share_id=share,
        admin_access=admin,
        gpu_uuid=whole,
        device_uuid=whole if part is None else f"MIG-{gpu}-{part}",
        pci_address=f"0000:{gpu:02}:00.0",
        config="{}",
    )


PARTS = 3
HOLDINGS = st.builds(
    holding,
    st.integers(0, 1),
    st.none() | st.integers(0, PARTS - 1),
    admin=st.sampled_from([False, False, True]),
    share=st.sampled_from([None, None, SHARE, OTHER_SHARE]),
)


def silicon(one: Holding) -> set[tuple[str, int]]:
    """Return the parts of GPUs that a device consists of and that it keeps others from."""
    _, _, part = one.device.partition("-mig-")
    parts = {int(part)} if part else set(range(PARTS))
    return set() if one.admin_access else {(one.gpu_uuid, number) for number in parts}


@given(HOLDINGS, HOLDINGS, st.sampled_from([GATES, SHARES]))
def test_no_part_of_a_gpu_is_held_twice_whatever_its_devices_are_called(
    ours: Holding, theirs: Holding, gates: Any
) -> None:
    """D52: it compares names only, so a GPU and a part of it may be given away both."""
    other = Holder(SECOND, (theirs,), frozenset({theirs.gpu_uuid}))
    conflict = first_conflict([ours], [other], gates)
    shared = ours.device == theirs.device and gates is SHARES and ours.share_id and theirs.share_id
    assert (conflict is not None) is bool(silicon(ours) & silicon(theirs) and not shared)
    if conflict is not None:
        assert str(SECOND) in conflict.sentence(FIRST)


def test_devices_of_other_drivers_are_none_of_ours_even_with_the_same_names(rig: NodeRig) -> None:
    """D70: its roll-back looks at the results of all drivers."""
    theirs = {"driver": "gpus.example.com", "pool": "node-a"}
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    rig.set_mode("gpu-1", ComputeMode.EXCLUSIVE_PROCESS)
    results = [result("gpu-1") | theirs, result("gpu-0"), result("gpu-77") | theirs]
    rig.allocate(FIRST, results, [opaque(sharing=SHORT_SLICES)])
    rig.allocate(SECOND, [result("gpu-1")])
    rig.restart(steps=Failing("cdi: written", KeyError("a crash")))
    with pytest.raises(KeyError):
        rig.prepare(FIRST)
    rig.restart()
    assert rig.setting("gpu-0") == ("Default", "Short")
    assert rig.prepare(SECOND, Deadline(0))
    assert rig.setting("gpu-1") == ("ExclusiveProcess", "Default")
    assert [one.device for one in rig.prepare(FIRST)] == ["gpu-0"]
    rig.unprepare(FIRST)
    assert rig.setting("gpu-0") == rig.setting("gpu-1") == ("ExclusiveProcess", "Default")


# ------------------------------------------------------------------------ gone and broken


def abandoned(rig: NodeRig, clock: Callable[[], float]) -> AbandonedClaims:
    return AbandonedClaims(
        rig.node,
        rig,
        driver=GPU_DRIVER,
        monotonic=clock,
        tell=lambda of, sentence: rig.told.append(f"{of}: {sentence}"),
    )


class Failing:
    """A disk or a defect that fails at one kind of step, as often as it is asked."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name = name
        self.error = error

    def __call__(self, step: str) -> None:
        if step == self.name:
            raise self.error


def leave(rig: NodeRig, phase: Phase) -> None:
    """Prepare the first claim and leave it in a phase, as a plugin that goes away may."""
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    if phase is Phase.BEGUN:
        rig.restart(steps=Failing("cdi: written", KeyError("a defect")))
        with pytest.raises(KeyError):
            rig.prepare(FIRST)
    else:
        rig.prepare(FIRST)
    if phase is Phase.RELEASING:
        rig.refuse("gpu-0", "set_time_slice", "in-use")
        with pytest.raises(ClaimFailed):
            rig.unprepare(FIRST)
        rig.repair()
    record = rig.checkpoint.recall(FIRST.uid)
    assert record is not None
    assert (record.claim, record.phase) == (FIRST, phase)


@pytest.mark.parametrize("phase", Phase)
def test_a_claim_that_is_gone_blocks_its_device_in_no_state(rig: NodeRig, phase: Phase) -> None:
    """D40, D41: it looks only at claims that were begun, and blocks the devices of the others."""
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    leave(rig, phase)
    rig.restart()
    rig.claims[FIRST.uid] = ClaimGone("It is gone.")
    rig.allocate(SECOND, [result("gpu-0")])
    with pytest.raises(PrepareFailed, match="still held by claim team/claim-1"):
        rig.prepare(SECOND, Deadline(0))
    now = [0.0]
    watch = abandoned(rig, lambda: now[0])
    for _ in range(2):
        assert watch.look(lambda: Deadline(LONG_SECONDS)) == ()
        now[0] += APART_SECONDS
    assert rig.setting("gpu-0") == ("ExclusiveProcess", "Default")
    assert rig.files() == []
    assert rig.prepare(SECOND, Deadline(0))


def test_a_claim_that_was_moved_to_another_node_is_as_good_as_gone(rig: NodeRig) -> None:
    """D42: it asks only whether a claim of that name and UID exists."""
    leave(rig, Phase.COMPLETED)
    rig.allocate(FIRST, [result("gpu-0") | {"pool": "node-b"}])
    now = [0.0]
    watch = abandoned(rig, lambda: now[0])
    for _ in range(2):
        assert rig.files() != []
        watch.look(lambda: Deadline(LONG_SECONDS))
        now[0] += APART_SECONDS
    assert rig.files() == []
    assert rig.setting("gpu-0") == RESTING


def test_a_defect_in_one_claim_leaves_nothing_locked_and_nothing_forgotten(rig: NodeRig) -> None:
    """D53: it ends the process. The edge isolates the claim; here is what stays of it."""
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    steps = Failing("cdi: written", KeyError("a defect"))
    rig.restart(steps=steps)
    rig.allocate(FIRST, [result("gpu-0"), result("gpu-1")], [opaque(sharing=SHORT_SLICES)])
    rig.allocate(SECOND, [result("gpu-2")])
    with pytest.raises(KeyError):
        rig.prepare(FIRST, Deadline(0))
    assert rig.setting("gpu-0") == ("Default", "Short")
    steps.name = "nothing any more"
    assert rig.prepare(SECOND, Deadline(0))
    assert len(rig.prepare(FIRST, Deadline(0))) == 2
    rig.unprepare(FIRST)
    steps.name = "cdi: written"
    with pytest.raises(KeyError):
        rig.prepare(FIRST, Deadline(0))
    rig.unprepare(FIRST)
    assert rig.setting("gpu-0") == ("ExclusiveProcess", "Default")
    assert rig.setting("gpu-1") == RESTING
    assert all(SECOND.uid in name for name in rig.files())


WHOLE_CLAIM: dict[str, Any] = json.loads(
    allocated(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def places(tree: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return where everything in a document stands."""
    found = [path] if path else []
    children: Iterable[tuple[str | int, object]] = ()
    if isinstance(tree, dict):
        children = cast("dict[str, object]", tree).items()
    elif isinstance(tree, list):
        children = enumerate(cast("list[object]", tree))
    for key, value in children:
        found += places(value, (*path, key))
    return found


@given(st.sampled_from(places(WHOLE_CLAIM)), st.none() | ANYTHING.map(lambda one: [one]))
@example(("status",), None)
@example(("status", "allocation"), [None])
@example(("status", "allocation", "devices", "results", 0, "shareID"), [""])
def test_a_claim_that_lacks_anything_fails_and_never_breaks_the_plugin(
    place: tuple[str | int, ...], value: list[Any] | None
) -> None:
    """D47: it panics on a claim without an allocation."""
    spoiled = json.loads(json.dumps(WHOLE_CLAIM))
    inner = spoiled
    for step in place[:-1]:
        inner = inner[step]
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value[0]
    try:
        found = read_claim(json.dumps(spoiled).encode(), FIRST, driver=GPU_DRIVER)
    except PrepareFailed as failure:
        assert str(FIRST) in failure.sentence  # noqa: PT017 - either is right
    else:
        assert all(one.share_id != "" for one in found.devices)


# --------------------------------------------------------------------------- CDI files


@pytest.mark.parametrize("damage", ["removed", "cut off", "empty"])
def test_a_prepared_claim_has_its_cdi_file_whatever_became_of_it(
    rig: NodeRig, damage: str
) -> None:
    """D48: it answers from its checkpoint, and the container fails to start."""
    rig.allocate(FIRST, [result("gpu-0")])
    devices = rig.prepare(FIRST)
    (path,) = (rig.folder / "cdi").iterdir()
    content = path.read_bytes()
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut off" else b"")
    assert rig.prepare(FIRST) == devices
    assert path.read_bytes() == content


def test_only_the_settings_know_where_cdi_files_lie() -> None:
    """D66, D67: it has three defaults, and writes some files past the setting."""
    naming = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "plugin").rglob("*.py"))
        if any(place in path.read_text() for place in ("run/cdi", "etc/cdi"))
    ]
    assert naming == ["plugin/settings.py"]
