"""JSON Schema documents and CRD manifests, made from the wire models and nothing else."""

from dra_config.schema.crds import custom_resource_definitions
from dra_config.schema.documents import OPAQUE_PARAMETERS, documents
from dra_config.schema.fields import Field, Kind, Value, kinds, walk
from dra_config.schema.inexpressible import INEXPRESSIBLE, Inexpressible
from dra_config.schema.manifests_schema import MANIFEST, manifest_schema

__all__ = [
    "INEXPRESSIBLE",
    "MANIFEST",
    "OPAQUE_PARAMETERS",
    "Field",
    "Inexpressible",
    "Kind",
    "Value",
    "custom_resource_definitions",
    "documents",
    "kinds",
    "manifest_schema",
    "walk",
]
