"""Audio files examined in a process of their own, which a crafted file can harm, and only that.

FFmpeg's libraries are C, and a file of unknown origin is what the next exploit looks like: within
a megabyte it can ask for gigabytes of memory or minutes of time. So a child process looks at it,
which is handed one open file and no path, and which the kernel allows little more memory than it
starts with, no further open file or socket, and a few seconds of computing. What it answers is
JSON, so that a child that was taken over cannot reach further either. If it dies, the file is to
blame. If it only gets no turn, on a busy machine or from a slow disk, the file is not: the kernel
counts the time that it computes, not the time that passes.

`Examiner` keeps children for many files: starting one takes 0.1 to 0.2 s, asking it about a file
a fraction of a millisecond more than looking at the file here. `probe_apart` uses a few for the
whole process; `decode_audio` starts one for the file.
"""

import atexit
import errno
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, NoReturn, Self

from audiostore.errors import UnplayableAudioError
from audiostore.media import Artwork, AudioInfo, Chapter, DecodedInfo, ImageInfo
from audiostore.source import open_regular

PROBE_CPU_S: Final = 2.0
PROBE_MEMORY_BYTES: Final = 128 << 20
"""What a child may take beyond what it has after its imports (resident then: some 60 MB)."""
DECODE_CPU_S: Final = 600.0
DECODE_MEMORY_BYTES: Final = 256 << 20

_START_TIMEOUT_S = 60.0
_PATIENCE = 10
"""How much longer, by the clock, a child may take than it may compute, beside a minute."""
_PREFIX = struct.Struct("<II")
"""How many bytes of JSON follow, and how many of artwork behind them."""
_MAX_JSON_BYTES = 64 << 20
_RECEIVED_AT_ONCE_BYTES = 64 << 10
_MAX_ARTWORK_BYTES = 32 << 20
_CHILD = "import sys; sys.path[:] = {path!r}; from audiostore.decoding import serve; serve({fd})"


def probe_apart(path: Path, format_name: str) -> AudioInfo:
    """As `audiostore.probe.probe_audio`, in one of this process's few long-lived children.

    Thread-safe. The first call starts a child, further ones more if it is busy; they end with this
    process.

    Raises:
        UnplayableAudioError: also for a file that takes too much computing or memory, or that
            brings the child down.
        SourceNotFoundError, InvalidSourceError, OSError: as `open_regular`.
        TimeoutError: no answer for long, though little was computed.
    """
    return _shared().probe(path, format_name)


def prepare_children() -> None:
    """Have a child started meanwhile, so that it is there when the first file comes."""
    threading.Thread(target=_shared().prepare, name="audiostore-examiner", daemon=True).start()


def decode_audio(
    path: Path,
    format_name: str,
    *,
    cpu_s: float = DECODE_CPU_S,
    memory_bytes: int = DECODE_MEMORY_BYTES,
) -> DecodedInfo:
    """Decode an audio file from its first frame to its last, in a child process.

    Args:
        path: the file.
        format_name: what our recognition found it to be.
        cpu_s: how long the child may compute; the kernel then ends it.
        memory_bytes: what the child may take beyond what it starts with.

    Raises:
        UnplayableAudioError: frames that do not decode, sound that is missing, another duration
            than the file states (each with the second where), too much computing or memory.
        SourceNotFoundError, InvalidSourceError, OSError: as `open_regular`.
        TimeoutError: no answer for long, though little was computed.
    """
    with Examiner(cpu_s=cpu_s, memory_bytes=memory_bytes) as examiner:
        return examiner.decode(path, format_name)


