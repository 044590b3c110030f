"""Names of architectures and brands, by NVML's numbers; what is not listed is `Unknown`."""

from collections.abc import Mapping
from typing import Final

UNKNOWN: Final = "Unknown"

ARCHITECTURES: Final[Mapping[int, str]] = {
    2: "Kepler",
    3: "Maxwell",
    4: "Pascal",
    5: "Volta",
    6: "Turing",
    7: "Ampere",
    8: "Ada Lovelace",
    9: "Hopper",
    10: "Blackwell",
    13: "Rubin",
}

BRANDS: Final[Mapping[int, str]] = {
    0: UNKNOWN,
    1: "Quadro",
    2: "Tesla",
    3: "NVS",
    4: "Grid",
    5: "GeForce",
    6: "Titan",
    7: "NvidiaVApps",
    8: "NvidiaVPC",
    9: "NvidiaVCS",
    10: "NvidiaVWS",
    11: "NvidiaCloudGaming",
    12: "QuadroRTX",
    13: "NvidiaRTX",
    14: "Nvidia",
    15: "GeForceRTX",
    16: "TitanRTX",
}

ADDRESSING_MODES: Final[Mapping[int, str]] = {0: "None", 1: "HMM", 2: "ATS"}


def architecture(number: int) -> str:
    """Return the name of an architecture."""
    return ARCHITECTURES.get(number, UNKNOWN)


def brand(number: int) -> str:
    """Return the name of a brand."""
    return BRANDS.get(number, UNKNOWN)


def mig_profile(*, number: int, slices: int, memory_bytes: int, total_bytes: int) -> str:
    """Return the name of a GPU instance profile as newer drivers give it themselves.

    The figure before `gb` counts eighths of the GPU, rounded up, times the GPU's memory in GiB,
    rounded up, as nvidia-smi prints it.

    Args:
        number: NVML's index of the profile, which decides the suffix.
        slices: Compute slices of the profile.
        memory_bytes: Memory of the profile.
        total_bytes: Memory of the whole GPU, more than 0.
    """
    eighths = -(-memory_bytes * 8 // total_bytes)
    gibibytes = -(-total_bytes // 2**30)
    # Halves go up, as in C; they do not go to the even neighbour.
    rounded = (eighths * gibibytes * 2 + 8) // 16
    return f"{slices}g.{rounded}gb{_SUFFIXES.get(number, '')}"


_SUFFIXES: Final[Mapping[int, str]] = {
    7: "+me",
    8: "+me",
    10: "+gfx",
    11: "+gfx",
    12: "+gfx",
    13: "-me",
    14: "-me",
    15: "+me.all",
    16: "+me.all",
    17: "+gfx",
}
