"""Bare libcurl: the same bytes, with crc32c computed and compared. The lower limit, not a tool.

It recognises, checks, retries and records nothing, sends covers and audio in any order, and reads
each file once: the checksum is known only after the file was sent.
"""

import base64
import json
from collections import deque
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import quote

import google_crc32c
import pycurl

from benchmarks.peers.job import Job, content_type, run

_IN_ONE_PIECE_BYTES = 256 << 10
_BUFFER_BYTES = 1 << 20


class Transfer(Protocol):
    """The transfer of one object."""

    def prepare(self, handle: pycurl.Curl) -> None:
        """Set up the libcurl handle."""
        ...

    def finish(self) -> None:
        """Compare the checksum."""
        ...


class Upload:
    """A file on its way to the server."""

    def __init__(self, job: Job, name: str) -> None:
        self._url = (
            f"{job.endpoint}/upload/storage/v1/b/{job.bucket}/o?uploadType=media"
            f"&ifGenerationMatch=0&fields=crc32c,size&name={quote(name, safe='')}"
        )
        self._header = [f"Content-Type: {content_type(name)}", "Expect:"]
        self._file: BinaryIO = job.path(name).open("rb")
        self._size = job.path(name).stat().st_size
        self._crc32c = 0
        self._response = BytesIO()

    def prepare(self, handle: pycurl.Curl) -> None:
        handle.setopt(pycurl.URL, self._url)
        handle.setopt(pycurl.HTTPHEADER, self._header)
        handle.setopt(pycurl.WRITEDATA, self._response)
        if self._size <= _IN_ONE_PIECE_BYTES:
            handle.setopt(pycurl.POSTFIELDS, self._read(self._size))
            return
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.POSTFIELDSIZE_LARGE, self._size)
        handle.setopt(pycurl.UPLOAD_BUFFERSIZE, _BUFFER_BYTES)
        handle.setopt(pycurl.READFUNCTION, self._read)

    def _read(self, size: int) -> bytes:
        piece = self._file.read(size)
        self._crc32c = google_crc32c.extend(self._crc32c, piece)
        return piece

    def finish(self) -> None:
        self._file.close()
        stored = json.loads(self._response.getvalue())
        assert stored == {"size": str(self._size), "crc32c": _text(self._crc32c)}, stored


class Download:
    """An object on its way to a file."""

    def __init__(self, job: Job, name: str) -> None:
        self._url = f"{job.endpoint}/storage/v1/b/{job.bucket}/o/{quote(name, safe='')}?alt=media"
        self._file: BinaryIO = job.target(name).open("wb", buffering=0)
        self._crc32c = 0
        self._expected = ""

    def prepare(self, handle: pycurl.Curl) -> None:
        handle.setopt(pycurl.URL, self._url)
        handle.setopt(pycurl.BUFFERSIZE, _BUFFER_BYTES >> 2)
        handle.setopt(pycurl.HEADERFUNCTION, self._head)
        handle.setopt(pycurl.WRITEFUNCTION, self._write)

    def _head(self, line: bytes) -> None:
        name, _, value = line.decode().partition(":")
        if name.lower() == "x-goog-hash":
            self._expected = value.partition("crc32c=")[2].partition(",")[0].strip()

    def _write(self, piece: bytes) -> None:
        self._crc32c = google_crc32c.extend(self._crc32c, piece)
        self._file.write(piece)

    def finish(self) -> None:
        self._file.close()
        assert _text(self._crc32c) == self._expected


def _text(crc32c: int) -> str:
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode()


def drive(transfers: Iterator[Transfer], *, connections: int, ca_bundle: str) -> None:
    """Run the transfers, `connections` at a time, and reuse each connection."""
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAXCONNECTS, connections)
    multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_NOTHING)
    idle = deque(pycurl.Curl() for _ in range(connections))
    active: dict[pycurl.Curl, Transfer] = {}
    while True:
        while idle and (transfer := next(transfers, None)):
            handle = idle.popleft()
            handle.reset()
            handle.setopt(pycurl.CAINFO, ca_bundle)
            handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
            handle.setopt(pycurl.FAILONERROR, 1)
            handle.setopt(pycurl.NOSIGNAL, 1)
            transfer.prepare(handle)
            active[handle] = transfer
            multi.add_handle(handle)
        if not active:
            return
        multi.perform()
        _, finished, failed = multi.info_read()
        if failed:
            raise RuntimeError(failed[0][2])
        for handle in finished:
            multi.remove_handle(handle)
            active.pop(handle).finish()
            idle.append(handle)
        if not finished:
            multi.select(1.0)


def _drive_all(job: Job, kind: Callable[[Job, str], Transfer]) -> None:
    transfers = (kind(job, name) for name in job.names)
    drive(transfers, connections=job.concurrency or 16, ca_bundle=job.ca_bundle)


def upload(job: Job) -> None:
    """Store all files, each with one request."""
    _drive_all(job, Upload)


def download(job: Job) -> None:
    """Fetch all objects."""
    Path(job.destination).mkdir()
    _drive_all(job, Download)


if __name__ == "__main__":
    run({"upload": upload, "download": download})
