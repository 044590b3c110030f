"""DRA901, DRA902 and DRA903: objects written for a version of the API that goes or has gone."""

import json
from collections.abc import Iterator
from typing import Final

from dra_config.carriers import SERVED_VERSIONS
from dra_config.catalogue.structure import DRA901, DRA902, DRA903
from dra_config.rules import classic
from dra_config.rules.classic import Neighbours
from dra_config.rules.current_version import (
    API_VERSION,
    metadata_to_write,
    object_to_write,
    rewritten,
)
from dra_config.rules.trees import Tree, as_text, group_and_version
from dra_config.violations import Target, Violation
from dra_config.wire import shown

_CLASSIC_VERSIONS: Final = frozenset({"v1alpha1", "v1alpha2"})
_ENDS: Final = {"v1beta1": "1.38", "v1beta2": "1.39"}
_CLASSES_COME: Final = (
    "the classes gpu.nvidia.com and mig.nvidia.com come with the driver, and a claim of "
    f"{API_VERSION} names one in its request"
)


def _render(tree: Tree) -> str:
    # It takes long to import, and there is seldom anything to write.
    from dra_config.rules.yaml_text import render  # noqa: PLC0415

    return render(tree)


def classic_claim(tree: Tree, neighbours: Neighbours) -> Iterator[Violation]:
    """Judge DRA901 for a claim or template, with the claim to write as the suggestion."""
    kind = as_text(tree["kind"])
    spec = classic.claim_spec(tree)
    fields = [name for name in classic.FIELDS if spec.get(name) is not None]
    _, version = group_and_version(tree)
    if version not in _CLASSIC_VERSIONS and not fields:
        return
    if fields or "devices" not in spec:
        text = classic.claim_to_write(tree, neighbours)
    else:
        text = _render(rewritten(tree))
    what = "template" if kind == "ResourceClaimTemplate" else "claim"
    instead = f"no API server takes it any more; write the {what} for {API_VERSION}"
    if version in _CLASSIC_VERSIONS:
        message = f"{shown(tree['apiVersion'])} is classic DRA, and {instead}"
        yield Violation.of(DRA901, message, ("apiVersion",), suggestion=text)
    else:
        message = f"{fields[0]} belongs to classic DRA, and {instead}"
        path = (*classic.spec_path(kind), fields[0])
        yield Violation.of(DRA901, message, path, target=Target.KEY, suggestion=text)


def classic_class(tree: Tree, _neighbours: Neighbours) -> Iterator[Violation]:
    """Judge DRA901 for a ResourceClass, with the DeviceClass to write as the suggestion."""
    driver = as_text(tree.get("driverName"))
    driver = "gpu.nvidia.com" if driver == classic.PARAMETER_GROUP else driver
    text = ""
    if driver:
        selectors = [{"cel": {"expression": f"device.driver == {json.dumps(driver)}"}}]
        spec = {"selectors": selectors}
        text = _render(object_to_write("DeviceClass", metadata_to_write(tree), spec))
    message = (
        "ResourceClass belongs to classic DRA, and no API server takes it any more; write a "
        f"DeviceClass of {API_VERSION}"
    )
    yield Violation.of(DRA901, message, ("kind",), suggestion=text)


def classic_parameters(tree: Tree, _neighbours: Neighbours) -> Iterator[Violation]:
    """Judge DRA901 for parameters of a classic claim, with the claim to write instead."""
    kind = as_text(tree["kind"])
    gone = f"{kind} belongs to classic DRA, which Kubernetes no longer has"
    if kind in classic.PARAMETER_KINDS:
        message = f"{gone}; write what it asks for into the claim"
        text = classic.claim_for_parameters(tree)
        yield Violation.of(DRA901, message, ("kind",), suggestion=text)
    else:
        yield Violation.of(DRA901, f"{gone}; {_CLASSES_COME}", ("kind",))


def api_version_deprecated(tree: Tree, _neighbours: Neighbours) -> Iterator[Violation]:
    """Judge DRA902 for a claim, template or class."""
    _, version = group_and_version(tree)
    if version not in _ENDS:
        return
    details = ""
    if version == "v1beta1" and tree["kind"] != "DeviceClass":
        details = " with the details of each request under exactly"
    message = (
        f"{shown(tree['apiVersion'])} ends with Kubernetes {_ENDS[version]}; write "
        f"{API_VERSION}{details}"
    )
    yield Violation.of(DRA902, message, ("apiVersion",))


def api_version_not_served(tree: Tree, _neighbours: Neighbours) -> Iterator[Violation]:
    """Judge DRA903 for a claim, template or class, with the object to write as the suggestion."""
    _, version = group_and_version(tree)
    if version in SERVED_VERSIONS or (
        version in _CLASSIC_VERSIONS and tree["kind"] != "DeviceClass"
    ):
        return
    message = (
        f"there is no {as_text(tree['kind'])} in {shown(tree['apiVersion'])}; write {API_VERSION}"
    )
    text = _render(rewritten(tree))
    yield Violation.of(DRA903, message, ("apiVersion",), suggestion=text)