class Examiner:
    """Child processes, each of which looks at one file after the other until it dies.

    Thread-safe; a context manager. A child is started when all that there are are busy. After a
    fork, the copy starts children of its own.

    Args:
        cpu_s: how long a child may compute for a file.
        memory_bytes: what it may take beyond what it starts with.
        timeout_s: by the clock; the child is then killed. None: a minute more than ten times
            `cpu_s`, so that none but a child that hangs gets there.
        most: how many children there may be.
    """

    def __init__(
        self,
        *,
        cpu_s: float = PROBE_CPU_S,
        memory_bytes: int = PROBE_MEMORY_BYTES,
        timeout_s: float | None = None,
        most: int = 1,
    ) -> None:
        self._cpu_s = cpu_s
        self._timeout_s = 60 + _PATIENCE * cpu_s if timeout_s is None else timeout_s
        self._memory_bytes = memory_bytes
        self._places = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def probe(self, path: Path, format_name: str) -> AudioInfo:
        """As `probe_apart`, in this child."""
        answer, artwork = self._ask("probe", path, format_name)
        return _audio_info(answer, artwork)

    def decode(self, path: Path, format_name: str) -> DecodedInfo:
        """As `decode_audio`, in this child."""
        answer, _ = self._ask("decode", path, format_name)
        return DecodedInfo(**answer)

    def prepare(self) -> None:
        """Start a child, if there is none; if that fails, whoever needs one is told."""
        with suppress(RuntimeError, OSError), self._places:
            self._give_back(self._take())

    def close(self) -> None:
        """End the children; one that is busy ends when it has answered."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            child.end()

    def _ask(self, what: str, path: Path, format_name: str) -> tuple[dict[str, Any], bytes]:
        with open_regular(path) as descriptor, self._places:
            child = self._take()
            try:
                answer, artwork = child.ask(
                    what, format_name, descriptor, self._cpu_s, self._timeout_s
                )
            except TimeoutError as error:
                child.end()
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    f"looking into it gave no answer for {self._timeout_s:g} s: the disk is too "
                    "slow, or the machine too busy; try again later",
                    str(path),
                ) from error
            except BaseException:
                child.end()
                raise
            self._give_back(child)
        if (refusal := answer.get("unplayable")) is not None:
            raise UnplayableAudioError(str(refusal))
        if (number := answer.get("errno")) is not None:
            raise OSError(number, os.strerror(number), str(path))
        return answer, artwork

    def _take(self) -> "_Child":
        while True:
            with self._lock:
                if not self._idle:
                    break
                child = self._idle.pop()
            if child.is_usable:
                return child
            child.end()
        return _Child(self._memory_bytes)

    def _give_back(self, child: "_Child") -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.append(child)
                return
        child.end()


class _Child:
    def __init__(self, memory_bytes: int) -> None:
        self._owner = os.getpid()
        self._socket, theirs = socket.socketpair()
        try:
            code = _CHILD.format(path=[p for p in sys.path if p], fd=theirs.fileno())
            # -I: neither the environment nor the working directory chooses what it imports.
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
                [sys.executable, "-I", "-c", code, str(memory_bytes)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # the terminal's Ctrl-C is ours to handle
            )
        except BaseException:
            self._socket.close()
            raise
        finally:
            theirs.close()
        try:
            self._receive(time.monotonic() + _START_TIMEOUT_S)
        except (_ChildGoneError, TimeoutError) as error:
            self.end()
            raise RuntimeError(
                f"{sys.executable} cannot start the process that examines audio files"
            ) from error
        except BaseException:
            self.end()
            raise

    @property
    def is_usable(self) -> bool:
        return self._owner == os.getpid() and self._process.poll() is None

    def ask(
        self, what: str, format_name: str, descriptor: int, cpu_s: float, timeout_s: float
    ) -> tuple[dict[str, Any], bytes]:
        deadline = time.monotonic() + timeout_s
        request = json.dumps({"do": what, "format": format_name, "cpu_s": cpu_s})
        self._socket.settimeout(timeout_s)
        try:
            socket.send_fds(self._socket, [request.encode()], [descriptor])
            return self._receive(deadline)
        except (_ChildGoneError, ConnectionError) as error:
            raise UnplayableAudioError(self._obituary(cpu_s)) from error

    def end(self) -> None:
        self._socket.close()
        if self._owner == os.getpid():
            self._process.kill()
            self._process.wait()

    def _obituary(self, cpu_s: float) -> str:
        try:
            status = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "it confuses what reads it"
        if status == -signal.SIGPROF:
            return f"looking into it took more than {cpu_s:g} s of computing: it was given up"
        if status < 0:
            return f"it crashes (signal {-status}) what reads it"
        return "it stops what reads it"

    def _receive(self, deadline: float) -> tuple[dict[str, Any], bytes]:
        data = self._more(bytearray(), _PREFIX.size, deadline)  # mostly all of it
        json_bytes, artwork_bytes = _PREFIX.unpack_from(data)
        if json_bytes > _MAX_JSON_BYTES or artwork_bytes > _MAX_ARTWORK_BYTES:
            raise _ChildGoneError
        end = _PREFIX.size + json_bytes
        self._more(data, end + artwork_bytes, deadline)
        try:
            answer: dict[str, Any] = json.loads(data[_PREFIX.size : end])
        except ValueError as error:
            raise _ChildGoneError from error
        return answer, bytes(data[end : end + artwork_bytes])

    def _more(self, data: bytearray, size: int, deadline: float) -> bytearray:
        """Receive until there are so many bytes; it answers one question at a time, so no more."""
        while len(data) < size:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                raise TimeoutError
            self._socket.settimeout(remaining_s)
            piece = self._socket.recv(_RECEIVED_AT_ONCE_BYTES)
            if not piece:
                raise _ChildGoneError
            data += piece
        return data


class _ChildGoneError(Exception):
    """The child ended, or does not speak our language any more."""


_SHARED_CHILDREN = max(2, min(4, os.cpu_count() or 1))
"""With only one, each thread would wait for its turn to speak, and it for each thread's."""
_shared_lock = threading.Lock()
_shared_examiners: dict[int, Examiner] = {}
"""By process id: a fork may copy an examiner whose lock is held."""


