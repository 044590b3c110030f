"""The messages are the kubelet's, and their Python is what protoc makes of our files."""

import importlib
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from plugin.rpc.stubs import kubelet_dra_v1_pb2 as v1
from plugin.rpc.stubs import kubelet_dra_v1beta1_pb2 as v1beta1
from tools import stubs

ROOT = Path(__file__).resolve().parents[2]


def test_the_stubs_are_as_they_are_generated() -> None:
    generated = stubs.texts(ROOT)
    committed = {
        f"{stubs.FOLDER}/{path.name}": path.read_text(encoding="utf-8")
        for path in (ROOT / stubs.FOLDER).iterdir()
        if path.is_file()
    }
    assert committed == generated


def test_every_file_has_a_name_of_its_own_in_the_one_pool_of_descriptors() -> None:
    names = {path.name for path in (ROOT / stubs.PROTOS).iterdir()}
    assert all(name.startswith("kubelet_") for name in names)
    for name in names:
        importlib.import_module(f"plugin.rpc.stubs.{Path(name).stem}_pb2")
    pool = descriptor_pool.Default()
    assert {pool.FindFileByName(name).name for name in names} == names
    # Upstream calls each of its files api.proto; one of somebody else's may be loaded beside ours.
    pool.AddSerializedFile(
        descriptor_pb2.FileDescriptorProto(
            name="api.proto", package="somebody.elses", syntax="proto3"
        ).SerializeToString()
    )


def test_v1beta1_is_v1_without_the_share_of_a_device() -> None:
    def shape(module: object) -> str:
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)  # type: ignore[attr-defined]
        device = next(one for one in file.message_type if one.name == "Device")
        kept = [one for one in device.field if one.name != "share_id"]
        del device.field[:], device.oneof_decl[:]
        device.field.extend(kept)
        file.name = ""
        return str(file).replace(file.package, "PACKAGE")

    assert shape(v1) == shape(v1beta1)


@pytest.mark.parametrize(
    ("module", "service", "full_name"),
    [
        ("kubelet_registration_v1_pb2", "Registration", "pluginregistration.Registration"),
        ("kubelet_dra_v1_pb2", "DRAPlugin", "k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin"),
        ("kubelet_dra_v1beta1_pb2", "DRAPlugin", "k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin"),
        ("kubelet_dra_health_v1alpha1_pb2", "DRAResourceHealth", "v1alpha1.DRAResourceHealth"),
    ],
)
def test_services_bear_the_names_that_the_kubelet_calls(
    module: str, service: str, full_name: str
) -> None:
    stub = importlib.import_module(f"plugin.rpc.stubs.{module}")
    assert stub.DESCRIPTOR.services_by_name[service].full_name == full_name


def test_a_file_that_protoc_refuses_is_an_error(tmp_path: Path) -> None:
    (tmp_path / stubs.PROTOS).mkdir(parents=True)
    (tmp_path / stubs.PROTOS / "broken.proto").write_text("syntax = ", encoding="utf-8")
    with pytest.raises(RuntimeError, match="protoc refused a file of plugin/rpc/protos"):
        stubs.texts(tmp_path)
