"""Cuts a GPU into MIG devices as its product allows, and says why another cut is impossible."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from plugin.hardware.simulation.products import (
    COMPUTE_SLICES,
    MEMORY_SLICES,
    MigProfile,
    MigSupport,
)

_MOST_SLICES_OF_A_PART = 7


class GpuInstancePlan(BaseModel):
    """One GPU instance as a profile writes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str
    """Name of one of the product's MIG profiles."""
    start: Annotated[int, Field(ge=0, lt=MEMORY_SLICES)]
    compute: tuple[Annotated[int, Field(ge=1, le=_MOST_SLICES_OF_A_PART)], ...] | None = None
    """Compute slices of each compute instance; None is one that fills the GPU instance.

    An empty list is a GPU instance without compute instance, which no MIG device shows.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class CutDevice:
    """One MIG device that exists."""

    uuid: str
    profile: MigProfile
    start: int
    gpu_instance_id: int
    compute_instance_id: int
    compute_slices: int
    multiprocessors: int

    @property
    def fills_gpu_instance(self) -> bool:
        """Say whether its compute instance is all of its GPU instance."""
        return self.compute_slices == self.profile.shape.compute_slices

    @property
    def name(self) -> str:
        """Return the profile's name as the driver prints it."""
        part = "" if self.fills_gpu_instance else f"{self.compute_slices}c."
        return f"{part}{self.profile.name}"


def cut(
    mig: MigSupport, plans: Sequence[GpuInstancePlan], *, name: Callable[[str], str]
) -> tuple[CutDevice, ...]:
    """Return the MIG devices of a plan that has no `reasons` against it.

    Args:
        mig: How the product is cut.
        plans: The GPU instances.
        name: Returns a UUID for a place on the GPU.
    """
    by_name = {profile.name: profile for profile in mig.profiles}
    one_slice = min((profile.multiprocessors for profile in mig.profiles), default=0)
    found: list[CutDevice] = []
    for plan in sorted(plans, key=lambda plan: plan.start):
        profile = by_name[plan.profile]
        whole = profile.shape.compute_slices
        for index, slices in enumerate((whole,) if plan.compute is None else plan.compute):
            found.append(
                CutDevice(
                    uuid=name(f"{profile.name}/{plan.start}/{index}/{slices}"),
                    profile=profile,
                    start=plan.start,
                    gpu_instance_id=_instance_id(mig, profile, plan.start),
                    compute_instance_id=index,
                    compute_slices=slices,
                    multiprocessors=(
                        profile.multiprocessors if slices == whole else one_slice * slices
                    ),
                )
            )
    return tuple(found)


def reasons(mig: MigSupport, plans: Sequence[GpuInstancePlan]) -> Iterator[str]:
    """Yield sentences on why the GPU instances cannot exist beside each other."""
    by_name = {profile.name: profile for profile in mig.profiles}
    taken: set[int] = set()
    counts: Counter[str] = Counter()
    compute = 0
    for plan in plans:
        profile = by_name.get(plan.profile)
        if profile is None:
            yield f"'{plan.profile}' is no MIG profile here; there are {', '.join(by_name)}."
            continue
        shape = profile.shape
        counts[profile.name] += 1
        compute += shape.compute_slices
        if plan.start not in shape.starts:
            places = ", ".join(map(str, shape.starts))
            yield f"{profile.name} cannot begin at memory slice {plan.start}, but at {places}."
        wanted = set(range(plan.start, plan.start + shape.memory_slices))
        if taken & wanted:
            yield f"{profile.name} at {plan.start} overlaps another MIG device."
        taken |= wanted
        if plan.compute is not None and sum(plan.compute) > shape.compute_slices:
            yield (
                f"{profile.name} at {plan.start} has {shape.compute_slices} compute slices, "
                f"but its compute instances want {sum(plan.compute)}."
            )
    for name, count in counts.items():
        if count > by_name[name].shape.most:
            yield f"{count} devices of {name} do not fit; {by_name[name].shape.most} do."
    if compute > COMPUTE_SLICES:
        yield f"the devices want {compute} compute slices; a GPU has {COMPUTE_SLICES}."


def _instance_id(mig: MigSupport, profile: MigProfile, start: int) -> int:
    """Return the id of a GPU instance, which names the span of memory that it lies in.

    0 is the whole GPU, 1 and 2 are halves, 3 to 6 quarters, 7 to 14 eighths.
    """
    size = profile.shape.memory_slices
    spans = MEMORY_SLICES // size
    place = start // size
    if mig.instance_ids_swapped:
        place = (place + spans // 2) % spans
    return spans - 1 + place
