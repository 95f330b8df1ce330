"""Responses of a bucket, damaged at random: each gives a result that is right, or a store's error.

Status, headers and body of valid responses are changed, for every verb. Whatever comes back, the
transport lives, and the next valid response is understood.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings, strategies as st

from audiostore import AudioStoreError, GcsStore
from audiostore.sources import BytesSource
from audiostore.stores import StoreSettings, get_checked, put_checked
from audiostore.stores.gcs import ConnectionOptions
from audiostore.stores.protocol import BlobSpec
from audiostore.values import BlobInfo, DeletedBlob
from tests.assets import SOFT_DELETE
from tests.fuzzing import examples
from tests.gcs_server import StrictServer, faults

DATA = bytes(range(256)) * 5
SOURCE = BytesSource(DATA)
IN_SESSION = BytesSource(DATA * 60)
NAME = "audio/x/audio.mp3"
NEW = "audio/x/new"

VALUES: list[Any] = [
    None, True, 0, -1, 7, 1 << 70, 1.5, float("nan"), "", "x", "7", "-1", "9" * 400, "2026-01-01",
    "\u202e\x1b[2J", "\ud800", "http://127.0.0.1:1/", [], {}, ["x"], [[]], {"x": 7}, {"x": "y"},
]  # fmt: skip
HEADERS = ("Location", "Range", "Content-Range", "Content-Encoding", "Content-Type", "Retry-After")
TEXTS = ("", "\xff", "bytes=0-9", "bytes=0-99999999999", "bytes 0-9/10", "bytes */*", "gzip", "-1",
         "http://[::1", "http://127.0.0.1:1/upload")  # fmt: skip
BODIES = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b"<html>",
    b"[" * 20_000,
    b"\x1f\x8b\x08",
    b"\xff",
    b"9" * 5000,
)


class Damage:
    """Changes the next responses of a server."""

    def __init__(self, seed: int, times: int) -> None:
        self._random = Random(seed)
        self._left = times

    def __call__(
        self, status: int, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Return another response."""
        if not self._left or self._random.random() < 0.2:
            return status, headers, body
        self._left -= 1
        choice = self._random.choice
        match choice(["json", "json", "json", "bytes", "body", "status", "header"]):
            case "json" if body.startswith(b"{") and body.strip() != b"{}":
                return status, headers, self._other_json(json.loads(body))
            case "bytes" if body:
                return status, headers, self._other_bytes(body)
            case "status":
                return self._random.randint(200, 599), headers, body
            case "header":
                return status, {**headers, choice(HEADERS): choice(TEXTS)}, body
            case _:
                return status, headers, choice(BODIES)

    def _other_json(self, value: Any) -> bytes:
        """Return a JSON text with one of its values replaced or removed."""
        at = value
        while True:
            key = self._random.choice(list(at) if isinstance(at, dict) else range(len(at)))
            if isinstance(at[key], dict | list) and at[key] and self._random.random() < 0.7:
                at = at[key]
                continue
            if self._random.random() < 0.2:
                del at[key]
            else:
                at[key] = self._random.choice(VALUES)
            return json.dumps(value).encode()

    def _other_bytes(self, body: bytes) -> bytes:
        """Return the body with one piece of it replaced, repeated, or cut off."""
        at = self._random.randrange(len(body))
        end = at + self._random.randrange(40)
        piece = self._random.choice([b"", body[at:end] * 2, self._random.randbytes(4), b"\\ud800"])
        return body[:at] + piece + self._random.choice([body[end:], b""])


@dataclass(frozen=True)
class Bucket:
    """A bucket with an object, a deleted object, and a store."""

    server: StrictServer
    store: GcsStore
    blob: BlobInfo
    deleted: DeletedBlob


@cache
def bucket() -> Bucket:
    """Return the bucket of all examples; it ends with the process."""
    server = StrictServer("bucket", bucket_settings=SOFT_DELETE)
    options = ConnectionOptions(stall_timeout_s=2)
    store = GcsStore("bucket", emulator=server.url, connections=options, chunk_bytes=256 << 10)
    spec = BlobSpec(NAME, "audio/mpeg", {"key": "value"})
    store.delete(store.put(replace(spec, name="audio/x/deleted"), SOURCE))
    return Bucket(server, store, store.put(spec, SOURCE), next(store.list_deleted("audio/")))


