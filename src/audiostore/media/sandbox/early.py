"""A worker that starts before its pool is imported, with the parsers that check its answers."""

import atexit
import os
from collections.abc import Collection
from contextlib import suppress

from audiostore.media import ffmpeg
from audiostore.media.info import IMAGE_MEMORY_BYTES
from audiostore.media.sandbox.process import WorkerProcess

MOST_BYTES = IMAGE_MEMORY_BYTES
"""What a worker may take for any task, beyond what it starts with."""
_started: dict[int, WorkerProcess | None] = {}
"""By the process that started it; None once its pool has taken it."""


def start_early(*, images: bool = False) -> None:
    """Start a worker for a file that will be looked at soon, once a process.

    If that fails, looking at the file reports it.

    Args:
        images: whether it will decode images, too.
    """
    if os.getpid() in _started or not ffmpeg.is_installed():
        return
    programs = ["FFmpeg", "Pillow"] if images else ["FFmpeg"]
    with suppress(OSError):
        worker = _started[os.getpid()] = WorkerProcess(programs, MOST_BYTES)
        atexit.register(worker.reap)


def take_early(programs: Collection[str], memory_bytes: int) -> WorkerProcess | None:
    """Return the worker that was started early, if it can do this; it may not be ready yet."""
    worker = _started.get(os.getpid())
    if worker and worker.programs.issuperset(programs) and memory_bytes == MOST_BYTES:
        _started[os.getpid()] = None
        return worker
    return None
