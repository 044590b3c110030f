"""The software bill of materials: what an installation of the wheel consists of, in CycloneDX."""

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

SPECIFICATION: Final = "1.6"
"""The version of CycloneDX."""
_PROJECT: Final = "dra-config"
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_OID, _PROJECT)
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_VIA: Final = re.compile(r"^ +#(?: via| {2}) +([a-z0-9-]+)(?: \(.*\))?$", re.MULTILINE)


class Pin(NamedTuple):
    """One package of a file of pins."""

    name: str
    version: str
    wanted_by: tuple[str, ...]
    """The packages that depend on it; the project's own name among them."""

    @property
    def purl(self) -> str:
        """Its address as a package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def read_pins(requirements: str) -> Sequence[Pin]:
    """Return the packages of a file that ``uv pip compile`` has written, in its order."""
    starts = [*_PIN.finditer(requirements)]
    ends = [*(match.start() for match in starts[1:]), len(requirements)]
    return [
        Pin(match[1], match[2], tuple(_VIA.findall(requirements, match.end(), end)))
        for match, end in zip(starts, ends, strict=True)
    ]


def render(version: str, pins: Sequence[Pin], seconds: int) -> Mapping[str, object]:
    """Return the document for *version* of the project, made at *seconds* after the epoch.

    The same arguments give the same document, its serial number included.
    """
    project = f"pkg:pypi/{_PROJECT}@{version}"
    purls = {_PROJECT: project} | {pin.name: pin.purl for pin in pins}
    serial = uuid.uuid5(_NAMESPACE, "\n".join([*purls.values(), f"{seconds}"]))
    wanted = {name: sorted(pin.purl for pin in pins if name in pin.wanted_by) for name in purls}
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z"),
            "component": {
                "type": "application",
                "bom-ref": project,
                "name": _PROJECT,
                "version": version,
                "purl": project,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": [
            {
                "type": "library",
                "bom-ref": pin.purl,
                "name": pin.name,
                "version": pin.version,
                "purl": pin.purl,
            }
            for pin in pins
        ],
        "dependencies": [{"ref": purls[name], "dependsOn": wanted[name]} for name in purls],
    }
