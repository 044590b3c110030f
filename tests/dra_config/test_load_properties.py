"""Laws of judging that hold for every input."""

import json
import re
from collections import UserDict
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dra_config import hub
from dra_config.gates import FeatureGates
from dra_config.loading import MAX_PARAMETERS_BYTES, examination, examine, load
from dra_config.scheme import DRIVERS
from dra_config.v1beta1 import API_VERSION, from_hub
from dra_config.violations import InvalidConfig, Violation
from tests.dra_config.strategies import (
    GATES,
    MAX_BYTES,
    MEBIBYTE_BYTES,
    Repetition,
    Tree,
    any_json,
    driver_of,
    dumps,
    hub_configs,
    layouts,
    legacy_configs,
    reordered,
    repetitions,
    spoiled,
    wire_configs,
)

drivers = st.sampled_from(sorted(DRIVERS))
thoroughly = settings(max_examples=5 * settings().max_examples)
"""For laws that must see many inputs; the profile decides how many that is."""
gate_choices = st.sampled_from([None, FeatureGates(), GATES])


def kind_of(tree: Any) -> object:
    return tree.get("kind") if isinstance(tree, dict) else None


def judged(tree: Any, text: str | None = None) -> examination.Examined:
    text = dumps(tree) if text is None else text
    return examine(text, driver=driver_of(kind_of(tree)), gates=GATES)


def is_sound(examined: examination.Examined) -> bool:
    """Return whether there is a config exactly if no violation is an error."""
    refused = any(violation.severity == "error" for violation in examined.violations)
    return (examined.config is None) is refused


# ----------------------------------------------------------------------- nothing is raised


@given(any_json, drivers, gate_choices)
def test_any_json_is_judged(tree: Any, driver: str, gates: FeatureGates | None) -> None:
    assert is_sound(examine(dumps(tree), driver=driver, gates=gates))


@thoroughly
@given(spoiled(), drivers, gate_choices)
def test_any_near_miss_is_judged(tree: Tree, driver: str, gates: FeatureGates | None) -> None:
    assert is_sound(examine(dumps(tree), driver=driver, gates=gates))


@given(st.binary(max_size=200), drivers, gate_choices)
def test_any_bytes_are_judged(raw: bytes, driver: str, gates: FeatureGates | None) -> None:
    assert is_sound(examine(raw, driver=driver, gates=gates))


@given(wire_configs, st.data())
def test_bytes_that_almost_are_a_config_are_judged(tree: Tree, data: st.DataObject) -> None:
    raw = bytearray(dumps(tree).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    assert is_sound(examine(bytes(raw), driver=driver_of(tree["kind"]), gates=GATES))


@given(st.text(st.characters(), max_size=200), drivers, gate_choices)
@example("\ud800", "gpu.nvidia.com", None)
@example("[" * 100_000, "gpu.nvidia.com", None)
@example("[" * 10_000, "gpu.nvidia.com", None)
@example('{"a":' * 2_000, "gpu.nvidia.com", None)
@example("-" * 10_000, "gpu.nvidia.com", None)
@example("9" * 10_240, "gpu.nvidia.com", None)
@example('"' + "\\" * 9_999, "gpu.nvidia.com", None)
def test_any_text_is_judged(text: str, driver: str, gates: FeatureGates | None) -> None:
    assert is_sound(examine(text, driver=driver, gates=gates))


class Opaque:
    """Nothing that JSON knows."""


def holding_itself() -> dict[str, object]:
    tree: dict[str, object] = {"apiVersion": API_VERSION, "kind": "GpuConfig"}
    tree["sharing"] = tree
    return tree


def endless_number() -> object:
    return -(10**5000)


def deep_list() -> object:
    tree: object = None
    for _ in range(2_000):
        tree = [tree]
    return tree


python_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(), max_size=5),
    st.binary(max_size=5),
    st.builds(Opaque),
    st.builds(bytearray),
    st.just(range(3)),
    st.sampled_from([endless_number, deep_list, holding_itself, Opaque]).map(lambda make: make()),
    st.sampled_from([Opaque, hub.Gpu]),
)
python_objects: st.SearchStrategy[Any] = st.recursive(
    python_leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=5) | st.integers() | st.none(), inner, max_size=3),
        st.dictionaries(st.sampled_from(["apiVersion", "kind", "sharing"]), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(python_objects, drivers, gate_choices)
def test_any_python_object_is_judged(
    parameters: Any, driver: str, gates: FeatureGates | None
) -> None:
    assert is_sound(examine(parameters, driver=driver, gates=gates))


@given(wire_configs, st.data())
def test_any_python_object_inside_a_config_is_judged(tree: Tree, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(tree)) | st.text(st.characters(), max_size=5))
    spoilt = {**tree, name: data.draw(python_objects)}
    assert is_sound(examine(spoilt, driver=driver_of(tree["kind"]), gates=GATES))


