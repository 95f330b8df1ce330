"""What a sandbox worker runs: it looks at one file after the other.

It imports little, because bulk uploads start several workers, and all of it at once: after
`confine` it can no longer open files.
"""

import errno
import fcntl
import gc
import io
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from audiostore.errors import InvalidImageError, UnplayableAudioError
from audiostore.media.partial import FetchedPart
from audiostore.media.sandbox.confinement import confine
from audiostore.media.sandbox.output import HEAD_PART, NEXT_PART, PART_PREFIX

if TYPE_CHECKING:
    from audiostore.media.parsing.reading import Seekable
    from audiostore.media.probe import Encoder

REQUEST: Final = struct.Struct("<8s16sQdI?qq?I")
"""A `Request`. With it come two descriptors: the file, and a socket for the response."""
READY: Final = b"+"
"""Sent on the channel once everything is imported."""
RESPONSE_PREFIX: Final = struct.Struct("<cII")
"""A mark, sent by itself before the worker looks at the file, so that the parent knows which file
killed a worker; how many bytes of JSON follow, and how many of a picture after them."""
_BEGUN: Final = b"?"
_DESCRIPTORS = struct.Struct("ii")


class Request(NamedTuple):
    """What to do with a file."""

    task: str
    """"probe", "decode", "analyse" or "image"."""
    format_name: str
    """What the file was recognised as."""
    memory_bytes: int
    """What the worker may take beyond what it starts with."""
    cpu_s: float
    max_px: int = 0
    """Scale an image to this; 0: only decode it."""
    artwork: bool = False
    """Whether to look at embedded pictures."""
    offset: int = -1
    """Where the format's own data begin, as it was recognised; -1: find out."""
    size_bytes: int = -1
    """The size of a file of which only a part is there (see `PartialFile`); -1: all of it is."""
    true_peak: bool = False
    """Whether to find the true peak when a file is analysed."""
    preview_kbps: int = 0
    """The bit rate of a version for browsers that is made meanwhile, if it is stereo; 0: none."""

    @property
    def program(self) -> str:
        """What looks at the file."""
        return "Pillow" if self.task == "image" else "FFmpeg"

    def pack(self) -> bytes:
        """Return the request as it is sent."""
        task, format_name, *numbers = self
        return REQUEST.pack(task.encode(), format_name.encode(), *numbers)

    @classmethod
    def unpack(cls, data: bytes) -> "Request":
        """Return the request that was sent as this."""
        task, format_name, *numbers = REQUEST.unpack(data)
        return cls(task.rstrip(b"\0").decode(), format_name.rstrip(b"\0").decode(), *numbers)


Answer = tuple[Mapping[str, object], bytes]
"""Fields as JSON types, and the bytes of a picture."""
Task = Callable[["ServedFile", Request], Answer]
_SMALL_BYTES = 64 << 10


class OpenFile:
    """A file by its descriptor, with no system call but those that read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset."""
        return os.lseek(self._descriptor, offset, whence)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        return os.read(self._descriptor, size)

    def at_hand(self) -> "Seekable":
        """Return the file itself; a small one in memory: one call of the system, not fifty."""
        data = os.pread(self._descriptor, _SMALL_BYTES + 1, 0)
        return self if len(data) > _SMALL_BYTES else io.BytesIO(data)

    def part(self, size_bytes: int) -> FetchedPart:
        """Return what is there of a file of this size."""
        return FetchedPart(self._descriptor, size_bytes)


class ServedFile(OpenFile):
    """A file that came with a request, of which another may be made: the parent writes that."""

    def __init__(self, descriptor: int, reply: socket.socket) -> None:
        super().__init__(descriptor)
        self._reply = reply

    def write(self, data: bytes) -> None:
        """Send the next bytes of the other file, from `PREVIEW_HEAD_BYTES` on."""
        self._send(NEXT_PART, data)

    def write_head(self, data: bytes) -> None:
        """Send the beginning of the other file, last."""
        self._send(HEAD_PART, data)

    def _send(self, part: int, data: bytes) -> None:
        with _unobserved(self._reply.fileno()):
            self._reply.sendall(PART_PREFIX.pack(part, len(data)) + data)


def serve(descriptor: int, tasks: Mapping[str, Task] | None = None) -> NoReturn:
    """Respond to requests from the socket until it closes."""
    channel = socket.socket(fileno=descriptor)
    most_bytes, *programs = sys.argv[1:]
    # Ends this process when it has computed for too long, even if its parent is gone.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF])
    _warm_up(programs)
    gc.freeze()  # what exists now is kept
    gc.enable()
    space = confine(int(most_bytes), descriptor)
    _warm_up(programs)  # this fails where the confinement takes away too much
    channel.sendall(READY)
    while True:
        data, attached, _, _ = channel.recvmsg(REQUEST.size, socket.CMSG_LEN(_DESCRIPTORS.size))
        if not data or not attached:
            os._exit(0)
        request = Request.unpack(data)
        file, reply = _DESCRIPTORS.unpack(attached[0][2])
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, reply) as response_socket,
            suppress(ConnectionError),  # the parent gave up
        ):
            space.allow(request.memory_bytes)
            # If the parent gives up or dies, this socket hangs up. It is the parent who chose the
            # signal that the kernel then sends: SIGKILL.
            fcntl.fcntl(reply, fcntl.F_SETFL, getattr(os, "O_ASYNC", 0))
            response_socket.sendall(_BEGUN)
            signal.setitimer(signal.ITIMER_PROF, request.cpu_s)
            served = ServedFile(file, response_socket)
            fields, picture = _perform(tasks or _TASKS, served, request)
            text = json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace")
            signal.setitimer(signal.ITIMER_PROF, 0)  # the next file has a time of its own
            fcntl.fcntl(reply, fcntl.F_SETFL, 0)
            prefix = RESPONSE_PREFIX.pack(_BEGUN, len(text), len(picture))
            response_socket.sendall(prefix[len(_BEGUN) :] + text + picture)
        os.close(file)


