"""What can go wrong with CDI files, sorted by what a caller can do about it."""

from typing import ClassVar


class CdiError(Exception):
    """A container could not be told of its devices.

    The message is a sentence for the person who reads the pod's events.
    """

    transient: ClassVar[bool] = False
    """Whether the same call may succeed later without anybody repairing anything."""


class NotReadyError(CdiError):
    """A part of the driver is not there yet; look again later."""

    transient = True


class HookMissingError(CdiError):
    """The program that finishes containers for the driver is not installed."""


class NoSpaceError(CdiError):
    """There is no space for a CDI file."""

    transient = True
