"""Where an API server is, whom it trusts us to be, and the connections that follow from it."""

import socket
import ssl
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import urllib3

from kube.errors import CredentialsError

KEPT_CONNECTIONS: Final = 4
"""More are opened when more requests run at once, and closed after them."""

IDLE_SECONDS: Final = 30
PROBE_SECONDS: Final = 10
PROBES: Final = 3

Material = str | Path
"""The text itself, or the file that holds it and is read anew for each request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """An API server and an account there."""

    host: str
    port: int
    prefix: str = ""
    """What stands before each path, such as behind a proxy; begins with `/` or is empty."""
    server_name: str | None = None
    """The name that the server's certificate must hold, if it is not the host."""
    authority: Material
    """The certificates that sign the server's, as PEM."""
    token: Material | None = field(default=None, repr=False)
    client_certificate: Material | None = None
    client_key: Material | None = field(default=None, repr=False)


class Connections:
    """The connections to one server; they are opened anew when a certificate changes."""

    def __init__(self, access: Access) -> None:
        """Connect to nothing yet."""
        self.access = access
        self._lock = threading.Lock()
        self._made_of: tuple[str, ...] = ()
        self._pool: urllib3.HTTPSConnectionPool | None = None

    def pool(self) -> urllib3.HTTPSConnectionPool:
        """Return the pool for the certificates as they are now.

        Raises:
            CredentialsError: They cannot be read or hold nothing usable.
        """
        access = self.access
        certificate, key = access.client_certificate, access.client_key
        made_of: tuple[str, ...] = (read(access.authority),)
        if certificate is not None and key is not None:
            made_of += (read(certificate), read(key))
        with self._lock:
            if self._pool is None or made_of != self._made_of:
                self._pool = _pool(access, made_of)
                self._made_of = made_of
            return self._pool

    def close(self) -> None:
        """Close what is open and not in use."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None


def read(material: Material) -> str:
    """Return the text.

    Raises:
        CredentialsError: The file cannot be read.
    """
    if isinstance(material, str):
        return material
    try:
        return material.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CredentialsError(f"'{material}' cannot be read: {said}.") from None


def bearer(token: Material) -> str:
    """Return the header that shows *token*.

    Raises:
        CredentialsError: The file cannot be read or holds no token.
    """
    text = read(token).strip()
    if not (text.isascii() and text.isprintable()):
        # Whoever sends such a header is told so in a sentence that quotes it.
        raise CredentialsError("The token holds what no token can, such as several lines.")
    return f"Bearer {text}"


def _pool(access: Access, made_of: tuple[str, ...]) -> urllib3.HTTPSConnectionPool:
    authority, own = made_of[0], made_of[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError):
        file = access.authority
        named = f"'{file}'" if isinstance(file, Path) else "The authority of the API server"
        raise CredentialsError(f"{named} holds no certificate.") from None
    if own:
        _show(context, certificate=own[0], key=own[1])
    return urllib3.HTTPSConnectionPool(
        access.host,
        access.port,
        maxsize=KEPT_CONNECTIONS,
        ssl_context=context,
        server_hostname=access.server_name,
        assert_hostname=access.server_name,
        retries=False,
        socket_options=_socket_options(),
    )


def _show(context: ssl.SSLContext, *, certificate: str, key: str) -> None:
    """Let *context* show our certificate; OpenSSL takes it from files only."""
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder, "tls.pem")
        pair.touch(mode=0o600)
        pair.write_text(f"{certificate}\n{key}\n", encoding="utf-8")
        try:
            context.load_cert_chain(pair)
        except (ssl.SSLError, ValueError):
            raise CredentialsError("The client certificate and its key cannot be used.") from None


def _socket_options() -> list[tuple[int, int, int | bytes]]:
    """Return the options by which a watch notices within a minute that its peer is gone."""
    options: list[tuple[int, int, int | bytes]] = [
        # As the library sets by itself: no answer waits for a full packet.
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
    # A laptop's system may lack them; it then probes as slowly as it does by itself.
    for name, figure in (
        ("TCP_KEEPIDLE", IDLE_SECONDS),
        ("TCP_KEEPINTVL", PROBE_SECONDS),
        ("TCP_KEEPCNT", PROBES),
    ):
        option: int | None = getattr(socket, name, None)
        if option is not None:
            options.append((socket.IPPROTO_TCP, option, figure))
    return options
