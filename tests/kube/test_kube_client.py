"""What the client makes of a real API server, and of servers that misbehave."""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any
from uuid import uuid4

import pytest
import trustme

from kube.access import Access
from kube.client import Client, Patch, find, path_of
from kube.credentials import from_kubeconfig
from kube.errors import (
    ConflictError,
    CredentialsError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    KubeError,
    NotFoundError,
    UnreachableError,
)
from kube.events import EventType, EventWriter, Regarding
from kube.watch import ChangeKind, WatchEvent
from tests.cluster.api_server import ApiServer

Json = dict[str, Any]

MAPS = path_of("v1", "configmaps", namespace="default")
LONG_SECONDS = 60.0
TOKEN, NO_TOKEN = "very-secret", "none"


@pytest.fixture
def client(api_server: ApiServer) -> Iterator[Client]:
    found = Client(from_kubeconfig(api_server.control_plane.kubeconfig), user_agent="test-kube")
    yield found
    found.close()


@pytest.fixture
def label(api_server: ApiServer) -> Iterator[str]:
    """Return a label value of this test's objects, which are removed after it."""
    value = uuid4().hex
    yield value
    api_server.client.delete(MAPS, labelSelector=f"test={value}")


def config_map(label: str, **content: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"generateName": "kube-", "labels": {"test": label}},
        "data": content,
    }


# ------------------------------------------------------------------- a real API server


