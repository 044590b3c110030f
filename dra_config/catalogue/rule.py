"""What a rule of the catalogue is: data for the library, the services and the documents."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What a finding means for the object it stands in."""

    ERROR = "error"
    """The object is refused."""
    WARNING = "warning"
    """The object is accepted; something in it does not do what it seems to do."""
    NOTE = "note"
    """Nothing is wrong as far as anybody can tell; the reader may want to know."""


class Cause(StrEnum):
    """The reason of a violation for programs, spelt as in ``status.details.causes``."""

    DUPLICATE = "FieldValueDuplicate"
    FORBIDDEN = "FieldValueForbidden"
    INVALID = "FieldValueInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    REQUIRED = "FieldValueRequired"
    TOO_LONG = "FieldValueTooLong"
    TYPE_INVALID = "FieldValueTypeInvalid"


class Need(StrEnum):
    """What must be at hand before a rule can be decided."""

    OBJECT = "object"
    """The object, or the parameters on their own."""
    GATES = "gates"
    """The feature gates of the installation."""
    ALLOCATION = "allocation"
    """The devices that the scheduler chose for a claim."""
    FILE = "file"
    """The text of the file that the object was read from."""


class Judge(StrEnum):
    """Who decides a rule."""

    PARAMETERS = "parameters"
    """``dra_config.load``, and with it the command line, the webhook and the plugin."""
    CLI = "cli"
    """The command line."""
    WEBHOOK = "webhook"
    """The admission webhook."""
    PLUGIN = "plugin"
    """The kubelet plugin, when it prepares a claim."""
    SETTINGS = "settings"
    """Every program that reads feature gates, when it starts."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the catalogue."""

    id: str
    """``DRA`` and three digits; never given to another rule."""
    name: str
    """The rule in a few words, in kebab case."""
    severity: Severity
    """How a violation counts unless the caller says otherwise."""
    needs: frozenset[Need]
    """What must be at hand; a rule that lacks something stays silent."""
    judges: frozenset[Judge]
    """Who decides the rule."""
    cause: Cause
    """The reason sent to the API server with a violation."""
    why: str
    """What goes wrong on the cluster when nobody decides the rule."""
    fix: str
    """What to write instead."""
    bad: str
    """The smallest YAML that breaks the rule, or empty where none can be shown."""
    good: str
    """The same YAML put right, or empty where none can be shown."""
