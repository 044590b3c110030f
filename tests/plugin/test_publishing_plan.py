"""Whatever slices there are, few writes make them what they should be, and no reader is misled."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.publishing.comparison import meaning
from plugin.publishing.plan import (
    LARGEST_GENERATION,
    CreateSlice,
    DeleteSlice,
    ReplaceSlice,
    plan,
    with_times,
)
from plugin.publishing.slices import StoredSlice, stored_slice
from tests.plugin.slice_server import OWNER, MemoryServer, complete_pool, stored

Json = dict[str, Any]


def content(*names: str) -> Json:
    return {"devices": [{"name": name} for name in names]}


CONTENTS = st.lists(
    st.sampled_from([content("a"), content("b"), content("a", "b"), content()]),
    min_size=1,
    max_size=4,
)


@st.composite
def anything_stored(draw: st.DrawFn) -> list[StoredSlice]:
    """Draw slices that somebody may have left: ours, old, double, foreign."""
    count = draw(st.integers(0, 6))
    found: list[StoredSlice] = []
    for version in range(1, count + 1):
        one = stored(
            draw(st.integers(0, 4)),
            draw(CONTENTS)[0],
            generation=draw(st.sampled_from([0, 1, 2, 7, LARGEST_GENERATION])),
            count=draw(st.integers(1, 4)),
            version=version,
        )
        metadata = dict(one.metadata)
        spec = dict(one.spec)
        if draw(st.booleans()):
            metadata["name"] = draw(st.sampled_from(["strange", f"zz-{version}", one.name]))
            metadata["name"] += str(version)
        if draw(st.integers(0, 5)) == 0:
            metadata["ownerReferences"] = []
        if draw(st.integers(0, 5)) == 0:
            spec["pool"] = {**spec["pool"], "name": "other"}
        found.append(stored_slice(metadata, spec))
    return found


def apply(server: MemoryServer, contents: list[Json]) -> int:
    """Make the writes of one plan; return how many there were."""
    planned = plan(contents, server.by_name.values(), OWNER)
    for write in planned.writes:
        match write:
            case DeleteSlice():
                server.delete(write.stored)
            case ReplaceSlice():
                server.replace(write.metadata, write.spec)
            case CreateSlice():
                server.create(write.metadata, write.spec)
    return len(planned.writes)


def settled(server: MemoryServer, contents: list[Json]) -> bool:
    found = sorted(server.by_name.values(), key=lambda one: one.name)
    pool = complete_pool(found)
    return (
        pool is not None
        and len(found) == len(contents)
        and [meaning(one) for one in pool] == [meaning(one) for one in contents]
        and all(one.owners == OWNER.references for one in found)
        and all(one.spec["pool"]["name"] == OWNER.node_name for one in found)
    )


@given(anything_stored(), CONTENTS)
def test_one_plan_leads_from_anything_to_what_should_be_and_a_second_writes_nothing(
    found: list[StoredSlice], contents: list[Json]
) -> None:
    server = MemoryServer({one.name: one for one in found})
    apply(server, contents)
    assert settled(server, contents)
    assert apply(server, contents) == 0


@given(CONTENTS, CONTENTS, st.sets(st.integers(0, 3)))
def test_no_reader_ever_sees_a_complete_pool_that_is_neither_the_old_nor_the_new_one(
    before: list[Json], after: list[Json], removed: set[int]
) -> None:
    server = MemoryServer()
    apply(server, before)
    for index, name in enumerate(sorted(server.by_name)):
        if index in removed:
            del server.by_name[name]
    seen: list[list[Json] | None] = []
    server.after_write = lambda: seen.append(complete_pool(list(server.by_name.values())))
    apply(server, after)
    assert all(pool in (None, before, after) for pool in seen)


@given(CONTENTS, st.data())
def test_the_fewest_writes_repair_what_somebody_removed(
    contents: list[Json], data: st.DataObject
) -> None:
    server = MemoryServer()
    assert apply(server, contents) == len(contents)
    removed = data.draw(st.sets(st.sampled_from(sorted(server.by_name))))
    for name in removed:
        del server.by_name[name]
    assert apply(server, contents) == len(removed)
    assert settled(server, contents)


@given(CONTENTS, st.data())
def test_one_slice_that_differs_costs_one_write(contents: list[Json], data: st.DataObject) -> None:
    server = MemoryServer()
    apply(server, contents)
    name = data.draw(st.sampled_from(sorted(server.by_name)))
    server.change(name, devices=[{"name": "intruder"}])
    assert apply(server, contents) == 1
    assert settled(server, contents)


def generations(server: MemoryServer) -> set[int]:
    return {one.generation for one in server.by_name.values()}


def test_the_generation_grows_only_when_more_than_one_slice_changes() -> None:
    server = MemoryServer()
    apply(server, [content("a"), content("b")])
    assert generations(server) == {1}
    apply(server, [content("a"), content("c")])
    assert generations(server) == {1}
    apply(server, [content("d"), content("e")])
    assert generations(server) == {2}
    apply(server, [content("d"), content("e"), content("f")])
    assert generations(server) == {3}


def test_a_generation_that_cannot_grow_begins_anew() -> None:
    found = [
        stored(index, content("a"), generation=LARGEST_GENERATION, count=2, version=index + 1)
        for index in range(2)
    ]
    server = MemoryServer({one.name: one for one in found})
    apply(server, [content("b"), content("c")])
    assert generations(server) == {1}


def test_labels_and_annotations_of_others_stay() -> None:
    found = stored(0, content("a"))
    labelled = stored_slice({**found.metadata, "labels": {"team": "ml"}}, found.spec)
    planned = plan([content("b")], [labelled], OWNER)
    assert [
        write.metadata["labels"] for write in planned.writes if isinstance(write, ReplaceSlice)
    ]


@pytest.mark.parametrize("owners", [[], [{**OWNER.references[0], "uid": "another"}]])
def test_a_slice_that_belongs_to_nobody_or_to_another_node_is_written_again(
    owners: list[Json],
) -> None:
    found = stored(0, content("a"))
    strange = stored_slice({**found.metadata, "ownerReferences": owners}, found.spec)
    (write,) = plan([content("a")], [strange], OWNER).writes
    assert isinstance(write, ReplaceSlice)
    assert write.metadata["ownerReferences"] == OWNER.references


@pytest.mark.parametrize("right", [0, 1])
def test_of_two_slices_for_one_place_the_right_one_stays(right: int) -> None:
    contents = [content("b"), content("b")]
    contents[right] = content("a")
    found = [stored(0, one, version=number + 1) for number, one in enumerate(contents)]
    planned = plan([content("a")], found, OWNER)
    assert planned.writes == (DeleteSlice(found[1 - right]),)


def test_a_slice_on_its_way_out_counts_as_gone_and_is_not_deleted_again() -> None:
    found = stored(0, content("a"))
    leaving = stored_slice(
        {**found.metadata, "deletionTimestamp": "2026-01-01T00:00:00Z"}, found.spec
    )
    planned = plan([content("a")], [leaving], OWNER)
    assert [type(write) for write in planned.writes] == [CreateSlice]


def test_a_form_that_the_server_adopted_is_as_good_as_what_was_sent() -> None:
    sent, kept = content("a", "b"), content("a")
    adopted = {meaning(sent): meaning(kept)}
    assert not plan([sent], [stored(0, kept)], OWNER, adopted=adopted).writes
    assert plan([sent], [stored(0, kept)], OWNER).writes


def test_a_taint_keeps_the_time_when_it_was_added() -> None:
    taint = {"key": "gpu.nvidia.com/xid", "effect": "NoSchedule"}
    device = {"name": "a", "taints": [{**taint, "timeAdded": "2026-01-01T00:00:00Z"}]}
    fresh = {"devices": [{"name": "a", "taints": [taint]}, {"name": "b", "taints": [taint]}]}
    timed = with_times(fresh, {"devices": [device]})
    assert timed["devices"] == [device, {"name": "b", "taints": [taint]}]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"capacity": {"m": {"value": "1024"}}}, {"capacity": {"m": {"value": "1Ki"}}}, True),
        ({"capacity": {"m": {"value": "1024"}}}, {"capacity": {"m": {"value": "1k"}}}, False),
        ({"capacity": {"m": {"value": "1"}}}, {"capacity": {"m": {"value": "500m"}}}, False),
        ({"attributes": {}}, {}, True),
        ({"attributes": {"counters": {"int": 1}}}, {"attributes": {"counters": {"int": 1}}}, True),
        ({"attributes": {"a": {"bool": False}}}, {"attributes": {"a": {}}}, False),
        (
            {"taints": [{"key": "a", "effect": "None", "timeAdded": "x"}]},
            {"taints": [{"key": "a", "effect": "None"}]},
            True,
        ),
        ({"allowMultipleAllocations": True}, {}, False),
    ],
)
def test_contents_are_compared_by_what_they_mean(one: Json, other: Json, *, same: bool) -> None:
    left, right = ({"devices": [{"name": "a", **rest}]} for rest in (one, other))
    assert (meaning(left) == meaning(right)) is same


def test_the_order_of_devices_counts_since_the_first_that_fits_is_taken() -> None:
    assert meaning(content("a", "b")) != meaning(content("b", "a"))
