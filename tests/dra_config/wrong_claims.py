"""Claims with one mistake, a strategy in the wrong case, that several tests judge."""

SHORT_CLAIM = """\
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: training, namespace: team-a}
spec:
  devices:
    config:
    - opaque:
        driver: gpu.nvidia.com
        parameters:
          apiVersion: resource.nvidia.com/v1beta1
          kind: GpuConfig
          sharing: {strategy: Mps}
"""
"""In flow style; a finding stands on its last line."""

CLAIM_IN_STREAM = """\
apiVersion: v1
kind: ConfigMap
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: gpu}
spec:
  devices:
    requests:
    - name: gpu
      exactly: {deviceClassName: gpu.nvidia.com}
    config:
    - requests: [gpu]
      opaque:
        driver: gpu.nvidia.com
        parameters:
          apiVersion: resource.nvidia.com/v1beta1
          kind: GpuConfig
          sharing:
            strategy: Mps
            mpsConfig:
              defaultPinnedDeviceMemoryLimit: 8Gi
"""
"""Behind another document; as a person writes it in an editor."""
