"""An independent reader: what a store shows, found out without audiostore.

The bucket is read by plain HTTP, the directory by plain files and the layout that the docstring of
`audiostore.stores.local` gives. What the objects of an asset say of each other is in the docstring
of `audiostore.asset.record` and in docs/gcs-organization-structure.md; it is judged here by other
code.
"""

import base64
import hashlib
import http.client
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import google_crc32c

from audiostore import AssetNotFoundError, AudioStorageManager
from tests.timing import PATIENCE_S

_FOLDER = r"audio/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_NAME = re.compile(rf"{_FOLDER}/(audio|thumbnail)\.(\w+)")
_MARKED = re.compile(rf"{_FOLDER}/(waveform|preview|transcript)\.(\w+)")


class PromiseBrokenError(AssertionError):
    """A reader can see what it must never see."""


@dataclass(frozen=True)
class Thing:
    """One object, as it lies there."""

    name: str
    data: bytes = field(repr=False)
    generation: int
    metadata: Mapping[str, str]

    @property
    def crc32c(self) -> str:
        """Computed from the bytes, whatever the store says of them."""
        return base64.b64encode(google_crc32c.value(self.data).to_bytes(4, "big")).decode()


class Reader(Protocol):
    """Reads all of a store."""

    def things(self) -> dict[str, Thing]:
        """Return every object by its name."""
        ...


