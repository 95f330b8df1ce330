"""The work of a peer."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

CONTENT_TYPES = {
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
FETCHED = "fetched"
"""The directory that files are fetched into, or stored in, in a job's scratch directory."""


@dataclass(frozen=True, slots=True)
class Job:
    """Store all files of a tree under their paths in it; or fetch them into another tree."""

    tree: str
    """It contains ``audio/{uuid}/audio.mp3`` and ``thumbnail.jpg``, or files of other formats."""
    assets: int
    """How many."""
    manifest: str
    """A CSV file that lists them, with their ids."""
    endpoint: str
    ca_bundle: str
    scratch: str
    """An empty directory for this run; downloads go to `destination` in it."""
    bucket: str = "bench"
    concurrency: int | None = None
    """None: the peer's own default."""

    def write(self, path: Path) -> None:
        """Write the job to a file for the peer."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: str) -> Self:
        """Read a job from the file that `write` made."""
        return cls(**json.loads(Path(path).read_text()))

    @property
    def names(self) -> list[str]:
        """The names of all objects, sorted."""
        root = Path(self.tree)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    @property
    def destination(self) -> Path:
        """The directory for downloads, under the names of their objects; or to store in."""
        return Path(self.scratch) / FETCHED

    def path(self, name: str) -> Path:
        """Return the local file of an object to store."""
        return Path(self.tree) / name

    def target(self, name: str) -> Path:
        """Return the file to fetch an object into; its directory exists."""
        target = self.destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def content_type(name: str) -> str:
    """Return the content type of an object."""
    return CONTENT_TYPES[Path(name).suffix]


def run(actions: dict[str, Callable[[Job], None]]) -> None:
    """Run the action in the first argument on the job in the file in the second."""
    actions[sys.argv[1]](Job.read(sys.argv[2]))
