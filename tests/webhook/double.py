"""The webhook with a verdict made for tests: what a config says about itself decides.

Parameters that contain ``refuse`` are refused, and those with ``warn`` get a warning. An object
called ``panic`` meets a defect. Limits come from the environment, so that tests need not wait.
"""

import os
import sys
from dataclasses import replace

from dra_config.catalogue import Cause, Severity
from dra_config.claims import CONFIG_LISTS
from dra_config.violations import Violation
from webhook.limits import Limits
from webhook.review import AdmissionRequest, Decision, Finding
from webhook.service import run
from webhook.settings import settings_from_process


def verdict(request: AdmissionRequest) -> Decision:
    if request.name == "panic":
        raise RuntimeError("a defect that the test asked for")
    violations: list[Finding] = []
    warnings: list[Finding] = []
    for config in request.object.opaque_configs if request.object is not None else ():
        where = (*CONFIG_LISTS[request.kind], config.position, "opaque", "parameters")
        path = (*where, "sharing", "strategy")
        if b"refuse" in (config.parameters or b""):
            wrong = Violation("DRA101", Severity.ERROR, path, "'refuse' is no strategy")
            violations.append(Finding(wrong, Cause.NOT_SUPPORTED, "gpu.nvidia.com", "GpuConfig"))
        if b"warn" in (config.parameters or b""):
            soft = Violation("DRA112", Severity.WARNING, path, "'warn' is rounded")
            warnings.append(Finding(soft, Cause.INVALID, "gpu.nvidia.com", "GpuConfig"))
    return Decision(tuple(violations), tuple(warnings))


def limits() -> Limits:
    seconds = os.environ.get("TEST_DEADLINE_SECONDS")
    if seconds is None:
        return Limits()
    short = float(seconds)
    return replace(
        Limits(),
        handshake_seconds=short,
        header_seconds=short,
        body_seconds=short,
        close_seconds=short,
        buffered_bytes=int(os.environ.get("TEST_BUFFERED_BYTES", "67108864")),
        connections=int(os.environ.get("TEST_CONNECTIONS", "512")),
    )


if __name__ == "__main__":
    sys.exit(run(settings_from_process(sys.argv[1:]), verdict, limits()))
