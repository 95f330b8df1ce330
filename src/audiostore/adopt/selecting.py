"""Chooses what is adopted: a listing of the source, read once, and a layout or a map."""

import json
import posixpath
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from itertools import islice
from sqlite3 import Connection
from typing import NamedTuple

from audiostore.adopt.covers import KeyCovers, folded
from audiostore.adopt.kinds import kind_of
from audiostore.adopt.layouts import ID, KeyLayout
from audiostore.adopt.values import AdoptItem, Refusal, RefusalListener, RefusalReason
from audiostore.asset import (
    FileOrganizer,
    check_custom_metadata,
    file_metadata,
    maker_of,
    require_audio_id,
)
from audiostore.errors import InvalidAudioIdError, InvalidMetadataError, shown
from audiostore.scratch import on_the_disk, open_scratch
from audiostore.sourcepaths import is_source_path
from audiostore.sources import BytesSource
from audiostore.stores import ObjectStore
from audiostore.values import BlobInfo

TOKENS = "firebaseStorageDownloadTokens"
"""Metadata by which Firebase lets anyone in who has the token: two objects must not share it."""
FIRST_STORED_AT = "first_stored_at"
"""Metadata of an asset: when the object that was adopted had been created."""
_AUDIO, _THUMBNAIL, _ID, _FILENAME = "audio", "thumbnail", "id", "filename"
_OWN_ROOTS = (FileOrganizer.AUDIO_ROOT, "fleet")
_ROWS = 1000
_SOME_ID = "00000000-0000-4000-8000-000000000000"
_SOME_BYTES = BytesSource(b"")
_TABLES = (
    "CREATE TABLE objects (name TEXT PRIMARY KEY, folded TEXT, kind TEXT, blob TEXT) WITHOUT ROWID",
    "CREATE TABLE mapped (name TEXT PRIMARY KEY, line INT, fields TEXT) WITHOUT ROWID",
    "CREATE TABLE taken (uri TEXT, generation INT, run TEXT, reason TEXT,"
    " PRIMARY KEY (uri, generation)) WITHOUT ROWID",
    "CREATE TABLE covers (name TEXT PRIMARY KEY, mapped INT) WITHOUT ROWID",
    "CREATE TABLE used (name TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE ids (id TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID",
)
MapRows = Iterable[tuple[int, Mapping[str, str]]]
"""The rows of a map, with their lines (see `Manifest.rows`)."""
Taken = tuple[str, int, str, RefusalReason]
"""The URI and the generation of an object that another run has; which; adopted, or planned."""


class Rules(NamedTuple):
    """What is adopted, and what of it is kept."""

    layout: KeyLayout | None
    covers: KeyCovers
    keep_metadata: Collection[str] | None
    """Keys of custom metadata; None: all but download tokens of Firebase."""


class _RefusedError(Exception):
    def __init__(self, reason: RefusalReason, message: str) -> None:
        super().__init__(message)
        self.reason: RefusalReason = reason


