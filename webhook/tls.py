"""The serving certificate: taken from files, replaced while connections go on.

A context whose certificate is replaced in place fails every handshake after a key that does not
fit, and keeps serving an EC certificate when an RSA one is loaded. So each pair gets a context of
its own, and a front context without any hands every new connection over to the current one.
"""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from logs.lines import Log, LogLevel
from webhook.telemetry import Telemetry

POLL_SECONDS: Final = 10.0
"""How often the files are read even if nothing was announced; notifications can get lost."""
OVERDUE_SECONDS: Final = 300.0
"""How long after its last look at the files the watch counts as dead."""
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_LONG_LENGTH: Final = 0x80


class UnusablePair(ValueError):  # noqa: N818 - named like InvalidConfig
    """A certificate and key that cannot be served; its text is the reason."""


@dataclass(frozen=True, slots=True)
class PairFiles:
    """Where the certificate chain and its private key are, both PEM."""

    certificate: Path
    key: Path

    @property
    def directories(self) -> tuple[Path, ...]:
        """The directories to watch: files mounted from a Secret change by a link beside them."""
        return tuple(dict.fromkeys((self.certificate.parent, self.key.parent)))

    def digest(self) -> bytes:
        """Return a hash of both files.

        Raises:
            OSError: If one of them cannot be read.
        """
        text = hashlib.sha256(self.certificate.read_bytes())
        text.update(b"\0")
        text.update(self.key.read_bytes())
        return text.digest()


@dataclass(frozen=True, slots=True)
class ServedPair:
    """A checked pair, ready for handshakes."""

    context: ssl.SSLContext
    digest: bytes
    not_after_seconds: int
    """Unix time at which the certificate expires."""


class CertificateHolder:
    """Knows the pair in service, and takes in another one when the files change."""

    def __init__(
        self, files: PairFiles, *, clock: Callable[[], float], log: Log, telemetry: Telemetry
    ) -> None:
        """Hold no pair yet; `refresh` reads *files*, and *clock* tells the Unix time."""
        self._files = files
        self._clock = clock
        self._log = log
        self._telemetry = telemetry
        self._served: ServedPair | None = None
        self._broken: str = ""
        self._looked_at = clock()

    def front_context(self) -> ssl.SSLContext:
        """Return the context for the listening socket; it serves whatever pair is current."""
        context = _server_context()

        def hand_over(
            connection: ssl.SSLObject, _name: str | None, _front: ssl.SSLContext
        ) -> int | None:
            if self._served is None:
                return int(ssl.AlertDescription.ALERT_DESCRIPTION_INTERNAL_ERROR)
            connection.context = self._served.context
            return None

        # Also called for clients that name no server.
        context.sni_callback = hand_over
        return context

    def refresh(self) -> None:
        """Read the files, and serve the pair in them when it is another and can be served."""
        self._looked_at = self._clock()
        try:
            digest = self._files.digest()
            if self._served is not None and digest == self._served.digest:
                self._broken = ""
                return
            pair = self._better_pair()
        except (OSError, UnusablePair) as error:
            self._reject(str(error))
            return
        self._served = pair
        self._broken = ""
        self._telemetry.certificate_loaded(pair.not_after_seconds)
        expiry = _date(pair.not_after_seconds)
        self._log.event(LogLevel.INFO, "certificate in service", notAfter=expiry)

    def _better_pair(self) -> ServedPair:
        pair = load_pair(self._files)
        if pair.not_after_seconds <= self._clock() and self.usable:
            raise UnusablePair(f"it expired at {_date(pair.not_after_seconds)}")
        return pair

    def _reject(self, reason: str) -> None:
        self._telemetry.certificate_failed()
        if reason != self._broken:
            self._broken = reason
            kept = _date(self._served.not_after_seconds) if self._served is not None else None
            self._log.event(
                LogLevel.ERROR, "certificate unusable", reason=reason, servedNotAfter=kept
            )

    @property
    def usable(self) -> bool:
        """Whether there is a pair in service that has not expired."""
        return self._served is not None and not self.expired

    @property
    def expired(self) -> bool:
        """Whether the pair in service has expired."""
        served = self._served
        return served is not None and served.not_after_seconds <= self._clock()

    @property
    def watched(self) -> bool:
        """Whether the files were looked at in the last five minutes.

        Only a watch that has died makes the served pair differ from a good one on disk; a restart
        cures that. It would not cure a broken pair on disk, and would lose the good one in memory.
        """
        return self._clock() - self._looked_at < OVERDUE_SECONDS

    async def watch(self) -> None:
        """Refresh whenever the files change, and every 10 seconds, until cancelled."""
        async for _ in self._changes():
            self.refresh()

    async def _changes(self) -> AsyncIterator[None]:
        # Imported here because nothing needs it before the first request is served.
        from watchfiles import awatch  # noqa: PLC0415  # pyright: ignore[reportUnknownVariableType]

        try:
            async for _ in awatch(
                *self._files.directories,
                watch_filter=None,
                debounce=200,
                rust_timeout=int(POLL_SECONDS * 1000),
                yield_on_timeout=True,
                recursive=False,
            ):
                yield
        except OSError as error:
            # No directory yet, or the machine has run out of watches: reading still works.
            self._log.event(LogLevel.WARNING, "certificate polled only", reason=str(error))
        while True:
            yield
            await asyncio.sleep(POLL_SECONDS)


