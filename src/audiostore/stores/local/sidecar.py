"""The JSON files with the metadata of objects, live and deleted."""

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from audiostore.errors import InvalidMetadataError
from audiostore.files import explain, write_all
from audiostore.log import logger
from audiostore.stores.local.files import Content, generation_of
from audiostore.stores.local.folder import NO_FILE, Entry, Folder
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo, DeletedBlob

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXTS = ("content_type", "crc32c", "storage_class")
# Not in all files: earlier versions wrote an MD5, and not the others.
_OTHER_TEXTS = ("md5_hash", "cache_control", "content_disposition")
_MOST_BYTES = 1 << 20
"""A hundred times what a bucket allows an object."""
_LAST_GENERATION = (datetime(9000, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LATER_TIMES = ("custom_time", "class_changed_at")


def time_of(generation: int) -> datetime:
    """Return when a generation was stored."""
    return _EPOCH + timedelta(microseconds=generation)


def generation_for(moment: datetime) -> int:
    """Return the generation for an object that is stored at a time."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def new_blob(
    spec: BlobSpec, content: Content, generation: int, md5_hash: str | None = None
) -> BlobInfo:
    """Return the description of an object that is created, or replaced, by this content."""
    return BlobInfo(
        name=spec.name,
        size_bytes=content.size_bytes,
        content_type=spec.content_type,
        crc32c=content.crc32c,
        generation=generation,
        metageneration=1,
        storage_class=spec.storage_class or "STANDARD",
        created_at=time_of(generation),
        md5_hash=md5_hash,
        metadata=dict(spec.metadata),
        cache_control=spec.cache_control,
        content_disposition=spec.content_disposition,
        custom_time=spec.custom_time,
    )


def sidecar_name(file: str, generation: int) -> str:
    """Return the name of the metadata file of a generation of an object."""
    return f".{file}.{generation}.json"


def sidecars(entries: Iterable[Entry], file: str) -> list[str]:
    """Return the names, in a folder, of the metadata files of every generation of an object."""
    head, tail = f".{file}.", ".json"
    return [
        entry.name
        for entry in entries
        if entry.name.startswith(head)
        and entry.name.endswith(tail)
        and entry.name[len(head) : -len(tail)].isdecimal()
    ]


def encoded_blob(blob: BlobInfo) -> bytes:
    """Return the metadata of an object as it is written.

    Raises:
        InvalidMetadataError: it is too large to be read again.
    """
    return _encoded(_fields(blob))


def write_blob(folder: Folder, name: str, blob: BlobInfo) -> None:
    """Write the metadata of an object, safe on the disk."""
    write_file(folder, name, encoded_blob(blob))


def write_deleted(folder: Folder, name: str, deleted: DeletedBlob) -> None:
    """Write the metadata of a deleted object, and until when it can be restored."""
    times = {
        "deleted_at": deleted.deleted_at.isoformat(),
        "gone_at": deleted.gone_at.isoformat(),
    }
    write_file(folder, name, _encoded({**_fields(deleted.blob), **times}))


def create_blob(folder: Folder, name: str, blob: BlobInfo) -> None:
    """Write the metadata of an object, safe on the disk.

    Raises:
        FileExistsError: there is metadata of this name.
    """
    _create_file(folder, name, encoded_blob(blob))


def write_file(folder: Folder, name: str, data: bytes) -> None:
    """Write a small file, safe on the disk but for its name; it replaces a leftover of that name.

    Nobody must read it yet: it is not replaced in one step.
    """
    try:
        _create_file(folder, name, data)
    except FileExistsError:
        folder.unlink(name)
        _create_file(folder, name, data)


def _create_file(folder: Folder, name: str, data: bytes) -> None:
    descriptor = folder.create(name)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    except OSError as error:
        explain(error, f"{folder.path}/{name}")
        folder.unlink(name, missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def read_blob(folder: Folder, file: str, name: str, status: os.stat_result) -> BlobInfo | None:
    """Return the description of the object in a file; None if it is not an object."""
    generation = generation_of(status)
    if not 0 <= generation <= _LAST_GENERATION:
        return None
    fields = _read(folder, sidecar_name(file, generation))
    return _blob(fields, name, generation, status.st_size) if fields is not None else None


def read_deleted(
    folder: Folder, file: str, name: str, generation: int, size_bytes: int
) -> DeletedBlob | None:
    """Return the description in a metadata file of the trash; None if missing or damaged."""
    fields = _read(folder, file)
    if fields is None:
        return None
    deleted_at, gone_at = _moment(fields.get("deleted_at")), _moment(fields.get("gone_at"))
    if deleted_at is None or gone_at is None or generation > _LAST_GENERATION:
        logger.warning("the metadata %r is damaged", f"{folder.path}/{file}")
        return None
    return DeletedBlob(_blob(fields, name, generation, size_bytes), deleted_at, gone_at)


def read_json(folder: Folder, name: str) -> object:
    """Return what is in a small JSON file.

    Raises:
        ValueError: it is too large, or not JSON.
        OSError: see `Folder.open`.
    """
    try:
        return json.loads(folder.read(name, _MOST_BYTES))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _fields(blob: BlobInfo) -> dict[str, object]:
    fields = blob.to_dict()
    del fields["created_at"]  # it is in the generation
    return fields


def _encoded(fields: dict[str, object]) -> bytes:
    data = json.dumps(fields, ensure_ascii=False).encode()
    if len(data) > _MOST_BYTES:
        raise InvalidMetadataError(
            f"the metadata has {len(data)} bytes, more than {_MOST_BYTES}: store less of it"
        )
    return data


def _read(folder: Folder, name: str) -> dict[str, Any] | None:
    path = f"{folder.path}/{name}"
    try:
        fields = read_json(folder, name)
    except FileNotFoundError:
        return None
    except ValueError as error:
        logger.warning("the metadata %r is damaged: %s", path, error)
        return None
    except OSError as error:
        if error.errno not in NO_FILE:
            raise
        logger.warning("the metadata %r is %s", path, error.strerror)
        return None
    if not _is_metadata(fields):
        logger.warning("the metadata %r is damaged", path)
        return None
    return cast("dict[str, Any]", fields)


def _is_metadata(fields: object) -> bool:
    if not isinstance(fields, dict):
        return False
    metadata = fields.get("metadata")
    return (
        all(isinstance(fields.get(name), str) for name in _TEXTS)
        and all(isinstance(fields.get(name), str | None) for name in _OTHER_TEXTS)
        and all(fields.get(name) is None or _moment(fields[name]) for name in _LATER_TIMES)
        and isinstance(fields.get("temporary_hold", False), bool)
        and isinstance(fields.get("metageneration"), int)
        and isinstance(metadata, dict)
        and all(isinstance(value, str) for value in metadata.values())
    )


def _moment(text: object) -> datetime | None:
    """Return a point in time; None if it is not one."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        return moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _blob(fields: dict[str, Any], name: str, generation: int, size_bytes: int) -> BlobInfo:
    return BlobInfo(
        name=name,
        size_bytes=size_bytes,
        content_type=fields["content_type"],
        crc32c=fields["crc32c"],
        generation=generation,
        metageneration=fields["metageneration"],
        storage_class=fields["storage_class"],
        created_at=time_of(generation),
        md5_hash=fields.get("md5_hash"),
        metadata=fields["metadata"],
        cache_control=fields.get("cache_control"),
        content_disposition=fields.get("content_disposition"),
        temporary_hold=fields.get("temporary_hold", False),
        custom_time=_moment(fields.get("custom_time")),
        class_changed_at=_moment(fields.get("class_changed_at")),
    )
