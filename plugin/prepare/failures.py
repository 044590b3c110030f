"""What becomes of an error: a sentence for the pod's events, and whether to ask again."""

import traceback
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Final

from dra_config.catalogue import Severity
from dra_config.violations import Violation
from plugin.cdi import CdiError
from plugin.checkpoint import CheckpointError
from plugin.durable_files import UnsafeNameError
from plugin.hardware.errors import MachineError
from plugin.mps.errors import MpsError
from plugin.preparer import ClaimFailed, ClaimReference, PrepareFailed

FAILURES: Final = (CdiError, CheckpointError, ClaimFailed, MachineError, MpsError)
"""All that can go wrong while a claim is prepared or unprepared, defects of ours aside."""


class ConfigRefused(PrepareFailed):
    """A config of the claim or of a class cannot be used.

    Attributes:
        violations: All that was found, warnings among them.
    """

    def __init__(self, claim: ClaimReference, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        wrong = "; ".join(
            f"{one.field}: {one.message} ({one.rule})"
            for one in self.violations
            if one.severity is Severity.ERROR
        )
        super().__init__(f"The configuration of claim {claim} is refused: {wrong}", permanent=True)


class ClaimGone(PrepareFailed):
    """The claim that is meant does not exist any more, or is not allocated any more."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, permanent=True)


class UnknownEffectError(CheckpointError):
    """A record holds a change that only a newer version can take back."""


@contextmanager
def alone(who: str, sentences: list[str]) -> Generator[None]:
    """Let one claim of many fail alone: what goes wrong becomes a sentence, defects of ours too.

    It is an edge like that of the kubelet: the others wait for their turn, and for a start.

    Args:
        who: The claim, as the sentence begins.
        sentences: Gets the sentence.
    """
    try:
        yield
    except FAILURES as error:
        sentences.append(f"{who}: {error}")
    except Exception as defect:  # noqa: BLE001 - as said above; it is told, with its traceback
        where = "".join(traceback.format_exception(defect))
        sentences.append(
            f"{who}: it is left as it is because of a defect of dra-config. Please report it with "
            f"these lines: {where}"
        )


@contextmanager
def explained(failed: type[ClaimFailed]) -> Generator[None]:
    """Turn what goes wrong inside into *failed*, with the sentence that it came with."""
    try:
        yield
    except (CdiError, CheckpointError, MachineError, MpsError) as error:
        raise failed(str(error), permanent=not error.transient) from error
    except UnsafeNameError as error:
        raise failed(str(error), permanent=True) from error
