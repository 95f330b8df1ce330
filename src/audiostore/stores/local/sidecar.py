"""The JSON files with the metadata of objects, live and deleted."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from audiostore.files import NewFile
from audiostore.log import logger
from audiostore.stores.local.files import generation_of
from audiostore.values import BlobInfo, DeletedBlob

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXTS = ("content_type", "crc32c", "md5_hash", "storage_class")
# Not in the files that earlier versions wrote.
_LATER_TEXTS = ("cache_control", "content_disposition")
_LATER_TIMES = ("custom_time", "class_changed_at")


def time_of(generation: int) -> datetime:
    """Return when a generation was stored."""
    return _EPOCH + timedelta(microseconds=generation)


def generation_for(moment: datetime) -> int:
    """Return the generation for an object that is stored at a time."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def sidecar_path(path: Path, generation: int) -> Path:
    """Return the metadata file of a generation of the object at a path."""
    return path.with_name(f".{path.name}.{generation}.json")


def sidecars(path: Path) -> list[Path]:
    """Return the metadata files of every generation of the object at a path."""
    head, tail = f".{path.name}.", ".json"
    with os.scandir(path.parent) as entries:
        return [
            path.with_name(entry.name)
            for entry in entries
            if entry.name.startswith(head)
            and entry.name.endswith(tail)
            and entry.name[len(head) : -len(tail)].isdecimal()
        ]


def write_blob(file: NewFile, blob: BlobInfo) -> None:
    """Write the metadata of an object."""
    _write(file, _fields(blob))


def write_deleted(file: NewFile, deleted: DeletedBlob) -> None:
    """Write the metadata of a deleted object, and until when it can be restored."""
    times = {
        "deleted_at": deleted.deleted_at.isoformat(),
        "gone_at": deleted.gone_at.isoformat(),
    }
    _write(file, {**_fields(deleted.blob), **times})


def read_blob(path: Path, name: str, status: os.stat_result) -> BlobInfo | None:
    """Return the description of the object at a path; None if it is not an object."""
    generation = generation_of(status)
    fields = _read(sidecar_path(path, generation))
    return _blob(fields, name, generation, status.st_size) if fields is not None else None


def read_deleted(path: Path, name: str, generation: int, size_bytes: int) -> DeletedBlob | None:
    """Return the description in a metadata file of the trash; None if missing or damaged."""
    fields = _read(path)
    if fields is None:
        return None
    deleted_at, gone_at = _moment(fields.get("deleted_at")), _moment(fields.get("gone_at"))
    if deleted_at is None or gone_at is None:
        logger.warning("the metadata %s is damaged", path)
        return None
    return DeletedBlob(_blob(fields, name, generation, size_bytes), deleted_at, gone_at)


def _fields(blob: BlobInfo) -> dict[str, object]:
    fields = blob.to_dict()
    del fields["created_at"]  # it is in the generation
    return fields


def _write(file: NewFile, fields: dict[str, object]) -> None:
    file.write(json.dumps(fields, ensure_ascii=False, indent=1).encode())
    file.sync()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        fields = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        logger.warning("the metadata %s is damaged: %s", path, error)
        return None
    if not _is_metadata(fields):
        logger.warning("the metadata %s is damaged", path)
        return None
    return dict(fields)


def _is_metadata(fields: object) -> bool:
    if not isinstance(fields, dict):
        return False
    metadata = fields.get("metadata")
    return (
        all(isinstance(fields.get(name), str) for name in _TEXTS)
        and all(isinstance(fields.get(name), str | None) for name in _LATER_TEXTS)
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
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


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
        md5_hash=fields["md5_hash"],
        metadata=fields["metadata"],
        cache_control=fields.get("cache_control"),
        content_disposition=fields.get("content_disposition"),
        temporary_hold=fields.get("temporary_hold", False),
        custom_time=_moment(fields.get("custom_time")),
        class_changed_at=_moment(fields.get("class_changed_at")),
    )
