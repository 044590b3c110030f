"""One replica that looks after its authority, certificate and caBundle."""

import base64
import ssl
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from kube.errors import KubeError, NotFoundError
from logs.lines import Log, LogLevel
from tests.webhook.cluster_objects import NAMES, StoredObjects
from webhook.certificates import Authority, new_authority, new_leaf, private_pem, public_pem
from webhook.self_managed.cluster import ClusterObjects
from webhook.self_managed.contents import (
    Served,
    authorities_in,
    bundle_of,
    read_contents,
)
from webhook.self_managed.keeper import Keeper
from webhook.self_managed.plan import MOST_AUTHORITIES, Policy

DAY = timedelta(days=1)
START = datetime(2030, 1, 1, tzinfo=UTC)
POLICY = Policy(
    names=("webhook.team.svc", "127.0.0.1"),
    certificate_lifetime=90 * DAY,
    authority_lifetime=365 * DAY,
    settling=timedelta(seconds=9),
)


class Replica:
    """A keeper with all that it talks to."""

    def __init__(
        self,
        folder: Path,
        objects: StoredObjects,
        policy: Policy = POLICY,
        reached: ClusterObjects | None = None,
    ) -> None:
        self.objects = objects
        self.now = START
        self.lines: list[bytes] = []
        self.file = folder / "tls.pem"
        log = Log(self.lines.append, self.seconds, LogLevel.DEBUG)
        self.keeper = Keeper(
            reached or objects,
            policy,
            self.file,
            clock=self.seconds,
            log=log,
            count_change=lambda _object: None,
        )

    def seconds(self) -> float:
        return self.now.timestamp()

    def look(self, after: timedelta = timedelta()) -> None:
        self.now += after
        self.keeper.look()

    def served(self) -> Served:
        found = read_contents(self.objects.secret or {}).served
        assert isinstance(found, Served), found
        return found

    def in_file(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.file.read_bytes())

    def trusted(self) -> tuple[x509.Certificate, ...]:
        bundles = set((self.objects.bundle_by_webhook or {}).values())
        assert len(bundles) == 1, "the webhooks trust different bundles"
        return authorities_in(bundles.pop())

    def told(self, text: str) -> bool:
        return any(text.encode() in line for line in self.lines)


@pytest.fixture
def replica(tmp_path: Path) -> Replica:
    return Replica(tmp_path, StoredObjects())


def fail(*asked: str, failure: KubeError | None = None) -> Callable[[str], None]:
    def trouble(what: str) -> None:
        if what in asked:
            raise failure or KubeError(f"{what}: 503")

    return trouble


def test_from_an_empty_secret_one_look_makes_everything(replica: Replica) -> None:
    replica.look()
    assert replica.in_file() == replica.served().certificate
    (trusted,) = replica.trusted()
    replica.in_file().verify_directly_issued_by(trusted)
    assert replica.served().names == POLICY.names
    assert replica.served().not_after == START + 90 * DAY
    assert replica.in_file().not_valid_before_utc == START - timedelta(hours=1)
    assert trusted.not_valid_after_utc == START + 365 * DAY
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(replica.file)
    # A pod is ready once there is a file, so the API server must have been told before.
    assert replica.objects.writes == ["secret", "configuration", "secret"]
    assert stat.S_IMODE(replica.file.stat().st_mode) == 0o600


def test_a_second_look_changes_nothing(replica: Replica) -> None:
    replica.look()
    replica.objects.writes.clear()
    replica.look(after=59 * DAY)
    assert replica.objects.writes == []


def test_a_certificate_is_renewed_after_two_thirds_under_the_same_authority(
    replica: Replica,
) -> None:
    replica.look()
    first, trusted = replica.in_file(), replica.trusted()
    replica.look(after=60 * DAY)
    assert replica.in_file() != first
    assert replica.served().not_after == replica.now + 90 * DAY
    assert replica.trusted() == trusted
    assert replica.told("the certificate nears its end")