class Selection:
    """The objects of a source. Its listing is kept in a temporary file, 300 bytes an object."""

    def __init__(
        self,
        source: ObjectStore,
        rules: Rules,
        mapping: MapRows | None,
        *,
        taken: Iterable[Taken],
        library: ObjectStore,
        on_refused: RefusalListener,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Read nothing yet.

        Args:
            source: what is adopted.
            rules: see `Rules`.
            mapping: rows with the fields `audio`, the name of an object; perhaps `thumbnail`, that
                of its cover; `id`; `filename`; all others are metadata.
            taken: what other runs have adopted, or are to adopt.
            library: where the assets will be: what is there already is no source.
            on_refused: called with each object that is not adopted.
            on_progress: called with the number of objects that were listed, from time to time.
        """
        self._source = source
        self._rules = rules
        self._mapping = mapping
        self._taken = taken
        self._own = own_uris(library)
        self._on_refused = on_refused
        self._on_progress = on_progress

    def items(self) -> Generator[AdoptItem, None, None]:
        """Yield what is adopted, in the order of the names.

        Raises:
            AudioStoreError: the source cannot be listed.
            OSError: the directory for temporary files is full, or cannot be written to.
        """
        with on_the_disk(), closing(open_scratch()) as scratch:
            for table in _TABLES:
                scratch.execute(table)
            self._read(scratch)
            rows = scratch.execute(
                "SELECT objects.name, kind, blob, line, fields FROM objects"
                " LEFT JOIN mapped USING (name) WHERE line NOT NULL OR"
                " (kind != 'image' AND objects.name NOT IN (SELECT name FROM covers))"
                " ORDER BY objects.name"
            )
            for name, kind, fields, line, mapped in rows:
                blob = _blob(name, fields)
                try:
                    row = None if line is None else json.loads(mapped)
                    yield self._item(scratch, blob, kind, row)
                except _RefusedError as refused:
                    self._refuse(name, refused.reason, str(refused))
            self._refuse_rest(scratch)

    def _refuse(self, name: str, reason: RefusalReason, message: str) -> None:
        self._on_refused(Refusal(name, reason, message))

    def _read(self, scratch: Connection) -> None:
        for line, fields in self._mapping or ():
            row = fields[_AUDIO], line, json.dumps(dict(fields))
            if not scratch.execute("INSERT OR IGNORE INTO mapped VALUES (?, ?, ?)", row).rowcount:
                self._refuse(row[0], "mapped-twice", f"is in line {line} of the map again")
            elif _THUMBNAIL in fields:
                scratch.execute("INSERT OR IGNORE INTO covers VALUES (?, 1)", (fields[_THUMBNAIL],))
        scratch.executemany("INSERT OR IGNORE INTO taken VALUES (?, ?, ?, ?)", self._taken)
        blobs = self._source.list("")
        count = 0
        while page := list(islice(blobs, _ROWS)):
            count += len(page)
            scratch.executemany("INSERT INTO objects VALUES (?, ?, ?, ?)", self._rows(page))
            self._on_progress(count)
        scratch.execute("CREATE INDEX by_folded ON objects (folded)")

    def _rows(self, page: Iterable[BlobInfo]) -> Iterator[tuple[str, str, str, str]]:
        for blob in page:
            if blob.name.endswith("/") and not blob.size_bytes:
                continue  # what consoles show as an empty folder
            if self._source.uri(blob.name).startswith(self._own):
                self._refuse(blob.name, "own", "is part of the library already")
                continue
            kind = kind_of(blob.name, blob.content_type)
            yield blob.name, folded(blob.name), kind, json.dumps(_fields(blob))

    def _item(
        self, scratch: Connection, blob: BlobInfo, kind: str, row: Mapping[str, str] | None
    ) -> AdoptItem:
        """Return what an object becomes.

        Raises:
            _RefusedError: it is not adopted.
        """
        name, layout = blob.name, self._rules.layout
        values = layout.match(name) if layout is not None else None
        if row is None and values is None:
            if kind == "other":
                raise _RefusedError("not-audio", f"has an unsupported type {_typed(blob)}")
            raise _RefusedError("no-rule", f"is not {'of the layout' if layout else 'in the map'}")
        if kind == "other" and row is None:
            raise _RefusedError("not-audio", f"has an unsupported type {_typed(blob)}")
        _require_readable(blob, "")
        if maker_of(blob) is not None:
            raise _RefusedError("derived", f"was computed from other audio ({maker_of(blob)})")
        known = values or {}
        given = row or {}
        cover, shares_cover = self._cover(scratch, name, known, given.get(_THUMBNAIL))
        before = scratch.execute(
            "SELECT run, reason FROM taken WHERE uri = ? AND generation = ?",
            (self._source.uri(name), blob.generation),
        ).fetchone()
        if before is not None:
            taker, reason = before
            was = "was adopted" if reason == "adopted" else "is planned to be adopted"
            raise _RefusedError(reason, f"{was} by the run {taker!r}")
        called = given.get(_FILENAME, "").replace("\\", "/")
        filename = posixpath.basename(called) or posixpath.basename(name.rstrip("/"))
        metadata = self._metadata(blob, known, given, filename)
        return AdoptItem(
            blob,
            cover,
            filename,
            self._id(scratch, name, given.get(_ID) or known.get(ID)),
            metadata,
            name if is_source_path(name) else None,
            cover_is_mapped=cover is not None and _is_mapped(scratch, cover.name),
            shares_cover=shares_cover,
        )

    def _cover(
        self, scratch: Connection, audio: str, values: Mapping[str, str], given: str | None
    ) -> tuple[BlobInfo | None, bool]:
        """Return the cover of an object, and whether an object before this one has the same."""
        if given is not None:
            found = scratch.execute("SELECT name, blob FROM objects WHERE name = ?", (given,))
            rows = found.fetchall()
            if not rows:
                raise _RefusedError("missing-cover", f"has a cover that is missing: {shown(given)}")
        else:
            rows = next(
                filter(
                    None,
                    (
                        _named(scratch, candidate)
                        for candidate in self._rules.covers.of(audio, values)
                    ),
                ),
                [],
            )
        if not rows:
            return None, False
        if len(rows) > 1:
            both = " and ".join(shown(name) for name, _ in rows[:2])
            raise _RefusedError("two-covers", f"has two covers, {both}")
        ((name, fields),) = rows
        cover = _blob(name, fields)
        _require_readable(cover, f"has a cover, {shown(name)}, that ")
        scratch.execute("INSERT OR IGNORE INTO covers VALUES (?, 0)", (name,))
        is_first = scratch.execute("INSERT OR IGNORE INTO used VALUES (?)", (name,)).rowcount
        return cover, not is_first

    def _metadata(
        self,
        blob: BlobInfo,
        values: Mapping[str, str],
        given: Mapping[str, str],
        filename: str,
    ) -> dict[str, str]:
        """Return the custom metadata: the object's own; what its name says; what the map says."""
        keep = self._rules.keep_metadata
        own = {
            key: value
            for key, value in blob.metadata.items()
            if (key != TOKENS if keep is None else key in keep)
        }
        named = self._rules.layout.metadata(values) if self._rules.layout else {}
        columns = (_AUDIO, _THUMBNAIL, _ID, _FILENAME)
        mapped = {key: value for key, value in given.items() if key not in columns}
        metadata = {FIRST_STORED_AT: blob.created_at.isoformat()}
        for source in (own, named, mapped):
            lower = {key.lower() for key in source}
            metadata = {k: v for k, v in metadata.items() if k.lower() not in lower} | source
        try:
            check_custom_metadata({**metadata, _FILENAME: filename})
            file_metadata(_SOME_ID, _AUDIO, filename, _SOME_BYTES, metadata)
        except InvalidMetadataError as error:
            raise _RefusedError("bad-metadata", f"cannot keep its metadata: {error}") from None
        return metadata

    def _id(self, scratch: Connection, name: str, audio_id: str | None) -> str | None:
        if audio_id is None:
            return None
        try:
            require_audio_id(audio_id)
        except InvalidAudioIdError as error:
            raise _RefusedError("bad-id", f"has an id that cannot be used: {error}") from None
        scratch.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", (audio_id, name))
        (first,) = scratch.execute("SELECT name FROM ids WHERE id = ?", (audio_id,)).fetchone()
        if first != name:
            raise _RefusedError("same-id", f"has the same id as {shown(first)}")
        return audio_id

    def _refuse_rest(self, scratch: Connection) -> None:
        unused = scratch.execute(
            "SELECT name FROM objects WHERE kind = 'image' AND name NOT IN"
            " (SELECT name FROM covers UNION SELECT name FROM mapped) ORDER BY name"
        )
        for (name,) in unused:
            self._refuse(name, "unused-image", "is an image that belongs to no audio")
        missing = scratch.execute(
            "SELECT name, line FROM mapped WHERE name NOT IN (SELECT name FROM objects)"
            " ORDER BY line"
        )
        for name, line in missing:
            self._refuse(name, "missing", f"is in line {line} of the map, and not in the source")


def own_uris(library: ObjectStore) -> tuple[str, ...]:
    """Return what the URIs of a library's own objects begin with."""
    return tuple(f"{library.uri(root)}/" for root in _OWN_ROOTS)


def _is_mapped(scratch: Connection, cover: str) -> bool:
    rows = scratch.execute("SELECT mapped FROM covers WHERE name = ?", (cover,))
    return bool(rows.fetchone()[0])


def _named(scratch: Connection, name: str) -> list[tuple[str, str]]:
    """Return the images of a name, in any case; only that of the same case, if there is one."""
    found = scratch.execute(
        "SELECT name, blob FROM objects WHERE folded = ? AND kind = 'image'", (folded(name),)
    ).fetchall()
    return [row for row in found if row[0] == name] or found


def _require_readable(blob: BlobInfo, subject: str) -> None:
    if not blob.size_bytes:
        raise _RefusedError("empty", f"{subject}is empty")
    if blob.crc32c is None:
        raise _RefusedError("unreadable", f"{subject}cannot be read: {blob.unreadable}")


def _typed(blob: BlobInfo) -> str:
    return f"({shown(blob.content_type)})" if blob.content_type else "(it has no content type)"


_TIMES = ("created_at", "class_changed_at", "custom_time", "retained_until")


def _fields(blob: BlobInfo) -> dict[str, object]:
    fields = blob.to_dict()
    del fields["name"]
    return {k: v for k, v in fields.items() if not (v is None or v is False or v == {})}


def _blob(name: str, text: str) -> BlobInfo:
    fields = json.loads(text)
    times = {key: datetime.fromisoformat(fields[key]) for key in _TIMES if key in fields}
    return BlobInfo(name, **{"crc32c": None, **fields, **times})
