"""The peer of the plugin: a DRA kubelet plugin that does the least that one can do.

``python -m benchmarks.peers.minimal_plugin`` registers with a real kubelet, offers devices without
attributes in one slice, reads a claim with one GET, writes one CDI file for it, and removes that
file in the end. It checks nothing, remembers nothing, repairs nothing and outlives nothing.
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from kube.client import Client, path_of
from kube.credentials import from_kubeconfig
from plugin.rpc.stubs import kubelet_dra_v1_pb2 as dra
from plugin.rpc.stubs import kubelet_registration_v1_pb2 as registration

DRIVER: Final = "minimal.example.com"
API: Final = "resource.k8s.io/v1"
KIND: Final = f"{DRIVER}/claim"
_ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_Answer = Callable[[Any, grpc.ServicerContext], Message]


def main(arguments: Sequence[str]) -> int:
    """Serve the kubelet until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.minimal_plugin")
    parser.add_argument("--node-name", required=True)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--kubelet-root", type=Path, required=True)
    parser.add_argument("--cdi-root", type=Path, required=True)
    parser.add_argument("--devices", type=int, default=8)
    options = parser.parse_args(arguments)
    # Before any thread starts, so that none of them takes the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    client = Client(from_kubeconfig(options.kubeconfig), user_agent="minimal-plugin")
    entry = options.kubelet_root / "plugins" / DRIVER / "dra.sock"
    entry.parent.mkdir(parents=True, exist_ok=True)
    options.cdi_root.mkdir(parents=True, exist_ok=True)
    info = registration.PluginInfo(
        type="DRAPlugin",
        name=DRIVER,
        endpoint=str(entry),
        supported_versions=["v1.DRAPlugin"],
    )

    def prepare(
        request: dra.NodePrepareResourcesRequest, _: grpc.ServicerContext
    ) -> dra.NodePrepareResourcesResponse:
        found = {one.uid: _prepared(client, options.cdi_root, one) for one in request.claims}
        return dra.NodePrepareResourcesResponse(claims=found)

    def unprepare(
        request: dra.NodeUnprepareResourcesRequest, _: grpc.ServicerContext
    ) -> dra.NodeUnprepareResourcesResponse:
        for one in request.claims:
            _file(options.cdi_root, one).unlink(missing_ok=True)
        done = {one.uid: dra.NodeUnprepareResourceResponse() for one in request.claims}
        return dra.NodeUnprepareResourcesResponse(claims=done)

    servers = [
        _serve(
            entry,
            "k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin",
            NodePrepareResources=(prepare, dra.NodePrepareResourcesRequest),
            NodeUnprepareResources=(unprepare, dra.NodeUnprepareResourcesRequest),
        ),
        _serve(
            options.kubelet_root / "plugins_registry" / f"{DRIVER}-reg.sock",
            "pluginregistration.Registration",
            GetInfo=(lambda *_: info, registration.InfoRequest),
            NotifyRegistrationStatus=(
                lambda *_: registration.RegistrationStatusResponse(),
                registration.RegistrationStatus,
            ),
        ),
    ]
    client.create(path_of(API, "resourceslices"), slice_of(options.node_name, options.devices))
    print("published", file=sys.stderr, flush=True)
    signal.sigwait(_ENDING)
    for server in servers:
        server.stop(1).wait()
    return 0


def slice_of(node_name: str, count: int) -> dict[str, Any]:
    """Return the one slice of a node with *count* devices."""
    return {
        "metadata": {"generateName": f"{node_name}-{DRIVER}-"},
        "spec": {
            "driver": DRIVER,
            "nodeName": node_name,
            "pool": {"name": node_name, "generation": 1, "resourceSliceCount": 1},
            "devices": [{"name": f"device-{number}"} for number in range(count)],
        },
    }


def _prepared(client: Client, folder: Path, one: dra.Claim) -> dra.NodePrepareResourceResponse:
    """Read a claim, write its CDI file, and return its devices."""
    claim = client.get(path_of(API, "resourceclaims", one.name, namespace=one.namespace))
    results = [
        result
        for result in claim["status"]["allocation"]["devices"]["results"]
        if result["driver"] == DRIVER
    ]
    devices = [
        {
            "name": f"{one.uid}-{result['device']}",
            "containerEdits": {"env": [f"MINIMAL_DEVICE={result['device']}"]},
        }
        for result in results
    ]
    spec = {"cdiVersion": "0.6.0", "kind": KIND, "devices": devices}
    # A runtime that looks into the folder meanwhile must not find half a file.
    part = folder / f".{one.uid}"
    part.write_text(json.dumps(spec), encoding="utf-8")
    part.rename(_file(folder, one))
    return dra.NodePrepareResourceResponse(
        devices=[
            dra.Device(
                request_names=[result["request"]],
                pool_name=result["pool"],
                device_name=result["device"],
                cdi_device_ids=[f"{KIND}={one.uid}-{result['device']}"],
            )
            for result in results
        ]
    )


def _file(folder: Path, one: dra.Claim) -> Path:
    return folder / f"{DRIVER}_{one.uid}.json"


def _serve(socket: Path, service: str, **methods: tuple[_Answer, type[Message]]) -> grpc.Server:
    socket.unlink(missing_ok=True)
    server = grpc.server(ThreadPoolExecutor(8))
    served: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        for name, (answer, request) in methods.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, served),))
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    return server


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
