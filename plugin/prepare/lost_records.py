"""The record of a claim, made anew from its CDI file where the record itself is damaged."""

from collections.abc import Callable

from plugin.cdi import RECORD, CdiStore
from plugin.checkpoint import (
    Checkpoint,
    CorruptRecordError,
    Phase,
    Record,
    record_from_text,
)
from plugin.prepare.sharing import OUTLIVING
from plugin.preparer import ClaimReference


def recall(
    claim: ClaimReference,
    checkpoint: Checkpoint,
    cdi: CdiStore,
    tell: Callable[[ClaimReference, str], None],
) -> Record | None:
    """Return the record of a claim; None if there is none, or it is lost without a trace.

    What a crash left of a record that was being written is removed. A CDI file without a record
    shows that the record was lost, since the file is written after it and removed before it.

    Args:
        claim: The claim, held by the caller.
        checkpoint: Keeps the record.
        cdi: Keeps the file that repeats it.
        tell: Is told of a record that was lost.

    Raises:
        NewerRecordError: Only a newer version reads it.
        CheckpointError: It cannot be read, or not be kept.
        CdiError: The CDI file cannot be read.
    """
    checkpoint.remove_leftover(claim.uid)
    reason = f"The record of claim {claim} is lost."
    try:
        found = checkpoint.recall(claim.uid)
    except CorruptRecordError as error:
        found, reason = None, str(error)
        damaged = True
    else:
        damaged = False
    if found is not None:
        return found
    record = restore(claim.uid, checkpoint, cdi)
    if record is not None:
        tell(claim, f"{reason} It was made anew from the CDI file of the claim.")
    elif damaged:
        tell(claim, f"{reason} Nothing tells what it held.")
    return record


def restore(uid: str, checkpoint: Checkpoint, cdi: CdiStore) -> Record | None:
    """Return the record of a claim made anew; None if nothing tells what it held.

    What a reboot has undone is left out of it. The claim is held by the caller.

    Raises:
        CheckpointError: It cannot be kept.
        CdiError: The CDI file cannot be read.
    """
    record = _repeated(uid, cdi)
    if record is None:
        return None
    stale = checkpoint.is_stale(record)
    effects = tuple(one for one in record.effects if not stale or one.kind in OUTLIVING)
    begun = checkpoint.begin(record.claim, record.intent, effects=effects)
    if stale or record.phase is not Phase.COMPLETED:
        return begun
    return checkpoint.complete(uid, record.devices)


def _repeated(uid: str, cdi: CdiStore) -> Record | None:
    text = (cdi.annotations(uid) or {}).get(RECORD)
    if text is None:
        return None
    try:
        record = record_from_text(text)
    except ValueError:
        return None
    return record if record.claim.uid == uid else None
