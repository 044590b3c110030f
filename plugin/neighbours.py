"""Who else hands out the GPUs of this node: a device plugin, or another driver of the same name.

Two that do so give one GPU to two pods. As long as it is not known that nobody else does, nothing
is offered; once that is known it is not asked again.
"""

from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Raw, Struct

from kube.client import path_of
from kube.errors import KubeError, UnreachableError

_RESOURCES: Final = ("nvidia.com/gpu", "nvidia.com/gpu.shared")
_MIG_RESOURCES: Final = "nvidia.com/mig-"
"""What the names of MIG devices begin with, where the device plugin tells them apart."""
_FOREIGN_CHECKPOINT: Final = "checkpoint.json"
_OVERRIDE: Final = "Or start this plugin with --ignore-neighbours=true, if they use other GPUs."


class Reader(Protocol):
    """The part of `kube.client.Client` that is needed."""

    def get_bytes(self, path: str) -> bytes:
        """Return the object at *path* as the server writes it."""
        ...


class _Status(Struct):
    capacity: dict[str, str | int] | None = None
    allocatable: dict[str, str | int] | None = None


class _Node(Struct):
    status: _Status | None = None


class _Claims(Struct, rename="camel"):
    prepared_claims: dict[str, Raw] | None = None
    node_boot_id: str = msgspec.field(name="nodeBootID", default="")


class _Checkpoint(Struct):
    """What the reference driver keeps: the same claims twice, for older versions of it."""

    v1: _Claims | None = None
    v2: _Claims | None = None


class Neighbours:
    """Looks for others; used from one thread.

    Attributes:
        known: Whether the API server answered the last look, be it with a refusal.
    """

    def __init__(self, client: Reader, *, node_name: str, folder: Path, boot_id: str) -> None:
        """Look at nothing yet.

        Args:
            client: The API server.
            node_name: The Node that this runs on.
            folder: The folder of the driver, which the reference driver uses, too.
            boot_id: The present boot of the machine.
        """
        self._client = client
        self._node_path = path_of("v1", "nodes", node_name)
        self._file = folder / _FOREIGN_CHECKPOINT
        self._boot_id = boot_id
        self._alone = False
        self.known = False

    def look(self) -> tuple[str, ...]:
        """Return sentences on who else is there, or may be; none if nobody is.

        After an answer of none nothing is asked any more, and the answer stays.
        """
        if self._alone:
            return ()
        looks = (self._device_plugin(), self._other_driver())
        found = tuple(sentence for sentence in looks if sentence is not None)
        self._alone = not found
        return found

    def _device_plugin(self) -> str | None:
        try:
            node = msgspec.json.decode(self._client.get_bytes(self._node_path), type=_Node)
        except (KubeError, msgspec.DecodeError, UnicodeDecodeError) as error:
            # Nothing could be published at this moment, but it could be at the next.
            self.known = not isinstance(error, UnreachableError)
            return f"It is not known whether a device plugin offers GPUs of this node: {error}"
        self.known = True
        status = node.status or _Status()
        offered = {
            name
            for amounts in (status.capacity or {}, status.allocatable or {})
            for name, amount in amounts.items()
            if (name in _RESOURCES or name.startswith(_MIG_RESOURCES)) and str(amount) != "0"
        }
        if not offered:
            return None
        return (
            f"A device plugin offers {', '.join(sorted(offered))} on this node, and would give "
            f"the same GPUs to other pods. Remove it from this node. {_OVERRIDE}"
        )

    def _other_driver(self) -> str | None:
        """Look into the file in which the reference driver keeps its claims."""
        try:
            found = msgspec.json.decode(self._file.read_bytes(), type=_Checkpoint)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return (
                f"Another driver left '{self._file}', which cannot be read ({error}), so it is "
                "not known which GPUs its pods use. Once they are gone, remove the file."
            )
        newest, oldest = found.v2 or _Claims(), found.v1 or _Claims()
        if newest.node_boot_id not in {"", self._boot_id}:
            # A reboot has ended whatever held them.
            return None
        uids = {*(newest.prepared_claims or ()), *(oldest.prepared_claims or ())}
        if not uids:
            return None
        return (
            f"Another driver has prepared {len(uids)} claims on this node, as '{self._file}' "
            "says. Delete their pods while it still runs, and then remove it. If it is gone "
            f"already, see that no pod uses a GPU, and remove the file. {_OVERRIDE}"
        )
