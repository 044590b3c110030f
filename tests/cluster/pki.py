"""The certificates of a rig: one authority, its leaves, and the kubeconfigs that carry them."""

import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

EARLY = timedelta(hours=1)
"""How long before now a certificate is valid, so that no clock is too slow for it."""

LIFETIME = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


def write_private(path: Path, content: bytes) -> Path:
    """Write a file that only its owner can read, from its first moment on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return path


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a key in the form that Go reads as well."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def subject(common_name: str, organizations: Sequence[str]) -> x509.Name:
    """Return a name that Kubernetes reads as a user (CN) in groups (O)."""
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Authority:
    """A certificate authority that lives in a folder.

    Attributes:
        certificate: Its certificate, a PEM file.
    """

    def __init__(self, folder: Path, *, now: datetime | None = None) -> None:
        """Make a new authority in *folder*, valid from an hour before *now* for two days."""
        self._folder = folder
        self._now = now or datetime.now(tz=UTC)  # the wall clock of the machine under test
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = subject("dra-config test authority", ())
        self._certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    key_cert_sign=True,
                    crl_sign=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = write_private(
            folder / "ca.crt", self._certificate.public_bytes(Encoding.PEM)
        )

    def _builder(
        self, name: x509.Name, public_key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        """Return what all certificates of this authority share."""
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - EARLY)
            .not_valid_after(self._now + LIFETIME)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )

    @property
    def pem(self) -> bytes:
        """The authority's certificate, for a caBundle."""
        return self.certificate.read_bytes()

    def leaf(
        self,
        file_name: str,
        common_name: str,
        *,
        organizations: Sequence[str] = (),
        addresses: Sequence[str] = (),
        dns_names: Sequence[str] = (),
    ) -> Leaf:
        """Sign a certificate for a server or a client and write it to the authority's folder.

        Args:
            file_name: The name of the two files, without ending.
            common_name: The user, where it is a client's.
            organizations: The user's groups.
            addresses: IP addresses that a server answers at.
            dns_names: Names that a server answers to.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        names = [x509.DNSName(name) for name in dns_names]
        builder = self._builder(subject(common_name, organizations), key.public_key())
        builder = builder.add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        ).add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        if alternatives or names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([*alternatives, *names]), critical=False
            )
        certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        return Leaf(
            certificate=write_private(self._folder / f"{file_name}.crt", certificate),
            key=write_private(self._folder / f"{file_name}.key", key_pem(key)),
        )

    def signing_pair(self, file_name: str) -> tuple[Path, Path]:
        """Write a key pair for service account tokens; return private and public file."""
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return (
            write_private(self._folder / f"{file_name}.key", key_pem(key)),
            write_private(self._folder / f"{file_name}.pub", public),
        )

    def kubeconfig(self, file_name: str, *, server: str, leaf: Leaf) -> Path:
        """Write a kubeconfig in which *leaf* is the user of *server*.

        JSON is YAML, and every client reads it.
        """
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "rig",
                    "cluster": {
                        "server": server,
                        "certificate-authority": str(self.certificate),
                    },
                }
            ],
            "users": [
                {
                    "name": file_name,
                    "user": {
                        "client-certificate": str(leaf.certificate),
                        "client-key": str(leaf.key),
                    },
                }
            ],
            "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": file_name}}],
            "current-context": "rig",
        }
        text = json.dumps(content, indent=1).encode()
        return write_private(self._folder / f"{file_name}.kubeconfig", text)
