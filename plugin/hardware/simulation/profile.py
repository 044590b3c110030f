"""A profile: which GPUs a simulated machine has; one that could not exist is refused."""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dra_config import manifests
from plugin.hardware.host_trees import pci_address
from plugin.hardware.simulation import partitioning, products
from plugin.hardware.simulation.partitioning import CutDevice, GpuInstancePlan
from plugin.hardware.simulation.products import Product

_M = TypeVar("_M", bound=BaseModel)

_STRICT: Final = ConfigDict(extra="forbid", frozen=True)

MOST_GPUS: Final = 32
"""More than any machine is built with."""

_NAMESPACE: Final = uuid.UUID("6f0f0f35-6f3c-5d0e-9c53-5f6e4e1f2c11")
"""Makes UUIDs of simulated devices differ from all others."""


_CUDA: Final[Mapping[str, str]] = {
    "525": "12.0",
    "535": "12.2",
    "550": "12.4",
    "560": "12.6",
    "570": "12.8",
    "580": "13.0",
    "595": "13.2",
}
"""The newest CUDA version of each branch of the driver; those that are not listed may be any."""


class InvalidProfile(ValueError):  # noqa: N818 - named like InvalidConfig
    """The profile describes a machine that could not exist; the message lists every reason."""


class MigPlan(BaseModel):
    """How an administrator left a GPU."""

    model_config = _STRICT

    enabled: bool
    enabled_after_reset: bool | None = None
    """Only where a change waits for a reset; None is as `enabled`."""
    instances: tuple[GpuInstancePlan, ...] = ()


class GpuPlan(BaseModel):
    """One GPU and where it sits."""

    model_config = _STRICT

    product: str
    """Name of a file in the folder of products, without its suffix."""
    pci: str
    pcie_root: Annotated[str, Field(pattern=r"^pci[0-9a-f]{4}:[0-9a-f]{2}$")]
    numa: Annotated[int, Field(ge=0, lt=256)] | None = None
    minor: Annotated[int, Field(ge=0, le=253)] | None = None
    """None is the position in the list."""
    mig: MigPlan | None = None
    broken: Literal["lost", "unreadable"] | None = None
    """What is wrong with it from the start."""


