"""What a container gets of its claim, as the runtime's own code sees it."""

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.cdi import (
    CdiError,
    CdiStore,
    ClaimedDevice,
    ClaimFacts,
    DriverFacts,
    DriverFiles,
    HookMissingError,
    MpsFolders,
    NotReadyError,
    qualified,
    render,
)
from plugin.cdi.render import CLAIM_NAME, CLAIM_NAMESPACE, CLAIM_UID, RECORD
from plugin.cdi.spec import Mount, encode
from plugin.checkpoint import Phase, Record, record_from_text, text_of_record
from plugin.hardware.device_nodes import DeviceNode
from plugin.hardware.fake import FakeMachine
from plugin.preparer import ClaimReference
from tests.plugin.cdi_examples import (
    CONTROL,
    FILES,
    HOOK,
    HOST_ROOT,
    device,
    driver,
    example_spec,
    facts,
    first_mig_device,
    full_gpu,
    node,
    simulated_driver,
)
from tests.plugin.cdi_judges import Judge, Runtime, runtime, schema
from tests.plugin.checkpoint_examples import UID, claim, devices, intent, mode
from tests.plugin.machine_rigs import BOOT, profile

__all__ = ["runtime", "schema"]

MPS = MpsFolders(
    pipe=PurePosixPath("/var/lib/mps/a/pipe"),
    shared_memory=PurePosixPath("/dev/shm/dra-config/a"),  # noqa: S108 - of the host
)


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(profile("mixed"), tmp_path / "fake", boot_id=BOOT, deadline_seconds=60)


def container_of(
    runtime: Runtime, folder: Path, facts: ClaimFacts, *numbers: int
) -> dict[str, Any]:
    """Return a container that uses some devices of a claim, or all of them."""
    ids = CdiStore(folder).write(facts.claim.uid, render(facts))
    return runtime.container(folder, *[ids[number] for number in numbers or range(len(ids))])


def node_paths(container: dict[str, Any]) -> list[str]:
    return sorted(one["path"] for one in container["linux"]["devices"])


# --- what containers get ---------------------------------------------------------------


def test_a_full_gpu_comes_with_its_nodes_and_the_driver(
    runtime: Runtime, machine: FakeMachine, tmp_path: Path
) -> None:
    gpu = next(one for one in machine.inventory().gpus if not one.mig_devices)
    of = simulated_driver(machine, host_root=HOST_ROOT)
    container = container_of(runtime, tmp_path / "cdi", facts(full_gpu(machine, gpu), of=of))
    paths = node_paths(container)
    assert f"/dev/nvidia{gpu.minor}" in paths
    assert {"/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"} <= set(paths)
    assert [path for path in paths if path.startswith("/dev/dri/")] != []
    assert container["process"]["env"] == [
        "NVIDIA_CTK_LIBCUDA_DIR=/usr/lib64",
        "NVIDIA_VISIBLE_DEVICES=void",
        f"GPU_{gpu.minor}={gpu.uuid}",
    ]
    version = of.files.version
    mounts = {one["destination"]: one for one in container["mounts"]}
    assert mounts[f"/usr/lib64/libcuda.so.{version}"] == {
        "source": f"/run/nvidia/driver/usr/lib64/libcuda.so.{version}",
        "destination": f"/usr/lib64/libcuda.so.{version}",
        "options": ["ro", "nosuid", "nodev", "rbind", "rprivate"],
    }
    assert "/usr/bin/nvidia-smi" in mounts
    assert f"/lib/firmware/nvidia/{version}/gsp_ga10x.bin" in mounts


