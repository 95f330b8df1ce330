"""What an upload sends, spooled: files without names on the disk, and its metadata."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any, BinaryIO, Final, cast

from starlette.requests import Request

from audiostore.errors import InvalidSourceError
from audiostore.ingest import Spool
from audiostore.serve.bodies import announced_bytes, media_type, parse_json, pieces_of, require_size
from audiostore.serve.calls import Calls
from audiostore.serve.forms import Field, fields_of
from audiostore.serve.limits import Limits
from audiostore.serve.problems import RefusedError
from audiostore.values import PathLike

FORM: Final = "multipart/form-data"
_FILES: Final = ("audio", "thumbnail")
_BATCH_BYTES: Final = 1 << 20
"""Small pieces are written together: each write is a call in a thread."""
_METADATA: Final = "metadata"
_OTHER_KINDS: Final = ("application/json", "application/x-www-form-urlencoded")


class Received:
    """The files and the metadata of an upload; files are gone when `files` is closed."""

    def __init__(self, files: ExitStack) -> None:
        self._files = files
        self.files: dict[str, PathLike] = {}
        """By the name of the part: "audio", "thumbnail"."""
        self.metadata: dict[str, str] | None = None

    def new_file(self) -> BinaryIO:
        """Return a new file without a name."""
        return cast(
            "BinaryIO", self._files.enter_context(tempfile.TemporaryFile(prefix="audiostore-"))
        )

    def require(self, part: str) -> PathLike:
        """Return the file of a part.

        Raises:
            RefusedError: it was not sent (422).
        """
        if part not in self.files:
            raise RefusedError(422, f"the form has no field {part!r} with a file")
        return self.files[part]


class Receiver:
    """Reads the body of an upload."""

    def __init__(self, request: Request, limits: Limits, calls: Calls, received: Received) -> None:
        self._request = request
        self._limits = limits
        self._calls = calls
        self._received = received
        self._left_bytes = limits.json_bytes

    async def run(self, part: str) -> None:
        """Receive a form, or a body that is a file: that of `part`.

        Raises:
            RefusedError: it is too large, too slow, malformed, or of another kind; or the disk has
                no room for it (507).
            InvalidSourceError: a file is empty.
            ClientDisconnect: the client has gone before its end.
            OSError: the disk is full.
        """
        require_size(self._request, self._limits.upload_bytes)
        require_room(announced_bytes(self._request), self._limits)
        pieces = pieces_of(self._request, self._limits, max_bytes=self._limits.upload_bytes)
        kind = media_type(self._request)
        if kind == FORM:
            await self._form(pieces)
        elif kind in _OTHER_KINDS:
            raise RefusedError(415, f"send {FORM}, or the file with its Content-Type; not {kind}")
        else:
            self._received.metadata = _metadata_in_url(self._request)
            name = self._request.query_params.get("filename")
            size_bytes = announced_bytes(self._request)
            self._received.files[part] = await self._file(part, name, pieces, size_bytes)

    async def _form(self, pieces: AsyncIterator[bytes]) -> None:
        fields = fields_of(self._request.headers["content-type"], pieces)
        async for field in fields:
            if not isinstance(field, Field):
                raise RefusedError(400, "the form is malformed")
            data = _data_of(fields)
            if field.name in _FILES and field.name not in self._received.files:
                self._received.files[field.name] = await self._file(
                    field.name, field.filename, data, None
                )
            elif field.name == _METADATA:
                text = b"".join([piece async for piece in self._limited(data)])
                self._received.metadata = metadata_of(parse_json(text))
            else:
                raise RefusedError(
                    422,
                    f"unknown or repeated field {field.name[:80]!r}: a form has audio, thumbnail "
                    "and metadata",
                )

    async def _limited(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in pieces:
            self._left_bytes -= len(piece)
            if self._left_bytes < 0:
                raise RefusedError(
                    413, f"the metadata has more than {self._limits.json_bytes:,} bytes"
                )
            yield piece

    async def _file(
        self, part: str, name: str | None, pieces: AsyncIterator[bytes], size_bytes: int | None
    ) -> PathLike:
        name = own_name(name)
        folder = tempfile.gettempdir()
        spool = Spool(
            await self._calls.run(self._received.new_file),
            folder,
            name or f"the {part}",
            size_bytes=size_bytes,
            max_bytes=self._limits.upload_bytes,
        )
        batch, batch_bytes = [], 0
        async for piece in pieces:
            batch.append(piece)
            batch_bytes += len(piece)
            if batch_bytes >= _BATCH_BYTES:
                await self._calls.run(spool.add, b"".join(batch))
                batch, batch_bytes = [], 0
        if batch:
            await self._calls.run(spool.add, b"".join(batch))
        try:
            return await self._calls.run(spool.finish, name or part, is_named=name is not None)
        except InvalidSourceError as error:
            raise RefusedError(422, f"the {part} is empty", kind="InvalidSourceError") from error


def require_room(size_bytes: int | None, limits: Limits) -> None:
    """Refuse an upload that the directory for temporary files has no room for.

    Raises:
        RefusedError: it has none (507).
    """
    free_bytes = shutil.disk_usage(tempfile.gettempdir()).free
    if free_bytes < (size_bytes or 0) + limits.spare_disk_bytes:
        raise RefusedError(
            507, "the service's disk has no room for this upload: try again later", kind="DiskFull"
        )


def own_name(name: str | None) -> str | None:
    """Return the file's own name, of what a client gives as its name or path; None without one."""
    if name is None:
        return None
    last = name.replace("\\", "/").rpartition("/")[2].strip()
    return last if last and "\0" not in last else None


def metadata_of(given: Any) -> dict[str, str]:
    """Return metadata, if it is an object of texts.

    Raises:
        RefusedError: it is not (422).
    """
    if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()):
        raise RefusedError(
            422, "metadata must be a JSON object of strings", kind="InvalidMetadataError"
        )
    return cast("dict[str, str]", given)


def _metadata_in_url(request: Request) -> dict[str, str] | None:
    found = {
        name.removeprefix("meta."): value
        for name, value in request.query_params.items()
        if name.startswith("meta.")
    }
    return found or None


async def _data_of(fields: AsyncIterator[Field | bytes | None]) -> AsyncIterator[bytes]:
    """Yield the data of the field that has just begun, to its end."""
    async for each in fields:
        if each is None:
            return
        if isinstance(each, bytes):
            yield each