@given(st.one_of(any_json.map(dumps), spoiled().map(dumps), st.binary(), python_objects), drivers)
def test_load_returns_what_examine_does_or_raises_invalid_config(
    parameters: Any, driver: str
) -> None:
    examined = examine(parameters, driver=driver, gates=GATES)
    assert loaded(parameters, driver) == (examined.config, examined.violations)


def loaded(parameters: Any, driver: str) -> tuple[hub.Config | None, tuple[Violation, ...]]:
    try:
        found = load(parameters, driver=driver, gates=GATES)
    except InvalidConfig as refusal:
        return None, refusal.violations
    return found.config, found.warnings


def test_a_driver_that_nobody_knows_is_the_callers_mistake() -> None:
    with pytest.raises(KeyError):
        examine("{}", driver="gpu.example.com")


# ------------------------------------------------------------------------- accepted is accepted


@given(wire_configs)
def test_every_config_by_the_rules_is_accepted(tree: Tree) -> None:
    assert judged(tree).config is not None


@given(legacy_configs)
def test_every_old_config_by_the_rules_is_accepted_with_one_warning_about_it(tree: Tree) -> None:
    examined = judged(tree)
    assert examined.config is not None
    assert [v.rule for v in examined.violations].count("DRA015") == 1


@given(wire_configs | legacy_configs | spoiled())
def test_text_bytes_and_mapping_get_one_judgement(tree: Tree) -> None:
    text = dumps(tree)
    driver = driver_of(kind_of(tree))
    from_text = examine(text, driver=driver, gates=GATES)
    assert examine(text.encode(), driver=driver, gates=GATES) == from_text
    assert examine(tree, driver=driver, gates=GATES) == from_text


@given(wire_configs)
def test_any_mapping_is_read_not_only_a_dict(tree: Tree) -> None:
    expected = judged(tree)
    driver = driver_of(tree["kind"])
    assert examine(MappingProxyType(tree), driver=driver, gates=GATES) == expected
    assert examine(UserDict(tree), driver=driver, gates=GATES) == expected


@given(wire_configs | legacy_configs | spoiled(), layouts, st.data())
def test_key_order_and_white_space_do_not_change_the_verdict(
    tree: Tree, layout: dict[str, Any], data: st.DataObject
) -> None:
    """A float is written the same by both writers, so only the layout differs."""
    other = data.draw(reordered(tree))
    text = json.dumps(other, **layout)
    plain = judged(tree)
    if len(text) > MAX_PARAMETERS_BYTES or deepest(tree) > 30:
        return
    moved = judged(tree, text)
    assert moved.config == plain.config
    assert places(moved.violations) == places(plain.violations)


def places(violations: tuple[Violation, ...]) -> list[tuple[str, str, str]]:
    return sorted((v.rule, v.field, v.target) for v in violations)


def deepest(tree: Any) -> int:
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return 1 + max(map(deepest, children), default=0)


# ----------------------------------------------------------------------------- repeated keys

GPU = {"apiVersion": API_VERSION, "kind": "GpuConfig"}
FABRIC = {"apiVersion": API_VERSION, "kind": "FabricTopologyConfig", "strategy": "Manual"}


@thoroughly
@given(repetitions())
@example((GPU | {"sharing": None}, Repetition((), "sharing", {}, first=False)))
@example((GPU | {"sharing": {"strategy": None}}, Repetition((), "kind", 1, first=True)))
@example((FABRIC | {"partitionIDs": [None]}, Repetition((), "partitionIDs", 1, first=True)))
def test_a_repeated_key_is_found_wherever_it_stands_and_whatever_it_holds(
    case: tuple[Tree, Repetition],
) -> None:
    tree, again = case
    examined = judged(tree, dumps(tree, again=again))
    assert examined.config is None
    rules = {violation.rule for violation in examined.violations}
    assert rules & {"DRA011", "DRA003", "DRA001"}
    found = [
        violation
        for violation in examined.violations
        if violation.rule == "DRA011" and violation.path == (*again.path, again.key)
    ]
    if not rules & {"DRA003", "DRA001"}:
        # With occurrence 0, the same key may also stand beside its other spelling.
        assert [v.occurrence for v in found if v.occurrence] == [1]