def test_a_device_node_is_made_by_the_runtime_from_its_numbers(
    runtime: Runtime, tmp_path: Path
) -> None:
    """So it need not exist on the host, as on a simulated machine."""
    mine = node("/dev/nvidia7", 7, mode=0o660, gid=44)
    container = container_of(runtime, tmp_path, facts(device(7, nodes=(mine,))))
    (made,) = [one for one in container["linux"]["devices"] if one["path"] == "/dev/nvidia7"]
    expected = {"path": "/dev/nvidia7", "type": "c", "major": 195, "minor": 7}
    assert made == {**expected, "fileMode": 0o660, "gid": 44}
    (rule,) = [
        one
        for one in container["linux"]["resources"]["devices"]
        if (one["major"], one["minor"]) == (195, 7)
    ]
    assert (rule["allow"], rule["access"]) == (True, "rw")
    # Whoever is not of the group could not open it.
    assert container["process"]["user"]["additionalGids"] == [44]


@pytest.mark.parametrize(("mode", "gid"), [(0o666, 44), (0o600, 0)])
def test_a_container_joins_no_group_without_need(
    mode: int, gid: int, runtime: Runtime, tmp_path: Path
) -> None:
    """Neither where everybody may open the node, nor ever that of root."""
    own = node("/dev/nvidia7", 7, mode=mode, gid=gid)
    asked = facts(device(7, nodes=(own,)))
    assert render(asked).version == "0.6.0", "no runtime has to know groups"
    container = container_of(runtime, tmp_path, asked)
    assert "additionalGids" not in container["process"]["user"]


def test_a_mig_device_comes_with_two_capabilities_and_no_drm_node(
    runtime: Runtime, machine: FakeMachine, tmp_path: Path
) -> None:
    """D62, D63: a tenant of one part does not see the screen of the whole."""
    gpu = next(one for one in machine.inventory().gpus if one.mig_devices)
    of = simulated_driver(machine, host_root=HOST_ROOT)
    container = container_of(
        runtime, tmp_path / "cdi", facts(first_mig_device(machine, gpu), of=of)
    )
    own = [path for path in node_paths(container) if path not in {one.path for one in of.control}]
    assert own[-1] == f"/dev/nvidia{gpu.minor}"
    assert [path.startswith("/dev/nvidia-caps/nvidia-cap") for path in own] == [True, True, False]


def test_containers_see_their_own_device_of_the_claim_only(
    runtime: Runtime, tmp_path: Path
) -> None:
    """D39: with the reference driver both pods of a pair of claims saw both GPUs."""
    both = facts(device(0), device(1))
    common = [one.path for one in CONTROL]
    for number in (0, 1):
        container = container_of(runtime, tmp_path, both, number)
        assert node_paths(container) == sorted([*common, f"/dev/nvidia{number}"])
    container = container_of(runtime, tmp_path, both)
    assert node_paths(container) == sorted([*common, "/dev/nvidia0", "/dev/nvidia1"])


def test_one_claim_may_have_two_shares_of_a_device(runtime: Runtime, tmp_path: Path) -> None:
    """D22: the reference driver's files name no share, and the runtime refuses them."""
    shares = facts(device(0, share_id="3b7e"), device(0, share_id="9f01"))
    ids = CdiStore(tmp_path).write(UID, render(shares))
    assert ids == (qualified(f"{UID}-gpu-0-3b7e"), qualified(f"{UID}-gpu-0-9f01"))
    assert runtime.container(tmp_path, *ids)["linux"]["devices"]
    with pytest.raises(CdiError, match=r"default/claim-01 has device '.*-gpu-0' twice"):
        render(facts(device(0), device(0)))


def test_a_container_under_mps_gets_the_pipe_of_its_claim(
    runtime: Runtime, tmp_path: Path
) -> None:
    container = container_of(runtime, tmp_path, facts(device(0, mps=MPS), device(1, mps=MPS)))
    assert container["process"]["env"][-1] == "CUDA_MPS_PIPE_DIRECTORY=/tmp/nvidia-mps"
    assert [(one["source"], one["destination"]) for one in container["mounts"]] == [
        ("/dev/shm/dra-config/a", "/dev/shm"),  # noqa: S108 - of the host
        ("/var/lib/mps/a/pipe", "/tmp/nvidia-mps"),  # noqa: S108 - of the container
    ]