def test_an_object_is_made_read_replaced_and_deleted(client: Client, label: str) -> None:
    made = client.create(MAPS, config_map(label, a="1"))
    path = f"{MAPS}/{made['metadata']['name']}"
    assert client.get(path) == made
    changed = client.replace(path, {**made, "data": {"a": "2"}})
    assert client.get(path)["data"] == {"a": "2"}
    client.delete(path, uid=made["metadata"]["uid"])
    assert find(client, path) is None
    assert changed["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]


def test_an_object_that_changed_meanwhile_is_neither_replaced_nor_deleted(
    client: Client, label: str
) -> None:
    made = client.create(MAPS, config_map(label))
    path = f"{MAPS}/{made['metadata']['name']}"
    client.replace(path, {**made, "data": {"a": "2"}})
    with pytest.raises(ConflictError, match="modified"):
        client.replace(path, made)
    with pytest.raises(ConflictError, match=r"[Pp]recondition"):
        client.delete(path, resource_version=made["metadata"]["resourceVersion"])
    with pytest.raises(ConflictError):
        client.delete(path, uid="another")
    with pytest.raises(ConflictError, match="already exists"):
        client.create(MAPS, {**made, "metadata": {"name": made["metadata"]["name"]}})


def test_a_merge_patch_changes_what_it_names_and_is_written_under_a_name(
    client: Client, label: str
) -> None:
    made = client.create(MAPS, config_map(label, a="1", b="2"))
    path = f"{MAPS}/{made['metadata']['name']}"
    changed = client.patch(
        path, {"data": {"a": "3"}}, kind=Patch.MERGE, params={"fieldManager": "somebody"}
    )
    assert client.get(path) == changed
    assert changed["data"] == {"a": "3", "b": "2"}
    fields = {one["manager"]: one["fieldsV1"] for one in changed["metadata"]["managedFields"]}
    assert fields["somebody"] == {"f:data": {"f:a": {}}}


def test_a_patch_that_was_decided_on_an_older_version_changes_nothing(
    client: Client, label: str
) -> None:
    made = client.create(MAPS, config_map(label, a="1"))
    path = f"{MAPS}/{made['metadata']['name']}"
    version = made["metadata"]["resourceVersion"]
    client.patch(path, {"data": {"a": "2"}}, kind=Patch.MERGE)
    late = {"metadata": {"resourceVersion": version}, "data": {"a": "3"}}
    for kind in Patch:
        with pytest.raises(ConflictError, match="modified"):
            client.patch(path, late, kind=kind)
    assert client.get(path)["data"] == {"a": "2"}
    with pytest.raises(NotFoundError):
        client.patch(f"{MAPS}/none-of-this-name", late, kind=Patch.MERGE)


def test_only_a_strategic_patch_merges_the_entries_of_a_list(client: Client, label: str) -> None:
    owners = [
        {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": name}
        for name in ("first", "other")
    ]
    made = client.create(MAPS, config_map(label))
    path = f"{MAPS}/{made['metadata']['name']}"

    def owned(owner: Json, kind: Patch) -> list[str]:
        changed = client.patch(path, {"metadata": {"ownerReferences": [owner]}}, kind=kind)
        return sorted(one["name"] for one in changed["metadata"]["ownerReferences"])

    assert owned(owners[0], Patch.MERGE) == ["first"]
    assert owned(owners[1], Patch.STRATEGIC_MERGE) == ["first", "other"]
    assert owned(owners[1], Patch.MERGE) == ["other"]


def test_a_client_that_sends_secrets_is_refused_without_a_quotation(
    client: Client, api_server: ApiServer, label: str
) -> None:
    made = client.create(MAPS, config_map(label))
    path = f"{MAPS}/{made['metadata']['name']}"
    wrong = {"data": {"a secret": "value"}}
    with pytest.raises(InvalidError, match="a secret"):
        client.patch(path, wrong, kind=Patch.MERGE)
    access = from_kubeconfig(api_server.control_plane.kubeconfig)
    discreet = Client(access, user_agent="test", quote_refusals=False)
    with pytest.raises(InvalidError, match=r": 422 Invalid$"):
        discreet.patch(path, wrong, kind=Patch.MERGE)
    with pytest.raises(NotFoundError, match=r'configmaps "none" not found'):
        discreet.patch(f"{MAPS}/none", {}, kind=Patch.MERGE)
    discreet.close()


def test_what_is_not_there_is_told_from_what_is_refused(
    client: Client, api_server: ApiServer, label: str
) -> None:
    with pytest.raises(NotFoundError):
        client.get(f"{MAPS}/none-of-this-name")
    with pytest.raises(NotFoundError):
        client.list("/apis/nowhere.example/v1/things")
    with pytest.raises(InvalidError):
        client.create(MAPS, {**config_map(label), "metadata": {"name": "No Name"}})
    nobody = from_kubeconfig(api_server.control_plane.kubeconfig)
    stranger = Client(
        Access(host=nobody.host, port=nobody.port, authority=nobody.authority, token=NO_TOKEN),
        user_agent="test",
    )
    with pytest.raises(ForbiddenError, match="401"):
        stranger.get(MAPS)
    stranger.close()


def test_a_list_is_read_page_by_page(
    client: Client, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kube.client.PAGE", 2)
    made = {client.create(MAPS, config_map(label))["metadata"]["name"] for _ in range(5)}
    listed = client.list(MAPS, params={"labelSelector": f"test={label}"})
    assert {one["metadata"]["name"] for one in listed["items"]} == made
    assert "continue" not in listed["metadata"]


def test_an_empty_list_has_no_items(client: Client) -> None:
    assert client.list(MAPS, params={"labelSelector": "test=nothing"})["items"] == []


def test_the_very_text_of_an_object_can_be_had(client: Client, label: str) -> None:
    made = client.create(MAPS, config_map(label, a="ü"))
    assert '"a":"ü"'.encode() in client.get_bytes(f"{MAPS}/{made['metadata']['name']}")


def test_a_watch_tells_what_happens_after_a_list(client: Client, label: str) -> None:
    only = {"labelSelector": f"test={label}"}
    version = client.list(MAPS, params=only)["metadata"]["resourceVersion"]
    with client.watch(MAPS, resource_version=version, params=only, last_seconds=60) as watch:
        made = client.create(MAPS, config_map(label))
        path = f"{MAPS}/{made['metadata']['name']}"
        client.replace(path, {**made, "data": {"a": "ü" * 100_000}})
        client.delete(path)
        seen = list(itertools.islice(watch, 3))
    assert [one.kind for one in seen] == [
        ChangeKind.ADDED,
        ChangeKind.MODIFIED,
        ChangeKind.DELETED,
    ]
    assert seen[1].object["data"] == {"a": "ü" * 100_000}


def test_a_watch_that_somebody_else_closes_ends(client: Client) -> None:
    version = client.list(MAPS)["metadata"]["resourceVersion"]
    watch = client.watch(MAPS, resource_version=version, last_seconds=600)
    seen: list[WatchEvent] = []

    def follow() -> None:
        with watch:
            seen.extend(watch)

    thread = threading.Thread(target=follow)
    thread.start()
    watch.close()
    watch.close()
    thread.join(LONG_SECONDS)
    assert not thread.is_alive()
    assert [one for one in seen if one.kind is not ChangeKind.BOOKMARK] == []


def test_a_watch_ends_when_its_time_is_over(client: Client) -> None:
    version = client.list(MAPS)["metadata"]["resourceVersion"]
    with client.watch(MAPS, resource_version=version, last_seconds=1) as watch:
        assert [one for one in watch if one.kind is not ChangeKind.BOOKMARK] == []


def test_requests_carry_our_name(client: Client, api_server: ApiServer) -> None:
    client.list(MAPS)
    assert any(one.get("userAgent") == "test-kube" for one in api_server.control_plane.audit())


def writer(client: Client, clock: list[float]) -> EventWriter:
    zone = timezone(timedelta(hours=2))
    return EventWriter(
        client,
        controller="gpu.nvidia.com",
        instance="node1",
        now=lambda: datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=zone),
        monotonic=lambda: clock[-1],
    )


def test_an_event_about_a_node_is_found_by_those_who_look_at_it(
    client: Client, api_server: ApiServer
) -> None:
    name = f"events-{uuid4().hex[:8]}"
    node = Regarding(api_version="v1", kind="Node", name=name, uid=name)
    clock = [0.0]
    events = writer(client, clock)
    told = "ü" * 1000
    for _ in range(3):
        events.write(node, reason="Tried", note=told, action="Try")
    only = {"fieldSelector": f"involvedObject.name={name}"}
    (one,) = api_server.client.get(path_of("v1", "events", namespace="default"), **only)["items"]
    assert one["reason"] == "Tried"
    assert one["type"] == EventType.WARNING
    assert one["message"] == "ü" * 512
    assert one["eventTime"] == "2026-01-02T01:04:05.000678Z"
    clock.append(601.0)
    events.write(node, reason="Tried", note=told, action="Try")
    assert (
        len(client.list(path_of("v1", "events", namespace="default"), params=only)["items"]) == 2
    )


# --------------------------------------------------------------- servers that misbehave


@dataclass
class Oddity:
    """A server that answers as a test wants; notes the headers and paths it was asked with."""

    access: Access
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    answer: Callable[[BaseHTTPRequestHandler], None] = field(default=lambda _: None)

    def client(self, **options: Any) -> Client:
        return Client(self.access, user_agent="test", **options)


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Oddity]:
    authority = trustme.CA()
    context = SSLContext(PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    pem = tmp_path / "ca.crt"
    authority.cert_pem.write_to_path(str(pem))

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Stay silent."""

        def do_GET(self) -> None:
            server.asked.append((self.path, dict(self.headers.items())))
            server.answer(self)

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as http:
        http.socket = context.wrap_socket(http.socket, server_side=True)
        http.daemon_threads = True
        server = Oddity(
            Access(host="127.0.0.1", port=http.server_address[1], authority=pem, prefix="/proxied")
        )
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        http.shutdown()
        thread.join()


def answering(
    code: int, body: bytes = b"{}", **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


@pytest.mark.parametrize(
    ("code", "family"),
    [
        (302, InvalidError),
        (400, InvalidError),
        (401, ForbiddenError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, ExpiredError),
        (422, InvalidError),
        (429, UnreachableError),
        (500, UnreachableError),
        (503, UnreachableError),
        (504, UnreachableError),
    ],
)
def test_errors_come_by_what_can_be_done_about_them(
    odd: Oddity, code: int, family: type[KubeError]
) -> None:
    odd.answer = answering(code, b"<html>not JSON</html>", location="https://elsewhere.example/")
    with pytest.raises(KubeError, match=rf"GET /a: {code}") as caught:
        odd.client().get("/a")
    assert type(caught.value) is family


def test_a_server_that_is_too_busy_says_for_how_long_and_that_it_did_nothing(odd: Oddity) -> None:
    odd.answer = answering(429, retry_after="7")
    with pytest.raises(UnreachableError) as caught:
        odd.client().get("/a")
    assert (caught.value.refused, caught.value.retry_after_seconds) == (True, 7)


def test_a_long_message_is_cut_and_no_token_stands_in_it(odd: Oddity) -> None:
    odd.answer = answering(400, b'{"message": "' + b"x" * 5000 + b'"}')
    client = Client(
        Access(
            host=odd.access.host,
            port=odd.access.port,
            authority=odd.access.authority,
            token=TOKEN,
        ),
        user_agent="test",
    )
    with pytest.raises(InvalidError) as caught:
        client.get("/a")
    assert len(str(caught.value)) < 600
    assert odd.asked[0][1]["authorization"] == "Bearer very-secret"
    assert "very-secret" not in str(caught.value) + repr(client._connections.access)


@pytest.mark.parametrize(
    ("code", "told"),
    [(400, "Short"), (405, "Short"), (422, "Short"), (403, "long"), (429, "long"), (503, "long")],
)
def test_without_quotations_only_what_speaks_of_what_was_sent_is_told_in_a_word(
    odd: Oddity, code: int, told: str
) -> None:
    odd.answer = answering(code, b'{"reason": "Short", "message": "long"}')
    with pytest.raises(KubeError, match=rf"GET /a: {code} {told}$"):
        odd.client(quote_refusals=False).get("/a")


@pytest.mark.parametrize("token", ["very-secret\nsecond", "very-secret\u20ac", "very\x00secret"])
def test_a_token_that_is_none_is_neither_sent_nor_quoted(odd: Oddity, token: str) -> None:
    client = Client(replace(odd.access, token=token), user_agent="test")
    with pytest.raises(CredentialsError) as caught:
        client.get("/a")
    assert "secret" not in str(caught.value)
    assert odd.asked == []


def test_an_answer_that_is_no_json_is_none(odd: Oddity) -> None:
    odd.answer = answering(200, b"[1, 2]")
    with pytest.raises(UnreachableError, match="no JSON object"):
        odd.client().get("/a")


def test_paths_are_asked_behind_the_prefix(odd: Oddity) -> None:
    odd.answer = answering(200)
    odd.client().get("/a", params={"labelSelector": "a=b,c in (d)"})
    assert odd.asked[0][0] == "/proxied/a?labelSelector=a%3Db%2Cc+in+%28d%29"


def test_a_server_that_never_answers_is_given_up(odd: Oddity) -> None:
    over = threading.Event()

    def silent(_: BaseHTTPRequestHandler) -> None:
        over.wait(LONG_SECONDS)

    odd.answer = silent
    try:
        with pytest.raises(UnreachableError, match="no answer in time"):
            odd.client().get("/a", seconds=0.2)
    finally:
        over.set()


def test_an_answer_that_drips_for_ever_is_given_up(odd: Oddity) -> None:
    over = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("transfer-encoding", "chunked")
        request.end_headers()
        try:
            while not over.is_set():
                request.wfile.write(b"1\r\n \r\n")
        except OSError:
            request.close_connection = True

    odd.answer = drip
    clock = itertools.count(0, 0.1)
    try:
        with pytest.raises(UnreachableError, match="does not end in time"):
            odd.client(monotonic=lambda: next(clock)).get("/a", seconds=10)
    finally:
        over.set()


def test_a_server_that_is_not_there_is_unreachable(odd: Oddity) -> None:
    away = Access(host="127.0.0.1", port=1, authority=odd.access.authority)
    with pytest.raises(UnreachableError, match="Connection refused"):
        Client(away, user_agent="test").get("/a")


def test_a_server_that_somebody_else_vouches_for_is_not_spoken_to(odd: Oddity) -> None:
    other = trustme.CA().cert_pem.bytes().decode()
    access = Access(host=odd.access.host, port=odd.access.port, authority=other)
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        Client(access, user_agent="test").get("/a")
    assert odd.asked == []


def test_token_and_authority_are_read_anew(odd: Oddity, tmp_path: Path) -> None:
    odd.answer = answering(200)
    token = tmp_path / "token"
    pem = odd.access.authority
    assert isinstance(pem, Path)
    client = Client(
        Access(host=odd.access.host, port=odd.access.port, authority=pem, token=token),
        user_agent="test",
    )
    with pytest.raises(CredentialsError, match="token' cannot be read"):
        client.get("/a")
    for text in ("first\n", "second\n"):
        token.write_text(text)
        client.get("/a")
    assert [headers["authorization"] for _, headers in odd.asked] == [
        "Bearer first",
        "Bearer second",
    ]
    right = pem.read_bytes()
    trustme.CA().cert_pem.write_to_path(str(pem))
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        client.get("/a")
    pem.write_bytes(right)
    client.get("/a")
    client.close()


def telling(*chunks: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answer in pieces and end there."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("transfer-encoding", "chunked")
        request.end_headers()
        for chunk in chunks:
            request.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")

    return answer


ADDED = b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n'
END = b""


def watched(odd: Oddity, **options: Any) -> list[WatchEvent]:
    with odd.client().watch("/a", resource_version="1", last_seconds=60, **options) as watch:
        return list(watch)


def test_events_may_come_in_any_pieces(odd: Oddity) -> None:
    odd.answer = telling(ADDED[:7], ADDED[7:] + ADDED + ADDED[:9], ADDED[9:], END)
    assert [one.kind for one in watched(odd)] == [ChangeKind.ADDED] * 3


@pytest.mark.parametrize(
    ("line", "family"),
    [
        (b'{"type":"ERROR","object":{"code":410,"message":"old"}}\n', ExpiredError),
        (b'{"type":"ERROR","object":{"code":500}}\n', UnreachableError),
        (b'{"type":"ERROR","object":{}}\n', UnreachableError),
        (b'{"type":"SHOUTED","object":{}}\n', UnreachableError),
        (b"{\n", UnreachableError),
    ],
)
def test_a_watch_may_be_told_an_error(odd: Oddity, line: bytes, family: type[KubeError]) -> None:
    odd.answer = telling(ADDED, line, END)
    with pytest.raises(family):
        watched(odd)


def test_a_watch_whose_connection_breaks_is_told_from_one_that_ends(odd: Oddity) -> None:
    def broken(request: BaseHTTPRequestHandler) -> None:
        telling(ADDED)(request)
        request.close_connection = True

    odd.answer = broken
    with pytest.raises(UnreachableError):
        watched(odd)


def test_a_watch_that_is_silent_too_long_ends(odd: Oddity) -> None:
    over = threading.Event()

    def silent(request: BaseHTTPRequestHandler) -> None:
        telling(ADDED)(request)
        over.wait(LONG_SECONDS)
        request.close_connection = True

    odd.answer = silent
    try:
        assert len(watched(odd, silence_seconds=0.2)) == 1
    finally:
        over.set()


@pytest.mark.parametrize("name", ["node1", "a." * 126, "x" * 198 + ".b", "-".join("ab" * 60)])
def test_an_object_with_a_long_name_has_events_too(
    client: Client, api_server: ApiServer, name: str
) -> None:
    node = Regarding(api_version="v1", kind="Node", name=name.strip("."), uid=name)
    writer(client, [0.0]).write(node, reason="Tried", note="A sentence.", action="Try")
    listed = api_server.client.list(path_of("v1", "events", namespace="default"))
    assert any(one["involvedObject"]["name"] == name.strip(".") for one in listed)


def test_names_are_escaped_in_paths() -> None:
    assert path_of("v1", "pods", "a/b", namespace="c d") == "/api/v1/namespaces/c%20d/pods/a%2Fb"
    assert path_of("resource.k8s.io/v1", "resourceslices") == (
        "/apis/resource.k8s.io/v1/resourceslices"
    )