@given(wire_configs, st.data())
def test_a_key_repeated_by_an_escape_is_found(tree: Tree, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(tree)))
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in key)
    text = dumps(tree)[:-1] + f',"{escaped}":{dumps(tree[key])}}}'
    assert [v.rule for v in judged(tree, text).violations].count("DRA011") == 1


# ------------------------------------------------------------------ the short and the long way


def long_way(text: str, driver: str, gates: FeatureGates | None) -> examination.Examined:
    return examination.Examined(*examination._explain(text.encode(), driver, gates))


@thoroughly
@given(wire_configs, layouts, gate_choices)
def test_the_long_way_says_what_the_short_way_says(
    tree: Tree, layout: dict[str, Any], gates: FeatureGates | None
) -> None:
    text = json.dumps(tree, **layout)
    driver = driver_of(tree["kind"])
    short = examine(text, driver=driver, gates=gates)
    long = long_way(text, driver, gates)
    assert short == long
    assert [v.field for v in short.violations] == [v.field for v in long.violations]


@thoroughly
@given(spoiled(), gate_choices)
def test_the_long_way_says_the_same_of_near_misses(tree: Tree, gates: FeatureGates | None) -> None:
    """Values that break a rule only once they are settled are judged on the short way, too."""
    text = dumps(tree)
    driver = driver_of(kind_of(tree))
    if len(text.encode()) > MAX_PARAMETERS_BYTES:
        return
    short = examine(text, driver=driver, gates=gates)
    assert short == long_way(text, driver, gates)


STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def takes_the_short_way(text: str, driver: str) -> bool:
    with mock.patch.object(examination, "_explain", side_effect=AssertionError):
        try:
            examine(text, driver=driver, gates=GATES)
        except AssertionError:
            return False
    return True


@given(wire_configs)
def test_an_accepted_text_without_escapes_takes_the_short_way(tree: Tree) -> None:
    assert takes_the_short_way(dumps(tree), driver_of(tree["kind"]))


@given(hub_configs)
def test_canonical_texts_take_the_short_way(config: hub.Config) -> None:
    text = from_hub(config).model_dump_json(exclude_unset=True)
    if '\\"' not in text:
        assert takes_the_short_way(text, driver_of(json.loads(text)["kind"]))


@given(hub_configs)
def test_a_model_knows_how_many_strings_its_text_holds(config: hub.Config) -> None:
    for text in (
        from_hub(config).model_dump_json(exclude_unset=True),
        from_hub(config).model_dump_json(),
    ):
        model = examination._read_served(text)
        assert len(STRING.findall(text)) == model.string_count()


def test_a_text_with_a_repeated_key_does_not_take_the_short_way() -> None:
    text = f'{{"apiVersion":"{API_VERSION}","kind":"GpuConfig","kind":"GpuConfig"}}'
    assert not takes_the_short_way(text, "gpu.nvidia.com")


# -------------------------------------------------------------------------------- what comes out


def limits(value: Any) -> Iterator[int]:
    """Yield every limit in bytes inside a settled config."""
    if isinstance(value, hub.Mps):
        if value.pinned_memory_limit_bytes is not None:
            yield value.pinned_memory_limit_bytes
        yield from value.pinned_memory_limit_bytes_by_device.values()
    elif isinstance(value, tuple):
        for part in value:
            yield from limits(part)


@given(wire_configs | legacy_configs | spoiled())
def test_settled_limits_are_whole_bytes_in_range(tree: Tree) -> None:
    for limit in limits(judged(tree).config):
        assert type(limit) is int
        assert MEBIBYTE_BYTES <= limit <= MAX_BYTES


@thoroughly
@given(spoiled() | any_json, gate_choices)
def test_no_finding_is_said_twice(tree: Any, gates: FeatureGates | None) -> None:
    examined = examine(dumps(tree), driver=driver_of(kind_of(tree)), gates=gates)
    found = [(v.rule, v.field, v.occurrence) for v in examined.violations]
    assert len(set(found)) == len(found), found


@thoroughly
@given(spoiled() | any_json, drivers, gate_choices)
def test_every_message_is_one_printable_line_of_bearable_length(
    tree: Any, driver: str, gates: FeatureGates | None
) -> None:
    for violation in examine(dumps(tree), driver=driver, gates=gates).violations:
        assert violation.message.isprintable()
        assert 10 < len(violation.message) < 400
