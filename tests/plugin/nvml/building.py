"""Builds the library that plays NVML."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("libnvidia-ml.c")


def build(folder: Path) -> Path:
    """Compile the library into *folder*; skip where there is no compiler, but not in CI."""
    compiler = shutil.which("gcc")
    if compiler is None:
        reason = "needs gcc (package gcc) to build the library that plays NVML"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    library = folder / "libnvidia-ml.so.1"
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]
    subprocess.run(
        [compiler, *flags, "-o", library, SOURCE, "-lpthread", "-ldl"],
        check=True,
        capture_output=True,
    )
    return library
