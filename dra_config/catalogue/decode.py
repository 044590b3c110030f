"""Rules DRA001 to DRA022: reading a config at all, and telling which kind it is."""

from typing import Final

from dra_config.catalogue.rule import Cause, Rule
from dra_config.catalogue.shorthand import (
    CLI_AND_WEBHOOK,
    block,
    claim,
    config,
    error,
    gpu,
    warning,
)

DRA001: Final = error(
    id="DRA001",
    name="parameters-not-json",
    cause=Cause.INVALID,
    why="No driver can read parameters that are cut short, carry a second document, are not "
    "UTF-8 or hold NaN or Infinity, so the devices are never prepared.",
    fix="Write exactly one JSON document in UTF-8, with plain numbers.",
    bad="",
    good="",
)
DRA002: Final = error(
    id="DRA002",
    name="parameters-not-an-object",
    cause=Cause.TYPE_INVALID,
    why="A config is a set of named fields; a list, a text, a number, a boolean or null has "
    "none, and the API server turns the claim away.",
    fix="Write the fields of one config, starting with apiVersion and kind.",
    bad=block("- apiVersion: resource.nvidia.com/v1beta1", "  kind: GpuConfig"),
    good=gpu(),
)
DRA003: Final = error(
    id="DRA003",
    name="parameters-too-large",
    cause=Cause.TOO_LONG,
    why="The API server stores at most 10240 bytes of parameters in one config and refuses more.",
    fix="Shorten the lists in the config, or spread the requests over several configs.",
    bad="",
    good="",
)
DRA004: Final = error(
    id="DRA004",
    name="api-version-missing",
    cause=Cause.REQUIRED,
    why="Without apiVersion the driver cannot tell which version of the config it has before it, "
    "and preparing the claim fails.",
    fix="Add apiVersion: resource.nvidia.com/v1beta1.",
    bad=block("kind: GpuConfig"),
    good=gpu(),
)
DRA005: Final = error(
    id="DRA005",
    name="kind-missing",
    cause=Cause.REQUIRED,
    why="Without kind the driver cannot tell what the config is for, and preparing the claim "
    "fails.",
    fix="Add the kind of the device, such as kind: GpuConfig for full GPUs.",
    bad=block("apiVersion: resource.nvidia.com/v1beta1"),
    good=gpu(),
)
DRA006: Final = error(
    id="DRA006",
    name="api-version-unknown",
    cause=Cause.NOT_SUPPORTED,
    why="No driver has ever served this version, so nobody on the node can read the config.",
    fix="Write apiVersion: resource.nvidia.com/v1beta1.",
    bad=block("apiVersion: resource.nvidia.com/v1", "kind: GpuConfig"),
    good=gpu(),
)
DRA007: Final = error(
    id="DRA007",
    name="kind-unknown",
    cause=Cause.NOT_SUPPORTED,
    why="The version has no kind of this name, and upper and lower case are different names; the "
    "driver finds nothing to read the config with.",
    fix="Write the kind exactly as the driver spells it, such as GpuConfig or MigDeviceConfig.",
    bad=config("MigConfig"),
    good=config("MigDeviceConfig"),
)
DRA008: Final = error(
    id="DRA008",
    name="kind-of-another-driver",
    cause=Cause.NOT_SUPPORTED,
    why="The driver named beside the parameters does not carry this kind: it fails the claim, or "
    "passes over the config without a word.",
    fix="Name the driver that the kind belongs to, or write a kind of the driver that is named.",
    bad=claim(
        "apiVersion: resource.nvidia.com/v1beta1",
        "kind: GpuConfig",
        driver="compute-domain.nvidia.com",
    ),
    good=claim("apiVersion: resource.nvidia.com/v1beta1", "kind: GpuConfig"),
)
DRA009: Final = error(
    id="DRA009",
    name="kind-is-not-a-parameter-kind",
    cause=Cause.NOT_SUPPORTED,
    why="The kind exists, but as an object of its own in the cluster; given as parameters it is "
    "decoded and then refused as a config that nobody recognises.",
    fix="Create the object separately, and give the config kind that refers to it as parameters.",
    bad=claim("apiVersion: resource.nvidia.com/v1beta1", "kind: ComputeDomain"),
    good=claim("apiVersion: resource.nvidia.com/v1beta1", "kind: GpuConfig"),
)
DRA010: Final = error(
    id="DRA010",
    name="unknown-field",
    cause=Cause.FORBIDDEN,
    why="A field that the kind does not have would change nothing, and its author would run with "
    "the default that he meant to replace; the driver therefore refuses the whole config.",
    fix="Correct the name of the field, or remove it.",
    bad=gpu("sharing: {strategy: MPS, mpsConfig: {defaultPinnedMemoryLimit: 4Gi}}"),
    good=gpu("sharing: {strategy: MPS, mpsConfig: {defaultPinnedDeviceMemoryLimit: 4Gi}}"),
)
DRA011: Final = error(
    id="DRA011",
    name="duplicate-field",
    cause=Cause.DUPLICATE,
    why="A key that stands twice has two values, of which most programs silently keep the last; "
    "the driver refuses to guess.",
    fix="Keep the one value that is meant.",
    bad=gpu("sharing:", "  strategy: TimeSlicing", "  strategy: MPS"),
    good=gpu("sharing:", "  strategy: MPS"),
)
DRA012: Final = error(
    id="DRA012",
    name="wrong-case-field",
    cause=Cause.FORBIDDEN,
    why="Keys differ when their letters differ in case, so this one names no field and the "
    "driver refuses the config.",
    fix="Write the key as the message spells it.",
    bad=gpu("Sharing: {strategy: MPS}"),
    good=gpu("sharing: {strategy: MPS}"),
)
DRA013: Final = error(
    id="DRA013",
    name="wrong-type",
    cause=Cause.TYPE_INVALID,
    why='The driver converts nothing: "50" in quotes and 50.0 are no integers, 1 is no boolean '
    "and a single text is no list.",
    fix="Write the value in the type that the message names.",
    bad=gpu('sharing: {strategy: MPS, mpsConfig: {defaultActiveThreadPercentage: "50"}}'),
    good=gpu("sharing: {strategy: MPS, mpsConfig: {defaultActiveThreadPercentage: 50}}"),
)
DRA014: Final = error(
    id="DRA014",
    name="required-field-missing",
    cause=Cause.REQUIRED,
    why="The field has no default, and leaving it out, or setting it to null, expresses no wish "
    "that anybody could carry out.",
    fix="Add the field with a value.",
    bad="",
    good="",
)
DRA015: Final = warning(
    id="DRA015",
    name="legacy-api-version",
    cause=Cause.NOT_SUPPORTED,
    why="The version comes from an older driver or its documentation; we convert it, other "
    "drivers refuse it.",
    fix="Write the config in resource.nvidia.com/v1beta1; dra-config convert prints the new text.",
    bad=block("apiVersion: gpu.nvidia.com/v1alpha1", "kind: GpuConfig"),
    good=gpu(),
)
DRA016: Final = error(
    id="DRA016",
    name="legacy-shape-not-convertible",
    cause=Cause.INVALID,
    why="The old text allows several answers where the present version has room for one, and "
    "picking one would be a guess.",
    fix="Decide for one sharing strategy and write it in resource.nvidia.com/v1beta1.",
    bad=block(
        "apiVersion: gpu.resource.nvidia.com/v1alpha1",
        "kind: GpuConfiguration",
        "sharing:",
        "- {strategy: TimeSlicing}",
        "- {strategy: MPS}",
    ),
    good=gpu("sharing: {strategy: MPS}"),
)
DRA022: Final = warning(
    id="DRA022",
    name="driver-name-near-miss",
    judges=CLI_AND_WEBHOOK,
    cause=Cause.NOT_SUPPORTED,
    why="The name looks like that of a driver we know but is another one; no driver picks the "
    "config up, and the devices run with the defaults.",
    fix="Write the name of the driver in full, such as gpu.nvidia.com.",
    bad=claim(
        "apiVersion: resource.nvidia.com/v1beta1",
        "kind: GpuConfig",
        driver="gpu.resource.nvidia.com",
    ),
    good=claim("apiVersion: resource.nvidia.com/v1beta1", "kind: GpuConfig"),
)

RULES: Final[tuple[Rule, ...]] = (
    *(DRA001, DRA002, DRA003, DRA004, DRA005, DRA006, DRA007, DRA008, DRA009, DRA010, DRA011),
    *(DRA012, DRA013, DRA014, DRA015, DRA016, DRA022),
)
