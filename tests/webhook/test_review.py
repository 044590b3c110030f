"""What is read from a review, and that nothing a client sends meets a defect."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_config.claims import CONFIG_LISTS, SERVED_VERSIONS, OpaqueConfig
from tests.webhook.served import config, review
from webhook.review import (
    RESOURCES,
    MalformedReview,
    UnusableRequest,
    read_review,
)

PARAMETERS = '{"kind": "GpuConfig",  "kind": "MigDeviceConfig"}'


def review_of(kind: str, version: str, entries: str, operation: str = "CREATE") -> bytes:
    spec = entries
    for key in reversed(CONFIG_LISTS[kind]):
        spec = f'{{"{key}": {spec}}}'
    inner = (
        f'{{"apiVersion": "resource.k8s.io/{version}", "kind": "{kind}", "metadata": '
        f'{{"generateName": "x-", "deletionTimestamp": "2026-01-01T00:00:00Z"}}, {spec[1:]}'
    )
    body = review(operation=operation)
    gv = {"group": "resource.k8s.io", "version": version}
    body["request"]["kind"] = {**gv, "kind": kind}
    body["request"]["resource"] = {**gv, "resource": RESOURCES[kind]}
    body["request"]["object"] = "OBJECT"
    body["request"]["oldObject"] = "OBJECT" if operation == "UPDATE" else None
    return json.dumps(body).replace('"OBJECT"', inner).encode()


@pytest.mark.parametrize("version", SERVED_VERSIONS)
@pytest.mark.parametrize("kind", CONFIG_LISTS)
def test_parameters_are_found_in_every_kind_and_stay_the_bytes_that_were_sent(
    kind: str, version: str
) -> None:
    entries = (
        f'[{{"requests": ["a", "b"], "opaque": {{"driver": "D", "parameters": {PARAMETERS}}}}}, '
        '{"other": 1}, {"opaque": {"driver": "d"}}, '
        '{"opaque": {"driver": "d", "parameters": null}}]'
    )
    request = read_review(review_of(kind, version, entries, "UPDATE"))
    assert request.object is not None
    assert request.object == request.old_object
    assert request.object.deletion_timestamp == "2026-01-01T00:00:00Z"
    assert request.object.name == "x-"
    assert request.object.opaque_configs == (
        OpaqueConfig(0, "D", PARAMETERS.encode(), ("a", "b")),
        OpaqueConfig(2, "d", None, ()),
        OpaqueConfig(3, "d", None, ()),
    )


@pytest.mark.parametrize("kind", CONFIG_LISTS)
def test_an_object_without_configs_has_none(kind: str) -> None:
    for entries in ("null", "[]"):
        request = read_review(review_of(kind, "v1", entries))
        assert request.object is not None
        assert request.object.opaque_configs == ()
        assert request.old_object is None


def test_the_spec_is_at_hand_to_be_compared() -> None:
    request = read_review(json.dumps(review(config(), operation="UPDATE")).encode())
    assert request.object is not None
    assert request.old_object is not None
    sent = review(config())["request"]["object"]["spec"]
    assert request.object.spec == request.old_object.spec == json.dumps(sent).encode()


def survives(body: bytes) -> None:
    try:
        read_review(body)
    except (MalformedReview, UnusableRequest) as error:
        assert str(error)  # noqa: PT017 - any other exception fails the test by itself


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    survives(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path]
    items = value.items() if isinstance(value, dict) else []
    if isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        found += paths(inner, (*path, key))
    return found


TEMPLATE = review(config(), operation="UPDATE")


@given(st.sampled_from(paths(TEMPLATE)[1:]), JSON)
def test_no_value_in_any_place_raises_anything_else(
    path: tuple[str | int, ...], value: Any
) -> None:
    body = json.loads(json.dumps(TEMPLATE))
    place = body
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    survives(json.dumps(body).encode())


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=3))
def test_no_broken_byte_raises_anything_else(position: int, damage: bytes) -> None:
    body = bytearray(json.dumps(TEMPLATE).encode())
    at = position % len(body)
    body[at : at + len(damage)] = damage
    survives(bytes(body))
