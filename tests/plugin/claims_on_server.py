"""ResourceClaims on a real API server, with a test in the scheduler's place."""

import uuid
from collections.abc import Sequence

from dra_config.scheme import GPU_DRIVER
from plugin.rpc.stubs import kubelet_dra_v1_pb2 as v1
from tests.cluster.client import Client, Json, path_of

NAMESPACE = "default"
CLAIMS = path_of("resource.k8s.io/v1", "resourceclaims", namespace=NAMESPACE)
REQUEST = "gpus"


class ClaimsOnServer:
    """Makes claims that have devices of one node, and removes what is left of them."""

    def __init__(self, client: Client, node: str) -> None:
        self._client = client
        self._node = node
        self._names: list[str] = []

    def allocate(
        self, *devices: str, configs: Sequence[Json] = (), shared: bool = False
    ) -> v1.Claim:
        """Create a claim, write what the scheduler would, and return it as the kubelet sends it.

        Args:
            devices: The names of the devices that it has.
            configs: Entries of the allocation, as `prepare_rig.opaque` makes them.
            shared: Whether it has a share of each device only.
        """
        name = f"claim-{uuid.uuid4().hex[:12]}"
        request = {"deviceClassName": GPU_DRIVER, "count": len(devices)}
        created = self._client.create(
            CLAIMS,
            {
                "apiVersion": "resource.k8s.io/v1",
                "kind": "ResourceClaim",
                "metadata": {"name": name},
                "spec": {"devices": {"requests": [{"name": REQUEST, "exactly": request}]}},
            },
            fieldValidation="Strict",
        )
        self._names.append(name)
        results = [
            {"request": REQUEST, "driver": GPU_DRIVER, "pool": self._node, "device": device}
            | ({"shareID": str(uuid.uuid4())} if shared else {})
            for device in devices
        ]
        allocation = {"devices": {"results": results, "config": list(configs)}}
        self._client.replace(
            f"{CLAIMS}/{name}/status",
            created | {"status": {"allocation": allocation}},
            fieldValidation="Strict",
        )
        return v1.Claim(namespace=NAMESPACE, name=name, uid=created["metadata"]["uid"])

    def delete(self, claim: v1.Claim) -> None:
        """Remove a claim, as an administrator may by force."""
        self._names.remove(claim.name)
        self._client.delete(f"{CLAIMS}/{claim.name}")

    def close(self) -> None:
        """Remove all claims that are left."""
        for name in self._names:
            self._client.delete(f"{CLAIMS}/{name}")
