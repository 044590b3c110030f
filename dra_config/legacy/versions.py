"""Every older apiVersion: one module each, with its ``API_VERSION`` and its ``KINDS``."""

from dra_config.legacy import fabric_fork, gpu_v1alpha1, resource_v1alpha1

VERSIONS = (gpu_v1alpha1, resource_v1alpha1, fabric_fork)
"""In the order in which people are told of them."""
