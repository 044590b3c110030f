"""How a device is shared between the containers of a claim."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from dra_config import hub
from dra_config.catalogue.sharing import (
    DRA101,
    DRA103,
    DRA104,
    DRA105,
    DRA106,
    DRA108,
    DRA109,
    DRA123,
)
from dra_config.v1beta1.choices import Interval, OffIfAbsent, SharingStrategy
from dra_config.v1beta1.memory_limit import (
    DEVICE_KEY_PATTERN,
    NO_LIMITS,
    settle_device_limits,
    settle_limit,
)
from dra_config.violations import FieldPath, Target
from dra_config.wire import (
    DeviceLimitText,
    Elsewhere,
    Findings,
    Judged,
    QuantityText,
    Unit,
    WireModel,
    whole,
)

_AT: FieldPath = ("sharing",)
_STRATEGY_AT: FieldPath = (*_AT, "strategy")
_TIME_SLICING_AT: FieldPath = (*_AT, "timeSlicingConfig")
_MPS_AT: FieldPath = (*_AT, "mpsConfig")
_PERCENTAGE_AT: FieldPath = (*_MPS_AT, "defaultActiveThreadPercentage")
_LIMIT_AT: FieldPath = (*_MPS_AT, "defaultPinnedDeviceMemoryLimit")
_DEVICE_LIMITS_AT: FieldPath = (*_MPS_AT, "defaultPerDevicePinnedMemoryLimit")
_MULTI_USER_AT: FieldPath = (*_MPS_AT, "multiUser")
"""Sharing stands at one place in every kind, so its paths are not built while judging."""

_INTERVALS: Mapping[str | None, hub.TimeSlicing] = MappingProxyType(
    {
        None: hub.TimeSlicing(hub.TimeSliceInterval.DEFAULT),
        **{str(interval): hub.TimeSlicing(interval) for interval in hub.TimeSliceInterval},
    }
)


class TimeSlicingConfig(WireModel):
    """Settings of CUDA time-slicing."""

    interval: Interval | None = Field(default=None, examples=["Short"])
    """How long a process keeps the GPU before the next one runs; Default if absent. The lengths
    belong to the driver."""


class MpsConfig(WireModel):
    """Settings of the MPS control daemon."""

    default_active_thread_percentage: Annotated[
        int | None,
        Field(ge=0, le=100, examples=[50]),
        Judged(DRA108, "a percentage of threads from 0 to 100"),
        Unit("percent"),
    ] = None
    """Share of the GPU's threads that a client may use, in percent; the daemon's own default if
    absent."""
    default_pinned_device_memory_limit: Annotated[
        QuantityText | None, Field(examples=["8Gi"]), Unit("bytes")
    ] = None
    """Pinned device memory that a client may hold on each device, as a quantity of at least 1Mi;
    no limit if absent."""
    default_per_device_pinned_memory_limit: Annotated[
        dict[str, DeviceLimitText] | None,
        Field(
            examples=[{"0": "12Gi"}],
            json_schema_extra={"propertyNames": whole(DEVICE_KEY_PATTERN)},
        ),
        Unit("bytes"),
    ] = None
    """The same limit by device, which beats the common one. A key is an index into the claim's
    sorted device UUIDs, or a UUID."""

    multi_user: OffIfAbsent | None = Field(default=None, examples=[False])
    """Whether processes of several users may share the daemon; false if absent. A full GPU needs
    compute capability 7.0."""

    def to_hub(self, uuid_type: str, found: Findings) -> hub.Mps:
        """Return the settled settings of the daemon.

        Args:
            uuid_type: What a device's UUID starts with: ``GPU`` or ``MIG``.
            found: Where to note what is wrong.
        """
        percent = self.default_active_thread_percentage
        limit = self.default_pinned_device_memory_limit
        per_device = self.default_per_device_pinned_memory_limit
        if percent == 0:
            message = (
                "0 percent of the threads leaves clients nothing to run on; write 1 to 100, or "
                "leave it out"
            )
            found.add(DRA109, _PERCENTAGE_AT, message)
        limit_bytes = None if limit is None else settle_limit(limit, _LIMIT_AT, found)
        if per_device:
            limits = settle_device_limits(per_device, uuid_type, _DEVICE_LIMITS_AT, found)
        else:
            limits = NO_LIMITS
        if self.multi_user:
            message = (
                "with multiUser processes of different users share one privileged control daemon; "
                "leave it out unless they trust each other"
            )
            found.add(DRA123, _MULTI_USER_AT, message)
        return hub.Mps(percent, limit_bytes, limits, self.multi_user is True)

    def string_count(self) -> int:
        """Return how many strings the JSON of this object holds, keys included."""
        count = len(self.__pydantic_fields_set__)
        if self.default_pinned_device_memory_limit is not None:
            count += 1
        per_device = self.default_per_device_pinned_memory_limit
        if per_device:
            count += len(per_device) + sum(text is not None for text in per_device.values())
        return count


_DEFAULT_MPS = hub.Mps(None, None, NO_LIMITS, False)  # noqa: FBT003 - positional like the hot path above


def _only_under(strategy: str, own: str, other: str) -> dict[str, Any]:
    return {
        "if": {"properties": {"strategy": {"const": strategy}}, "required": ["strategy"]},
        "then": {"properties": {other: {"type": "null"}}},
        "$comment": f"{strategy} goes with {own} only",
    }


def _no_key_of(uuid_type: str) -> dict[str, Any]:
    limits = {"propertyNames": {"not": {"pattern": f"^{uuid_type}-"}}}
    mps = {"properties": {"defaultPerDevicePinnedMemoryLimit": limits}}
    return {
        "properties": {"mpsConfig": mps},
        "$comment": f"no device here has a UUID that starts with {uuid_type}-",
    }


class GpuSharing(WireModel):
    """How a full GPU is shared: one strategy with its own settings."""

    model_config = ConfigDict(
        json_schema_extra={
            "required": ["strategy"],
            "allOf": [
                _only_under("TimeSlicing", "timeSlicingConfig", "mpsConfig"),
                _only_under("MPS", "mpsConfig", "timeSlicingConfig"),
                _no_key_of("MIG"),
            ],
        }
    )

    strategy: SharingStrategy | None = Field(default=None, examples=["MPS"])
    """TimeSlicing: processes take turns. MPS: they run at once through a control daemon. Each
    needs its feature gate."""
    time_slicing_config: TimeSlicingConfig | None = None
    """Settings of TimeSlicing; not allowed with MPS, not even empty."""
    mps_config: MpsConfig | None = None
    """Settings of MPS; not allowed with TimeSlicing, not even empty."""

    def to_hub(self, found: Findings) -> hub.TimeSlicing | hub.Mps | None:
        """Return the settled sharing, or None where the strategy is unknown."""
        match self.strategy:
            case "TimeSlicing":
                if self.mps_config is not None:
                    _refuse_mps_settings(self.mps_config, "GPU", found)
                slicing = self.time_slicing_config
                return _INTERVALS[slicing.interval if slicing is not None else None]
            case "MPS":
                if self.time_slicing_config is not None:
                    message = (
                        "timeSlicingConfig belongs to strategy TimeSlicing, and the strategy is "
                        "MPS; remove it, even if it is empty"
                    )
                    found.add(
                        DRA104,
                        _TIME_SLICING_AT,
                        message,
                        leaning_on=[_STRATEGY_AT],
                        target=Target.KEY,
                    )
                mps = self.mps_config
                if mps is None:
                    return _DEFAULT_MPS
                return mps.to_hub("GPU", found)
            case None:
                _refuse_missing_strategy(found)
                if self.mps_config is not None:
                    self.mps_config.to_hub("GPU", found)
                return None

    def string_count(self) -> int:
        """Return how many strings the JSON of this object holds, keys included."""
        count = len(self.__pydantic_fields_set__) + (self.strategy is not None)
        if self.time_slicing_config is not None:
            slicing = self.time_slicing_config
            count += len(slicing.__pydantic_fields_set__) + (slicing.interval is not None)
        if self.mps_config is not None:
            count += self.mps_config.string_count()
        return count


class MigDeviceSharing(WireModel):
    """How a MIG device is shared."""

    model_config = ConfigDict(
        json_schema_extra={
            "required": ["strategy"],
            "allOf": [
                _only_under("TimeSlicing", "no settings", "mpsConfig"),
                _no_key_of("GPU"),
            ],
        }
    )
    elsewhere: ClassVar[Mapping[str, Elsewhere]] = MappingProxyType(
        {
            "timeSlicingConfig": Elsewhere(
                DRA105,
                "time slices belong to the physical GPU, so a MIG device has no "
                "timeSlicingConfig; remove it, or set it in a GpuConfig for a full GPU",
            )
        }
    )

    strategy: SharingStrategy | None = Field(default=None, examples=["MPS"])
    """MPS: processes run at once through a control daemon. TimeSlicing is accepted and sets
    nothing. Each needs its feature gate."""
    mps_config: MpsConfig | None = None
    """Settings of MPS; not allowed with TimeSlicing, not even empty."""

    def to_hub(self, found: Findings) -> hub.MigTimeSlicing | hub.Mps | None:
        """Return the settled sharing, or None where the strategy is unknown."""
        match self.strategy:
            case "TimeSlicing":
                if self.mps_config is not None:
                    _refuse_mps_settings(self.mps_config, "MIG", found)
                message = (
                    "strategy TimeSlicing has no effect on a MIG device; write MPS, or leave "
                    "sharing out"
                )
                found.add(DRA106, _STRATEGY_AT, message)
                return hub.MigTimeSlicing.WITHOUT_EFFECT
            case "MPS":
                mps = self.mps_config
                if mps is None:
                    return _DEFAULT_MPS
                return mps.to_hub("MIG", found)
            case None:
                _refuse_missing_strategy(found)
                if self.mps_config is not None:
                    self.mps_config.to_hub("MIG", found)
                return None

    def string_count(self) -> int:
        """Return how many strings the JSON of this object holds, keys included."""
        nested = 0 if self.mps_config is None else self.mps_config.string_count()
        return len(self.__pydantic_fields_set__) + (self.strategy is not None) + nested


def _refuse_mps_settings(mps: MpsConfig, uuid_type: str, found: Findings) -> None:
    """Note that settings of MPS stand under TimeSlicing, and what is wrong inside of them."""
    message = (
        "mpsConfig belongs to strategy MPS, and the strategy is TimeSlicing; remove it, even if "
        "it is empty, or write MPS"
    )
    found.add(DRA103, _MPS_AT, message, leaning_on=[_STRATEGY_AT], target=Target.KEY)
    mps.to_hub(uuid_type, found)


def _refuse_missing_strategy(found: Findings) -> None:
    message = "sharing lacks its strategy; write TimeSlicing or MPS"
    found.add(DRA101, _STRATEGY_AT, message, target=Target.PARENT)
