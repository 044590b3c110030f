"""Python's view of the kubelet's messages, generated from our .proto files by protoc."""

import tempfile
from pathlib import Path
from typing import Final

from grpc_tools import protoc  # type: ignore[import-untyped]

PROTOS: Final = "plugin/rpc/protos"
FOLDER: Final = "plugin/rpc/stubs"
PACKAGE: Final = '"""Messages of the kubelet, generated from ../protos by `make generate`."""\n'


def texts(root: Path) -> dict[str, str]:
    """Return the text of every generated module and its types by its path in the repository.

    Raises:
        RuntimeError: protoc refuses a file; it has said why on standard error.
    """
    protos = sorted((root / PROTOS).glob("*.proto"))
    # grpcio-tools brings the well-known types itself, should a file ever import one.
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            "protoc",
            f"--proto_path={root / PROTOS}",
            f"--python_out={folder}",
            f"--pyi_out={folder}",
            *map(str, protos),
        ]
        if protoc.main(arguments) != 0:
            raise RuntimeError(f"protoc refused a file of {PROTOS}")
        generated = {
            f"{FOLDER}/{file.name}": file.read_text(encoding="utf-8")
            for file in sorted(Path(folder).iterdir())
        }
    return {f"{FOLDER}/__init__.py": PACKAGE, **generated}
