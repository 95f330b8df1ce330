"""Dry runs: what an upload of many files would do, found out without sending a byte."""

from collections.abc import Generator, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Literal

from audiostore.asset import PreparedFile, check_custom_metadata, file_metadata, require_audio_id
from audiostore.bulk.executors import ThreadPool, UnrecordedTasks, run
from audiostore.bulk.items import BulkItem
from audiostore.bulk.sources import is_same_stem
from audiostore.ingest import UploadOptions, prepare_audio, prepare_image

CoverOrigin = Literal["given", "same stem", "folder image", "embedded", "none"]

_CONCURRENCY = 4
"""The files are inspected by FFmpeg, in processes of its own."""
_WINDOW = 16
"""This many items are read ahead."""
_SOME_ID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be stored for an item; or, with an error, why it would be refused."""

    index: int
    """Position of the item in the input, from 0."""
    item: BulkItem
    error: Exception | None
    cover: CoverOrigin = "none"
    """Where its artwork would come from."""
    content_type: str | None = None
    size_bytes: int = 0
    """Of the audio and its artwork, as they would be stored."""
    duration_s: float | None = None
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON types."""
        return {
            "audio": str(self.item.audio),
            "storable": self.error is None,
            "reason": None if self.error is None else str(self.error),
            "cover": self.cover,
            "thumbnail": str(self.item.thumbnail) if self.item.thumbnail else None,
            "audio_id": self.item.audio_id,
            "metadata": dict(self.item.metadata),
            "content_type": self.content_type,
            "size_bytes": self.size_bytes,
            "duration_s": self.duration_s,
            "warnings": list(self.warnings),
            "origin": self.item.origin or None,
        }


def plan_items(
    items: Iterable[BulkItem], options: UploadOptions, *, covers_are_given: bool
) -> Generator[Planned, None, None]:
    """Inspect each item as an upload would; yield what was found, in the order of the items.

    Args:
        items: the assets to store; read a few at a time.
        options: how to inspect and prepare the files.
        covers_are_given: the thumbnails were named by the user, not found next to the audio.
    """

    def plan(numbered: tuple[int, BulkItem]) -> Planned:
        index, item = numbered
        try:
            return _plan(index, item, options, covers_are_given=covers_are_given)
        except Exception as error:  # noqa: BLE001  (it is reported as this item's outcome)
            return Planned(index, item, error)

    pool = ThreadPool(plan, concurrency=_CONCURRENCY)
    tasks: UnrecordedTasks[BulkItem, Planned] = UnrecordedTasks(items)
    return run(tasks, pool, in_order=True, window=_WINDOW)


def _plan(index: int, item: BulkItem, options: UploadOptions, *, covers_are_given: bool) -> Planned:
    if item.audio_id is not None:
        require_audio_id(item.audio_id)
    custom = check_custom_metadata(item.metadata)
    # As in an upload, embedded artwork counts only if no thumbnail is given.
    inspected = replace(options, artwork="none") if item.thumbnail else options
    with ExitStack() as files:
        audio = files.enter_context(prepare_audio(item.audio, inspected))
        thumbnail = audio.artwork
        if item.thumbnail:
            thumbnail = files.enter_context(prepare_image(item.thumbnail, options))
        file_metadata(_SOME_ID, "audio", audio.filename, audio.source, custom, facts=audio.facts)
        duration = audio.facts.get("duration_s")
        return Planned(
            index,
            item,
            None,
            _cover(item, thumbnail, covers_are_given=covers_are_given),
            audio.content_type,
            audio.source.size_bytes + (thumbnail.source.size_bytes if thumbnail else 0),
            float(duration) if duration else None,
            audio.warnings + (thumbnail.warnings if thumbnail else ()),
        )


def _cover(
    item: BulkItem, thumbnail: PreparedFile | None, *, covers_are_given: bool
) -> CoverOrigin:
    if thumbnail is None:
        return "none"
    if item.thumbnail is None:
        return "embedded"
    if covers_are_given:
        return "given"
    return "same stem" if is_same_stem(item.audio, item.thumbnail) else "folder image"
