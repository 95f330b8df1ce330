"""What would become of many files, found out without sending a byte."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from audiostore.asset import PreparedFile, check_custom_metadata, file_metadata, require_audio_id
from audiostore.bulk.items import BulkItem
from audiostore.bulk.sources.folders import is_of_same_stem
from audiostore.errors import AudioStoreError
from audiostore.ingest import UploadOptions, prepare_audio, prepare_image

CoverOrigin = Literal["given", "same stem", "folder image", "embedded", "none"]

_WORKERS = 4
"""FFmpeg looks into the files, in processes of its own."""
_AHEAD = 16
_SOME_ID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be stored of an item; or, with an error, that it would be refused."""

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
) -> Iterator[Planned]:
    """Look at each item as an upload would, some at a time; yield what was found, in their order.

    Args:
        items: what is to be stored; read a few at a time.
        options: how files are looked at.
        covers_are_given: somebody named the covers; else they were found beside the audio.
    """

    def look(item: BulkItem) -> Planned:
        return _plan(item, options, covers_are_given=covers_are_given)

    yield from _mapped(look, items)


def _mapped(look: Callable[[BulkItem], Planned], items: Iterable[BulkItem]) -> Iterator[Planned]:
    source = iter(items)
    under_way: deque[Future[Planned]] = deque()
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="audiostore-plan") as workers:
        try:
            under_way.extend(workers.submit(look, item) for item in islice(source, _AHEAD))
            while under_way:
                yield under_way.popleft().result()
                under_way.extend(workers.submit(look, item) for item in islice(source, 1))
        finally:
            workers.shutdown(wait=False, cancel_futures=True)


def _plan(item: BulkItem, options: UploadOptions, *, covers_are_given: bool) -> Planned:
    try:
        if item.audio_id is not None:
            require_audio_id(item.audio_id)
        custom = check_custom_metadata(item.metadata)
        # What is embedded counts only where nothing else is given, as in an upload.
        inside = replace(options, artwork="none") if item.thumbnail else options
        with prepare_audio(item.audio, inside) as audio:
            thumbnail = prepare_image(item.thumbnail, options) if item.thumbnail else audio.artwork
            file_metadata(
                _SOME_ID, "audio", audio.filename, audio.source, custom, facts=audio.facts
            )
            return _planned(item, audio, thumbnail, covers_are_given=covers_are_given)
    except (AudioStoreError, OSError) as error:
        return Planned(item, error)


def _planned(
    item: BulkItem, audio: PreparedFile, thumbnail: PreparedFile | None, *, covers_are_given: bool
) -> Planned:
    duration = audio.facts.get("duration_s")
    return Planned(
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
    return "same stem" if is_of_same_stem(item.audio, item.thumbnail) else "folder image"
