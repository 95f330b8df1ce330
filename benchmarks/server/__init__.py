"""The benchmark server, built from C when first needed; server.c lists what it supports.

with running(preload=200_000, delay_ms=30) as server:
    ...  # server.url, server.tls_url, server.environment(tls=True)
"""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from benchmarks.server.certificates import Certificates, make_certificates

_SOURCES = Path(__file__).parent
CA_VARIABLES = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_STOP_TIMEOUT_S = 10.0


class NoCompilerError(RuntimeError):
    """No C compiler was found on this machine."""


@dataclass(frozen=True, slots=True)
class State:
    """What the server holds, and what it has done so far."""

    objects: int
    bytes: int
    crc32c_xor: int
    """The CRC-32C of all objects, combined by XOR: equal for stores with the same content."""
    requests: int
    received_bytes: int


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    url: str
    tls_url: str
    certificates: Certificates
    pid: int

    def environment(self, *, tls: bool) -> dict[str, str]:
        """Return the environment variables that point clients to this server."""
        trusted = str(self.certificates.bundle)
        return {
            "STORAGE_EMULATOR_HOST": self.tls_url if tls else self.url,
            **dict.fromkeys(CA_VARIABLES, trusted),
        }

    def state(self) -> State:
        """Return what the server holds."""
        return self._request("GET")

    def reset(self) -> State:
        """Delete all objects."""
        return self._request("POST")

    def _request(self, method: str) -> State:
        request = urllib.request.Request(f"{self.url}/bench", method=method)
        with urllib.request.build_opener().open(request, timeout=60) as response:
            return State(**json.load(response))


def compiler() -> list[str]:
    """Return the command of a C compiler: the system's, else that of the package ziglang.

    Raises:
        NoCompilerError: neither was found.
    """
    found = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if found:
        return [found]
    if find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise NoCompilerError("no C compiler found: install gcc, or run `pip install ziglang`")


@cache
def compiled(name: str, sources: tuple[Path, ...]) -> Path:
    """Compile these files into a program, once per process, and return its path."""
    directory = Path(tempfile.mkdtemp(prefix="audiostore-bench-"))
    atexit.register(shutil.rmtree, directory)
    flags = ["-std=gnu11", "-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-pthread"]
    subprocess.run(
        [*compiler(), *flags, *map(str, sources), "-o", str(directory / name), "-ldl"],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return directory / name


def built() -> Path:
    """Return the compiled server."""
    return compiled("bench-server", tuple(sorted(_SOURCES.glob("*.c"))))


@contextmanager
def running(
    *,
    preload: int = 0,
    delay_ms: float = 0,
    keep: bool = False,
    threads: int = 2,
    md5_table: Path | None = None,
    limit_s: int = 3600,
) -> Iterator[Server]:
    """Run a server, plain and over TLS, for the duration of the block; at most for `limit_s`.

    Args:
        preload: how many assets the bucket "bench" holds at the start.
        delay_ms: delay of each response.
        keep: keep the bytes of uploads.
        threads: how many threads serve requests.
        md5_table: a file of lines "size crc32c(hex) md5(base64)": objects that match get this MD5.
        limit_s: the server exits by itself after this time.
    """
    with tempfile.TemporaryDirectory(prefix="audiostore-bench-") as directory:
        certificates = make_certificates(Path(directory))
        command = [
            str(built()),
            *("--cert", str(certificates.certificate), "--key", str(certificates.key)),
            *("--delay-ms", str(delay_ms), "--threads", str(threads), "--seconds", str(limit_s)),
            *(("--preload", str(preload)) if preload else ()),
            *(("--keep",) if keep else ()),
            *(("--md5-table", str(md5_table)) if md5_table else ()),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
            try:
                assert process.stdout is not None
                ports = json.loads(process.stdout.readline())
                yield Server(
                    f"http://127.0.0.1:{ports['port']}",
                    f"https://127.0.0.1:{ports['tls_port']}",
                    certificates,
                    process.pid,
                )
            finally:
                os.kill(process.pid, signal.SIGTERM)
                process.wait(_STOP_TIMEOUT_S)
