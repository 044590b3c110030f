"""What was done for each claim, kept so that a crash at any moment can be made good.

The order is always the same: what is meant is recorded, then it is done, then what came of it is
recorded. Taking back follows the same order.
"""

from plugin.checkpoint.codec import FORMAT, Format, record_from_text, text_of_record
from plugin.checkpoint.errors import (
    CheckpointError,
    CorruptRecordError,
    DiskFullError,
    LockTimeoutError,
    NewerRecordError,
    NoRecordError,
)
from plugin.checkpoint.holders import Holder, Holders
from plugin.checkpoint.locks import Locks, claim_key, gpu_key
from plugin.checkpoint.record import Effect, Holding, Intent, Phase, Record
from plugin.checkpoint.set_aside import SetAside
from plugin.checkpoint.store import Checkpoint, Contents

__all__ = [
    "FORMAT",
    "Checkpoint",
    "CheckpointError",
    "Contents",
    "CorruptRecordError",
    "DiskFullError",
    "Effect",
    "Format",
    "Holder",
    "Holders",
    "Holding",
    "Intent",
    "LockTimeoutError",
    "Locks",
    "NewerRecordError",
    "NoRecordError",
    "Phase",
    "Record",
    "SetAside",
    "claim_key",
    "gpu_key",
    "record_from_text",
    "text_of_record",
]
