"""Takes back what was done for a claim: on record first, and from the last change to the first."""

from plugin.checkpoint import Effect, Record, gpu_key
from plugin.prepare.failures import UnknownEffectError
from plugin.prepare.node import Node
from plugin.prepare.sharing import Sharing
from plugin.preparer import Deadline


def take_back(node: Node, record: Record, deadline: Deadline) -> None:
    """Take back all that a record says, and forget it; by who holds the claim.

    Raises:
        MachineError: A setting could not be restored; what is left is on record.
        CdiError: The CDI file cannot be removed.
        CheckpointError: The record cannot be changed, or somebody else is at work on a GPU.
    """
    gpus = record.gpu_uuids | {effect.subject for effect in record.effects}
    with node.locks.hold(map(gpu_key, gpus), deadline):
        undo(node, record)


def undo(node: Node, record: Record) -> None:
    """Do what `take_back` does, by who holds the GPUs, too."""
    uid = record.claim.uid
    node.checkpoint.release(uid)
    node.cdi.remove(uid)
    # A reboot has reset the machine: what was before it must not be restored over it.
    if not node.checkpoint.is_stale(record):
        for effect in reversed(record.effects):
            _sharing_of(node, effect, record).undo(effect, node.others_than(record.claim))
            node.checkpoint.undone(uid)
    node.checkpoint.forget(uid)


def _sharing_of(node: Node, effect: Effect, record: Record) -> Sharing:
    for sharing in node.sharing.values():
        if effect.kind in sharing.kinds:
            return sharing
    message = (
        f"The record of claim {record.claim} holds a change of kind '{effect.kind}', which "
        "this version cannot take back. Install the version that made it, or a newer one."
    )
    raise UnknownEffectError(message)
