"""What a peer is asked to do."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

CONTENT_TYPES = {".mp3": "audio/mpeg", ".wav": "audio/wav", ".jpg": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class Job:
    """Store all files of a tree under their paths in it; or fetch them into another tree."""

    tree: str
    """``audio/{uuid}/audio.mp3`` and ``thumbnail.jpg`` lie in it."""
    endpoint: str
    ca_bundle: str
    scratch: str
    """An empty directory of this run's own; what is fetched goes to `destination` in it."""
    bucket: str = "bench"
    concurrency: int | None = None
    """None: the peer finds its own."""

    def write(self, path: Path) -> None:
        """Write it where the peer reads it."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: str) -> Self:
        """Read what `write` wrote."""
        return cls(**json.loads(Path(path).read_text()))

    @property
    def names(self) -> list[str]:
        """The names of all objects, in their order."""
        root = Path(self.tree)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    @property
    def destination(self) -> Path:
        """Where fetched files go, under their objects' names."""
        return Path(self.scratch) / "fetched"

    def path(self, name: str) -> Path:
        """Return the local file of an object that is to be stored."""
        return Path(self.tree) / name

    def target(self, name: str) -> Path:
        """Return the file to fetch an object into; its directory is there."""
        target = self.destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def content_type(name: str) -> str:
    """Return what an object is to be served as."""
    return CONTENT_TYPES[Path(name).suffix]


def run(actions: dict[str, Callable[[Job], None]]) -> None:
    """Do the action named first on the command line, for the job in the file named second."""
    actions[sys.argv[1]](Job.read(sys.argv[2]))