def test_hooks_finish_the_container_in_their_order(runtime: Runtime, tmp_path: Path) -> None:
    files = replace(
        FILES,
        links=(("libcuda.so.1", "/usr/lib64/libcuda.so"),),
        library_folders=(PurePosixPath("/usr/lib64"), PurePosixPath("/usr/lib64/vdpau")),
    )
    gpu = replace(
        device(nodes=(node("/dev/nvidia0"), node("/dev/dri/card1"), node("/dev/dri/renderD128"))),
        pci_address="0000:1b:00.0",
    )
    container = container_of(runtime, tmp_path, facts(gpu, of=driver(files=files)))
    hooks = container["hooks"]["createContainer"]
    assert {one["path"] for one in hooks} == {str(HOOK)}
    by_path = "/dev/dri/by-path/pci-0000:1b:00.0"
    assert [one["args"] for one in hooks] == [
        ["nvidia-cdi-hook", "create-symlinks", "--link", "libcuda.so.1::/usr/lib64/libcuda.so"],
        ["nvidia-cdi-hook", "enable-cuda-compat", "--host-driver-version=580.95.05"],
        *[
            [
                *("nvidia-cdi-hook", "update-ldcache"),
                *("--folder", "/usr/lib64", "--folder", "/usr/lib64/vdpau"),
            ]
        ],
        ["nvidia-cdi-hook", "disable-device-node-modification"],
        [
            *("nvidia-cdi-hook", "create-symlinks"),
            *("--link", f"../card1::{by_path}-card"),
            *("--link", f"../renderD128::{by_path}-render"),
        ],
    ]


# --- what is refused -------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/dev/nvidiactl", "/dev/nvidia-uvm"])
def test_no_container_starts_without_the_nodes_that_it_needs(path: str) -> None:
    """D60: a fresh node is waited for."""
    control = tuple(one for one in CONTROL if one.path != path)
    with pytest.raises(NotReadyError, match=f"There is no {path}") as caught:
        render(facts(of=driver(control=control)))
    assert caught.value.transient


def test_a_real_driver_needs_the_hook_and_a_simulated_one_does_not() -> None:
    with pytest.raises(HookMissingError, match="'nvidia-cdi-hook' is not installed"):
        render(facts(of=driver(hook=None)))
    spec = render(facts(of=driver(hook=None, simulated=True)))
    assert spec.edits.hooks == ()


def test_a_claim_without_devices_is_refused() -> None:
    with pytest.raises(CdiError, match="has no device to describe"):
        render(replace(facts(), devices=()))
    with pytest.raises(CdiError, match="Device 'gpu-0' of claim default/claim-01 has no device"):
        render(facts(replace(device(), nodes=())))


# --- the file itself -------------------------------------------------------------------


def test_the_file_carries_what_a_lost_record_is_made_of(tmp_path: Path) -> None:
    """F7, F9."""
    store = CdiStore(tmp_path)
    lost = Record(
        claim=claim(),
        phase=Phase.COMPLETED,
        boot_id="boot",
        intent=intent(0),
        effects=(mode(0),),
        devices=devices(UID, 0),
    )
    store.write(UID, render(facts(record=text_of_record(lost).decode())))
    found = store.annotations(UID)
    assert found is not None
    assert record_from_text(found[RECORD]) == lost
    assert found[CLAIM_UID] == UID
    assert (found[CLAIM_NAMESPACE], found[CLAIM_NAME]) == ("default", "claim-01")


def test_annotations_do_not_appear_in_containers(runtime: Runtime, tmp_path: Path) -> None:
    container = container_of(runtime, tmp_path, facts(record="secret"))
    assert "secret" not in json.dumps(container)


def test_equal_facts_give_equal_bytes() -> None:
    """D23, D61: nothing is left over from a file that was rendered before."""
    first = encode(example_spec())
    render(facts(device(3, mps=MPS)))
    assert encode(example_spec()) == first


