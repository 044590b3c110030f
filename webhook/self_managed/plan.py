"""The next step from what is there to what should be: pure, one step at a time.

The order keeps every certificate that anybody serves trusted. A new authority is made known first.
Only when every webhook of the configuration has trusted it for a while does it sign. An authority
that has been replaced stays trusted until it has expired, and with it all that it ever signed.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from cryptography import x509

from webhook.certificates import CLOCK_SKEW, Authority
from webhook.self_managed.cluster import WebhookEntry
from webhook.self_managed.contents import (
    Contents,
    Served,
    Unusable,
    authorities_in,
    bundle_of,
    certificate_in,
    signed_by,
)

MOST_AUTHORITIES: Final = 8
"""How many are trusted at most: somebody who empties the Secret again and again fills nothing."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What should be."""

    names: tuple[str, ...]
    certificate_lifetime: timedelta
    authority_lifetime: timedelta
    settling: timedelta
    """How long an API server may take to hear of a new authority."""

    @property
    def margin(self) -> timedelta:
        """How long an expired authority stays, since a clock beside ours may be slow."""
        return min(CLOCK_SKEW, self.authority_lifetime / 10)


@dataclass(frozen=True, slots=True)
class Observed:
    """What is there."""

    contents: Contents
    webhooks: tuple[WebhookEntry, ...] | None
    """None if the configuration could not be read; empty if there is none."""
    trusted_for: timedelta
    """How long all webhooks have been seen to trust the Secret's bundle."""
    held: bytes | None = field(repr=False)
    """Key and certificate in the file that this replica serves from."""


@dataclass(frozen=True, slots=True)
class Serve:
    """Put the Secret's pair into the file."""

    served: Served


@dataclass(frozen=True, slots=True)
class MakeAuthority:
    """Make an authority that signs from now on, and go on trusting others."""

    reason: str
    others: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class ListAuthorities:
    """Put the bundle of the Secret right."""

    bundle: bytes


@dataclass(frozen=True, slots=True)
class Trust:
    """Let these webhooks trust the Secret's bundle."""

    bundle: bytes
    webhooks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MakeCertificate:
    """Sign a certificate for these names."""

    reason: str
    authority: Authority
    names: tuple[str, ...]


Step: TypeAlias = Serve | MakeAuthority | ListAuthorities | Trust | MakeCertificate


def next_step(observed: Observed, policy: Policy, now: datetime) -> Step | None:
    """Return what to do next, or None when all is well or the time for more has not come."""
    serving = _serving(observed, now)
    others = _others(observed, policy, now)
    authority = observed.contents.authority
    if isinstance(authority, Unusable):
        return serving or MakeAuthority(str(authority), others[: MOST_AUTHORITIES - 1])
    return (
        serving
        or _listing(observed, (authority.certificate, *others), policy, now)
        or _renewal(observed.contents.served, authority, policy, now)
        or _trust(observed)
        or _change_of_authority(observed, authority, policy)
    )


def trusted_by_all(webhooks: tuple[WebhookEntry, ...], bundle: bytes) -> bool:
    """Return whether every one of *webhooks* trusts exactly *bundle*."""
    return all(hook.ca_bundle == bundle for hook in webhooks)


def _serving(observed: Observed, now: datetime) -> Serve | None:
    """Return how to serve the Secret's certificate if it is better than the one in hand."""
    served = observed.contents.served
    if isinstance(served, Unusable) or served.not_after <= now or served.pem == observed.held:
        return None
    # Somebody may have put an older Secret back, whose authority is yet to be made known. What is
    # in hand is better only if it is believed.
    webhooks = observed.webhooks
    if webhooks is None or _believed(served.certificate, webhooks):
        return Serve(served)
    held = None if observed.held is None else certificate_in(observed.held)
    in_hand_is_better = (
        held is not None and held.not_valid_after_utc > now and _believed(held, webhooks)
    )
    return None if in_hand_is_better else Serve(served)


def _believed(certificate: x509.Certificate, webhooks: tuple[WebhookEntry, ...]) -> bool:
    return all(
        any(signed_by(certificate, issuer) for issuer in authorities_in(hook.ca_bundle))
        for hook in webhooks
    )


def _others(observed: Observed, policy: Policy, now: datetime) -> tuple[x509.Certificate, ...]:
    """Return the authorities beside the one that signs, the freshest first.

    One that only the configuration knows is taken up: what it signed may still be served.
    """
    contents = observed.contents
    listed = (
        found for found in contents.trusted if found.not_valid_after_utc > now - policy.margin
    )
    known = (
        found
        for hook in observed.webhooks or ()
        for found in authorities_in(hook.ca_bundle)
        if found.not_valid_after_utc > now
    )
    found = set(listed) | set(known)
    if isinstance(contents.authority, Authority):
        found.discard(contents.authority.certificate)
    return tuple(sorted(found, key=_freshness, reverse=True))


def _freshness(certificate: x509.Certificate) -> tuple[datetime, int]:
    return certificate.not_valid_after_utc, certificate.serial_number


def _due(certificate: x509.Certificate, lifetime: timedelta, now: datetime) -> bool:
    return now >= certificate.not_valid_after_utc - lifetime / 3


def _listing(
    observed: Observed, authorities: tuple[x509.Certificate, ...], policy: Policy, now: datetime
) -> MakeAuthority | ListAuthorities | None:
    """Return how to put the list of authorities right, of which the first signs."""
    # One that cannot be made known yet would be of no use, and the old one can still sign.
    can_be_known = observed.webhooks is not None
    if can_be_known and _due(authorities[0], policy.authority_lifetime, now):
        others = authorities[: MOST_AUTHORITIES - 1]
        return MakeAuthority("the authority nears its end", others)
    bundle = bundle_of(authorities[:MOST_AUTHORITIES])
    return None if bundle == observed.contents.bundle else ListAuthorities(bundle)


def _trust(observed: Observed) -> Trust | None:
    """Return how to let all webhooks trust the Secret's bundle."""
    bundle = observed.contents.bundle
    doubting = tuple(hook.name for hook in observed.webhooks or () if hook.ca_bundle != bundle)
    return Trust(bundle, doubting) if doubting else None


def _renewal(
    served: Served | Unusable, authority: Authority, policy: Policy, now: datetime
) -> MakeCertificate | None:
    """Return how to renew under the same authority, which needs nobody's trust anew."""
    if isinstance(served, Unusable) or served.issuer != authority.certificate:
        return None
    if _due(served.certificate, policy.certificate_lifetime, now):
        return MakeCertificate("the certificate nears its end", authority, policy.names)
    lacking = [name for name in policy.names if name not in served.names]
    if not lacking:
        return None
    # While settings are rolled out, replicas want different names: each gets its own.
    names = tuple(dict.fromkeys((*policy.names, *served.names)))
    return MakeCertificate(f"the certificate lacks {', '.join(lacking)}", authority, names)


def _change_of_authority(
    observed: Observed, authority: Authority, policy: Policy
) -> MakeCertificate | None:
    """Return how to serve under *authority*, once it is known that all webhooks trust it."""
    contents = observed.contents
    served = contents.served
    if isinstance(served, Served) and served.issuer == authority.certificate:
        return None
    if observed.webhooks is None:
        return None
    # Nobody serves under another authority when there is none.
    if len(contents.trusted) > 1 and observed.trusted_for < policy.settling:
        return None
    reason = str(served) if isinstance(served, Unusable) else "there is a new authority"
    return MakeCertificate(reason, authority, policy.names)
