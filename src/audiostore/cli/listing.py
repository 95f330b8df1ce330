"""Assets as text: a line of a plan and of `trash list`, the block of `show`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from audiostore.analysis import Analysis, to_blocks
from audiostore.cli.output import escape, human_size, is_terminal
from audiostore.sourcepaths import source_path_of
from audiostore.values import EXACT_KEY, OWN_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from audiostore import BlobInfo, Loudness, StorageResult, TrashedAsset

_FACTS = {
    "codec": ("codec", ""),
    "sample_rate_hz": ("sample rate", " Hz"),
    "channels": ("channels", ""),
    "bitrate_bps": ("bit rate", " bit/s"),
}


def row(asset: StorageResult) -> str:
    """Return an asset as a line of columns; the name, of any width, comes last."""
    audio = asset.audio
    if audio is None:
        return asset.audio_id
    cover = _extension(asset.thumbnail) if asset.thumbnail else "-"
    return (
        f"{asset.audio_id}  {_extension(audio):<5}  {human_size(audio.size_bytes):>10}  "
        f"{cover:<5}  {audio.created_at:%Y-%m-%d %H:%M}  {_original_name(audio)}"
    )


def deleted_row(trashed: TrashedAsset) -> str:
    """Return a deleted asset as a line of columns."""
    audio = trashed.audio.blob
    return (
        f"{trashed.audio_id}  {human_size(audio.size_bytes):>10}  deleted "
        f"{trashed.deleted_at:%Y-%m-%d %H:%M}  gone {trashed.gone_at:%Y-%m-%d %H:%M} UTC  "
        f"{_original_name(audio)}"
    )


def loudness_row(asset: StorageResult) -> str:
    """Return how loud an asset is as a line of columns; the name, of any width, comes last."""
    found, audio = asset.loudness, asset.audio
    if found is None or audio is None:
        return asset.audio_id
    columns = (
        f"{_figure(found.integrated_lufs, 'LUFS'):>10}",
        f"{_figure(found.range_lu, 'LU'):>8}",
        f"{_figure(found.sample_peak_dbfs, 'dBFS'):>10}",
        f"{_figure(found.true_peak_dbtp, 'dBTP'):>10}",
    )
    return f"{asset.audio_id}  {'  '.join(columns)}  {_original_name(audio)}"


def _figure(figure: float | None, unit: str) -> str:
    return "-" if figure is None else f"{figure:.1f} {unit}"


def stored_block(result: StorageResult) -> str:
    """Return what `put` prints: the id alone on the first line, then where it is."""
    lines = [result.audio_id, f"audio      {escape(result.audio_path or '')}"]
    if result.thumbnail_path:
        lines.append(f"thumbnail  {escape(result.thumbnail_path)}")
    return "\n".join(lines)


def facts_block(asset: StorageResult) -> str:
    """Return everything about an asset."""
    lines = [f"{'id':<16}  {asset.audio_id}"]
    for title, uri, blob in (
        ("audio", asset.audio_path, asset.audio),
        ("thumbnail", asset.thumbnail_path, asset.thumbnail),
        *((name, blob.name, blob) for name, blob in asset.derived.items()),
        *((name, blob.name, blob) for name, blob in asset.attached.items()),
        *((_stem(blob), blob.name, blob) for blob in asset.stale),
    ):
        lines.append(f"{title:<16}  {escape(uri or 'none')}")
        if blob is not None:
            facts = (*_state(asset, blob), *_facts(blob))
            lines += [f"  {key:<14}  {value}" for key, value in facts]
    return "\n".join(lines)


def _state(asset: StorageResult, blob: BlobInfo) -> Iterator[tuple[str, str]]:
    """Yield whether a derived or an attached object is of the audio that is there."""
    from audiostore.asset import has_mark, is_current  # noqa: PLC0415  (few assets have such)

    if blob not in asset.stale:
        if any(blob is each for each in (*asset.derived.values(), *asset.attached.values())):
            yield "state", "current"
    elif not has_mark(blob):
        yield "state", "not used: nothing says which audio it belongs to"
    elif asset.audio is not None and is_current(blob, asset.audio):
        yield "state", "not used: it was replaced"
    else:
        yield "state", "stale: it belongs to other audio"


def _facts(blob: BlobInfo) -> Iterator[tuple[str, str]]:
    yield "file name", _original_name(blob)
    path = source_path_of(blob.metadata)
    if path is not None:
        yield "source path", escape(path)
    yield "type", escape(blob.content_type)
    yield "size", f"{human_size(blob.size_bytes)} ({blob.size_bytes} bytes)"
    yield "created", f"{blob.created_at:%Y-%m-%d %H:%M:%S} UTC"
    yield "crc32c", blob.crc32c or "-"
    yield "md5", blob.md5_hash or "-"
    yield "storage class", escape(blob.storage_class)
    yield "generation", f"{blob.generation} (metageneration {blob.metageneration})"
    if blob.temporary_hold:
        yield "hold", "until 'audiostore release'"
    if blob.event_based_hold:
        yield "hold", "event-based: until the program that set it releases it"
    if blob.retained_until is not None:
        mode = f" ({escape(blob.retention_mode.lower())})" if blob.retention_mode else ""
        yield "retained", f"until {blob.retained_until:%Y-%m-%d %H:%M:%S} UTC{mode}"
    if blob.custom_time is not None:
        yield "expires", f"{blob.custom_time:%Y-%m-%d %H:%M:%S} UTC"
    if "derived_by" in blob.metadata:
        yield "derived by", escape(blob.metadata["derived_by"])
    if "duration_s" in blob.metadata:
        yield "duration", _duration(blob)
    for key, (name, unit) in _FACTS.items():
        if key in blob.metadata:
            yield name, escape(blob.metadata[key]) + unit
    if (found := Analysis.from_metadata(blob.metadata)) is not None:
        yield from _loudness(found.loudness)
    for key, value in sorted(blob.metadata.items()):
        if key not in OWN_KEYS:
            yield "meta", f"{escape(key)}={escape(value)}"


def _loudness(found: Loudness) -> Iterator[tuple[str, str]]:
    if found.integrated_lufs is not None:
        spread = "" if found.range_lu is None else f", range {_figure(found.range_lu, 'LU')}"
        yield "loudness", _figure(found.integrated_lufs, "LUFS") + spread
    if found.sample_peak_dbfs is not None:
        yield "sample peak", _figure(found.sample_peak_dbfs, "dBFS")
    if found.true_peak_dbtp is not None:
        yield "true peak", _figure(found.true_peak_dbtp, "dBTP")


def overview_lines(asset: StorageResult, stream: TextIO) -> list[str]:
    """Return the overview of an asset as lines to draw; none where they cannot be shown."""
    bars = None if asset.audio is None else asset.overview
    if bars is None or not is_terminal(stream):
        return []
    import shutil  # noqa: PLC0415  (imports compression, and only terminals need it)

    lines = to_blocks(bars, shutil.get_terminal_size().columns - 1)
    try:
        "".join(lines).encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return []
    return lines


def _duration(blob: BlobInfo) -> str:
    stated = blob.metadata["duration_s"]
    if blob.metadata.get(EXACT_KEY) != "false":
        return f"{escape(stated)} s"
    with suppress(ValueError):
        stated = f"{float(stated):.1f}"
    return f"about {escape(stated)} s"


def _original_name(blob: BlobInfo) -> str:
    return escape(blob.metadata.get("original_filename", "")) or "-"


def _stem(blob: BlobInfo) -> str:
    return PurePosixPath(blob.name).stem


def _extension(blob: BlobInfo) -> str:
    return PurePosixPath(blob.name).suffix[1:]