def _put(b: Bucket, source: BytesSource) -> None:
    spec = BlobSpec(NEW, "audio/mpeg", {"key": "value"})
    written = put_checked(b.store, spec, source, is_ours=lambda _: True)
    assert written.blob.name == NEW
    assert b.server.read("bucket", NEW) == source.data


def _download(b: Bucket) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        get_checked(b.store, b.blob, path)
        assert path.read_bytes() == DATA


def _part(b: Bucket) -> None:
    with closing(b.store.open(b.blob, start=100, stop=200)) as reader:
        read = b"".join(iter(lambda: reader.read(64), b""))
    assert len(read) == 100


def _is_described(blob: BlobInfo, name: str | None = None) -> None:
    assert name in (None, blob.name)
    assert isinstance(blob.name, str)
    assert type(blob.size_bytes) is type(blob.generation) is type(blob.metageneration) is int
    assert min(blob.size_bytes, blob.generation, blob.metageneration) >= 0
    assert isinstance(blob.created_at, datetime)
    assert blob.created_at.utcoffset() is not None
    assert all(isinstance(text, str) for pair in blob.metadata.items() for text in pair)
    json.dumps(blob.to_dict(), ensure_ascii=False).encode()


def _list(b: Bucket) -> None:
    names = []
    for blob in b.store.list("audio/"):
        _is_described(blob)
        names.append(blob.name.encode())
    assert names == sorted(set(names))


def _list_deleted(b: Bucket) -> None:
    for deleted in b.store.list_deleted("audio/"):
        _is_described(deleted.blob)
        assert deleted.gone_at.utcoffset() is not None


def _settings(b: Bucket) -> None:
    found = b.store.settings()
    assert isinstance(found, StoreSettings)
    assert type(found.soft_delete_s) is type(found.retention_s) is int
    json.dumps([found.location, found.lifecycle_rules, found.cors])


VERBS: dict[str, Callable[[Bucket], object]] = {
    "stat": lambda b: _is_described(b.store.stat(NAME), NAME),
    "list": _list,
    "list deleted": _list_deleted,
    "list versions": lambda b: [*map(_is_described, b.store.noncurrent("audio/"))],
    "put": lambda b: _put(b, SOURCE),
    "put in a session": lambda b: _put(b, IN_SESSION),
    "download": _download,
    "part": _part,
    "copy": lambda b: _is_described(b.store.copy(b.blob, NEW), NEW),
    "update": lambda b: b.store.update(b.blob, {"key": "other"}),
    "delete": lambda b: b.store.delete(b.store.put(BlobSpec(NEW, "audio/mpeg"), SOURCE)),
    "restore": lambda b: _is_described(b.store.restore(b.deleted), b.deleted.blob.name),
    "settings": _settings,
    "granted": lambda b: b.store.granted(["storage.objects.get"]),
    "diagnose": lambda b: [f"{each.detail}{each.hint}" for each in b.store.diagnose()],
}


@contextmanager
def _as_before(b: Bucket) -> Iterator[None]:
    """Put the bucket back as it was."""
    yield
    b.server.clear_faults()
    for record in b.server.objects("bucket"):
        if record.name != NAME:
            b.server.remove("bucket", record.name)
    present = b.store.stat(NAME)
    assert (present.name, present.crc32c) == (NAME, b.blob.crc32c)
    if present != b.blob:
        b.server.remove("bucket", NAME)
        b.store.put(BlobSpec(NAME, "audio/mpeg", {"key": "value"}), SOURCE)
        bucket.cache_clear()


@settings(max_examples=examples(400))
@given(st.sampled_from(sorted(VERBS)), st.integers(1, 3), st.integers(0, 1 << 32))
def test_a_damaged_response_gives_a_right_result_or_an_error_of_the_store(
    verb: str, times: int, seed: int
) -> None:
    b = bucket()
    with _as_before(b), patch("audiostore.stores.gcs.upload.ONE_REQUEST_BYTES", 8 << 10):
        b.server.fault(faults.any_request, faults.mangle(Damage(seed, times)), times=None)
        try:
            VERBS[verb](b)
        except AudioStoreError as error:
            str(error).encode()
