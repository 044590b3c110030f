"""The place where buildah keeps layers between builds, apart from the system's own."""

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tools.images.errors import BuildFailed
from tools.images.programs import run

LARGEST_BYTES: Final = 4 * 1024**3
"""Old layers are never told from useful ones: above this size all of them go."""

# buildah notes what it has seen where the system keeps images; its notes go with its namespace.
_NOTES: Final = Path("/var/lib/containers")
_NOTHING_LEFT: Final = ("sh", "-c", f'mount -t tmpfs notes {_NOTES} && exec "$@"', "sh")

_UNFINISHED: Final = "unfinished"


class Storage:
    """A folder of layers; the caller sees to it that one process at a time uses it."""

    def __init__(self, folder: Path, log: Path) -> None:
        """Use *folder*, which need not exist; what buildah says goes to *log*."""
        self._folder = folder
        self._log = log

    @contextmanager
    def session(self) -> Generator[None]:
        """Begin with a sound storage: one that a build left unfinished is thrown away."""
        mark = self._folder / _UNFINISHED
        if mark.exists() or _size(self._folder) > LARGEST_BYTES:
            shutil.rmtree(self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
        # The default would make a folder for networks in /etc.
        networks = self._folder / "networks"
        networks.mkdir(exist_ok=True)
        (self._folder / "containers.conf").write_text(
            f'[network]\nnetwork_config_dir = "{networks}"\n', encoding="utf-8"
        )
        _NOTES.mkdir(parents=True, exist_ok=True)
        try:
            yield
        finally:
            # The system's own images, if there are any, keep it.
            with suppress(OSError):
                _NOTES.rmdir()
        mark.unlink()

    def has(self, image: str) -> bool:
        """Say whether there is an *image* of this name."""
        return image in self._buildah("images", "--format", "{{.Name}}:{{.Tag}}").splitlines()

    def add_base(self, image: str, archive: Path) -> None:
        """Make the root file system in *archive* an image of one layer."""
        container = self._buildah("from", "scratch")
        self._buildah("add", "--quiet", container, str(archive), "/")
        self._buildah("commit", "--quiet", "--timestamp", "0", "--rm", container, image)

    def build(
        self, context: Path, *, target: str, image: str, arguments: Mapping[str, str]
    ) -> None:
        """Build *target* of the Dockerfile in *context* and name it *image*.

        Steps that are known from an earlier build are not carried out again.
        """
        words = ["--layers", "--pull-never", "--timestamp", "0", "--target", target]
        for name, value in arguments.items():
            words += ["--build-arg", f"{name}={value}"]
        self._buildah("build", "--quiet", *words, "--tag", image, str(context))

    def save(self, image: str, archive: Path) -> None:
        """Write *image* to *archive*, as `docker load` and `ctr image import` read it."""
        self._buildah("push", "--quiet", image, f"docker-archive:{archive}:{image}")

    def _buildah(self, *words: str) -> str:
        variables = {
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_CONF": str(self._folder / "containers.conf"),
            "STORAGE_DRIVER": "vfs",
            "TMPDIR": str(self._folder),
        }
        places = ["--root", str(self._folder / "layers"), "--runroot", str(self._folder / "run")]
        return run(
            [*_NOTHING_LEFT, "buildah", *places, *words], log=self._log, variables=variables
        )


def _size(folder: Path) -> int:
    """Return how many bytes the files under *folder* take."""
    try:
        return sum(path.lstat().st_size for path in folder.rglob("*"))
    except OSError as error:
        raise BuildFailed(f"{folder} cannot be read: {error}") from error