PATHS = st.from_regex(r"/[a-z0-9._-]{1,12}(/[a-z0-9._-]{1,12}){0,2}", fullmatch=True)
PURE_PATHS = PATHS.map(PurePosixPath)
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
TEXTS = st.text(max_size=30)
NODES = st.builds(
    DeviceNode,
    path=PATHS.map(lambda path: f"/dev{path}"),
    host_path=PATHS,
    major=st.integers(1, 511),
    minor=st.integers(0, 1_048_575),
    mode=st.integers(0, 0o777),
    gid=st.integers(0, 2**32 - 1),
)
DEVICES = st.builds(
    ClaimedDevice,
    device=NAMES,
    share_id=st.none() | st.uuids().map(str),
    nodes=st.lists(NODES, min_size=1, max_size=4).map(tuple),
    pci_address=st.none() | st.just("0000:1b:00.0"),
    environment=st.lists(
        st.tuples(st.from_regex(r"[A-Z_]{1,12}", fullmatch=True), TEXTS), max_size=2
    ).map(tuple),
    mps=st.none() | st.just(MPS),
)
DRIVERS = st.builds(
    DriverFacts,
    files=st.builds(
        DriverFiles,
        version=TEXTS,
        mounts=st.lists(
            st.builds(
                Mount,
                host_path=PURE_PATHS,
                container_path=PURE_PATHS,
                options=st.just(("ro", "bind")),
            ),
            max_size=3,
        ).map(tuple),
        links=st.lists(st.tuples(PATHS, PATHS), max_size=2).map(tuple),
        library_folder=PURE_PATHS,
        library_folders=st.lists(PURE_PATHS, max_size=2).map(tuple),
    ),
    control=st.lists(NODES, max_size=2).map(lambda nodes: (*CONTROL, *nodes)),
    hook=st.none() | st.just(HOOK),
    simulated=st.just(value=True),
)
FACTS = st.builds(
    ClaimFacts,
    claim=st.builds(ClaimReference, namespace=NAMES, name=NAMES, uid=st.uuids().map(str)),
    devices=st.lists(
        DEVICES, min_size=1, max_size=4, unique_by=lambda one: (one.device, one.share_id)
    ).map(tuple),
    driver=DRIVERS,
    record=TEXTS,
)


@given(FACTS)
def test_the_published_package_accepts_every_file(
    runtime: Runtime, schema: Judge, facts: ClaimFacts
) -> None:
    spec = render(facts)
    with tempfile.TemporaryDirectory(prefix="cdi-") as folder:
        ids = CdiStore(Path(folder)).write(facts.claim.uid, spec)
        (path,) = Path(folder).iterdir()
        answer = runtime.devices_in(Path(folder), *ids)
        assert schema.ask(str(path)) == ""
    assert answer["errors"] == []
    assert answer["minimum"] == {str(path): spec.version}
    owners = [facts.driver.control, *(one.nodes for one in facts.devices)]
    assert set(node_paths(answer["container"])) == {one.path for nodes in owners for one in nodes}


@given(FACTS)
def test_nothing_of_the_host_but_the_driver_and_the_claims_own_pipe_gets_in(
    facts: ClaimFacts,
) -> None:
    """D65: the reference driver brings the sockets of the host's daemons into every container."""
    spec = render(facts)
    assert spec.edits.mounts == facts.driver.files.mounts
    for rendered, asked in zip(spec.devices, facts.devices, strict=True):
        allowed = set() if asked.mps is None else {asked.mps.pipe, asked.mps.shared_memory}
        assert {mount.host_path for mount in rendered.edits.mounts} == allowed


def test_the_judges_refuse_what_is_wrong(runtime: Runtime, schema: Judge, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text('{"cdiVersion":"0.6.0","kind":"a.b/c","devices":[{"name":"d"}],"spare":1}')
    os.chmod(path, 0o644)  # noqa: PTH101 - as plain as it gets
    assert runtime.devices_in(tmp_path, "a.b/c=d")["errors"] != []
    assert "containerEdits is required" in schema.ask(str(path))
