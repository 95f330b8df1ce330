"""What goes wrong, and what must be true afterwards."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.survival.tools import Task
from tests.assets import OTHER_JPG, mp3_bytes
from tests.gcs_server import Request, StrictServer, faults

OTHER_AUDIO = mp3_bytes(300_000)
NEW_TAKE = mp3_bytes(310_000)

Hook = Callable[[Request], object]
Arrange = Callable[[StrictServer, Task], Hook | None]


def _nothing(_server: StrictServer, _task: Task) -> None:
    """Let everything go well."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing that goes wrong."""

    key: str
    title: str
    arrange: Arrange = _nothing
    """Prepares the server and the files before the tool starts; may return what is to be called
    before each response."""
    is_refusal: bool = False
    """The asset must not be stored: the command fails, and the local files stay."""
    is_kill: bool = False
    """The tool is killed at each of its requests, one run for each."""


def _cut(_server: StrictServer, task: Task) -> None:
    """Keep half of the track; its header still counts all frames."""
    data = task.audio.read_bytes()
    task.audio.write_bytes(data[: len(data) // 2])


def _page_for_a_cover(_server: StrictServer, task: Task) -> None:
    task.cover.write_text("<!doctype html><title>404 Not Found</title>")


def _busy(server: StrictServer, task: Task) -> None:
    for path in (task.cover, task.audio):
        server.fault(faults.upload_of(path.name), faults.respond(503), times=3)


def _reset(server: StrictServer, task: Task) -> None:
    server.fault(faults.upload_of(task.audio.name), faults.reset(50_000))


def _lost_track(server: StrictServer, task: Task) -> None:
    server.fault(_storing(task.audio), faults.lose_response())


def _lost_cover(server: StrictServer, task: Task) -> None:
    server.fault(_storing(task.cover), faults.lose_response())


def _flipped(server: StrictServer, task: Task) -> None:
    server.fault(_storing(task.audio), faults.Fault(flip_request=60_000))


def _no_cover(server: StrictServer, task: Task) -> None:
    server.fault(faults.upload_of(task.cover.name), faults.respond(403), times=None)


def _taken(server: StrictServer, task: Task) -> None:
    """Store another track and its cover under the same id."""
    server.put(task.bucket, task.name(task.cover), OTHER_JPG.read_bytes())
    server.put(task.bucket, task.name(task.audio), OTHER_AUDIO)


def _new_take(server: StrictServer, task: Task) -> Hook:
    """Replace the local track by a new take once the first one is in the bucket."""
    beside = task.home / "new-take"
    beside.write_bytes(NEW_TAKE)

    def replace(_request: Request) -> None:
        if beside.exists() and server.object(task.bucket, task.name(task.audio)) is not None:
            beside.replace(task.audio)

    return replace


def _storing(path: Path) -> faults.Matcher:
    """Match the request that completes an object."""
    whole = faults.simple_upload | faults.last_chunk
    return whole & faults.named(path.name)


TRIALS = [
    Trial("busy", "503 three times for each object", _busy),
    Trial("reset", "the connection breaks in the middle of the track", _reset),
    Trial("lost-track", "the response to the track is lost", _lost_track),
    Trial("lost-cover", "the response to the cover is lost", _lost_cover),
    Trial("flipped", "a byte of the track is flipped on its way", _flipped),
    Trial("killed", "the tool is killed at any of its requests", is_kill=True),
    Trial("no-cover", "the cover cannot be stored (403)", _no_cover, is_refusal=True),
    Trial("taken", "another track is stored under the id", _taken, is_refusal=True),
    Trial("cut", "the track is cut off in the middle", _cut, is_refusal=True),
    Trial("page", "the cover is a web page", _page_for_a_cover, is_refusal=True),
    Trial("new-take", "the local track is replaced while it is stored", _new_take),
]
