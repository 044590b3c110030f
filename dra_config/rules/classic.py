"""Classic DRA: the claim to write instead of one that Kubernetes no longer takes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from dra_config import legacy, scheme
from dra_config.rules.current_version import metadata_to_write, object_to_write
from dra_config.rules.trees import Tree, as_list, as_object, as_text, group_and_version, inside
from dra_config.v1beta1 import API_VERSION

PARAMETER_KINDS: Final = frozenset({"GpuClaimParameters", "MigDeviceClaimParameters"})
"""The kinds that a classic claim referred to."""

PARAMETER_GROUP: Final = "gpu.resource.nvidia.com"
"""The group of these kinds."""

FIELDS: Final = ("resourceClassName", "parametersRef", "parameters")
"""The fields of a claim's spec that only classic DRA knew, in the order they are looked for."""

Neighbours: TypeAlias = Mapping[tuple[str, str, str], Tree]
"""Classic parameters that stand in the same file, by kind, namespace (may be empty) and name."""

_MIG_KINDS: Final = frozenset({"MigDeviceClaimParameters", "MigDeviceConfig"})
_CLASSES: Final = {"nvidia.com/gpu": "gpu.nvidia.com"}
_CLASS_OF_CONFIG: Final = {
    "MigDeviceConfig": "mig.nvidia.com",
    "VfioDeviceConfig": "vfio.gpu.nvidia.com",
    "ComputeDomainChannelConfig": "compute-domain-default-channel.nvidia.com",
    "ComputeDomainDaemonConfig": "compute-domain-daemon.nvidia.com",
}
_NAMES: Final = ("partitionIDs", "partitionIds")


def claim_spec(tree: Tree) -> dict[str, Any]:
    """Return the spec of a claim, or the one inside a template."""
    return as_object(inside(tree, *spec_path(as_text(tree.get("kind")))))


def spec_path(kind: str) -> tuple[str, ...]:
    """Return where the spec of the claim stands in an object of *kind*."""
    return ("spec", "spec") if kind == "ResourceClaimTemplate" else ("spec",)


def claim_to_write(tree: Tree, neighbours: Neighbours) -> str:
    """Return the YAML to write instead of *tree*, a classic claim or template.

    Where the claim cannot be meant as it stands, there is one document for each way out.

    Args:
        tree: The claim or template.
        neighbours: The parameters in the same file, for the claim to refer to.
    """
    spec = claim_spec(tree)
    class_name = as_text(spec.get("resourceClassName"))
    class_name = _CLASSES.get(class_name, class_name) or scheme.GPU_DRIVER
    inline, reference = as_object(spec.get("parameters")), as_object(spec.get("parametersRef"))
    if as_text(inline.get("kind")) in PARAMETER_KINDS:
        drafts = [_from_parameters(inline)]
    elif inline:
        drafts = list(_from_config(inline, class_name))
    elif as_text(reference.get("kind")) in PARAMETER_KINDS:
        kind, name = as_text(reference["kind"]), as_text(reference.get("name"))
        namespace = as_text(inside(tree, "metadata", "namespace"))
        found = neighbours.get((kind, namespace, name))
        drafts = [_from_parameters(found) if found else _from_elsewhere(kind, name)]
    else:
        drafts = [_Draft(_devices(class_name))]
    return "---\n".join(_text(tree, draft) for draft in drafts)


def claim_for_parameters(tree: Tree) -> str:
    """Return the YAML of a claim that asks for what the classic parameters *tree* describe."""
    return _text({**tree, "kind": "ResourceClaim"}, _from_parameters(tree))


class _Draft:
    """One claim to write: its devices, and comments to stand above it."""

    def __init__(self, devices: dict[str, Any], *comments: str) -> None:
        self.devices = devices
        self.comments = comments


def _text(tree: Tree, draft: _Draft) -> str:
    kind = as_text(tree["kind"])
    spec: dict[str, Any] = {"devices": draft.devices}
    if kind == "ResourceClaimTemplate":
        inner = as_object(inside(tree, "spec", "metadata"))
        spec = {**({"metadata": inner} if inner else {}), "spec": spec}
    # It takes long to import, and there is seldom anything to write.
    from dra_config.rules.yaml_text import render  # noqa: PLC0415

    comments = "".join(f"# {comment}\n" for comment in draft.comments)
    return comments + render(object_to_write(kind, metadata_to_write(tree), spec))


def _devices(
    class_name: str,
    *,
    count: object = None,
    selector: str = "",
    config: Tree | None = None,
    driver: str = scheme.GPU_DRIVER,
    same_gpu: bool = False,
) -> dict[str, Any]:
    """Return ``spec.devices`` with one request, and what hangs on it."""
    name = "mig" if class_name == "mig.nvidia.com" else "gpu"
    exactly: dict[str, Any] = {"deviceClassName": class_name}
    if selector:
        exactly["selectors"] = [{"cel": {"expression": selector}}]
    if type(count) is int and count > 1:
        name = f"{name}s"
        exactly["count"] = count
    devices: dict[str, Any] = {"requests": [{"name": name, "exactly": exactly}]}
    if same_gpu:
        constraint = {"requests": [name], "matchAttribute": "gpu.nvidia.com/parentUUID"}
        devices["constraints"] = [constraint]
    if config:
        opaque = {"driver": driver, "parameters": dict(config)}
        devices["config"] = [{"requests": [name], "opaque": opaque}]
    return devices


