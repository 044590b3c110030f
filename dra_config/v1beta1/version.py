"""The name of this version."""

API_VERSION = "resource.nvidia.com/v1beta1"