def test_an_authority_is_made_known_before_it_signs_and_trusted_until_it_has_expired(
    replica: Replica,
) -> None:
    replica.look()
    while replica.now + 50 * DAY < START + 365 * DAY * 2 / 3:
        replica.look(after=50 * DAY)
    (old,) = replica.trusted()
    before = replica.in_file()
    replica.now = START + 365 * DAY * 2 / 3
    replica.look()
    new = replica.trusted()[0]
    assert replica.trusted() == (new, old)
    assert replica.in_file() == before
    replica.look(after=timedelta(seconds=8))
    assert replica.in_file() == before
    replica.look(after=timedelta(seconds=1))
    replica.in_file().verify_directly_issued_by(new)
    while replica.now + 40 * DAY < START + 365 * DAY:
        replica.look(after=40 * DAY)
        assert old in replica.trusted()
    replica.now = START + 365 * DAY
    replica.look()
    # A replica whose clock is slow would put it back.
    assert old in replica.trusted()
    replica.look(after=timedelta(hours=1))
    assert replica.trusted() == (new,)


def test_the_wait_for_a_new_authority_starts_again_when_a_webhook_has_lost_it(
    replica: Replica,
) -> None:
    replica.look()
    replica.now = START + 365 * DAY * 2 / 3
    replica.look()
    first = replica.in_file()
    replica.look(after=timedelta(seconds=8))
    replica.objects.set_bundles(dict.fromkeys(NAMES, b""))
    replica.look(after=timedelta(seconds=8))
    assert len(replica.trusted()) == 2
    replica.look(after=timedelta(seconds=8))
    assert replica.in_file() == first
    replica.look(after=timedelta(seconds=1))
    assert replica.in_file() != first


@pytest.mark.parametrize("wiped", [b"", b"no PEM", None])
def test_a_bundle_that_somebody_took_away_is_put_back(
    replica: Replica, wiped: bytes | None
) -> None:
    replica.look()
    trusted = replica.trusted()
    bundles = dict.fromkeys(NAMES, replica.objects.secret["ca.crt"])  # type: ignore[index]
    bundles[NAMES[1]] = (
        public_pem(new_authority(START, DAY).certificate) if wiped is None else wiped
    )
    replica.objects.set_bundles(bundles)
    replica.look()
    assert replica.trusted()[0] == trusted[0]


def rsa_key() -> bytes:
    return rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def foreign() -> bytes:
    return public_pem(new_leaf(new_authority(START, DAY), ["x"], START, DAY)[1])


def other_key() -> bytes:
    return private_pem(new_authority(START, DAY).key)


def nothing() -> bytes:
    return b""


def no_pem() -> bytes:
    return b"\xff no PEM"


@pytest.mark.parametrize(
    ("entry", "text", "reason"),
    [
        ("ca.crt", nothing, "ca.crt holds no authority of ours"),
        ("ca.crt", no_pem, "ca.crt holds no authority of ours"),
        ("ca.crt", foreign, "ca.crt holds no authority of ours"),
        ("ca.key", nothing, "ca.key holds no key"),
        ("ca.key", no_pem, "ca.key holds no key"),
        ("ca.key", rsa_key, "ca.key holds no elliptic curve key"),
        ("ca.key", other_key, "ca.key fits none of ca.crt"),
        ("tls.crt", nothing, "there is no certificate"),
        ("tls.crt", no_pem, "tls.crt holds no certificate"),
        ("tls.crt", foreign, "tls.key does not fit tls.crt"),
        ("tls.key", no_pem, "tls.key holds no key"),
        ("tls.key", rsa_key, "tls.key holds no elliptic curve key"),
        ("tls.key", other_key, "tls.key does not fit tls.crt"),
    ],
)
def test_what_is_spoilt_in_the_secret_is_made_anew_with_the_reason_in_the_log(
    replica: Replica, entry: str, text: Callable[[], bytes], reason: str
) -> None:
    replica.look()
    before = replica.in_file()
    old = replica.trusted()
    assert replica.objects.secret is not None
    replica.objects.set_secret({**replica.objects.secret, entry: text()})
    replica.look()
    # Others may go on serving what they have, so their authority stays.
    assert set(old) <= set(replica.trusted())
    if entry.startswith("ca"):
        assert replica.in_file() == before
    replica.look(after=timedelta(seconds=9))
    assert replica.in_file() == replica.served().certificate != before
    assert replica.told(reason)
    replica.objects.writes.clear()
    replica.look()
    assert replica.objects.writes == []