def _from_elsewhere(kind: str, name: str) -> _Draft:
    comment = f"{kind} {name} is not in this file:" if name.isprintable() else f"From {kind}:"
    if kind in _MIG_KINDS:
        rest = "its profile becomes a CEL selector, its sharing a config with MigDeviceConfig."
        return _Draft(_devices("mig.nvidia.com"), comment, rest)
    rest = "its count becomes exactly.count, its selector CEL, its sharing a GpuConfig."
    return _Draft(_devices(scheme.GPU_DRIVER), comment, rest)


def _from_parameters(parameters: Tree) -> _Draft:
    """Return the claim for GpuClaimParameters or MigDeviceClaimParameters."""
    # Inline, as in no version of Kubernetes, people leave the spec around the fields out.
    spec = as_object(parameters.get("spec")) or dict(parameters)
    sharing = _sharing(spec.get("sharing"))
    if as_text(parameters.get("kind")) in _MIG_KINDS:
        return _from_mig_parameters(spec, sharing)
    config = {"apiVersion": API_VERSION, "kind": "GpuConfig", "sharing": sharing}
    from dra_config.rules.classic_selectors import expression  # noqa: PLC0415 - as above

    selector, lost = expression(spec.get("selector"))
    devices = _devices(
        scheme.GPU_DRIVER,
        count=spec.get("count"),
        selector=selector,
        config=config if sharing else None,
    )
    return _Draft(devices, *(f"No attribute selects by {name} any more." for name in lost))


def _from_mig_parameters(spec: Tree, sharing: Tree) -> _Draft:
    config = {"apiVersion": API_VERSION, "kind": "MigDeviceConfig", "sharing": sharing}
    profile = as_text(spec.get("profile"))
    attribute = 'device.attributes["gpu.nvidia.com"].profile'
    same_gpu = bool(spec.get("gpuClaimName"))
    devices = _devices(
        "mig.nvidia.com",
        selector=f"{attribute} == {json.dumps(profile)}" if profile else "",
        config=config if sharing else None,
        same_gpu=same_gpu,
    )
    if same_gpu:
        return _Draft(devices, "Ask here for every MIG device that is to lie on the same GPU.")
    return _Draft(devices)


def _sharing(given: object) -> dict[str, Any]:
    """Return classic sharing settings with the names that the fields have today."""
    sharing = as_object(given)
    slices = as_object(sharing.get("timeSlicingConfig"))
    if "timeSlice" in slices:
        slices["interval"] = slices.pop("timeSlice")
        sharing["timeSlicingConfig"] = slices
    return sharing


def _from_config(inline: dict[str, Any], class_name: str) -> Iterator[_Draft]:
    """Yield the claim for parameters written into a claim, or one for each way to mean them."""
    group, _ = group_and_version(inline)
    kind = as_text(inline.get("kind"))
    kind = legacy.RENAMED_KINDS.get(kind, kind)
    drivers = [driver.name for driver in scheme.DRIVERS.values() if kind in driver.kinds]
    groups = {version.rpartition("/")[0] for version in scheme.API_VERSIONS}
    if not drivers or group not in groups:
        yield _Draft(_devices(class_name, config=inline, driver=class_name))
        return
    class_name = _CLASS_OF_CONFIG.get(kind, class_name)
    config = {**inline, "apiVersion": API_VERSION, "kind": kind}
    entries = as_list(inline.get("sharing"))
    if len(entries) == 1:
        config["sharing"] = entries[0]
    fabric = as_object(inline.get("fabricTopologyConfig"))
    size = fabric.get("partitionSize")
    names = next((fabric[name] for name in _NAMES if as_list(fabric.get(name))), None)
    if names is None or (fabric.get("strategy") or "Auto") != "Auto":
        yield _Draft(_devices(class_name, count=size, config=config, driver=drivers[0]))
        return
    rest = {key: fabric[key] for key in fabric if key not in (*_NAMES, "partitionSize")}
    sized = {} if size is None else {"partitionSize": size}
    ways = {
        "Either: the partition is chosen by its size.": {**rest, "strategy": "Auto", **sized},
        "Or: the partition is chosen by its name, and the name decides the size.": {
            **rest,
            "strategy": "Manual",
            "partitionIDs": names,
        },
    }
    for comment, way in ways.items():
        chosen = {**config, "fabricTopologyConfig": way}
        devices = _devices(class_name, count=size, config=chosen, driver=drivers[0])
        yield _Draft(devices, comment)
