"""Walking a whole store to find what is wrong with it; nothing is changed.

Objects may change while the listing is read. So whatever looks wrong is checked again a moment
later; and what may be part of an unfinished upload or deletion is not a problem before the grace
period is over.
"""

import hashlib
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from audiostore.asset import FileOrganizer, Shard, folder_prefix, walk_objects
from audiostore.audit.folders import (
    Folder,
    check_objects,
    folder_of,
    foreign_object,
    stale_upload,
)
from audiostore.audit.inventory import InventoryReport
from audiostore.audit.links import check_links, consider_trash
from audiostore.audit.marked import check_marked
from audiostore.audit.problems import GRACE, Problem, RemoveForeignFile
from audiostore.audit.reading import Reading, Turn, in_turn
from audiostore.audit.records import CheckRecord
from audiostore.audit.relations import check_relations
from audiostore.dataclass import dataclass
from audiostore.errors import BlobNotFoundError

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

_ROOT = f"{FileOrganizer.AUDIO_ROOT}/"
_CHECK_AGAIN_AFTER_S = 1.0
_SUSPECTS_AT_ONCE = 256
_REPORT_EVERY_S = 10.0
_SUSPECTS_LOOKED_AT_AT_ONCE = 16
_READ_AT_ONCE_OF_A_CORE = 2
_READ_AT_ONCE_OF_A_BUCKET = 16
"""At least: most of the time is spent waiting for answers."""
# An unfinished upload or deletion looks like one of these.
_TRANSIENT = frozenset(
    {
        "orphan-thumbnail",
        "orphan-derived",
        "orphan-attached",
        "stale-derived",
        "stale-attached",
        "leftover-part",
        "second-audio",
        "leftover-thumbnail",
        "unattached-thumbnail",
        "unrecorded-replacement",
        "stale-generation",
        "unfinished-deletion",
        "unlinked-superseded",
        "stale-upload",
    }
)


@dataclass(frozen=True, slots=True)
class Checked:
    """How much was checked so far."""

    assets: int = 0
    objects: int = 0
    assets_read: int = 0
    """Of a deep check: the assets whose every byte was read."""
    bytes_read: int = 0
    assets_read_before: int = 0
    """The assets that the interrupted check had read which this one continues."""
    bytes_read_before: int = 0


