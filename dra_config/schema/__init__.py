"""JSON Schema documents and CRD manifests, made from the wire models and nothing else."""

from dra_config.schema.crds import custom_resource_definitions
from dra_config.schema.documents import OPAQUE_PARAMETERS, documents
from dra_config.schema.inexpressible import INEXPRESSIBLE, Inexpressible

__all__ = [
    "INEXPRESSIBLE",
    "OPAQUE_PARAMETERS",
    "Inexpressible",
    "custom_resource_definitions",
    "documents",
]
