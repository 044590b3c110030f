"""How the keeper asks: who it trusts, what it tells of a failure, and what it keeps to itself."""

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import trustme

from kube.errors import ConflictError, ForbiddenError, KubeError, NotFoundError, UnreachableError
from webhook.self_managed.cluster import WebhookEntry
from webhook.self_managed.options import Cluster, SelfManaged
from webhook.self_managed.process import Patience, pair_files
from webhook.self_managed.rest import RestObjects

SECRET = "/api/v1/namespaces/team/secrets/tls"  # noqa: S105 - a path
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/dra-config"


class Answering(BaseHTTPRequestHandler):
    """Answers every request as a test has told, and remembers it."""

    protocol_version = "HTTP/1.1"
    answer: ClassVar[tuple[int, bytes]] = (200, b"{}")
    asked: ClassVar[list[tuple[str, str, str, Any]]] = []

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        kind = self.headers.get("content-type", "")
        self.asked.append((self.command, self.path, kind, json.loads(body) if body else None))
        code, text = self.answer
        if self.headers["authorization"] != "Bearer a-token":
            code = 401
        self.send_response(code)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PATCH = _answer  # noqa: N815 - the standard library's names

    def log_message(self, *_: object) -> None:
        return


class Server:
    """An API server that says what it is told."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self.authority = authority
        self.account = folder
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()
        self.trust(authority)
        (folder / "token").write_text("a-token\n")
        self.options = SelfManaged(
            cluster=Cluster("127.0.0.1", self._http.server_port, folder),
            secret_namespace="team",  # noqa: S106 - the name of an object
            secret_name="tls",  # noqa: S106 - the name of an object
            configuration="dra-config",
            names=("webhook.team.svc",),
            directory=folder,
            certificate_lifetime=timedelta(days=90),
            authority_lifetime=timedelta(days=365),
            interval_seconds=3.0,
        )
        self.objects = RestObjects(self.options)
        Answering.asked.clear()

    def trust(self, authority: trustme.CA) -> None:
        (self.account / "ca.crt").write_bytes(authority.cert_pem.bytes())

    def answer(self, code: int, body: object) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        Answering.answer = (code, text)

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server(tmp_path: Path, authority: trustme.CA) -> Iterator[Server]:
    made = Server(tmp_path, authority)
    yield made
    made.close()


def test_objects_are_read_as_they_are(server: Server) -> None:
    text = base64.b64encode(b"\x00\xff").decode()
    server.answer(200, {"metadata": {"resourceVersion": "7"}, "data": {"tls.crt": text}})
    secret = server.objects.read_secret()
    assert (secret.entries, secret.resource_version) == ({"tls.crt": b"\x00\xff"}, "7")
    hooks = [
        {"name": "a", "clientConfig": {"caBundle": text, "url": "https://x"}},
        {"name": "b", "clientConfig": {"caBundle": None}},
        {"name": "c", "clientConfig": {"service": {"name": "x"}}},
    ]
    server.answer(200, {"metadata": {"resourceVersion": "8"}, "webhooks": hooks})
    assert server.objects.read_configuration().webhooks == (
        WebhookEntry("a", b"\x00\xff"),
        WebhookEntry("b", b""),
        WebhookEntry("c", b""),
    )
    server.answer(200, {"metadata": {"resourceVersion": "9"}})
    assert server.objects.read_secret().entries == {}
    assert server.objects.read_configuration().webhooks == ()


def test_a_patch_names_the_version_it_was_decided_on_and_its_author(server: Server) -> None:
    server.answer(200, {"metadata": {"resourceVersion": "9"}})
    server.objects.patch_secret({"tls.crt": b"\xff"}, "7")
    server.objects.patch_configuration(b"\xff", ["a", "b"], "8")
    metadata = [{"resourceVersion": "7"}, {"resourceVersion": "8"}]
    author = "fieldManager=dra-config-webhook"
    entries = [{"name": name, "clientConfig": {"caBundle": "/w=="}} for name in ("a", "b")]
    assert Answering.asked == [
        (
            "PATCH",
            f"{SECRET}?{author}",
            "application/merge-patch+json",
            {"metadata": metadata[0], "data": {"tls.crt": "/w=="}},
        ),
        (
            "PATCH",
            f"{CONFIGURATION}?{author}",
            "application/strategic-merge-patch+json",
            {"metadata": metadata[1], "webhooks": entries},
        ),
    ]


@pytest.mark.parametrize(
    ("code", "kind"),
    [(404, NotFoundError), (409, ConflictError), (403, ForbiddenError), (503, UnreachableError)],
)
def test_a_refusal_is_told_in_the_words_of_the_api_server(
    server: Server, code: int, kind: type[KubeError]
) -> None:
    server.answer(code, {"reason": "Short", "message": "the whole sentence"})
    with pytest.raises(kind, match=f"GET {SECRET}: {code} the whole sentence"):
        server.objects.read_secret()


@pytest.mark.parametrize("code", [400, 422])
def test_a_refusal_that_may_quote_what_was_sent_is_told_by_its_reason(
    server: Server, code: int
) -> None:
    server.answer(code, {"reason": "Invalid", "message": "cannot read a-private-key"})
    with pytest.raises(KubeError) as raised:
        server.objects.patch_secret({"ca.key": b"a-private-key"}, "1")
    assert str(raised.value).endswith(f"{code} Invalid")


@pytest.mark.parametrize("body", [b"no JSON", b"{}", b'{"metadata": {"resourceVersion": 1}}'])
def test_an_answer_that_makes_no_sense_is_a_failure_and_not_quoted(
    server: Server, body: bytes
) -> None:
    server.answer(200, body)
    with pytest.raises(KubeError, match=r"the answer is not understood$"):
        server.objects.read_secret()
    server.answer(500, body)
    with pytest.raises(KubeError, match=r"500$"):
        server.objects.read_secret()


def test_a_redirection_is_not_followed(server: Server) -> None:
    server.answer(302, b"")
    with pytest.raises(KubeError, match="302"):
        server.objects.read_secret()
    assert len(Answering.asked) == 1


def test_token_and_authority_are_read_anew(server: Server) -> None:
    server.answer(200, {"metadata": {"resourceVersion": "9"}})
    server.objects.read_secret()
    (server.account / "token").write_text("another")
    with pytest.raises(KubeError, match="401"):
        server.objects.read_secret()
    (server.account / "token").write_text("a-token")
    server.trust(trustme.CA())
    with pytest.raises(KubeError, match="certificate verify failed"):
        server.objects.read_secret()
    server.trust(server.authority)
    server.objects.read_secret()


@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_an_account_that_cannot_be_read_names_the_file(server: Server, name: str) -> None:
    path = server.account / name
    path.write_bytes(b"\xff")
    with pytest.raises(KubeError, match=f"{name}' cannot be read"):
        server.objects.read_secret()
    path.unlink()
    with pytest.raises(KubeError, match=f"{name}' cannot be read: No such file or directory"):
        server.objects.read_secret()


def test_an_authority_that_is_no_certificate_is_named(server: Server) -> None:
    (server.account / "ca.crt").write_text("")
    with pytest.raises(KubeError, match=r"ca\.crt' holds no certificate"):
        server.objects.read_secret()


def test_looks_that_fail_come_less_and_less_often_and_never_together() -> None:
    shortest = Patience(3.0, lambda least, _most: least)
    longest = Patience(3.0, lambda _least, most: most)
    waits = [(shortest.after(failed=True), longest.after(failed=True)) for _ in range(20)]
    assert waits[:5] == [(3, 6), (6, 12), (12, 24), (15, 30), (15, 30)]
    assert waits[-1] == (15, 30)
    assert shortest.after(failed=False) == pytest.approx(2.4)
    assert longest.after(failed=False) == 3
    assert longest.after(failed=True) == 6
    assert Patience(60.0, lambda _least, most: most).after(failed=True) == 60


def test_the_pair_lies_in_a_directory_of_its_own_that_only_we_can_open(server: Server) -> None:
    made = pair_files(server.options)
    assert made.certificate == made.key == server.account / "pair" / "tls.pem"
    assert made.directories == (server.account / "pair",)
    made.certificate.parent.chmod(0o777)
    pair_files(server.options)
    assert made.certificate.parent.stat().st_mode & 0o777 == 0o700
