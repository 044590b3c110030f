"""What lies in the Secret: authorities, the key of one of them, and the served certificate."""

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from webhook.certificates import AUTHORITY_NAME, Authority, private_pem, public_pem

AUTHORITIES: Final = "ca.crt"
"""Every authority that is trusted; the one that signs first."""
AUTHORITY_KEY: Final = "ca.key"
CERTIFICATE: Final = "tls.crt"
CERTIFICATE_KEY: Final = "tls.key"
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    CryptographyDeprecationWarning,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the X.509 library raises over a text that somebody else has written."""
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class Unusable(ValueError):  # noqa: N818 - the sentence says what is wrong
    """What lies in the Secret cannot be used; the text says why and holds no secret."""


@dataclass(frozen=True, slots=True)
class Served:
    """A certificate, its key, and the authority that signed it."""

    certificate: x509.Certificate
    pem: bytes = field(repr=False)
    """Key and certificate, as they are put into a file."""
    issuer: x509.Certificate

    names: tuple[str, ...]
    """What it is for, DNS names and IP addresses."""

    @property
    def not_after(self) -> datetime:
        """When it expires."""
        return self.certificate.not_valid_after_utc


@dataclass(frozen=True, slots=True)
class Contents:
    """The Secret, read as far as it can be."""

    bundle: bytes
    """The text that the API server is to trust."""
    trusted: tuple[x509.Certificate, ...]
    """Every authority in `bundle`."""
    authority: Authority | Unusable
    served: Served | Unusable


def read_contents(entries: Mapping[str, bytes]) -> Contents:
    """Return what *entries* of the Secret hold; what cannot be used says so."""
    bundle = entries.get(AUTHORITIES, b"")
    trusted = authorities_in(bundle)
    authority: Authority | Unusable
    try:
        authority = _authority(entries, trusted)
    except Unusable as error:
        authority = error
    served: Served | Unusable
    try:
        served = _served(entries, trusted)
    except Unusable as error:
        served = error
    return Contents(bundle, trusted, authority, served)


def authorities_in(bundle: bytes) -> tuple[x509.Certificate, ...]:
    """Return the authorities of ours in the PEM text *bundle*, each once; others are left out."""
    return tuple(dict.fromkeys(_authorities(bundle)))


def certificate_in(pem: bytes) -> x509.Certificate | None:
    """Return the first certificate in the text *pem*, or None if there is none to be read."""
    try:
        return _certificate(pem)
    except _UNREADABLE:
        return None


def bundle_of(authorities: Iterable[x509.Certificate]) -> bytes:
    """Return *authorities* as a PEM text."""
    return b"".join(map(public_pem, authorities))


def _authorities(bundle: bytes) -> Iterator[x509.Certificate]:
    for text in _PEM.findall(bundle):
        try:
            certificate = _certificate(text)
            ours = _is_authority(certificate)
        except _UNREADABLE:
            continue
        if ours:
            yield certificate


def _is_authority(certificate: x509.Certificate) -> bool:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    key = certificate.public_key()
    return (
        [name.value for name in names] == [AUTHORITY_NAME]
        and isinstance(key, ec.EllipticCurvePublicKey)
        and isinstance(key.curve, ec.SECP256R1)
        and certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    )


def _authority(entries: Mapping[str, bytes], trusted: tuple[x509.Certificate, ...]) -> Authority:
    if not any(entries.values()):
        raise Unusable("the Secret is empty")
    if not trusted:
        raise Unusable(f"{AUTHORITIES} holds no authority of ours")
    key = _key(entries, AUTHORITY_KEY)
    for certificate in trusted:
        if certificate.public_key() == key.public_key():
            return Authority(certificate, key)
    raise Unusable(f"{AUTHORITY_KEY} fits none of {AUTHORITIES}")


def _served(entries: Mapping[str, bytes], trusted: tuple[x509.Certificate, ...]) -> Served:
    if not entries.get(CERTIFICATE):
        raise Unusable("there is no certificate")
    try:
        certificate = _certificate(entries[CERTIFICATE])
        public_key = certificate.public_key()
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except _UNREADABLE:
        raise Unusable(f"{CERTIFICATE} holds no certificate") from None
    key = _key(entries, CERTIFICATE_KEY)
    if public_key != key.public_key():
        raise Unusable(f"{CERTIFICATE_KEY} does not fit {CERTIFICATE}")
    for issuer in trusted:
        if signed_by(certificate, issuer):
            pem = private_pem(key) + public_pem(certificate)
            names = tuple(str(name.value) for name in named.value)
            return Served(certificate, pem, issuer, names)
    raise Unusable(f"{CERTIFICATE} is signed by none of {AUTHORITIES}")


def _certificate(pem: bytes) -> x509.Certificate:
    with warnings.catch_warnings():
        # What RFC 5280 forbids is only warned of, on standard error; it is none of ours.
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        return x509.load_pem_x509_certificate(pem)


def _key(entries: Mapping[str, bytes], name: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(entries.get(name, b""), password=None)
    except _UNREADABLE:
        # The library's own words could tell of the key.
        raise Unusable(f"{name} holds no key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Unusable(f"{name} holds no elliptic curve key")
    return key


def signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether *issuer* has signed *certificate*."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True
