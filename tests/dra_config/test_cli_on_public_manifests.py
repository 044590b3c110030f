"""Manifests that people published: every one is read, and each verdict was checked by hand."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from dra_config.cli.findings import FileVerdict
from dra_config.cli.judge import Criteria, judge_file

FILE_COUNT = 93
CONFIG_COUNT = 9

EXPECTED: Mapping[str, str] = {
    # DeviceClass and templates of v1beta1, which ends with Kubernetes 1.38.
    "amd/helm-charts-k8s/templates/deviceclass.yaml": "2:DRA902",
    "google-tpu/demo/specs/multi-tpu-pod.yaml": "11:DRA902",
    "nvidia/demo/specs/quickstart/gpu-test7.yaml": "11:DRA902",
    "nvidia/demo/specs/quickstart/gpu-test8.yaml": "8:DRA902",
    "nvidia/demo/specs/quickstart/v1beta1/gpu-test1.yaml": "11:DRA902",
    "nvidia/demo/specs/quickstart/v1beta1/gpu-test2.yaml": "11:DRA902",
    "nvidia/demo/specs/quickstart/v1beta1/gpu-test3.yaml": "11:DRA902",
    "nvidia/demo/specs/quickstart/v1beta1/gpu-test4.yaml": "12:DRA902",
    "nvidia/demo/specs/quickstart/v1beta1/imex-test1.yaml": (
        "11:DRA902 23:DRA902 35:DRA902 47:DRA902 59:DRA902"
    ),
    # The same, and strategies whose feature gate nobody has told us of.
    "nvidia/demo/specs/quickstart/v1beta1/gpu-test5.yaml": "11:DRA902 32:DRA102 42:DRA102",
    "nvidia/demo/specs/quickstart/v1beta1/gpu-test6.yaml": "12:DRA902 40:DRA102",
    "nvidia/demo/specs/quickstart/v1beta1/gpu-test-mps.yaml": "8:DRA902 27:DRA102",
    "nvidia/demo/specs/quickstart/v1/gpu-test5.yaml": "34:DRA102 44:DRA102",
    "nvidia/demo/specs/quickstart/v1/gpu-test6.yaml": "41:DRA102",
    "nvidia/demo/specs/quickstart/v1/gpu-test-mps.yaml": "28:DRA102",
    "nvidia/demo/specs/quickstart/v1/gpu-test-vfio-config.yaml": "23:DRA301",
    # v1alpha3 is served no more.
    "nvidia/demo/specs/quickstart/v1beta1/gpu-test-vfiopci.yaml": "10:DRA903",
    # Classic claims of v1alpha2.
    "nvidia/demo/specs/mig+mps/sharing-demo-claims-1.yaml": "2:DRA901",
    "nvidia/demo/specs/mig+mps/sharing-demo-claims.yaml": (
        "2:DRA901 15:DRA901 28:DRA901 41:DRA901"
    ),
    "nvidia/demo/specs/selectors/claims.yaml": "2:DRA901 16:DRA901",
    # numNodes is deprecated.
    "nvidia/demo/specs/imex/channel-injection-all.yaml": "7:DRA836",
    "nvidia/demo/specs/imex/channel-injection.yaml": "7:DRA836",
    "nvidia/demo/specs/imex/nvbandwidth-test-job-1.yaml": "7:DRA836",
    "nvidia/demo/specs/imex/nvbandwidth-test-job-2.yaml": "7:DRA836",
    "nvidia/demo/specs/imex/nvbandwidth-test-job.yaml": "7:DRA836",
    # Configs for the driver gpu.example.com.
    "example/demo/examples/basic-resourceclaim-opaque-config/"
    "basic-resourceclaim-opaque-config.yaml": "28:DRA944 38:DRA944",
}
"""Line and rule of every finding, notes included, by file; in all other files nothing is found."""


@pytest.fixture(scope="module")
def verdicts(shared_corpus: Path) -> dict[str, FileVerdict]:
    """Judge every manifest once, as a user does who names no gates."""
    folder = shared_corpus / "manifests"
    return {
        path.relative_to(folder).as_posix(): judge_file(path.name, path.read_bytes(), Criteria())
        for path in sorted(folder.rglob("*.yaml"))
    }


def test_every_file_is_read_to_its_end(verdicts: dict[str, FileVerdict]) -> None:
    assert len(verdicts) == FILE_COUNT
    assert all(verdict.documents for verdict in verdicts.values())
    unread = {"DRA940", "DRA941", "DRA942", "DRA943"}
    assert not [f for v in verdicts.values() for f in v.findings if f.rule in unread]


def test_each_file_gets_its_verdict(verdicts: dict[str, FileVerdict]) -> None:
    found = {
        path: " ".join(f"{finding.line}:{finding.rule}" for finding in verdict.findings)
        for path, verdict in verdicts.items()
        if verdict.findings
    }
    assert found == EXPECTED


def test_every_config_of_ours_is_judged(verdicts: dict[str, FileVerdict]) -> None:
    assert sum(verdict.configs for verdict in verdicts.values()) == CONFIG_COUNT
