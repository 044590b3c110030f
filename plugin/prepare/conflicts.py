"""Whether devices may be held by two claims at once: what counts is the physical resource."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dra_config.gates import FeatureGate, FeatureGates
from plugin.checkpoint import Holder, Holding
from plugin.preparer import ClaimReference, PrepareFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A device that another claim holds."""

    ours: Holding
    holder: ClaimReference
    shared: bool
    """Both consume shares, and their configs differ."""

    def sentence(self, claim: ClaimReference) -> str:
        """Return what is in the way of a claim, and what to do."""
        held = (
            f"Device '{self.ours.device}' of claim {claim} is still held by claim {self.holder} "
            f"with UID {self.holder.uid}"
        )
        if self.shared:
            return (
                f"{held}, whose configuration differs: claims that share a device need equal ones."
            )
        return f"{held}. It is free once the pods that use that claim are gone from this node."


def first_conflict(
    ours: Iterable[Holding], others: Iterable[Holder], gates: FeatureGates
) -> Conflict | None:
    """Return a device that another claim holds and does not share; None if there is none.

    Admin access neither holds nor minds a holder.
    """
    holders = tuple(others)
    for one in ours:
        for holder in holders:
            for theirs in holder.holdings:
                if not _overlap(one, theirs) or _may_share(one, theirs, gates):
                    continue
                consumed = one.share_id is not None and theirs.share_id is not None
                return Conflict(
                    ours=one,
                    holder=holder.claim,
                    shared=consumed and FeatureGate.CONSUMABLE_SHARES in gates,
                )
    return None


def refuse_own_conflict(
    claim: ClaimReference, ours: Sequence[Holding], gates: FeatureGates
) -> None:
    """Refuse a claim whose own devices are in each other's way.

    Raises:
        PrepareFailed: Two of them are parts of one, or shares of one with different configs.
    """
    for position, one in enumerate(ours):
        for other in ours[:position]:
            if _overlap(one, other) and not _may_share(one, other, gates):
                message = (
                    f"Requests {other.request} and {one.request} of claim {claim} got devices "
                    f"'{other.device}' and '{one.device}', which are one and the same hardware "
                    "and are not shares of it with equal configuration."
                )
                raise PrepareFailed(message, permanent=True)


def _overlap(one: Holding, other: Holding) -> bool:
    if one.admin_access or other.admin_access or one.gpu_uuid != other.gpu_uuid:
        return False
    whole_gpu = one.gpu_uuid in {one.device_uuid, other.device_uuid}
    return whole_gpu or one.device_uuid == other.device_uuid


def _may_share(one: Holding, other: Holding, gates: FeatureGates) -> bool:
    return (
        FeatureGate.CONSUMABLE_SHARES in gates
        and one.share_id is not None
        and other.share_id is not None
        and one.device_uuid == other.device_uuid
        and one.config == other.config
    )
