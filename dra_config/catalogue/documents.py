"""Rules DRA940 to DRA946: files and documents, before anything in them is judged."""

from typing import Final

from dra_config.catalogue.rule import Cause, Rule
from dra_config.catalogue.shorthand import CLI, FILE, claim, error, gpu, note, warning

DRA940: Final = error(
    id="DRA940",
    name="document-not-parsable",
    needs=FILE,
    judges=CLI,
    cause=Cause.INVALID,
    why="The text is neither YAML nor JSON, so kubectl cannot send it and nothing in it was "
    "judged.",
    fix="Mend the text at the place that the message points to.",
    bad="",
    good="",
)
DRA941: Final = note(
    id="DRA941",
    name="template-not-judged",
    needs=FILE,
    cause=Cause.INVALID,
    why="The document holds the marks of a template language, and what it becomes is not known "
    "before it is rendered.",
    fix="Render it first, with helm template for instance, and check what comes out.",
    bad="",
    good="",
)
DRA942: Final = error(
    id="DRA942",
    name="file-too-large",
    needs=FILE,
    judges=CLI,
    cause=Cause.TOO_LONG,
    why="The file is larger than 16 MiB, more than any set of manifests that people write, and "
    "was not read.",
    fix="Split the file, or leave it out of the check.",
    bad="",
    good="",
)
DRA943: Final = error(
    id="DRA943",
    name="document-too-deep-or-aliased",
    needs=FILE,
    judges=CLI,
    cause=Cause.TOO_LONG,
    why="Read in full, the document would fill the memory: its lists and mappings lie too deep, "
    "or its aliases repeat each other too often.",
    fix="Write the values out where they are needed, in fewer levels.",
    bad="",
    good="",
)
DRA944: Final = note(
    id="DRA944",
    name="config-of-another-driver",
    cause=Cause.NOT_SUPPORTED,
    why="The config is for a driver whose parameters we do not know, so it was passed over.",
    fix="Nothing is needed; check the config with the tools of its driver.",
    bad=claim("apiVersion: gpu.example.com/v1alpha1", "kind: GpuConfig", driver="gpu.example.com"),
    good="",
)
DRA945: Final = warning(
    id="DRA945",
    name="unused-ignore",
    needs=FILE,
    judges=CLI,
    cause=Cause.INVALID,
    why="The comment silences a rule that finds nothing here, and would hide the finding if one "
    "came up later.",
    fix="Remove the comment, or the id of the rule from it.",
    bad=gpu("sharing: {strategy: MPS}  # dra-config: ignore[DRA101] strategy of a fork"),
    good=gpu("sharing: {strategy: MPS}"),
)
DRA946: Final = note(
    id="DRA946",
    name="rule-undecided",
    cause=Cause.INVALID,
    why="The rule depends on something that is not known here, such as the feature gates of the "
    "cluster, and says nothing rather than guess.",
    fix="Give what the message names, such as --feature-gates MPSSupport=true.",
    bad="",
    good="",
)

RULES: Final[tuple[Rule, ...]] = (DRA940, DRA941, DRA942, DRA943, DRA944, DRA945, DRA946)
