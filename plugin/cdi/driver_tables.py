"""Which files of the driver a container gets, and where installers put them."""

from typing import Final

LIBRARY_FOLDERS: Final = (
    "",
    "usr/lib64",
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib/x86_64-linux-gnu/nvidia/current",
    "usr/lib/aarch64-linux-gnu/nvidia/current",
    "lib64",
    "lib/x86_64-linux-gnu",
    "lib/aarch64-linux-gnu",
    "lib/x86_64-linux-gnu/nvidia/current",
    "lib/aarch64-linux-gnu/nvidia/current",
)
"""Where the driver's libraries may be, relative to its root; all of them are of 64 bits."""

PLATFORM_LIBRARIES: Final = (
    "libnvidia-egl-gbm.so.*.*",
    "libnvidia-egl-wayland.so.*.*",
    "libnvidia-egl-wayland2.so.*.*",
    "libnvidia-egl-xcb.so.*.*",
    "libnvidia-egl-xlib.so.*.*",
)
"""Libraries of the driver that count their versions on their own."""

XORG_FOLDERS: Final = (
    "usr/lib64/xorg/modules",
    "usr/lib/xorg/modules",
    "usr/lib/x86_64-linux-gnu/nvidia/xorg",
    "usr/lib/aarch64-linux-gnu/nvidia/xorg",
)

PROGRAMS: Final = (
    "nvidia-cuda-mps-control",
    "nvidia-cuda-mps-server",
    "nvidia-debugdump",
    "nvidia-imex",
    "nvidia-imex-ctl",
    "nvidia-persistenced",
    "nvidia-smi",
)

SHARE_FOLDERS: Final = ("etc", "usr/local/share", "usr/share")

SHARED_FILES: Final = (
    "X11/xorg.conf.d/10-nvidia.conf",
    "X11/xorg.conf.d/nvidia-drm-outputclass.conf",
    "egl/egl_external_platform.d/09_nvidia_wayland2.json",
    "egl/egl_external_platform.d/10_nvidia_wayland.json",
    "egl/egl_external_platform.d/15_nvidia_gbm.json",
    "egl/egl_external_platform.d/20_nvidia_xcb.json",
    "egl/egl_external_platform.d/20_nvidia_xlib.json",
    "glvnd/egl_vendor.d/10_nvidia.json",
    "nvidia/nvoptix.bin",
)
"""Files that libraries look for below `/usr/share`, wherever the host has them."""

CONFIGURATION_FILES: Final = (
    "OpenCL/vendors/nvidia.icd",
    "vulkan/icd.d/nvidia_icd.aarch64.json",
    "vulkan/icd.d/nvidia_icd.json",
    "vulkan/icd.d/nvidia_icd.x86_64.json",
    "vulkan/icd.d/nvidia_layers.json",
    "vulkan/implicit_layer.d/nvidia_layers.json",
)
"""Files that libraries look for below `/etc`, wherever the host has them."""