def _shared() -> Examiner:
    with _shared_lock:
        if (examiner := _shared_examiners.get(os.getpid())) is None:
            examiner = _shared_examiners[os.getpid()] = Examiner(most=_SHARED_CHILDREN)
            atexit.register(examiner.close)
        return examiner


def _audio_info(answer: Mapping[str, Any], artwork: bytes) -> AudioInfo:
    image = answer["artwork"]
    return AudioInfo(
        container=answer["container"],
        codec=answer["codec"],
        duration_s=answer["duration_s"],
        duration_is_exact=answer["duration_is_exact"],
        sample_rate_hz=answer["sample_rate_hz"],
        channels=answer["channels"],
        bits_per_sample=answer["bits_per_sample"],
        bitrate_bps=answer["bitrate_bps"],
        tags=MappingProxyType(answer["tags"]),
        chapters=tuple(Chapter(**chapter) for chapter in answer["chapters"]),
        artwork=Artwork(
            artwork,
            ImageInfo(
                image["format"],
                image["content_type"],
                image["width"],
                image["height"],
                image["size_bytes"],
            ),
        )
        if image
        else None,
        artwork_problem=answer["artwork_problem"],
    )


# -- the child ---------------------------------------------------------------------------------


def serve(descriptor: int) -> NoReturn:
    """Answer questions from the socket until it closes; what the child process runs."""
    from audiostore import probe  # noqa: PLC0415 - FFmpeg is loaded in the child alone

    channel = socket.socket(fileno=descriptor)
    # Ends this process when it has computed for too long, even if nobody is there to kill it.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF])
    _warm_up()
    _limit(int(sys.argv[1]), channel)
    _answer(channel, {}, b"")
    while True:
        request, descriptors, _, _ = socket.recv_fds(channel, 4096, 1)
        if not request or not descriptors:
            os._exit(0)
        asked = json.loads(request)
        signal.setitimer(signal.ITIMER_PROF, asked["cpu_s"])
        answer: dict[str, object]
        artwork = b""
        with os.fdopen(descriptors[0], "rb", 0) as stream:
            try:
                if asked["do"] == "probe":
                    info = probe.read_audio(stream, asked["format"])
                    answer = info.to_dict()
                    artwork = info.artwork.data if info.artwork else b""
                else:
                    decoded = probe.decode_frames(stream, asked["format"])
                    answer = {name: getattr(decoded, name) for name in decoded.__slots__}
            except UnplayableAudioError as error:
                answer = {"unplayable": str(error)}
            except MemoryError:
                answer = {"unplayable": "it asks for more memory than a song needs"}
            except OSError as error:  # a disk that fails is no fault of the file's
                answer = {"errno": error.errno or errno.EIO}
        _answer(channel, answer, artwork)


def _answer(channel: socket.socket, answer: Mapping[str, object], artwork: bytes) -> None:
    text = json.dumps(answer).encode()
    signal.setitimer(signal.ITIMER_PROF, 0)  # what comes now must not be laid on the next file
    channel.sendall(_PREFIX.pack(len(text), len(artwork)) + text + artwork)


def _warm_up() -> None:
    # Whatever is imported at first use is imported now: later there is no file to be had.
    import encodings.idna  # noqa: F401, PLC0415
    from io import BytesIO  # noqa: PLC0415

    from PIL import Image  # noqa: PLC0415

    from audiostore import artwork, probe  # noqa: PLC0415

    for name in ("JPEG", "PNG", "WebP"):
        picture = BytesIO()
        Image.new("RGB", (8, 8)).save(picture, name)
        artwork.check_image(picture.getvalue())
    pcm = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 1600)
    wav = b"RIFF" + struct.pack("<I", 4 + len(pcm) + 1600) + b"WAVE" + pcm + bytes(1600)
    probe.decode_frames(BytesIO(wav), "WAV")
    for name in probe.DEMUXERS:
        with suppress(UnplayableAudioError):
            probe.read_audio(BytesIO(b"?" * 4096), name)


def _limit(memory_bytes: int, channel: socket.socket) -> None:
    """Take away from this process what it will not need: memory, files, sockets, core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):  # macOS has neither /proc nor a limit that holds
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    # Descriptors are given out from the lowest: the one file that is sent gets the last number,
    # and until it is closed nothing else can be opened, no file and no socket.
    lowest = os.dup(channel.fileno())
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, lowest + 1))
