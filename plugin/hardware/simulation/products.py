"""Which GPUs can be simulated, and how each may be cut into MIG devices."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from plugin.hardware import names

MEMORY_SLICES: Final = 8
COMPUTE_SLICES: Final = 7

_STRICT: Final = ConfigDict(extra="forbid", frozen=True)

Cut = Literal["1g", "1g+me", "1g-double", "2g", "3g", "4g", "7g"]
"""The shape of a MIG profile, without figures that differ between products."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a cut is on every product with eight memory slices and seven compute slices."""

    number: int
    """NVML's index."""
    id: int
    """What nvidia-smi prints."""
    compute_slices: int
    memory_slices: int
    starts: tuple[int, ...]
    """The memory slices where it may begin."""
    most: int
    """How many fit on one GPU."""


SHAPES: Final[Mapping[Cut, Shape]] = {
    "1g": Shape(
        number=0, id=19, compute_slices=1, memory_slices=1, starts=tuple(range(7)), most=7
    ),
    "1g+me": Shape(
        number=7, id=20, compute_slices=1, memory_slices=1, starts=tuple(range(7)), most=1
    ),
    "1g-double": Shape(
        number=9, id=15, compute_slices=1, memory_slices=2, starts=(0, 2, 4, 6), most=4
    ),
    "2g": Shape(number=1, id=14, compute_slices=2, memory_slices=2, starts=(0, 2, 4), most=3),
    "3g": Shape(number=2, id=9, compute_slices=3, memory_slices=4, starts=(0, 4), most=2),
    "4g": Shape(number=3, id=5, compute_slices=4, memory_slices=4, starts=(0,), most=1),
    "7g": Shape(number=4, id=0, compute_slices=7, memory_slices=8, starts=(0,), most=1),
}


class MigProfile(BaseModel):
    """One way to cut a product."""

    model_config = _STRICT

    cut: Cut
    name: str
    memory_mebibytes: PositiveInt
    multiprocessors: PositiveInt
    copy_engines: PositiveInt
    decoders: Annotated[int, Field(ge=0)] = 0
    encoders: Annotated[int, Field(ge=0)] = 0
    jpeg_engines: Annotated[int, Field(ge=0)] = 0
    ofa_engines: Annotated[int, Field(ge=0)] = 0

    @property
    def shape(self) -> Shape:
        """Return where and how often it fits."""
        return SHAPES[self.cut]


class MigSupport(BaseModel):
    """How a product is cut."""

    model_config = _STRICT

    mode_needs_reset: bool
    """Before Hopper, a change of the MIG mode waits for a reset of the GPU."""
    instance_ids_swapped: bool = False
    """GPU instance ids name spans; which end they count from differs between boards."""
    profiles: tuple[MigProfile, ...] = ()
    """Empty where nobody has published the figures: such a GPU has no MIG devices here."""


class Product(BaseModel):
    """One GPU that can be bought."""

    model_config = _STRICT

    name: str
    pci_device_id: Annotated[str, Field(pattern=r"^0x[0-9a-f]{4}$")]
    pci_class: Literal["0x030000", "0x030200"] = "0x030200"
    brand: str
    architecture: str
    compute_capability: Annotated[str, Field(pattern=r"^[1-9][0-9]?\.[0-9]$")]
    memory_bytes: PositiveInt
    addressing_mode: Literal["HMM", "ATS", "None"] | None = None
    first_driver: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+){0,2}$")]
    time_slices: bool = True
    """Whether the driver can set time slices on it."""
    mig: MigSupport | None = None

    @property
    def capability(self) -> tuple[int, int]:
        """Return major and minor compute capability."""
        major, _, minor = self.compute_capability.partition(".")
        return int(major), int(minor)


_CAPABILITIES: Final[Mapping[str, frozenset[str]]] = {
    "Kepler": frozenset({"3.0", "3.5", "3.7"}),
    "Maxwell": frozenset({"5.0", "5.2", "5.3"}),
    "Pascal": frozenset({"6.0", "6.1", "6.2"}),
    "Volta": frozenset({"7.0", "7.2"}),
    "Turing": frozenset({"7.5"}),
    "Ampere": frozenset({"8.0", "8.6", "8.7"}),
    "Ada Lovelace": frozenset({"8.9"}),
    "Hopper": frozenset({"9.0"}),
    "Blackwell": frozenset({"10.0", "10.3", "12.0", "12.1"}),
}
"""Which compute capabilities an architecture has; of one that is not listed nobody knows."""

_MIG_ARCHITECTURES: Final = frozenset({"Ampere", "Hopper", "Blackwell"})


def faults(product: Product) -> list[str]:
    """Return sentences on what cannot be true of a product."""
    found: list[str] = []
    if product.brand not in names.BRANDS.values():
        found.append(f"'{product.brand}' is no brand that the driver reports.")
    known = {*names.ARCHITECTURES.values(), names.UNKNOWN}
    if product.architecture not in known:
        found.append(f"'{product.architecture}' is no architecture that the driver reports.")
    capabilities = _CAPABILITIES.get(product.architecture)
    if capabilities is not None and product.compute_capability not in capabilities:
        found.append(
            f"A GPU of {product.architecture} has no compute capability "
            f"{product.compute_capability}, but one of {', '.join(sorted(capabilities))}."
        )
    if product.mig is not None:
        found += _mig_faults(product, product.mig)
    return found


def _mig_faults(product: Product, mig: MigSupport) -> list[str]:
    found: list[str] = []
    if product.architecture not in _MIG_ARCHITECTURES:
        found.append(f"A GPU of {product.architecture} has no MIG.")
    if mig.mode_needs_reset != (product.architecture == "Ampere"):
        found.append("A change of the MIG mode needs a reset on Ampere, and only there.")
    cuts = [profile.cut for profile in mig.profiles]
    if len(set(cuts)) != len(cuts):
        found.append("A MIG profile is listed twice.")
    for profile in mig.profiles:
        shape = profile.shape
        expected = names.mig_profile(
            number=shape.number,
            slices=shape.compute_slices,
            memory_bytes=profile.memory_mebibytes * 2**20,
            total_bytes=product.memory_bytes,
        )
        if profile.name != expected:
            found.append(
                f"With {profile.memory_mebibytes} MiB of this GPU, MIG profile {profile.cut} is "
                f"called {expected}, not {profile.name}."
            )
    return found


def version_key(version: str) -> tuple[int, ...]:
    """Return a driver's version as numbers that compare as versions do."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
