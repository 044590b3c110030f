"""One call of the kubelet: every claim in it gets exactly one result."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from plugin.preparer import ClaimReference
from plugin.rpc.attempts import Outcome

_T = TypeVar("_T")

LONGEST_ANSWER_SECONDS: Final = 40.0
"""The kubelet gives up after 45 seconds and then tells nobody what was wrong."""
_MARGIN_SECONDS: Final = 5.0
"""How long before the caller gives up it has its answer, if there is so much time."""
_UID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
"""What may name a file; the API server's UIDs are hexadecimal digits and hyphens."""


def answer_seconds(remaining_seconds: float | None) -> float:
    """Return how long the answer may take when the caller waits for *remaining_seconds*."""
    if remaining_seconds is None:
        return LONGEST_ANSWER_SECONDS
    early_seconds = max(remaining_seconds - _MARGIN_SECONDS, remaining_seconds / 2)
    return min(LONGEST_ANSWER_SECONDS, early_seconds)


async def run_batch(
    claims: Iterable[ClaimReference],
    run: Callable[[ClaimReference], Awaitable[Outcome[_T]]],
    misnamed: Callable[[str], Outcome[_T]],
) -> dict[str, Outcome[_T]]:
    """Run all claims at once and return their outcomes by UID.

    A claim that is named twice is run once.

    Args:
        claims: What the kubelet sent.
        run: Works on one claim.
        misnamed: Gives the outcome of a UID that stands for no claim, from a sentence about it.

    Raises:
        asyncio.CancelledError: The caller has gone; so has the work.
    """
    by_uid: dict[str, set[ClaimReference]] = {}
    for claim in claims:
        by_uid.setdefault(claim.uid, set()).add(claim)
    outcomes: dict[str, Outcome[_T]] = {}
    sound: dict[str, ClaimReference] = {}
    for uid, named in by_uid.items():
        names = " and ".join(sorted(map(str, named)))
        if not _UID.fullmatch(uid):
            outcomes[uid] = misnamed(
                f"The kubelet sent claim {names} with {uid[:128]!r} as its UID, which is none."
            )
        elif len(named) > 1:
            outcomes[uid] = misnamed(
                f"The kubelet sent several claims with the UID {uid}: {names}."
            )
        else:
            (sound[uid],) = named
    results = await asyncio.gather(*map(run, sound.values()))
    return outcomes | dict(zip(sound, results, strict=True))
