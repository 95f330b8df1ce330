"""What a file might do that controls its sandbox worker: run in a real worker, or unconfined.

`HostileWorker` is a worker process that runs the tasks of this module instead of its own. All else
is the product's: how it is started, its environment, its confinement.
"""

# ruff: noqa: PTH104, PTH108, PTH116, PTH208, PTH211  (these are system calls to try)

import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from audiostore.media.sandbox import worker
from audiostore.media.sandbox.process import WorkerProcess
from audiostore.media.sandbox.worker import Answer, OpenFile, Request, ServedFile

_PTRACE_SEIZE = 0x4206
_LIBC = ctypes.CDLL(None, use_errno=True)


class HostileWorker(WorkerProcess):
    """A worker that runs the tasks of this module."""

    _MODULE = "tests.sandbox_child"


def _checked(result: int) -> None:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _fork() -> None:
    if not (pid := os.fork()):
        os._exit(0)
    os.waitpid(pid, 0)


def _read_memory_of(pid: int) -> None:
    piece = (ctypes.c_char * 8)()
    here = (ctypes.c_size_t * 2)(ctypes.addressof(piece), 8)
    there = (ctypes.c_size_t * 2)(id(None), 8)
    _checked(_LIBC.process_vm_readv(pid, here, 1, there, 1, 0))


def _start_a_thread() -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


def _connect(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as connecting:
        connecting.connect(address)


PARENT = os.getppid()
ATTACKS: dict[str, Callable[[Path, int], object]] = {
    "read a file": lambda folder, file: os.open(folder / "present", os.O_RDONLY),
    "write a file": lambda folder, file: os.open(folder / "new", os.O_WRONLY | os.O_CREAT),
    "look for a file": lambda folder, file: os.stat(folder / "present"),
    "list a folder": lambda folder, file: os.listdir(folder),
    "delete a file": lambda folder, file: os.unlink(folder / "victim"),
    "rename a file": lambda folder, file: os.rename(folder / "present", folder / "present"),
    "make a link": lambda folder, file: os.symlink("/", folder / "link"),
    "read the parent's environment": lambda folder, file: os.open(
        f"/proc/{PARENT}/environ", os.O_RDONLY
    ),
    "make a TCP socket": lambda folder, file: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "make a UDP socket": lambda folder, file: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "connect to a Unix socket": lambda folder, file: _connect(str(folder / "socket")),
    "resolve a name": lambda folder, file: socket.getaddrinfo(b"localhost", 80),
    "make two sockets": lambda folder, file: socket.socketpair(),
    "execute": lambda folder, file: os.posix_spawn("/bin/true", ["true"], {}),
    "execute instead": lambda folder, file: os.execv("/bin/false-is-absent", ["x"]),
    "fork": lambda folder, file: _fork(),
    "start a thread": lambda folder, file: _start_a_thread(),
    "trace the parent": lambda folder, file: _checked(_LIBC.ptrace(_PTRACE_SEIZE, PARENT, 0, 0)),
    "read the parent's memory": lambda folder, file: _read_memory_of(PARENT),
    "signal the parent": lambda folder, file: os.kill(PARENT, 0),
    "have the kernel signal the parent": lambda folder, file: fcntl.fcntl(
        file, fcntl.F_SETOWN, PARENT
    ),
    "read the parent's limits": lambda folder, file: resource.prlimit(PARENT, resource.RLIMIT_CPU),
    "raise its own limits": lambda folder, file: resource.setrlimit(
        resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    ),
    "ignore the signal that ends it": lambda folder, file: signal.signal(
        signal.SIGPROF, signal.SIG_IGN
    ),
    "write to the file": lambda folder, file: os.write(file, b"x"),
    "truncate the file": lambda folder, file: os.ftruncate(file, 0),
    "write elsewhere": lambda folder, file: os.write(1, b"x"),
    "run code it has made": lambda folder, file: mmap.mmap(
        -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    ),
}


def attempts(folder: Path, file: int) -> dict[str, str]:
    """Try everything; return what each attempt ended with: "done", or the error's name."""
    return {name: _attempt(attack, folder, file) for name, attack in ATTACKS.items()}


def _attempt(attack: Callable[[Path, int], object], folder: Path, file: int) -> str:
    try:
        attack(folder, file)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    except Exception as error:  # noqa: BLE001  (any failure is what is wanted)
        return type(error).__name__
    return "done"


def _attack(file: OpenFile, request: Request) -> Answer:
    folder = Path(os.fsdecode(file.read(4096)))
    return {"outcomes": attempts(folder, file._descriptor)}, b""


def _take_memory(file: OpenFile, request: Request) -> Answer:
    size_bytes = int(file.read(20))
    return {"taken": len(bytearray(size_bytes))}, b""


def _compute(file: OpenFile, request: Request) -> NoReturn:
    signal.setitimer(signal.ITIMER_PROF, 0)
    while True:
        pass


def _hang(file: OpenFile, request: Request) -> NoReturn:
    while True:
        os.read(file._descriptor + 1, 1)  # the socket for the response: the parent sends nothing


def _answer_the_file(file: OpenFile, request: Request) -> Answer:
    """Answer what the file says: JSON, a line feed, a picture."""
    file.seek(0)
    fields, _, picture = file.read(1 << 25).partition(b"\n")
    return json.loads(fields), picture


def _send_parts(file: ServedFile, request: Request) -> Answer:
    """Send parts of a file, and then an answer, as the file says: JSON."""
    file.seek(0)
    found = json.loads(file.read(1 << 20))
    for part, size in found["parts"]:
        file._send(part, bytes(size))
    return found["fields"], b""


TASKS: dict[str, worker.Task] = {
    "attack": _attack,
    "memory": _take_memory,
    "compute": _compute,
    "hang": _hang,
    "probe": _answer_the_file,
    "decode": _answer_the_file,
    "analyse": _send_parts,
    "image": _answer_the_file,
}


def serve(descriptor: int) -> NoReturn:
    """Serve as a worker does."""
    worker.serve(descriptor, TASKS)


if __name__ == "__main__":
    with Path(sys.argv[1], "present").open("r+b") as present:
        print(json.dumps(attempts(Path(sys.argv[1]), present.fileno())))
