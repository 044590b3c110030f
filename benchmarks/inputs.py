"""What is measured: real configs where they are at hand, and generated claims and manifests."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from dra_config.gates import FeatureGates
from dra_config.scheme import DRIVERS

ROOT: Final = Path(__file__).resolve().parents[1]
VERDICTS: Final = ROOT.parent / "shared/corpus/upstream-verdicts/opaque-configs.jsonl"
"""Two thousand configs with the answers of the reference driver, where they lie beside us."""
ACCEPTED: Final = ROOT / "tests/corpus/v1beta1/accept"
"""Our own cases, which stand in where they do not."""
CORPUS_GATES: Final = (
    "TimeSlicingSettings=true,MPSSupport=true,PassthroughSupport=true,FabricTopologySupport=true"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One config as it would come in."""

    raw: bytes
    driver: str
    gates: FeatureGates


def read_cases() -> tuple[str, list[Case]]:
    """Return where the cases come from, in words, and those that the other side accepts."""
    if VERDICTS.is_file():
        with VERDICTS.open(encoding="utf-8") as lines:
            verdicts = [json.loads(line) for line in lines]
        name = "the lines of opaque-configs.jsonl that the reference driver accepts"
        return name, list(_accepted_by_reference(verdicts))
    return "the accepted cases of tests/corpus", list(_accepted_by_us())


def _accepted_by_reference(verdicts: list[dict[str, Any]]) -> Iterator[Case]:
    known: dict[str, FeatureGates] = {}
    for verdict in verdicts:
        if verdict["upstream"] == "accept":
            switched = verdict["gates"].items()
            text = ",".join(f"{name}={str(on).lower()}" for name, on in switched)
            gates = known.setdefault(text, FeatureGates.parse(text))
            raw = verdict["raw"].encode()
            yield Case(raw, _driver(raw), gates)


def _accepted_by_us() -> Iterator[Case]:
    for path in sorted(ACCEPTED.glob("*.json")):
        if path.name.endswith(".expect.json"):
            continue
        beside = path.with_name(f"{path.stem}.expect.json")
        expected = json.loads(beside.read_text("utf-8")) if beside.is_file() else {}
        raw = path.read_bytes()
        gates = FeatureGates.parse(expected.get("gates", CORPUS_GATES))
        yield Case(raw, expected.get("driver") or _driver(raw), gates)


def _driver(raw: bytes) -> str:
    """Return the driver that carries the kind of a config."""
    kind = json.loads(raw).get("kind")
    return next(d.name for d in DRIVERS.values() if kind in d.kinds)


def parameters(number: int) -> dict[str, Any]:
    """Return a GpuConfig of its own for each *number* below a million.

    No two are equal; a memory of earlier answers is of use only to who is asked again.
    """
    return {
        "apiVersion": "resource.nvidia.com/v1beta1",
        "kind": "GpuConfig",
        "sharing": {
            "strategy": "MPS",
            "mpsConfig": {
                "defaultActiveThreadPercentage": 10 + number % 90,
                "defaultPinnedDeviceMemoryLimit": f"{1_000 + number}Mi",
            },
        },
    }


def claim(first: int, count: int) -> dict[str, Any]:
    """Return a claim with *count* configs, made from the numbers that begin with *first*."""
    names = [f"gpu-{index}" for index in range(count)]
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": f"claim-{first:07}", "namespace": "team-a"},
        "spec": {
            "devices": {
                "requests": [
                    {"name": name, "exactly": {"deviceClassName": "gpu.nvidia.com"}}
                    for name in names
                ],
                "config": [
                    {
                        "requests": [name],
                        "opaque": {
                            "driver": "gpu.nvidia.com",
                            "parameters": parameters((first + index) * 7919 % 1_000_000),
                        },
                    }
                    for index, name in enumerate(names)
                ],
            }
        },
    }


def reviews(configs: int, count: int) -> list[bytes]:
    """Return *count* reviews of claims with *configs* configs each, no two configs alike."""
    return [_review(number, claim(number * configs, configs)) for number in range(count)]


def _review(number: int, subject: dict[str, Any]) -> bytes:
    """Return what an API server sends when *subject* is created."""
    version = {"group": "resource.k8s.io", "version": "v1"}
    metadata = {
        **subject["metadata"],
        "uid": f"7b6c1c58-0a3f-4f0e-8a55-{number:012}",
        "creationTimestamp": "2026-11-01T10:00:00Z",
        "managedFields": [
            {
                "manager": "kubectl-client-side-apply",
                "operation": "Update",
                "apiVersion": "resource.k8s.io/v1",
                "time": "2026-11-01T10:00:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:devices": {"f:config": {}, "f:requests": {}}}},
            }
        ],
    }
    request = {
        "uid": f"705ab4f5-6393-11e8-b7cc-{number:012}",
        "kind": {**version, "kind": "ResourceClaim"},
        "resource": {**version, "resource": "resourceclaims"},
        "requestKind": {**version, "kind": "ResourceClaim"},
        "requestResource": {**version, "resource": "resourceclaims"},
        "name": subject["metadata"]["name"],
        "namespace": subject["metadata"]["namespace"],
        "operation": "CREATE",
        "userInfo": {
            "username": "system:serviceaccount:kube-system:resourceclaim-controller",
            "uid": "d2c1b3c0-7c1f-4b0e-9d6d-1f1c5a1d7a11",
            "groups": ["system:serviceaccounts", "system:authenticated"],
        },
        "object": {**subject, "metadata": metadata},
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    envelope = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}
    return json.dumps({**envelope, "request": request}, separators=(",", ":")).encode()


def manifests(count: int) -> str:
    """Return a file of *count* claims with two configs each, as YAML documents."""
    documents = (claim(number * 2, 2) for number in range(count))
    return yaml.dump_all(documents, Dumper=yaml.CSafeDumper, sort_keys=False)