def test_a_certificate_of_a_foreign_authority_is_not_served(replica: Replica) -> None:
    replica.look()
    authority = new_authority(START, DAY)
    key, certificate = new_leaf(authority, POLICY.names, START, DAY)
    spoilt = {"tls.crt": public_pem(certificate), "tls.key": private_pem(key)}
    replica.objects.set_secret({**(replica.objects.secret or {}), **spoilt})
    replica.look()
    assert replica.told("tls.crt is signed by none of ca.crt")
    assert replica.in_file() == replica.served().certificate != certificate


def test_a_secret_that_was_emptied_costs_nobody_the_trust_in_what_is_served(
    replica: Replica,
) -> None:
    replica.look()
    before, old = replica.in_file(), replica.trusted()
    replica.objects.set_secret({})
    replica.look()
    assert replica.told("the Secret is empty")
    assert replica.in_file() == before
    assert replica.trusted()[1:] == old
    replica.look(after=timedelta(seconds=9))
    replica.in_file().verify_directly_issued_by(replica.trusted()[0])
    assert replica.in_file() != before


def test_a_secret_from_a_backup_is_served_only_when_its_authority_is_known(
    replica: Replica, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Replica(tmp_path / "other", StoredObjects())
    other.look()
    replica.look()
    old = replica.trusted()
    replica.objects.set_secret(dict(other.objects.secret or {}))
    trouble = fail("patch_configuration")
    before = replica.in_file()
    replica.objects.trouble = trouble
    with pytest.raises(KubeError):
        replica.look()
    assert replica.in_file() == before
    replica.objects.trouble = fail()
    replica.look()
    assert set(replica.trusted()) == {*old, *other.trusted()}
    assert replica.in_file() == other.in_file()


def test_somebody_who_empties_the_secret_again_and_again_does_not_fill_the_bundle(
    replica: Replica,
) -> None:
    for _ in range(MOST_AUTHORITIES + 3):
        replica.objects.set_secret({})
        replica.look(after=timedelta(seconds=1))
    assert len(replica.trusted()) == MOST_AUTHORITIES


def test_a_name_that_is_new_is_added_to_those_that_another_replica_wants(tmp_path: Path) -> None:
    objects = StoredObjects()
    old = Replica(tmp_path, objects)
    old.look()
    (tmp_path / "new").mkdir()
    names = ("other.team.svc", "127.0.0.1")
    new = Replica(
        tmp_path / "new", objects, Policy(names, 90 * DAY, 365 * DAY, timedelta(seconds=9))
    )
    new.look()
    assert new.served().names == ("other.team.svc", "127.0.0.1", "webhook.team.svc")
    objects.writes.clear()
    old.look()
    new.look()
    assert objects.writes == []
    assert old.in_file() == new.in_file()


@pytest.mark.parametrize("asked", ["read_secret", "patch_secret"])
def test_without_the_api_server_the_pair_in_hand_stays(replica: Replica, asked: str) -> None:
    replica.look()
    before = replica.file.read_bytes()
    replica.objects.trouble = fail(asked)
    with pytest.raises(KubeError, match="503"):
        replica.look(after=60 * DAY)
    assert replica.file.read_bytes() == before


@pytest.mark.parametrize("asked", ["read_configuration", "patch_configuration"])
def test_a_configuration_out_of_reach_keeps_no_pod_from_serving_nor_from_renewing(
    replica: Replica, asked: str
) -> None:
    replica.look()
    replica.objects.set_bundles(dict.fromkeys(NAMES, b""))
    replica.objects.trouble = fail(asked)
    replica.file.unlink()
    with pytest.raises(KubeError, match=asked):
        replica.look()
    first = replica.in_file()
    with pytest.raises(KubeError, match=asked):
        replica.look(after=60 * DAY)
    assert replica.in_file() != first


def test_no_new_authority_signs_while_nobody_can_say_who_trusts_it(replica: Replica) -> None:
    replica.look()
    replica.objects.trouble = fail("read_configuration")
    for _ in range(10):
        with pytest.raises(KubeError):
            replica.look(after=35 * DAY)
    (old,) = authorities_in((replica.objects.secret or {})["ca.crt"])
    replica.in_file().verify_directly_issued_by(old)
    replica.objects.trouble = fail()
    replica.look()
    assert replica.trusted()[1:] == (old,)


def test_the_first_certificate_waits_until_somebody_can_trust_it(replica: Replica) -> None:
    replica.objects.trouble = fail("read_configuration")
    with pytest.raises(KubeError):
        replica.look()
    with pytest.raises(KubeError):
        replica.look(after=DAY)
    assert not replica.file.exists()
    replica.objects.trouble = fail()
    replica.look()
    assert replica.file.exists()


def test_a_missing_secret_is_an_error_that_names_it(replica: Replica) -> None:
    replica.objects.secret = None
    with pytest.raises(NotFoundError, match="no Secret"):
        replica.look()
    assert not replica.file.exists()
    replica.objects.secret = {}
    replica.look()
    assert replica.file.exists()


def test_without_a_configuration_a_pair_is_served_and_the_configuration_is_missed(
    replica: Replica,
) -> None:
    bundles, replica.objects.bundle_by_webhook = replica.objects.bundle_by_webhook, None
    with pytest.raises(NotFoundError, match="no configuration"):
        replica.look()
    assert replica.file.exists()
    replica.objects.bundle_by_webhook = bundles
    replica.look()
    replica.in_file().verify_directly_issued_by(replica.trusted()[0])


def test_a_clock_that_is_slow_by_less_than_an_hour_starts_no_quarrel(tmp_path: Path) -> None:
    objects = StoredObjects()
    replicas: list[Replica] = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        replicas.append(Replica(tmp_path / str(number), objects))
    right, slow = replicas
    slow.now -= timedelta(minutes=55)
    for _ in range(400):
        right.look(after=DAY)
        slow.look(after=DAY)
        before = len(objects.writes)
        right.look()
        slow.look()
        assert len(objects.writes) == before
    assert right.in_file() == slow.in_file()


def test_no_line_of_the_log_holds_a_key(replica: Replica) -> None:
    replica.look()
    secret = dict(replica.objects.secret or {})
    for entry in secret:
        replica.objects.set_secret({**secret, entry: secret["ca.key"][:60]})
        replica.look(after=timedelta(seconds=9))
    keys = {line for name in ("ca.key", "tls.key") for line in secret[name].splitlines()}
    assert not [line for line in replica.lines for key in keys if key[:40] in line]


def test_a_bundle_is_read_past_what_is_broken_in_it() -> None:
    made = new_authority(START, DAY).certificate
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    text = broken + public_pem(made) + b"words" + foreign() + public_pem(made)
    assert authorities_in(text) == (made,)
    assert bundle_of((made,)) == public_pem(made)


def made_secret() -> dict[str, bytes]:
    authority = new_authority(START, DAY)
    key, certificate = new_leaf(authority, POLICY.names, START, DAY)
    return {
        "ca.crt": public_pem(authority.certificate),
        "ca.key": private_pem(authority.key),
        "tls.crt": public_pem(certificate),
        "tls.key": private_pem(key),
    }


MADE = made_secret()


@given(
    entry=st.sampled_from(sorted(MADE)),
    changes=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_no_byte_of_the_secret_can_break_the_keeper(
    entry: str, changes: list[tuple[int, int]]
) -> None:
    head, *lines, foot = MADE[entry].splitlines()
    der = bytearray(base64.b64decode(b"".join(lines)))
    for position, byte in changes:
        der[position % len(der)] = byte
    text = b"\n".join((head, base64.b64encode(der), foot))
    found = read_contents({**MADE, entry: text})
    for part in (found.authority, found.served):
        assert isinstance(part, Authority | Served) or str(part)
