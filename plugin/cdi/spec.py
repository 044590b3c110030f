"""A CDI file as values, and as the bytes that a container runtime reads."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from plugin.durable_files import safe_name
from plugin.hardware.device_nodes import DeviceNode

VENDOR: Final = "k8s.gpu.nvidia.com"
CLASS: Final = "claim"
KIND: Final = f"{VENDOR}/{CLASS}"

_WITH_ANNOTATIONS: Final = "0.6.0"
_WITH_GROUPS: Final = "0.7.0"
_ESCAPED: Final = re.compile("[\x7f-\uffff]")
_ACCESS: Final = "rw"
"""Not `m`: a container has no reason to make device nodes of its own."""
_OTHERS_READ_AND_WRITE: Final = 0o006


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file or folder of the host that appears in the container."""

    host_path: PurePosixPath
    container_path: PurePosixPath
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A program that the runtime starts while it creates the container, before its own runs."""

    path: PurePosixPath
    arguments: tuple[str, ...]
    """Without the name of the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What changes in a container."""

    environment: tuple[tuple[str, str], ...] = ()
    nodes: tuple[DeviceNode, ...] = ()
    mounts: tuple[Mount, ...] = ()
    hooks: tuple[Hook, ...] = ()

    @property
    def groups(self) -> tuple[int, ...]:
        """Return the groups that the container needs to open its nodes, in order."""
        return tuple(
            sorted(
                {
                    node.gid
                    for node in self.nodes
                    if node.gid and node.mode & _OTHERS_READ_AND_WRITE != _OTHERS_READ_AND_WRITE
                }
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What a container gets that uses one device of the claim."""

    name: str
    edits: Edits


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One CDI file: the devices of one claim."""

    annotations: tuple[tuple[str, str], ...]
    """In order of keys; they are the file's own and do not appear in containers."""
    devices: tuple[Device, ...]
    edits: Edits
    """What every container gets that uses any device of the claim."""

    @property
    def version(self) -> str:
        """Return the oldest version of CDI that knows all that the file holds."""
        grouped = any(one.groups for one in (self.edits, *(dev.edits for dev in self.devices)))
        if grouped:
            return _WITH_GROUPS
        return _WITH_ANNOTATIONS


def device_name(uid: str, device: str, share_id: str | None) -> str:
    """Return what a device of a claim is called in its CDI file.

    Args:
        uid: The claim's UID.
        device: The published name of the device.
        share_id: Which share of it, so that a claim may have two; None for the whole.

    Raises:
        UnsafeNameError: The UID is none.
    """
    parts = [safe_name(uid), device, *([] if share_id is None else [share_id])]
    return "-".join(parts)


def qualified(name: str) -> str:
    """Return the id by which the kubelet hands a device to the runtime."""
    return f"{KIND}={name}"


def encode(spec: Spec) -> bytes:
    """Return the bytes of a CDI file; equal specs give equal bytes."""
    whole: dict[str, Any] = {
        "cdiVersion": spec.version,
        "kind": KIND,
        "annotations": dict(spec.annotations),
        "devices": [
            {"name": device.name, "containerEdits": _edits(device.edits)}
            for device in spec.devices
        ],
        "containerEdits": _edits(spec.edits),
    }
    # Runtimes read the file as YAML, which knows no pairs of escapes for what lies beyond U+FFFF,
    # and takes some characters only escaped.
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", _text(whole)).encode()


def _text(whole: dict[str, Any]) -> str:
    """Return JSON with a line for each field and each device.

    The standard library's own lines would take longer than all else that makes the file.
    """
    fields = {name: _line(value) for name, value in whole.items()}
    fields["devices"] = "[\n  " + ",\n  ".join(map(_line, whole["devices"])) + "\n ]"
    return "{\n " + ",\n ".join(f'"{name}": {text}' for name, text in fields.items()) + "\n}\n"


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _edits(edits: Edits) -> dict[str, Any]:
    """Return edits as CDI writes them, without what is empty."""
    found: dict[str, Any] = {
        "env": [f"{name}={value}" for name, value in edits.environment],
        "deviceNodes": [_node(node) for node in edits.nodes],
        "mounts": [
            {
                "hostPath": str(mount.host_path),
                "containerPath": str(mount.container_path),
                "options": list(mount.options),
            }
            for mount in edits.mounts
        ],
        "hooks": [
            {
                "hookName": "createContainer",
                "path": str(hook.path),
                "args": [hook.path.name, *hook.arguments],
            }
            for hook in edits.hooks
        ],
        "additionalGids": list(edits.groups),
    }
    return {name: value for name, value in found.items() if value}


def _node(node: DeviceNode) -> dict[str, Any]:
    # With type and numbers the runtime makes the node, and asks for no path on the host.
    return {
        "path": node.path,
        "type": "c",
        "major": node.major,
        "minor": node.minor,
        "fileMode": node.mode,
        "permissions": _ACCESS,
        **({"gid": node.gid} if node.gid else {}),
    }


def unique(items: Iterable[DeviceNode]) -> tuple[DeviceNode, ...]:
    """Return device nodes once each, in the order given."""
    return tuple({node.path: node for node in reversed([*items])}.values())[::-1]