class MachinePlan(BaseModel):
    """A profile as it is written."""

    model_config = _STRICT

    driver: Annotated[str, Field(pattern=r"^[0-9]{3}\.[0-9]{2,3}(\.[0-9]{2})?$")]
    cuda: Annotated[str, Field(pattern=r"^[0-9]{2}\.[0-9]$")]
    gpus: Annotated[tuple[GpuPlan, ...], Field(max_length=MOST_GPUS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedGpu:
    """One GPU that could exist."""

    uuid: str
    minor: int
    pci_address: str
    pcie_root: str
    numa_node: int | None
    product: Product
    mig_enabled: bool
    mig_enabled_after_reset: bool
    mig_devices: tuple[CutDevice, ...]
    broken: Literal["lost", "unreadable"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedMachine:
    """A machine that could exist."""

    driver_version: str
    cuda_version: tuple[int, int]
    gpus: tuple[SimulatedGpu, ...]
    """In order of PCI address, which is the driver's."""


def read_machine(path: Path, *, products_folder: Path, seed: str) -> SimulatedMachine:
    """Return the machine of a profile.

    Args:
        path: The profile, in YAML or JSON.
        products_folder: The folder of products that it names.
        seed: What makes the UUIDs differ from those of other machines, such as the node's name.
            The same profile and seed always give the same UUIDs.

    Raises:
        InvalidProfile: The profile cannot be read, or describes what could not exist.
    """
    plan = _read(path, MachinePlan)
    catalogue = {
        name: _read_product(products_folder, name)
        for name in sorted({gpu.product for gpu in plan.gpus})
    }
    reasons = list(_reasons(plan, catalogue))
    if reasons:
        raise _refusal(path, reasons)
    gpus = [_built(index, gpu, catalogue, seed) for index, gpu in enumerate(plan.gpus)]
    major, _, minor = plan.cuda.partition(".")
    return SimulatedMachine(
        driver_version=plan.driver,
        cuda_version=(int(major), int(minor)),
        gpus=tuple(sorted(gpus, key=lambda gpu: gpu.pci_address)),
    )


def recut(
    gpu: SimulatedGpu, *, enabled: bool, instances: tuple[GpuInstancePlan, ...]
) -> SimulatedGpu:
    """Return *gpu* as an administrator leaves it who changes its MIG mode and devices.

    Raises:
        InvalidProfile: The product cannot be cut like this.
    """
    plan = MigPlan(enabled=enabled, instances=instances)
    reasons = list(_mig_reasons(gpu.product, plan))
    if reasons:
        raise InvalidProfile(" ".join(reasons))
    return replace(
        gpu,
        mig_enabled=enabled,
        mig_enabled_after_reset=enabled,
        mig_devices=_cut(gpu.product, plan, gpu.uuid),
    )


def _built(index: int, plan: GpuPlan, catalogue: Mapping[str, Product], seed: str) -> SimulatedGpu:
    address = pci_address(plan.pci)
    # The board keeps its UUID when others are added or its minor changes.
    own = f"GPU-{uuid.uuid5(_NAMESPACE, f'{seed}/{address}')}"
    product = catalogue[plan.product]
    mig = plan.mig or MigPlan(enabled=False)
    later = mig.enabled_after_reset
    return SimulatedGpu(
        uuid=own,
        minor=index if plan.minor is None else plan.minor,
        pci_address=address,
        pcie_root=plan.pcie_root,
        numa_node=plan.numa,
        product=product,
        mig_enabled=mig.enabled,
        mig_enabled_after_reset=mig.enabled if later is None else later,
        mig_devices=_cut(product, mig, own),
        broken=plan.broken,
    )


def _cut(product: Product, plan: MigPlan, gpu_uuid: str) -> tuple[CutDevice, ...]:
    if product.mig is None:
        return ()
    return partitioning.cut(
        product.mig,
        plan.instances,
        name=lambda place: f"MIG-{uuid.uuid5(_NAMESPACE, f'{gpu_uuid}/{place}')}",
    )


def _reasons(plan: MachinePlan, catalogue: Mapping[str, Product]) -> Iterator[str]:
    """Yield why the machine could not exist."""
    served = _CUDA.get(plan.driver.partition(".")[0])
    if served not in {None, plan.cuda}:
        yield f"driver {plan.driver} serves CUDA {served}, not {plan.cuda}."
    places: Counter[str] = Counter()
    minors: Counter[int] = Counter()
    for index, gpu in enumerate(plan.gpus):
        product = catalogue[gpu.product]
        for reason in _gpu_reasons(plan.driver, gpu, product):
            yield f"gpus[{index}]: {reason}"
        places[gpu.pci.lower()] += 1
        minors[index if gpu.minor is None else gpu.minor] += 1
    yield from (f"{n} GPUs sit at {place}." for place, n in places.items() if n > 1)
    yield from (f"{n} GPUs have the minor {minor}." for minor, n in minors.items() if n > 1)


def _gpu_reasons(driver: str, gpu: GpuPlan, product: Product) -> Iterator[str]:
    """Yield why one GPU could not exist, whatever else is in the machine."""
    if products.version_key(driver) < products.version_key(product.first_driver):
        yield (
            f"driver {driver} does not know the {product.name}, which needs "
            f"{product.first_driver} or newer."
        )
    try:
        domain = pci_address(gpu.pci).partition(":")[0]
    except ValueError as error:
        yield str(error)
    else:
        if not gpu.pcie_root.startswith(f"pci{domain}:"):
            yield f"{gpu.pcie_root} is in another PCI domain than {gpu.pci}."
    if gpu.mig is not None:
        yield from _mig_reasons(product, gpu.mig)


def _mig_reasons(product: Product, plan: MigPlan) -> Iterator[str]:
    """Yield why the product could not be cut like this."""
    later = plan.enabled_after_reset
    if product.mig is None:
        if plan.enabled or later or plan.instances:
            yield f"the {product.name} has no MIG."
        return
    if later not in {None, plan.enabled} and not product.mig.mode_needs_reset:
        yield f"on the {product.name} a change of the MIG mode does not wait for a reset."
    if plan.instances and not plan.enabled:
        yield "there are MIG devices, but the MIG mode is off."
        return
    if plan.enabled and not product.mig.profiles:
        yield f"nobody has published how the {product.name} is cut, so its MIG mode stays off."
        return
    yield from partitioning.reasons(product.mig, plan.instances)


def _read_product(folder: Path, name: str) -> Product:
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        message = f"There is no product '{name}'; known are {known}."
        raise InvalidProfile(message)
    product = _read(path, Product)
    reasons = products.faults(product)
    if reasons:
        raise _refusal(path, reasons)
    return product


def _read(path: Path, model: type[_M]) -> _M:
    try:
        text = path.read_bytes()
    except OSError as error:
        message = f"'{path}' cannot be read: {error}"
        raise InvalidProfile(message) from error
    found = manifests.read(text)
    if len(found) != 1 or isinstance(found[0], manifests.Unreadable):
        told = [item.message for item in found if isinstance(item, manifests.Unreadable)]
        raise _refusal(path, told or [f"it holds {len(found)} documents instead of one."])
    try:
        return model.model_validate_json(manifests.to_json(found[0].root))
    except ValidationError as error:
        told = [
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}."
            for fault in error.errors()
        ]
        raise _refusal(path, told) from error


def _refusal(path: Path, reasons: list[str]) -> InvalidProfile:
    return InvalidProfile(f"'{path.name}' is no machine: {' '.join(reasons)}")
