"""The names of a package, each imported from its own module when somebody first asks for it."""

import sys
from collections.abc import Callable, Mapping


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return the ``__getattr__`` of a package that imports as little as its readers need.

    Args:
        package: The full name of the package, or of a module.
        homes: The module that each of the names comes from; a dot before it says that it stands
            inside the package.
    """

    def get(name: str) -> object:
        """Return the attribute *name* of the package, and keep it there.

        Raises:
            AttributeError: The package has no such name.
        """
        from importlib import import_module  # noqa: PLC0415 - not once everything is there

        if name not in homes:
            message = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(message)
        value: object = getattr(import_module(homes[name], package), name)
        setattr(sys.modules[package], name, value)
        return value

    return get
