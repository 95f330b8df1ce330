"""What a child process of the sandbox runs: it looks into one file after the other.

It imports little, because bulk work starts several such processes, and all of it at once: from
`_limit` on there is no file to be had.
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
"""What to do ("probe" or "decode"), our name of the format, whether to look at embedded pictures,
seconds of computing. With it come two descriptors: the file, and a socket for the answer."""
READY: Final = b"+"
"""What is said on the channel once all is there."""
ANSWER_PREFIX: Final = struct.Struct("<cII")
"""A mark, sent by itself before the file is looked at, so that it is known which one killed a
child; how many bytes of JSON follow, and how many of artwork behind them."""
_BEGUN: Final = b"?"
_DESCRIPTORS = struct.Struct("ii")


def serve(descriptor: int) -> NoReturn:
    """Answer questions from the socket until it closes."""
    channel = socket.socket(fileno=descriptor)
    # Ends this process when it has computed for too long, even if nobody is there to kill it.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF])
    _warm_up()
    gc.freeze()  # what is there now stays
    gc.enable()
    _limit(int(sys.argv[1]), channel)
    channel.sendall(READY)
    while True:
        request, attached, _, _ = channel.recvmsg(REQUEST.size, socket.CMSG_LEN(_DESCRIPTORS.size))
        if not request or not attached:
            os._exit(0)
        what, format_name, artwork, cpu_s = REQUEST.unpack(request)
        file, reply = _DESCRIPTORS.unpack(attached[0][2])
        with (
            io.FileIO(file) as stream,
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, reply) as answering,
            suppress(ConnectionError),  # nobody waits for it any more
        ):
            answering.sendall(_BEGUN)
            signal.setitimer(signal.ITIMER_PROF, cpu_s)
            answer, picture = _look(stream, _text(what), _text(format_name), artwork=artwork)
            text = json.dumps(answer).encode()
            signal.setitimer(signal.ITIMER_PROF, 0)  # what comes now is not the next file's
            prefix = ANSWER_PREFIX.pack(_BEGUN, len(text), len(picture))
            answering.sendall(prefix[len(_BEGUN) :] + text + picture)


def _look(
    stream: io.FileIO, what: str, format_name: str, *, artwork: bool
) -> tuple[Mapping[str, object], bytes]:
    from audiostore.media import probe  # noqa: PLC0415

    try:
        if what == "probe":
            info = probe.read_audio(stream, format_name, artwork=artwork)
            return info.to_dict(), info.artwork.data if info.artwork else b""
        decoded = probe.decode_frames(stream, format_name)
        return {name: getattr(decoded, name) for name in decoded.__slots__}, b""
    except UnplayableAudioError as error:
        return {"unplayable": str(error)}, b""
    except MemoryError:
        return {"unplayable": "it asks for more memory than a song needs"}, b""
    except OSError as error:  # a disk that fails is no fault of the file's
        return {"errno": error.errno or errno.EIO}, b""


def _text(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode()


def _warm_up() -> None:
    # Whatever is loaded at first use is loaded now: later there is no file to be had.
    from audiostore.media import probe  # noqa: PLC0415 - FFmpeg is loaded in the child alone

    pcm = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 1600)
    wav = b"RIFF" + struct.pack("<I", 4 + len(pcm) + 1600) + b"WAVE" + pcm + bytes(1600)
    probe.decode_frames(io.BytesIO(wav), "WAV")
    for name in probe.DEMUXERS:
        with suppress(UnplayableAudioError):
            probe.read_audio(io.BytesIO(b"?" * 4096), name)


def _limit(memory_bytes: int, channel: socket.socket) -> None:
    """Take away from this process what it will not need: memory, files, sockets, core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):  # macOS has neither /proc nor a limit that holds
        with io.FileIO("/proc/self/statm") as statm:
            pages = int(statm.read().split()[0])
        limit = pages * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    # Descriptors are given out from the lowest: the file that is sent, and the socket for the
    # answer, get the last numbers; until they are closed nothing else can be opened.
    lowest = os.dup(channel.fileno())
    above = os.dup(channel.fileno())
    os.close(lowest)
    os.close(above)
    resource.setrlimit(resource.RLIMIT_NOFILE, (above + 1, above + 1))