class Checker:
    """One check of a store (see `Audit.check`)."""

    def __init__(
        self,
        manager: "AudioStorageManager",
        *,
        deep: bool = False,
        record: CheckRecord | None = None,
        shard: Shard | None = None,
        sample: float | None = None,
        grace: timedelta = GRACE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        inventory: InventoryReport | None = None,
        known: Path | None = None,
        on_progress: Callable[[Checked], None] | None = None,
    ) -> None:
        self._manager = manager
        self._inventory = inventory
        self._known = known
        self._store = manager.store
        self._is_deep = deep
        self._record = record
        self._part = shard or Shard(1, 1)
        self._sample = sample
        self._key = os.urandom(16) if record is None else record.key
        self._grace = grace
        self._now = now
        self._sleep = sleep
        self._clock = clock
        self._on_progress = on_progress
        self._assets = self._objects = 0
        self._assets_read = self._bytes_read = 0
        self._assets_read_before = self._bytes_read_before = 0

    def run(self) -> Iterator[Problem]:
        """Yield every problem (see `Audit.check`)."""
        if self._is_deep:
            from audiostore.media import start_workers  # noqa: PLC0415  (a subprocess)

            start_workers()  # the first is ready once the first asset was listed and fetched
        at_once = _READ_AT_ONCE_OF_A_CORE * (os.cpu_count() or 1)
        if self._store.url.startswith("gs://"):
            at_once = max(at_once, _READ_AT_ONCE_OF_A_BUCKET)
        for turn in in_turn(self._turns(), self._problems_in_bytes, self._note_read, at_once):
            if turn is None:
                self._report_progress()
            else:
                yield turn
        if self._record is not None:
            self._record.remove()

    def _turns(self) -> Generator[Turn, None, None]:
        """Yield problems, assets to read, and None after each that was checked."""
        yield from self._staged()
        if self._inventory is not None:
            yield from self._in_report(self._inventory)
            return
        yield from self._foreign_files()
        suspects: list[str] = []
        reported_at = self._clock()
        for found in self._first_pass():
            if isinstance(found, str):
                suspects.append(found)
            else:
                yield found
            is_due = len(suspects) == _SUSPECTS_AT_ONCE or (
                self._clock() - reported_at > _REPORT_EVERY_S
            )
            if suspects and is_due:
                yield from self._check_again(suspects)
                suspects.clear()
                reported_at = self._clock()
        yield from self._check_again(suspects)

    def _in_report(self, report: InventoryReport) -> Iterator[Turn]:
        """Look at what an inventory report gives cause to suspect, as it is now."""
        from audiostore.audit.known import read_known  # noqa: PLC0415  (few checks need them)
        from audiostore.audit.reports import rows_of  # noqa: PLC0415
        from audiostore.audit.suspects import collecting  # noqa: PLC0415

        prefix = self._store.url.removeprefix("gs://").partition("/")[2]
        with collecting(
            f"{prefix}/" if prefix else "", has_known=self._known is not None
        ) as suspects:
            if self._known is not None:
                suspects.add_known(read_known(self._known))
            for rows in rows_of(self._manager, report):
                suspects.add(rows)
                self._assets, self._objects = suspects.assets, suspects.objects
                yield None
            yield from self._at_once(self._problems_of_foreign, suspects.foreign_names())
            yield from self._at_once(
                lambda audio_id: self._problems(self._folder(audio_id)), suspects.audio_ids()
            )

    def _at_once(
        self, look: Callable[[str], list[Problem]], names: Iterator[str]
    ) -> Iterator[Problem | None]:
        """Look at many things at once; yield what is wrong with each, and None after it."""
        looking = self._manager.bulk.apply(look, names, concurrency=_SUSPECTS_LOOKED_AT_AT_ONCE)
        with closing(looking) as outcomes:
            for outcome in outcomes:
                if outcome.error is not None:
                    raise outcome.error
                yield from outcome.result or ()
                yield None

    def _problems_of_foreign(self, name: str) -> list[Problem]:
        with suppress(BlobNotFoundError):
            return [foreign_object(self._store.stat(name))]
        return []

    def _folder(self, audio_id: str) -> Folder:
        return Folder(audio_id, tuple(self._store.list(folder_prefix(audio_id))))

    def _foreign_files(self) -> Iterator[Problem]:
        for file in self._store.foreign_files(_ROOT):
            if not self._part.holds(file.path):
                continue
            problem = Problem(
                "foreign-file",
                folder_of(file.path),
                file.path,
                file.description,
                "remove it"
                if file.is_removable
                else "if the store was copied without its modification times, copy it again with "
                "them (cp -a); else store the file again if it may be the only copy, and move it "
                "elsewhere",
                RemoveForeignFile(file) if file.is_removable else None,
                file.changed_at,
            )
            if not (file.is_removable and problem.is_too_young(self._now(), self._grace)):
                yield problem

    def _staged(self) -> Iterator[Problem]:
        """Look for uploads that nobody has completed; the first shard does."""
        if self._part.number > 1:
            return
        for blob in self._store.list(f"{FileOrganizer.INCOMING_ROOT}/"):
            problem = stale_upload(blob)
            if not self._may_pass(problem):
                yield problem

    def _first_pass(self) -> Iterator[str | Turn]:
        """Yield ids of assets that look wrong, problems that need no second check, and None."""
        part = self._part
        with closing(walk_objects(self._store, after=part.after, until=part.until)) as blobs:
            for audio_id, group in groupby(blobs, lambda blob: folder_of(blob.name)):
                if audio_id is None:
                    for blob in group:
                        self._objects += 1
                        yield foreign_object(blob)
                        yield None
                    continue
                folder = Folder(audio_id, tuple(group))
                self._assets += folder.asset is not None
                self._objects += len(folder.blobs)
                if self._problems(folder):
                    yield audio_id
                else:
                    yield from self._read(folder)
                yield None

    def _report_progress(self) -> None:
        if self._on_progress:
            self._on_progress(
                Checked(
                    self._assets,
                    self._objects,
                    self._assets_read,
                    self._bytes_read,
                    self._assets_read_before,
                    self._bytes_read_before,
                )
            )

    def _check_again(self, audio_ids: list[str]) -> Iterator[Turn]:
        if audio_ids:
            self._sleep(_CHECK_AGAIN_AFTER_S)
        for audio_id in audio_ids:
            folder = self._folder(audio_id)
            yield from self._problems(folder)
            yield from self._read(folder)
            yield None

    def _read(self, folder: Folder) -> Iterator[Reading]:
        """Have every byte of an asset read, unless the interrupted check found them right."""
        asset = folder.asset
        if not self._is_deep or asset is None or not self._is_sampled(folder.audio_id):
            return
        size_bytes = sum(blob.size_bytes for blob in asset.parts.values())
        if self._record is not None and self._record.has(folder.blobs):
            self._assets_read_before += 1
            self._bytes_read_before += size_bytes
        else:
            yield Reading(folder, size_bytes)

    def _problems_in_bytes(self, folder: Folder) -> list[Problem]:
        from audiostore.audit.deep import DeepCheck  # noqa: PLC0415  (inspects files)

        return list(DeepCheck(self._store).problems(folder))

    def _note_read(self, reading: Reading) -> None:
        self._assets_read += 1
        self._bytes_read += reading.size_bytes
        if self._record is not None and not reading.found:
            self._record.add(reading.folder.blobs)

    def _is_sampled(self, audio_id: str) -> bool:
        if self._sample is None:
            return True
        digest = hashlib.blake2b(audio_id.encode(), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "little") < self._sample * (1 << 64)

    def _problems(self, folder: Folder) -> list[Problem]:
        found = [
            *check_objects(folder),
            *check_relations(folder),
            *check_marked(folder),
            *check_links(folder, self._store),
        ]
        lasting = [
            consider_trash(folder, self._store, problem)
            for problem in found
            if not self._may_pass(problem)
        ]
        return [problem for problem in lasting if not self._may_pass(problem)]

    def _may_pass(self, problem: Problem) -> bool:
        return problem.kind in _TRANSIENT and problem.is_too_young(self._now(), self._grace)
