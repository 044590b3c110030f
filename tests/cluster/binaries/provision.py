"""All programs of the test cluster, built where they are not built yet."""

import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.cluster.binaries import packages, pins, settings
from tests.cluster.binaries.programs import CNI_PLUGINS, CRDS, MODULES, RUNC, programs
from tests.cluster.binaries.store import Store, set_key, to_stderr
from tools import debian
from tools.golang.compiling import Compiler
from tools.golang.program import Program
from tools.golang.toolchain import processor, provide_go, wheel_folder

Report = Callable[[str], None]
"""Is told what is going on, in pieces of lines."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the programs of one Kubernetes minor lie.

    A program that was not asked for may not be there.
    """

    kubernetes: str
    """The minor that was chosen, such as 1.36; binaries of a user's own may be others."""
    directory: Path
    """The folder of all programs; containerd finds its shim there when it is on its PATH."""
    kube_apiserver: Path
    kube_controller_manager: Path
    kube_scheduler: Path
    kubelet: Path
    kubectl: Path
    etcd: Path
    containerd: Path
    ctr: Path
    containerd_shim_runc_v2: Path
    cert_manager: Path
    cert_manager_crds: Path
    """The folder of cert-manager's CRDs, one YAML file each."""
    helm: Path
    runc: Path
    cni: Path
    """The folder of the CNI plugins bridge, loopback and host-local, and nothing else."""


@dataclass(frozen=True, slots=True)
class _Plan:
    store: Store
    kubernetes: str
    programs: tuple[Program, ...]
    targets: Mapping[str, Path]
    """For each program, where it lies once it is there."""
    folder: Path
    """The folder of this set of programs."""

    def link(self, name: str) -> Path:
        """Return where the cluster finds *name*."""
        if name in CNI_PLUGINS:
            return self.folder / "cni" / name
        if name == CRDS:
            return self.folder / "crds"
        return self.folder / "bin" / name

    def binaries(self) -> Binaries:
        """Return the paths of all programs."""
        return Binaries(
            kubernetes=self.kubernetes,
            directory=self.folder / "bin",
            kube_apiserver=self.link("kube-apiserver"),
            kube_controller_manager=self.link("kube-controller-manager"),
            kube_scheduler=self.link("kube-scheduler"),
            kubelet=self.link("kubelet"),
            kubectl=self.link("kubectl"),
            etcd=self.link("etcd"),
            containerd=self.link("containerd"),
            ctr=self.link("ctr"),
            containerd_shim_runc_v2=self.link("containerd-shim-runc-v2"),
            cert_manager=self.link("cert-manager"),
            cert_manager_crds=self.link(CRDS),
            helm=self.link("helm"),
            runc=self.link(RUNC),
            cni=self.folder / "cni",
        )


NAMES: Final = tuple(sorted((*(one.name for one in programs(pins.DEFAULT_KUBERNETES)), RUNC)))
"""Everything that can be asked for."""


def provide(
    chosen: settings.Settings | None = None,
    *,
    only: Collection[str] = NAMES,
    report: Report = to_stderr,
) -> Binaries:
    """Return the programs of the cluster; build and install what is missing.

    The first time this takes a quarter of an hour on two processor cores, and later milliseconds.

    Args:
        chosen: What to build; read from the environment where None is given.
        only: The names of what is needed, from NAMES.
        report: Is told of the progress.

    Raises:
        InvalidSettings: As `settings.read` does.
        BuildFailed: When a program cannot be fetched or compiled.
        MissingPackages: When a package of the system is missing and cannot be installed.
    """
    chosen = chosen or settings.read()
    plan = _plan(chosen)
    wanted = [name for name in plan.targets if name in only]
    if not all(_is_there(plan, name) for name in wanted):
        with plan.store.lock(report):
            _complete(plan, chosen, wanted, report)
    return plan.binaries()


def locate(chosen: settings.Settings | None = None) -> Binaries:
    """Return where the programs lie or will lie, and build nothing.

    Raises:
        InvalidSettings: As `settings.read` does.
    """
    return _plan(chosen or settings.read()).binaries()


def clean(chosen: settings.Settings | None = None, *, report: Report = to_stderr) -> list[Path]:
    """Remove and return what no pin names any more.

    Raises:
        InvalidSettings: As `settings.read` does.
    """
    chosen = chosen or settings.read()
    plans = [_plan(chosen), *(_plan(chosen, minor) for minor in pins.KUBERNETES)]
    used = {path for plan in plans for path in (plan.folder, *_parents(plan))}
    store = Store(chosen.cache)
    with store.lock(report):
        return store.clean(used=used | {wheel_folder(chosen.cache)})


def _parents(plan: _Plan) -> set[Path]:
    return {target.parent for target in plan.targets.values()}


def _plan(chosen: settings.Settings, kubernetes: str = "") -> _Plan:
    """Say which programs there will be, and where.

    A Kubernetes minor that is given here is built whole, without a user's own binaries.
    """
    store = Store(chosen.cache)
    built = programs(kubernetes or chosen.kubernetes)
    targets = {one.name: store.place(one.name, one.key(processor(), MODULES)) for one in built}
    targets[RUNC] = debian.find(RUNC) or Path("/usr/sbin/runc")
    own = None if kubernetes else chosen.own_binaries
    if own is not None:
        targets |= {name: own / name for name in targets if os.access(own / name, os.X_OK)}
    folder = chosen.cache / set_key({name: str(path) for name, path in targets.items()})
    return _Plan(store, kubernetes or chosen.kubernetes, built, targets, folder)


def _is_there(plan: _Plan, name: str) -> bool:
    # The link is made last; it leads nowhere when the program was removed.
    return plan.link(name).exists()


def _complete(
    plan: _Plan, chosen: settings.Settings, wanted: Collection[str], report: Report
) -> None:
    """Build and link those of *wanted* that are missing. The caller holds the lock."""
    missing = [
        one for one in plan.programs if one.name in wanted and not plan.targets[one.name].exists()
    ]
    needed = [
        *(["gcc"] if any(one.cgo for one in missing) else []),
        *([RUNC] if RUNC in wanted and not plan.targets[RUNC].exists() else []),
    ]
    packages.ensure(needed, report=report)
    for name in wanted:
        if plan.targets[name].exists():
            plan.store.link(plan.targets[name], plan.link(name))
    if not missing:
        return
    go = provide_go(chosen.cache, chosen.environment, report)
    compiler = Compiler(go, chosen.environment, MODULES)
    for number, program in enumerate(missing, start=1):
        report(f"[{number}/{len(missing)}] {program.name} ... ")
        started = time.monotonic()
        target = plan.targets[program.name]
        try:
            with plan.store.partial(target) as scratch:
                compiler.make(program, scratch, plan.store.log(program.name))
        except BaseException:
            report("failed\n")
            raise
        plan.store.link(target, plan.link(program.name))
        report(f"{time.monotonic() - started:.0f} s\n")
