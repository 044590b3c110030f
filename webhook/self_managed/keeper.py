"""Looks at Secret and configuration, takes the steps that are due, and does so again.

Any number of replicas do this at once, without a leader. Each write names the version that it was
decided on, so of two that collide one is refused and looks again. What follows from the Secret is
the same for everybody, so whoever comes second finds nothing left to do.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from kube.errors import ConflictError, KubeError, NotFoundError
from logs.lines import Log, LogLevel
from webhook.certificates import new_authority, new_leaf, private_pem, public_pem, write_for_owner
from webhook.self_managed.cluster import (
    ClusterObjects,
    SecretContents,
    WebhookConfiguration,
)
from webhook.self_managed.contents import (
    AUTHORITIES,
    AUTHORITY_KEY,
    CERTIFICATE,
    CERTIFICATE_KEY,
    Contents,
    bundle_of,
    read_contents,
)
from webhook.self_managed.plan import (
    ListAuthorities,
    MakeAuthority,
    MakeCertificate,
    Observed,
    Policy,
    Serve,
    Step,
    Trust,
    next_step,
    trusted_by_all,
)

MOST_STEPS: Final = 16
"""Of one look; more are left to the next, so that nothing can spin."""


class Keeper:
    """One replica's share in looking after the two objects, and its own file."""

    def __init__(
        self,
        objects: ClusterObjects,
        policy: Policy,
        pair: Path,
        *,
        clock: Callable[[], float],
        log: Log,
        count_change: Callable[[str], None],
    ) -> None:
        """Keep the pair that is to be served in *pair*; *count_change* hears what was written."""
        self._objects = objects
        self._policy = policy
        self._pair = pair
        self._clock = clock
        self._log = log
        self._count_change = count_change
        self._trusted: tuple[bytes, datetime] | None = None

    def look(self) -> None:
        """Take every step that is due.

        Raises:
            KubeError: If an object could not be read or written; what did not need it was done.
            OSError: If the pair could not be written.
        """
        for _ in range(MOST_STEPS):
            configuration, trouble = self._configuration()
            # Either may be older than the other, and nothing is lost by it: what only the
            # configuration knows is put into the Secret first, and a write that was decided on an
            # old Secret is refused.
            secret = self._objects.read_secret()
            contents = read_contents(secret.entries)
            step = next_step(self._observed(contents, configuration), self._policy, self._now())
            if step is None:
                if trouble is not None:
                    raise trouble
                return
            try:
                self._take(step, secret, configuration)
            except ConflictError as error:
                self._log.event(LogLevel.DEBUG, "somebody else was faster", reason=str(error))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _configuration(self) -> tuple[WebhookConfiguration | None, KubeError | None]:
        try:
            return self._objects.read_configuration(), None
        except NotFoundError as error:
            # Nobody asks us anything then, so no webhook doubts us.
            return WebhookConfiguration((), ""), error
        except KubeError as error:
            return None, error

    def _observed(
        self, contents: Contents, configuration: WebhookConfiguration | None
    ) -> Observed:
        now = self._now()
        webhooks = None if configuration is None else configuration.webhooks
        if webhooks is None or not trusted_by_all(webhooks, contents.bundle):
            self._trusted = None
        elif self._trusted is None or self._trusted[0] != contents.bundle:
            self._trusted = (contents.bundle, now)
        trusted_for = timedelta() if self._trusted is None else now - self._trusted[1]
        return Observed(contents, webhooks, trusted_for, self._held())

    def _held(self) -> bytes | None:
        try:
            return self._pair.read_bytes()
        except FileNotFoundError:
            return None

    def _take(
        self, step: Step, secret: SecretContents, configuration: WebhookConfiguration | None
    ) -> None:
        match step:
            case Serve(served):
                write_for_owner(self._pair, served.pem)
                self._log.event(
                    LogLevel.INFO, "certificate taken over", notAfter=served.not_after.isoformat()
                )
            case MakeAuthority(reason, others):
                made = new_authority(self._now(), self._policy.authority_lifetime)
                entries = {
                    AUTHORITIES: bundle_of((made.certificate, *others)),
                    AUTHORITY_KEY: private_pem(made.key),
                }
                self._write(secret, entries)
                self._tell("authority made", reason)
            case ListAuthorities(bundle):
                self._write(secret, {AUTHORITIES: bundle})
                self._tell("authorities listed anew", "one has expired or was found elsewhere")
            case MakeCertificate(reason, authority, names):
                lifetime = self._policy.certificate_lifetime
                key, certificate = new_leaf(authority, names, self._now(), lifetime)
                entries = {
                    CERTIFICATE: public_pem(certificate),
                    CERTIFICATE_KEY: private_pem(key),
                }
                self._write(secret, entries)
                self._tell("certificate made", reason)
            case Trust(bundle, webhooks):
                version = "" if configuration is None else configuration.resource_version
                self._objects.patch_configuration(bundle, webhooks, version)
                self._count_change("configuration")
                self._tell("caBundle written", f"missing or other in {', '.join(webhooks)}")

    def _write(self, secret: SecretContents, entries: dict[str, bytes]) -> None:
        self._objects.patch_secret(entries, secret.resource_version)
        self._count_change("secret")

    def _tell(self, message: str, reason: str) -> None:
        self._log.event(LogLevel.INFO, message, reason=reason)
