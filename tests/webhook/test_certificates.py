"""Certificates of our own."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from webhook.certificates import SelfSigned, ensure_self_signed

NAMES = ("localhost", "127.0.0.1", "::1")
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def leaf(made: SelfSigned) -> x509.Certificate:
    return x509.load_pem_x509_certificate(made.pair.certificate.read_bytes())


def authority(made: SelfSigned) -> bytes:
    return made.ca_certificate.read_bytes()


def test_the_pair_names_this_machine_and_is_signed_by_the_authority(tmp_path: Path) -> None:
    made = ensure_self_signed(tmp_path, NAMES, NOW)
    found = leaf(made)
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(authority(made)))
    alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in alternatives] == list(NAMES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.pair.certificate, made.pair.key)


def test_a_good_pair_is_kept_and_an_old_one_replaced_under_the_same_authority(
    tmp_path: Path,
) -> None:
    made = ensure_self_signed(tmp_path, NAMES, NOW)
    first, trusted = leaf(made), authority(made)
    ensure_self_signed(tmp_path, NAMES, NOW + timedelta(days=334))
    assert leaf(made) == first
    ensure_self_signed(tmp_path, NAMES, NOW + timedelta(days=335))
    assert leaf(made) != first
    assert authority(made) == trusted
    ensure_self_signed(tmp_path, NAMES, NOW + timedelta(days=3600))
    assert authority(made) != trusted


def test_another_list_of_names_makes_another_pair(tmp_path: Path) -> None:
    first = leaf(ensure_self_signed(tmp_path, NAMES, NOW))
    assert leaf(ensure_self_signed(tmp_path, (*NAMES, "host.example"), NOW)) != first


@pytest.mark.parametrize("name", ["ca.crt", "ca.key", "tls.crt", "tls.key"])
@pytest.mark.parametrize("text", [None, b"", b"no PEM"])
def test_a_file_that_is_lost_or_spoilt_is_made_good(
    tmp_path: Path, name: str, text: bytes | None
) -> None:
    ensure_self_signed(tmp_path, NAMES, NOW)
    if text is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(text)
    made = ensure_self_signed(tmp_path, NAMES, NOW)
    leaf(made).verify_directly_issued_by(x509.load_pem_x509_certificate(authority(made)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.pair.certificate, made.pair.key)