def load_pair(files: PairFiles) -> ServedPair:
    """Return the pair in *files*, checked.

    Raises:
        UnusablePair: If they do not fit each other, are no PEM, or changed while being read.
        OSError: If one of them cannot be read.
    """
    digest = files.digest()
    context = _server_context()
    try:
        # A password would be asked for on the terminal; an empty one fails at once instead.
        context.load_cert_chain(files.certificate, files.key, password="")
        not_after = not_after_seconds(files.certificate.read_text("ascii"))
    except (ssl.SSLError, ValueError, IndexError) as error:
        raise UnusablePair(f"{files.certificate} and {files.key}: {error}") from None
    if files.digest() != digest:
        raise UnusablePair(f"{files.certificate} and {files.key} changed while being read")
    return ServedPair(context, digest, not_after)


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # API servers call webhooks over HTTP/1.1 only.
    context.set_alpn_protocols(["http/1.1"])
    # They keep connections and resume no sessions, so tickets would only cost time.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    return context


def not_after_seconds(chain: str) -> int:
    """Return the Unix time at which the first certificate of the PEM text *chain* expires.

    Reading four fields of DER here spares every start the import of a whole X.509 library.

    Raises:
        ValueError: If there is no certificate in it.
        IndexError: If the certificate ends too early.
    """
    end = chain.find(ssl.PEM_FOOTER)
    start = chain.find(ssl.PEM_HEADER)
    if start < 0 or end < start:
        raise ValueError("there is no PEM certificate in it")
    der = ssl.PEM_cert_to_DER_cert(chain[start : end + len(ssl.PEM_FOOTER)])
    # https://www.rfc-editor.org/rfc/rfc5280#section-4.1: Certificate, TBSCertificate, then
    # version (optional), serial number, algorithm, issuer, and the two ends of its validity.
    tbs = _content(der, _content(der, 0)[0])
    at = tbs[0]
    if der[at] == _VERSION:
        at = _content(der, at)[1]
    for _ in range(3):
        at = _content(der, at)[1]
    if der[at] != _SEQUENCE:
        raise ValueError("the certificate has no validity")
    not_before = _content(der, at)[0]
    not_after = _content(der, not_before)[1]
    first, last = _content(der, not_after)
    text = der[first:last].decode("ascii")
    if der[not_after] == _UTC_TIME:
        # Two digits of the year, which RFC 5280 reads as 1950 to 2049.
        text = f"{'19' if text[:2] >= '50' else '20'}{text}"
    moment = datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    return int(moment.timestamp())


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the element at *at* starts, and where the next one does."""
    length = der[at + 1]
    start = at + 2
    if length >= _LONG_LENGTH:
        size = length - _LONG_LENGTH
        length = int.from_bytes(der[start : start + size])
        start += size
    return start, start + length


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
