"""A certificate authority and a serving certificate of our own, for machines that have none."""

import fcntl
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from webhook.tls import PairFiles

CA_LIFETIME: Final = timedelta(days=3650)
LEAF_LIFETIME: Final = timedelta(days=365)
RENEW_BEFORE: Final = timedelta(days=30)
CLOCK_SKEW: Final = timedelta(hours=1)
"""How far the clocks of two machines may be apart; certificates are valid from so long ago on."""
AUTHORITY_NAME: Final = "dra-config webhook authority"
"""The common name of every authority that we make."""


@dataclass(frozen=True, slots=True)
class SelfSigned:
    """What a webhook without a certificate of its own serves with."""

    pair: PairFiles
    ca_certificate: Path
    """What clients must trust; the authority outlives the serving certificates it signs."""


@dataclass(frozen=True, slots=True)
class Authority:
    """What signs serving certificates."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def ensure_self_signed(directory: Path, names: Sequence[str], now: datetime) -> SelfSigned:
    """Return the pair in *directory*, made anew unless a good one is there.

    A pair is good when its authority signed it, it names exactly *names* (DNS names and IP
    addresses) and it lives for another 30 days. An authority is used for ten years. The directory
    is open to its owner only, and so is each key. Two processes may call this at the same time.

    Raises:
        OSError: If the directory cannot be made, locked or written.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    found = SelfSigned(
        PairFiles(directory / "tls.crt", directory / "tls.key"), directory / "ca.crt"
    )
    authority_key = directory / "ca.key"
    with _locked(directory):
        authority = _stored_authority(found.ca_certificate, authority_key, now)
        if authority is None:
            authority = new_authority(now, CA_LIFETIME)
            write_for_owner(authority_key, private_pem(authority.key))
            write_for_owner(found.ca_certificate, public_pem(authority.certificate))
        if not _good(found.pair, authority, names, now):
            key, certificate = new_leaf(authority, names, now, LEAF_LIFETIME)
            write_for_owner(found.pair.key, private_pem(key))
            write_for_owner(found.pair.certificate, public_pem(certificate))
    return found


@contextmanager
def _locked(directory: Path) -> Generator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _stored_authority(certificate_file: Path, key_file: Path, now: datetime) -> Authority | None:
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    if certificate.public_key() != key.public_key():
        return None
    if certificate.not_valid_after_utc < now + LEAF_LIFETIME:
        return None
    return Authority(certificate, key)


def _good(pair: PairFiles, authority: Authority, names: Sequence[str], now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        key = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)
        certificate.verify_directly_issued_by(authority.certificate)
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return (
        certificate.public_key() == key.public_key()
        and list(named.value) == _alternative_names(names)
        and certificate.not_valid_after_utc > now + RENEW_BEFORE
    )


def new_authority(now: datetime, lifetime: timedelta) -> Authority:
    """Return an authority with a key of its own that is good for *lifetime* from *now* on."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(AUTHORITY_NAME)
    certificate = (
        _builder(name, name, key.public_key(), now, lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def new_leaf(
    authority: Authority, names: Sequence[str], now: datetime, lifetime: timedelta
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """Return a key and its certificate for *names*, good for *lifetime* from *now* on.

    Raises:
        ValueError: If one of *names* is no DNS name in ASCII.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate.subject
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    certificate = (
        _builder(_name("dra-config webhook"), issuer, key.public_key(), now, lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_alternative_names(names)), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return key, certificate


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_alternative_name(name) for name in names]


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def public_pem(certificate: x509.Certificate) -> bytes:
    """Return *certificate* as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return *key* as PEM, without a password."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_for_owner(path: Path, content: bytes) -> None:
    """Put *content* at *path* in one step, readable by the owner only.

    Raises:
        OSError: If it cannot be written.
    """
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)