@dataclass(frozen=True)
class BucketReader:
    """A bucket, by the JSON API."""

    host: str
    bucket: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def things(self) -> dict[str, Thing]:
        """Return every object by its name."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE_S)
        try:
            found: dict[str, Thing] = {}
            token = ""
            while True:
                page = json.loads(self._get(connection, "", {"pageToken": token} if token else {}))
                for item in page.get("items", ()):
                    thing = self._thing(connection, item)
                    found[thing.name] = thing
                token = page.get("nextPageToken", "")
                if not token:
                    return found
        finally:
            connection.close()

    def _thing(self, connection: http.client.HTTPConnection, item: dict[str, Any]) -> Thing:
        query = {"alt": "media", "generation": item["generation"]}
        data = self._get(connection, "/" + quote(item["name"], safe=""), query)
        if int(item["size"]) != len(data):
            raise PromiseBrokenError(f"{item['name']}: {item['size']} bytes, but {len(data)} came")
        return Thing(item["name"], data, int(item["generation"]), item.get("metadata", {}))

    def _get(
        self, connection: http.client.HTTPConnection, path: str, query: Mapping[str, str]
    ) -> bytes:
        url = f"/storage/v1/b/{self.bucket}/o{path}?{urlencode(query)}"
        connection.request("GET", url, headers=dict(self.headers))
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise PromiseBrokenError(f"GET {url}: {answer.status}")
        return data


@dataclass(frozen=True)
class DirectoryReader:
    """A directory, by plain files."""

    root: Path

    def things(self) -> dict[str, Thing]:
        """Return every object: a visible file with the metadata file of its very time."""
        found = {}
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                path = Path(folder, name)
                status = path.lstat()
                generation = status.st_mtime_ns // 1000
                beside = path.with_name(f".{name}.{generation}.json")
                if name.startswith(".") or not stat.S_ISREG(status.st_mode) or not beside.exists():
                    continue
                fields = json.loads(beside.read_bytes())
                thing = Thing(
                    path.relative_to(self.root).as_posix(),
                    path.read_bytes(),
                    generation,
                    fields["metadata"],
                )
                if (fields["size_bytes"], fields["crc32c"]) != (len(thing.data), thing.crc32c):
                    raise PromiseBrokenError(f"{path} is visible with other bytes than it says")
                found[thing.name] = thing
        return found


@dataclass(frozen=True)
class Shown:
    """An asset that a reader can see."""

    audio: Thing
    cover: Thing | None
    marked: Mapping[str, Thing] = field(default_factory=dict)
    """What is derived from the audio or attached to it, by the name of its part."""


def shown(things: Mapping[str, Thing]) -> dict[str, Shown]:
    """Return the assets that are visible, by id.

    Raises:
        PromiseBrokenError: an audio object has other bytes than it says, or names artwork that is
            not there; or an id has two.
    """
    assets: dict[str, Shown] = {}
    for name, thing in things.items():
        match = _NAME.fullmatch(name)
        if match is None or match[2] != "audio":
            continue
        said = (thing.metadata.get("crc32c"), thing.metadata.get("file_size"))
        if said != (thing.crc32c, str(len(thing.data))):
            raise PromiseBrokenError(f"{name} is visible with other bytes than it says")
        if match[1] in assets:
            raise PromiseBrokenError(f"two audio objects under {match[1]}")
        assets[match[1]] = Shown(thing, _cover(thing, things), _marked(match[1], thing, things))
    return assets


def of(audio: bytes) -> bytes:
    """Return what each part that the fault suite derives or attaches says of its audio."""
    return b"of " + hashlib.sha256(audio).hexdigest().encode()


def _marked(audio_id: str, audio: Thing, things: Mapping[str, Thing]) -> dict[str, Thing]:
    found: dict[str, Thing] = {}
    for thing in sorted(things.values(), key=lambda each: (each.generation, each.name)):
        match = _MARKED.fullmatch(thing.name)
        if match is None or match[1] != audio_id:
            continue
        metadata = thing.metadata
        if (metadata["crc32c"], metadata["file_size"]) != (thing.crc32c, str(len(thing.data))):
            raise PromiseBrokenError(f"{thing.name} is visible with other bytes than it says")
        if (metadata["audio_crc32c"], metadata["audio_file_size"]) == (
            audio.crc32c,
            str(len(audio.data)),
        ):
            found[match[2]] = thing
    return found


def _cover(audio: Thing, things: Mapping[str, Thing]) -> Thing | None:
    name = audio.metadata.get("thumbnail_name")
    if name is None:
        return None
    cover = things.get(name)
    named = audio.metadata.get("thumbnail_generation")
    if cover is None:
        raise PromiseBrokenError(f"{audio.name} names {name}, which is not there")
    if str(cover.generation) == named:
        if cover.crc32c != audio.metadata.get("thumbnail_crc32c"):
            raise PromiseBrokenError(f"{name} has other bytes than {audio.name} says")
        return cover
    # What was restored has a generation of its own, but its bytes are what the audio names.
    is_restored = cover.crc32c == audio.metadata.get("thumbnail_crc32c")
    if not is_restored and cover.metadata.get("replaces_generation") != named:
        raise PromiseBrokenError(f"{audio.name} names another generation of {name}")
    return cover


@dataclass(frozen=True)
class Truth:
    """What may be seen under an id."""

    audio: bytes = field(repr=False)
    covers: tuple[bytes | None, ...] = field(repr=False)
    must_be_there: bool = False


def check(
    things: Mapping[str, Thing], truths: Mapping[str, Truth], local: Mapping[Path, bytes]
) -> dict[str, Shown]:
    """Return what is visible, and see that it is exactly what may be.

    Args:
        things: the objects.
        truths: by id.
        local: what the local files held.

    Raises:
        PromiseBrokenError: something else is visible, or a local file is gone and not stored.
    """
    assets = shown(things)
    for audio_id, asset in assets.items():
        truth = truths.get(audio_id)
        if truth is None:
            raise PromiseBrokenError(f"{audio_id} is visible and should not be")
        if asset.audio.data != truth.audio:
            raise PromiseBrokenError(f"{audio_id} is visible with wrong audio")
        if (asset.cover.data if asset.cover else None) not in truth.covers:
            raise PromiseBrokenError(
                f"{audio_id} is visible " + ("with wrong artwork" if asset.cover else "without any")
            )
        for name, thing in asset.marked.items():
            if of(asset.audio.data) not in thing.data:
                raise PromiseBrokenError(f"{audio_id} is visible with the {name} of other audio")
    missing = [i for i, truth in truths.items() if truth.must_be_there and i not in assets]
    if missing:
        raise PromiseBrokenError(f"not to be found any more: {missing}")
    stored = {part.data for asset in assets.values() for part in (asset.audio, asset.cover) if part}
    for path, data in local.items():
        if not path.exists() and data not in stored:
            raise PromiseBrokenError(f"{path.name} is gone and not stored")
        if path.exists() and path.read_bytes() != data:
            raise PromiseBrokenError(f"{path.name} was changed")
    return assets


def agree(
    manager: AudioStorageManager, assets: Mapping[str, Shown], ids: Iterable[str] = ()
) -> None:
    """See that the library shows what the independent reader saw."""
    found = {
        result.audio_id: (
            (result.audio.name, result.audio.generation) if result.audio else None,
            (result.thumbnail.name, result.thumbnail.generation) if result.thumbnail else None,
            {
                part: (blob.name, blob.generation)
                for part, blob in {**result.derived, **result.attached}.items()
            },
        )
        for result in manager.list()
    }
    expected = {
        audio_id: (
            (asset.audio.name, asset.audio.generation),
            (asset.cover.name, asset.cover.generation) if asset.cover else None,
            {part: (thing.name, thing.generation) for part, thing in asset.marked.items()},
        )
        for audio_id, asset in assets.items()
    }
    if found != expected:
        raise PromiseBrokenError(f"list() shows {found}, the reader {expected}")
    for audio_id in {*ids, *expected}:
        try:
            result = manager.get(audio_id)
        except AssetNotFoundError:
            if audio_id in expected:
                raise PromiseBrokenError(f"get() does not find {audio_id}") from None
            continue
        if audio_id not in expected:
            raise PromiseBrokenError(f"get() finds {audio_id}, the reader does not")
        if (result.thumbnail is None) != (assets[audio_id].cover is None):
            raise PromiseBrokenError(f"get() and the reader differ on the artwork of {audio_id}")
