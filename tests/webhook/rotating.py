"""Certificates that change the way the kubelet changes a mounted Secret."""

import shutil
from pathlib import Path

import trustme
from cryptography import x509

from tests.webhook.served import Served, write_pair


def mount(volume: Path, generation: str, certificate: trustme.LeafCert | None) -> None:
    """Put *certificate*, or half a one, into *volume* the way the kubelet updates a Secret."""
    folder = volume / f"..{generation}"
    folder.mkdir(parents=True)
    if certificate is None:
        (folder / "tls.crt").write_text("-----BEGIN CERTIFICATE-----\nhalf of it")
        (folder / "tls.key").write_text("")
    else:
        write_pair(folder, certificate)
    old = (volume / "..data").resolve() if (volume / "..data").exists() else None
    draft = volume / "..data_tmp"
    draft.symlink_to(folder.name)
    draft.replace(volume / "..data")
    for name in ("tls.crt", "tls.key"):
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")
    if old is not None:
        shutil.rmtree(old)


def served_serial(webhook: Served) -> int:
    with webhook.connect() as connection:
        shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def serial(certificate: trustme.LeafCert) -> int:
    return x509.load_pem_x509_certificate(certificate.cert_chain_pems[0].bytes()).serial_number