@contextmanager
def _unobserved(reply: int) -> Iterator[None]:
    """Let the kernel send no signal meanwhile: it does when there is room to send more, too."""
    fcntl.fcntl(reply, fcntl.F_SETFL, 0)
    yield
    fcntl.fcntl(reply, fcntl.F_SETFL, getattr(os, "O_ASYNC", 0))


def _perform(tasks: Mapping[str, Task], file: ServedFile, request: Request) -> Answer:
    try:
        return tasks[request.task](file, request)
    except (UnplayableAudioError, InvalidImageError) as error:
        return {"refused": str(error)}, b""
    except MemoryError:
        return {"limit": f"it takes more than {request.memory_bytes >> 20} MiB of memory"}, b""
    except OSError as error:  # a failing disk is not the file's fault
        return {"errno": error.errno or errno.EIO}, b""


def _probe(file: OpenFile, request: Request) -> Answer:
    if request.size_bytes < 0:
        return _read(file.at_hand(), request)
    part = file.part(request.size_bytes)
    answer: Answer = {}, b""
    try:
        answer = _read(part, request)
    except Exception:
        if part.missing is None:
            raise
    # Whatever came of it: FFmpeg may have gone on, and taken what is missing for the end.
    return answer if part.missing is None else ({"missing": part.missing}, b"")


def _read(file: "Seekable", request: Request) -> Answer:
    from audiostore.media import probe  # noqa: PLC0415  (FFmpeg is loaded in workers alone)

    info = probe.read_audio(
        file,
        request.format_name,
        offset=None if request.offset < 0 else request.offset,
        artwork=request.artwork,
    )
    return info.to_dict(), info.artwork.data if info.artwork else b""


def _decode(file: OpenFile, request: Request) -> Answer:
    from audiostore.media import probe  # noqa: PLC0415

    decoded = probe.decode_frames(file, request.format_name)
    return {name: getattr(decoded, name) for name in decoded.__slots__}, b""


def _analyse(file: ServedFile, request: Request) -> Answer:
    from audiostore.media import probe  # noqa: PLC0415

    analyser = probe.Analyser(true_peak=request.true_peak)
    encoder = _encoder(file, request) if request.preview_kbps else None
    listeners = [analyser, encoder] if encoder else [analyser]
    decoded, damage = probe.listen_to_frames(file, request.format_name, *listeners)
    measured = analyser.finish()
    fields: dict[str, object] = {
        **{name: getattr(decoded, name) for name in decoded.__slots__},
        "damage": damage,
        "problem": analyser.problem or ("" if measured else "it has no samples"),
    }
    if encoder is not None:
        encoded = encoder.finish()
        fields["preview_problem"] = encoder.problem or ("" if encoded else "it has no samples")
        if encoded is not None:
            fields["preview"], head = encoded[0].to_dict(), encoded[1]
            file.write_head(head)
    if measured is None:
        return fields, b""
    return fields | measured.loudness.to_dict(), measured.waveform.to_dat()


def _encoder(file: ServedFile, request: Request) -> "Encoder":
    from audiostore.media import probe  # noqa: PLC0415

    info = probe.read_audio(file, request.format_name, artwork=False)
    bits_per_s = request.preview_kbps * 1000
    return probe.Encoder(file.write, stereo_bps=bits_per_s, tags=info.tags)


def _image(file: OpenFile, request: Request) -> Answer:
    from audiostore.media import artwork  # noqa: PLC0415  (Pillow is loaded in workers alone)

    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    data = file.read(size_bytes)
    if not request.max_px:
        artwork.check_image(data)
        return {}, b""
    scaled = artwork.scale_image(data, request.max_px)
    return {}, b"" if scaled is data else scaled


_TASKS: Mapping[str, Task] = {
    "probe": _probe,
    "decode": _decode,
    "analyse": _analyse,
    "image": _image,
}


def _warm_up(programs: Collection[str]) -> None:
    """Load whatever is loaded at first use: later no file can be opened."""
    if "FFmpeg" in programs:
        from audiostore.media import probe  # noqa: PLC0415
        from audiostore.media.formats import AUDIO_FORMATS  # noqa: PLC0415

        pcm = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 1600)
        wav = b"RIFF" + struct.pack("<I", 4 + len(pcm) + 1600) + b"WAVE" + pcm + bytes(1600)
        probe.decode_frames(io.BytesIO(wav), "WAV")
        for each in AUDIO_FORMATS:
            with suppress(UnplayableAudioError):
                probe.read_audio(io.BytesIO(b"?" * 4096), each.name)
    if "Pillow" in programs:
        from audiostore.media.artwork import warm_up  # noqa: PLC0415

        warm_up()
