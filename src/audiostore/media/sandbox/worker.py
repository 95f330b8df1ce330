"""What a sandbox worker runs: it looks at one file after the other.

It imports little, because bulk uploads start several workers, and all of it at once: after
`_limit` it can no longer open files.
"""

import errno
import gc
import io
import json
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NoReturn

from audiostore.errors import UnplayableAudioError

REQUEST: Final = struct.Struct("<8s16s?d")
"""The task ("probe" or "decode"), the name of the format, whether to look at embedded pictures,
seconds of CPU time. With it come two descriptors: the file, and a socket for the response."""
READY: Final = b"+"
"""Sent on the channel once everything is imported."""
RESPONSE_PREFIX: Final = struct.Struct("<cII")
"""A mark, sent by itself before the worker looks at the file, so that the parent knows which file
killed a worker; how many bytes of JSON follow, and how many of artwork after them."""
_BEGUN: Final = b"?"
_DESCRIPTORS = struct.Struct("ii")


def serve(descriptor: int) -> NoReturn:
    """Respond to requests from the socket until it closes."""
    channel = socket.socket(fileno=descriptor)
    # Ends this process when it has computed for too long, even if its parent is gone.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF])
    _warm_up()
    gc.freeze()  # what exists now is kept
    gc.enable()
    _limit(int(sys.argv[1]), channel)
    channel.sendall(READY)
    while True:
        request, attached, _, _ = channel.recvmsg(REQUEST.size, socket.CMSG_LEN(_DESCRIPTORS.size))
        if not request or not attached:
            os._exit(0)
        task, format_name, artwork, cpu_s = REQUEST.unpack(request)
        file, reply = _DESCRIPTORS.unpack(attached[0][2])
        with (
            io.FileIO(file) as stream,
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, reply) as response_socket,
            suppress(ConnectionError),  # the parent gave up
        ):
            response_socket.sendall(_BEGUN)
            signal.setitimer(signal.ITIMER_PROF, cpu_s)
            response, picture = _look(stream, _text(task), _text(format_name), artwork=artwork)
            text = json.dumps(response).encode()
            signal.setitimer(signal.ITIMER_PROF, 0)  # the next file has a time of its own
            prefix = RESPONSE_PREFIX.pack(_BEGUN, len(text), len(picture))
            response_socket.sendall(prefix[len(_BEGUN) :] + text + picture)


def _look(
    stream: io.FileIO, task: str, format_name: str, *, artwork: bool
) -> tuple[Mapping[str, object], bytes]:
    from audiostore.media import probe  # noqa: PLC0415

    try:
        if task == "probe":
            info = probe.read_audio(stream, format_name, artwork=artwork)
            return info.to_dict(), info.artwork.data if info.artwork else b""
        decoded = probe.decode_frames(stream, format_name)
        return {name: getattr(decoded, name) for name in decoded.__slots__}, b""
    except UnplayableAudioError as error:
        return {"unplayable": str(error)}, b""
    except MemoryError:
        return {"unplayable": "it asks for more memory than a song needs"}, b""
    except OSError as error:  # a failing disk is not the file's fault
        return {"errno": error.errno or errno.EIO}, b""


def _text(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode()


def _warm_up() -> None:
    # Load now whatever is loaded at first use: later no file can be opened.
    from audiostore.media import probe  # noqa: PLC0415  (FFmpeg is loaded in workers alone)
    from audiostore.media.formats import AUDIO_FORMATS  # noqa: PLC0415

    pcm = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 1600)
    wav = b"RIFF" + struct.pack("<I", 4 + len(pcm) + 1600) + b"WAVE" + pcm + bytes(1600)
    probe.decode_frames(io.BytesIO(wav), "WAV")
    for each in AUDIO_FORMATS:
        with suppress(UnplayableAudioError):
            probe.read_audio(io.BytesIO(b"?" * 4096), each.name)


def _limit(memory_bytes: int, channel: socket.socket) -> None:
    """Take away from this process what it will not need: memory, files, sockets, core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):  # macOS has neither /proc nor a limit that holds
        with io.FileIO("/proc/self/statm") as statm:
            pages = int(statm.read().split()[0])
        limit = pages * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    # Descriptors are assigned from the lowest: the file, and the socket for the response,
    # get the last numbers; until they are closed nothing else can be opened.
    lowest = os.dup(channel.fileno())
    above = os.dup(channel.fileno())
    os.close(lowest)
    os.close(above)
    resource.setrlimit(resource.RLIMIT_NOFILE, (above + 1, above + 1))
