"""Takes back what was done for a claim: on record first, and from the last change to the first."""

from collections.abc import Iterator

from plugin.checkpoint import Effect, Record, gpu_key
from plugin.prepare.failures import UnknownEffectError
from plugin.prepare.node import Node
from plugin.prepare.sharing import OUTLIVING, Sharing
from plugin.preparer import Deadline


def take_back(node: Node, record: Record, deadline: Deadline) -> None:
    """Take back all that a record says, and forget it; by who holds the claim and no GPU.

    What lasts, such as waiting for processes to end, is done before the GPUs are locked, so that
    other claims on parts of the same GPU do not wait for it. Until the end the record shows that
    they are held.

    Raises:
        MachineError: A setting could not be restored; what is left is on record.
        MpsError: A daemon does not end.
        CdiError: The CDI file cannot be removed.
        CheckpointError: The record cannot be changed, or somebody else is at work on a GPU.
    """
    uid = record.claim.uid
    changes = dict(_changes(node, record))
    node.checkpoint.release(uid)
    node.cdi.remove(uid)
    for effect, sharing in changes.items():
        sharing.stop(effect, deadline)
    gpus = record.gpu_uuids | {effect.subject for effect in record.effects}
    with node.locks.hold(map(gpu_key, gpus), deadline):
        for effect in reversed(record.effects):
            if effect in changes:
                changes[effect].undo(effect, node.others_than(record.claim))
            node.checkpoint.undone(uid)
        node.checkpoint.forget(uid)
        node.holders.forget(uid)


def _changes(node: Node, record: Record) -> Iterator[tuple[Effect, Sharing]]:
    """Yield what has to be taken back, the last change first.

    A reboot has reset the machine: what was before it must not be restored over it.
    """
    stale = node.checkpoint.is_stale(record)
    for effect in reversed(record.effects):
        if stale and effect.kind not in OUTLIVING:
            continue
        sharing = node.sharing_of(effect)
        if sharing is None:
            message = (
                f"The record of claim {record.claim} holds a change of kind '{effect.kind}', "
                "which this version cannot take back. Install the version that made it, or a "
                "newer one."
            )
            raise UnknownEffectError(message)
        yield effect, sharing
