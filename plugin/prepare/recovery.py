"""What is made good when the plugin starts: what a crash interrupted, and what is damaged.

During a rolling update another instance may be at work: what it holds is left to it.
"""

from collections.abc import Callable, Iterable

from plugin.checkpoint import Contents, Phase, claim_key
from plugin.prepare.failures import alone
from plugin.prepare.lost_records import restore
from plugin.prepare.node import Node
from plugin.prepare.taking_back import take_back
from plugin.preparer import ClaimReference, Deadline

Tell = Callable[[ClaimReference, str], None]


def _nobody(claim: ClaimReference, sentence: str) -> None:
    del claim, sentence


def recover(node: Node, patience: Callable[[], Deadline], tell: Tell = _nobody) -> tuple[str, ...]:
    """Take back what was begun, make lost records anew, and sweep files that tell nothing.

    Claims that are prepared stay so, and their CDI files are made right: containers are started
    again without a word to the plugin, also after the driver changed. Those of an earlier boot
    stay as they are until somebody prepares or releases them.

    Args:
        node: The node.
        patience: Returns how long to wait for whoever is at work on one claim.
        tell: Is told of each claim whose record was made anew.

    Returns:
        Sentences on damaged records, and on what could not be made good yet.

    Raises:
        CheckpointError: The records cannot be read at all.
        CdiError: The CDI files cannot be listed.
    """
    contents = node.checkpoint.all()
    sentences: list[str] = []
    for uid in _uids(contents):
        with alone(f"Claim {uid}", sentences), node.locks.hold([claim_key(uid)], patience()):
            _recover_claim(node, uid, patience())
    sentences += map(str, contents.corrupt)
    sentences += map(str, contents.newer)
    for uid in _without_record(node):
        with alone(f"Claim {uid}", sentences), node.locks.hold([claim_key(uid)], patience()):
            _recover_file(node, uid, tell)
    return tuple(sentences)


def _uids(contents: Contents) -> Iterable[str]:
    return sorted({*contents.leftovers, *(one.claim.uid for one in contents.records)})


def _without_record(node: Node) -> Iterable[str]:
    """Return the UIDs of CDI files without a record, which is written before them."""
    return sorted(node.cdi.uids() - node.checkpoint.files().keys())


def _recover_file(node: Node, uid: str, tell: Tell) -> None:
    """Make the record anew from a CDI file, which is removed if it does not tell enough.

    If the record was damaged the file stays: it may tell the claim's name, and containers of the
    claim may be started again.
    """
    if uid in node.checkpoint.files():
        return
    record = restore(uid, node.checkpoint, node.cdi)
    if record is not None:
        tell(record.claim, "Its record was lost, and was made anew from its CDI file.")
        return
    if uid not in node.checkpoint.set_aside.uids():
        node.cdi.remove(uid)


def _recover_claim(node: Node, uid: str, patience: Deadline) -> None:
    """Make one claim good; it is held by the caller, and may have changed since it was listed."""
    node.checkpoint.remove_leftover(uid)
    record = node.checkpoint.recall(uid)
    if record is None:
        return
    if record.phase is not Phase.COMPLETED:
        take_back(node, record, patience)
    elif not node.checkpoint.is_stale(record):
        node.describe(record)
