"""The texts below the fields of a model, read from its source when a schema is asked for.

pydantic can read them itself, but then does so for every model at each start of a program.
"""

import ast
import functools
import inspect
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType


@functools.cache
def _classes(module: ModuleType) -> Mapping[str, ast.ClassDef]:
    tree = ast.parse(inspect.getsource(module))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def field_texts(model: type) -> Mapping[str, str]:
    """Return the text below each annotated attribute of *model*, by the attribute's name.

    The text of a base stands for an attribute that the model does not annotate itself.
    """
    texts: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        module = sys.modules.get(owner.__module__)
        if module is not None and owner.__module__.startswith("dra_config."):
            node = _classes(module).get(owner.__name__)
            texts.update(_texts(node) if node is not None else ())
    return texts


def _texts(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in zip(node.body, node.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(ast.Name(name)), ast.Expr(ast.Constant(str(written))):
                yield name, inspect.cleandoc(written)
            case _:
                continue
