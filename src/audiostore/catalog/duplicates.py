"""The same audio under several ids."""

import pickle
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby, islice
from operator import itemgetter
from typing import Literal

from audiostore.dataclass import dataclass
from audiostore.scratch import on_the_disk, open_scratch
from audiostore.values import OWN_KEYS, BlobInfo, StorageResult

_ROWS = 1000
_SCHEMA = """
CREATE TABLE assets (bytes TEXT, data TEXT, key TEXT, asset BLOB)
"""
# An asset of which only the bytes are known has the audio data of one with the same bytes.
_RESOLVE = """
CREATE INDEX by_bytes ON assets (bytes, data);
UPDATE assets SET key = COALESCE(
    data, (SELECT other.data FROM assets AS other
           WHERE other.bytes = assets.bytes AND other.data IS NOT NULL), bytes);
CREATE INDEX by_key ON assets (key)
"""
_GROUPS = """
SELECT key, asset FROM assets
WHERE key IN (SELECT key FROM assets GROUP BY key HAVING count(*) > 1) ORDER BY key, rowid
"""


@dataclass(frozen=True, slots=True)
class DuplicateAssets:
    """Several assets with the same audio; the one that is best kept comes first."""

    same: Literal["bytes", "audio"]
    """"bytes": their audio objects are the same, byte for byte, by size and checksums. "audio":
    only the audio itself is, without tags and artwork."""
    assets: tuple[StorageResult, ...]
    """First what no other asset supersedes; then what has artwork; then what has the most metadata;
    then the oldest."""

    @property
    def keep(self) -> StorageResult:
        """The asset that is best kept."""
        return self.assets[0]

    @property
    def others(self) -> tuple[StorageResult, ...]:
        """The assets that can be deleted."""
        return self.assets[1:]

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types; the assets by their ids."""
        return {
            "same": self.same,
            "keep": self.keep.audio_id,
            "others": [asset.audio_id for asset in self.others],
        }


def find_duplicates(assets: Iterable[StorageResult]) -> Iterator[DuplicateAssets]:
    """Yield the groups of assets with the same audio.

    Audio is the same if its data have one size, CRC-32C, codec, sample rate and number of channels;
    where the data are not known, if the objects have one size, CRC-32C and MD5. A private temporary
    file takes about 2 kB an asset; memory holds one group.

    Raises:
        OSError: the temporary file cannot be written.
    """
    with on_the_disk(), closing(open_scratch()) as connection:
        connection.execute(_SCHEMA)
        rows = _rows(assets)
        while some := list(islice(rows, _ROWS)):
            connection.executemany("INSERT INTO assets VALUES (?, ?, NULL, ?)", some)
        connection.executescript(_RESOLVE)
        for _, group in groupby(connection.execute(_GROUPS), itemgetter(0)):
            # No other process can write to the file: it has no name.
            yield _group([pickle.loads(pickled) for _, pickled in group])  # noqa: S301


def _rows(assets: Iterable[StorageResult]) -> Iterator[tuple[str | None, str | None, bytes]]:
    for asset in assets:
        if asset.audio is not None:
            in_bytes, data = _bytes_key(asset.audio), _data_key(asset)
            if in_bytes or data:
                yield in_bytes, data, pickle.dumps(asset, pickle.HIGHEST_PROTOCOL)


def _bytes_key(audio: BlobInfo) -> str | None:
    if audio.crc32c is None:
        return None
    return f"bytes {audio.size_bytes} {audio.crc32c} {audio.md5_hash}"


def _data_key(asset: StorageResult) -> str | None:
    size_bytes, crc32c = asset.audio_data_size_bytes, asset.audio_data_crc32c
    if size_bytes is None or crc32c is None:
        return None
    # The same samples at another rate sound different.
    facts = (asset.codec, asset.sample_rate_hz, asset.channels)
    return f"data {size_bytes} {crc32c} {facts}"


def _group(assets: list[StorageResult]) -> DuplicateAssets:
    objects = {_bytes_key(asset.audio) for asset in assets if asset.audio}
    is_same = len(objects) == 1 and None not in objects
    return DuplicateAssets("bytes" if is_same else "audio", tuple(sorted(assets, key=_rank)))


def _rank(asset: StorageResult) -> tuple[bool, bool, int, float, str]:
    return (
        asset.superseded_by is not None,
        not asset.has_thumbnail,
        -sum(key not in OWN_KEYS for key in asset.audio.metadata) if asset.audio else 0,
        asset.created_at.timestamp(),
        asset.audio_id,
    )
