"""Which version of the API is spoken, and what becomes of reports as Events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.client import Client
from kube.errors import ForbiddenError, NotFoundError
from kube.events import EventWriter
from plugin.publishing.dialects import DIALECTS, V1BETA1, Dialect
from plugin.publishing.layout import LeftOut
from plugin.publishing.node_events import NodeEvents, event_of
from plugin.publishing.reports import (
    Altered,
    Contested,
    NotPublishable,
    Published,
    Report,
    ServerFound,
    ServerLost,
    Withdrawn,
    WriteFailed,
)
from plugin.publishing.rest import NEWEST_MINOR, RestSlices

Json = dict[str, Any]


@dataclass
class Answers(Client):
    """A client that answers from a table and notes what it was asked."""

    by_path: Mapping[str, Json]
    asked: list[str] = field(default_factory=list)
    refuses: bool = False

    def get(
        self, path: str, *, params: Mapping[str, str] | None = None, seconds: float | None = None
    ) -> Json:
        del params, seconds
        self.asked.append(path)
        if path not in self.by_path:
            raise NotFoundError(path)
        return dict(self.by_path[path])

    def create(
        self,
        path: str,
        body: Json,
        *,
        params: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Json:
        del params, seconds
        self.asked.append(path)
        if self.refuses:
            raise ForbiddenError(path)
        return body


def slices(client: Client) -> RestSlices:
    return RestSlices(client, driver="gpu.nvidia.com", node_name="n", jitter=lambda _: 0.0)


def serving(*versions: str, **more: Json) -> Answers:
    lists: dict[str, Json] = {
        f"/apis/resource.k8s.io/{version}/resourceslices": {
            "metadata": {"resourceVersion": "5"},
            "items": None,
        }
        for version in versions
    }
    group: Json = {"versions": [{"version": version} for version in ("v2", *versions)]}
    return Answers({**lists, "/apis/resource.k8s.io": group, **more})


def test_the_newest_version_is_spoken_without_asking() -> None:
    client = serving("v1", "v1beta2", "v1beta1")
    found = slices(client)
    assert found.connect().resource_version == "5"
    assert found.dialect.version == "v1"
    assert len(client.asked) == 1


@pytest.mark.parametrize("version", ["v1beta2", "v1beta1"])
def test_a_server_without_the_newest_version_is_asked_which_it_has(version: str) -> None:
    client = serving(version)
    found = slices(client)
    found.connect()
    assert found.dialect.version == version
    assert len(client.asked) == 3


def test_the_version_is_chosen_anew_at_each_connection() -> None:
    found = slices(client := serving("v1beta1"))
    found.connect()
    client.by_path = serving("v1", "v1beta1").by_path
    found.connect()
    assert found.dialect.version == "v1"


@pytest.mark.parametrize("client", [serving(), Answers({})])
def test_a_server_without_any_version_is_told_in_a_sentence(client: Answers) -> None:
    with pytest.raises(NotFoundError, match="Dynamic resource allocation may be turned off"):
        slices(client).connect()


@pytest.mark.parametrize(
    ("minor", "found"),
    [
        ("36", 36),
        ("34+", 34),
        ("35-gke.1", 35),
        ("", NEWEST_MINOR),
        ("0", NEWEST_MINOR),
        (None, NEWEST_MINOR),
    ],
)
def test_only_the_number_of_the_minor_version_counts(minor: str | None, found: int) -> None:
    """D82: the reference driver takes `1.35.0-gke.1` for older than 1.35.0."""
    version = {} if minor is None else {"minor": minor}
    assert slices(Answers({"/version": version})).minor() == found


DEVICE = st.fixed_dictionaries(
    {"name": st.text()},
    optional={
        "attributes": st.just({"a": {"int": 1}}),
        "capacity": st.just({"m": {"value": "1"}}),
        "taints": st.just([{"key": "k"}]),
    },
)
SPEC = st.fixed_dictionaries(
    {"driver": st.text()}, optional={"devices": st.lists(DEVICE), "sharedCounters": st.just([{}])}
)


@given(SPEC, st.sampled_from(DIALECTS))
def test_what_is_said_in_any_version_is_understood_as_it_was_meant(
    spec: Json, dialect: Dialect
) -> None:
    assert dialect.from_wire(dialect.to_wire(spec)) == spec


def test_v1beta1_has_the_contents_of_a_device_in_basic() -> None:
    spec = {"devices": [{"name": "a", "attributes": {}}]}
    assert V1BETA1.to_wire(spec) == {"devices": [{"name": "a", "basic": {"attributes": {}}}]}


REPORTS: list[tuple[Report, str | None]] = [
    (Published(generation=1, slices=1, devices=1, writes=1, repaired=True), None),
    (ServerFound(), None),
    (ServerLost(reason="away"), None),
    (Altered(slice="a"), None),
    (Contested(repairs=5, seconds=30.0), "5 times within a minute"),
    (Withdrawn(devices=("gpu-0", "gpu-1")), "gpu-0, gpu-1"),
    (NotPublishable(left_out=(LeftOut("gpu-0", "it is odd"),)), "gpu-0: it is odd"),
    (WriteFailed(reason="no room", retry_seconds=1.0), "no room"),
]


@pytest.mark.parametrize(("report", "said"), REPORTS)
def test_what_people_can_act_on_becomes_an_event(report: Report, said: str | None) -> None:
    told = event_of(report)
    assert (told is None) is (said is None)
    if told is not None and said is not None:
        assert said in told[1]
        assert told[0].isalpha()


@pytest.mark.parametrize("refuses", [False, True])
def test_an_event_that_cannot_be_written_stops_nobody(*, refuses: bool) -> None:
    client = Answers({}, refuses=refuses)
    writer = EventWriter(
        client,
        controller="gpu.nvidia.com",
        instance="n",
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        monotonic=lambda: 0.0,
    )
    tell = NodeEvents(writer, "n")
    for _ in range(2):
        tell(Contested(repairs=5, seconds=30.0))
        tell(ServerFound())
    # One that could not be written is tried again, one that was written is not.
    assert len(client.asked) == (2 if refuses else 1)
