"""What a Pod's status tells about a daemon that is not ready, as a sentence for another pod."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from plugin.mps.launcher import Sight

Json = dict[str, Any]

_LONGEST_MESSAGE_CHARACTERS: Final = 400
_ENDED: Final = ("Failed", "Succeeded")


def sight_of(pod: Json | None, name: str, arguments: Sequence[str]) -> Sight:
    """Return how a daemon is whose Pod is *name*.

    Args:
        pod: The Pod as the API server has it; None if there is none.
        name: Namespace and name, for the sentence.
        arguments: What the daemon's program has to be started with.
    """
    if pod is None:
        return Sight(present=False, alive=False, sentence=f"There is no Pod {name} (any more).")
    status: Json = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return Sight(present=True, alive=False, sentence=f"Pod {name} is being deleted.")
    if [one.get("args") for one in pod["spec"]["containers"]] != [[*arguments]]:
        sentence = f"Pod {name} was made for other settings."
        return Sight(present=True, alive=False, sentence=sentence)
    phase = status.get("phase", "Pending")
    reasons = "; ".join(dict.fromkeys(_reasons(status)))
    if phase in _ENDED:
        # The kubelet refused or evicted it; such a Pod is never started again.
        told = reasons or "the kubelet gives no reason"
        return Sight(present=True, alive=False, sentence=f"Pod {name} has ended: {told}.")
    told = reasons or (
        "it runs, and has not become ready"
        if phase == "Running"
        else "the kubelet has not started it yet"
    )
    return Sight(present=True, alive=True, sentence=f"Pod {name} is {phase}: {told}.")


def _reasons(status: Json) -> Iterator[str]:
    """Yield what keeps the Pod from running, the most telling first."""
    for container in status.get("containerStatuses") or ():
        now: Json = container.get("state") or {}
        before: Json = container.get("lastState") or {}
        for one in (now.get("terminated"), before.get("terminated")):
            if one:
                yield _told(f"{one.get('reason', 'ended')} {one.get('exitCode', '')}".strip(), one)
        if waiting := now.get("waiting"):
            yield _told(waiting.get("reason", "waiting"), waiting)
    if status.get("reason") or status.get("message"):
        yield _told(status.get("reason", ""), status)
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield _told(condition.get("reason", ""), condition)


def _told(reason: str, of: Json) -> str:
    message = " ".join(str(of.get("message") or "").split())[-_LONGEST_MESSAGE_CHARACTERS:]
    return f"{reason} ({message.rstrip('.')})" if message else reason
