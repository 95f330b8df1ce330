"""The commands on single assets."""

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from audiostore.asset import TAG_KEYS, PartName
from audiostore.cli.commands.opening import opened, warn
from audiostore.cli.listing import facts_block, json_line, stored_block
from audiostore.cli.options.adding import UsageError
from audiostore.cli.output import escape, is_terminal, note
from audiostore.cli.progress import Watch
from audiostore.cli.saving import file_name, is_stream, save_new, save_to_stream
from audiostore.retry import CONSERVATIVE_CONFIG
from audiostore.values import StorageResult


def put(options: Namespace) -> int:
    """Store an audio file, with its artwork."""
    metadata = custom_metadata(options)
    if options.trash_superseded and options.supersedes is None:
        raise UsageError("--trash-superseded needs --supersedes ID")
    watch = Watch()
    try:
        with opened(options, watch) as manager, watch:
            result = manager.upload_audio_with_thumbnail(
                options.file,
                options.thumbnail,
                audio_id=options.audio_id,
                metadata=metadata,
                cleanup=options.cleanup,
                check=options.check,
                artwork="none" if options.no_artwork else "embedded",
                thumbnail_max_px=options.thumbnail_max_px,
                fix_extension=options.fix_extension,
                faststart=options.faststart,
                cache="public" if options.public else "private",
                supersedes=options.supersedes,
                trash_superseded=options.trash_superseded,
            )
    except Exception as error:
        if CONSERVATIVE_CONFIG.is_retryable(error):
            error.add_note("the same command goes on where this one stopped")
        raise
    if not result.created:
        note(f"{result.audio_id} was stored already, with this very content")
    print(json_line(result.to_dict()) if options.json else stored_block(result))
    warn(result)
    return 0


def custom_metadata(options: Namespace) -> dict[str, str]:
    """Return what the options of `put` say about what is stored."""
    metadata: dict[str, str] = {}
    for key, value in options.meta:
        if key in metadata:
            raise UsageError(f"--meta {key}= is given twice: give each key once")
        metadata[key] = value
    for key in TAG_KEYS:
        if getattr(options, key) is not None:
            metadata[key] = getattr(options, key)
    return metadata


def get(options: Namespace) -> int:
    """Fetch a part of an asset."""
    part: PartName = options.part
    output: str | None = options.output
    if output == "-" and options.json:
        raise UsageError("--json and -o - both want standard output: choose one")
    if output == "-" and is_terminal(sys.stdout):
        raise UsageError("standard output is a terminal: redirect it, or give -o FILE")
    watch = Watch()
    with opened(options, watch) as manager, watch:
        asset = manager.get(options.audio_id)

        def fetch(path: Path) -> object:
            return manager.download(asset, path, part=part)

        saved = _save(fetch, asset, part, output)
    warn(asset)
    if saved is None:
        return 0
    blob = asset.parts.get(part)
    fields = {
        "audio_id": asset.audio_id,
        "part": part,
        "path": str(saved),
        "size_bytes": blob.size_bytes if blob else None,
        "crc32c": blob.crc32c if blob else None,
    }
    print(json_line(fields) if options.json else escape(str(saved)))
    return 0


def _save(
    fetch: Callable[[Path], object], asset: StorageResult, part: PartName, output: str | None
) -> Path | None:
    """Return the path of the file; None if the bytes went to standard output."""
    if output == "-":
        save_to_stream(fetch, sys.stdout.buffer.write)
        return None
    path = Path(output or ".")
    if path.is_dir():
        path /= file_name(asset, part)
        save_new(fetch, path)
    elif is_stream(path):
        with path.open("wb", buffering=0) as stream:
            save_to_stream(fetch, stream.write)
    else:
        if output is not None and output.endswith("/"):
            raise UsageError(f"there is no directory {output!r}: make it first")
        fetch(path)
    return path


def show(options: Namespace) -> int:
    """Show all that is known of an asset."""
    with opened(options) as manager:
        asset = manager.get(options.audio_id)
    print(json_line(asset.to_dict()) if options.json else facts_block(asset))
    warn(asset)
    return 0
