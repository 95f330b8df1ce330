"""The commands on single assets."""

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from audiostore.cli.commands.opening import opened, warn
from audiostore.cli.failures import NOT_FOUND, sentence
from audiostore.cli.listing import facts_block, json_line, row, stored_block
from audiostore.cli.options.adding import UsageError
from audiostore.cli.output import escape, is_terminal, note, say
from audiostore.cli.progress import Watch
from audiostore.cli.saving import file_name, is_stream, save_new, save_to_stream
from audiostore.errors import AssetNotFoundError
from audiostore.manager import AudioStorageManager, Part
from audiostore.model import StorageResult
from audiostore.naming import require_audio_id
from audiostore.record import TAG_KEYS
from audiostore.retry import CONSERVATIVE_CONFIG


def put(options: Namespace) -> int:
    """Store an audio file, with its artwork."""
    metadata: dict[str, str] = {}
    for key, value in options.meta:
        if key in metadata:
            raise UsageError(f"--meta {key}= is given twice: give each key once")
        metadata[key] = value
    for key in TAG_KEYS:
        if getattr(options, key) is not None:
            metadata[key] = getattr(options, key)
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


def get(options: Namespace) -> int:
    """Fetch a part of an asset."""
    part: Part = options.part
    output: str | None = options.output
    if output == "-" and options.json:
        raise UsageError("--json and -o - both want standard output: choose one")
    if output == "-" and is_terminal(sys.stdout):
        raise UsageError("standard output is a terminal: redirect it, or give -o FILE")
    watch = Watch()
    with opened(options, watch) as manager, watch:
        asset = manager.get(options.audio_id)

        def fetch(path: Path) -> object:
            return manager.download(asset.audio_id, path, part=part)

        saved = _save(fetch, asset, part, output)
    warn(asset)
    if saved is None:
        return 0
    blob = asset.thumbnail if part == "thumbnail" else asset.audio
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
    fetch: Callable[[Path], object], asset: StorageResult, part: Part, output: str | None
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


def rm(options: Namespace) -> int:
    """Delete assets; an unknown one does not keep the others."""
    audio_ids = list(dict.fromkeys(map(require_audio_id, options.audio_ids)))
    code = 0
    with opened(options) as manager:
        if is_terminal(sys.stdin) and not options.yes and not _confirmed(manager, audio_ids):
            say("error", "nothing was deleted")
            return 1
        for audio_id in audio_ids:
            try:
                manager.delete(audio_id)
            except AssetNotFoundError as error:
                say("error", sentence(error))
                code = NOT_FOUND
                continue
            if options.json:
                print(json_line({"audio_id": audio_id, "deleted": True}), flush=True)
            note(f"deleted {audio_id}")
    return code


def _confirmed(manager: AudioStorageManager, audio_ids: list[str]) -> bool:
    for audio_id in audio_ids:
        try:
            print(row(manager.get(audio_id)), file=sys.stderr)
        except AssetNotFoundError:
            print(f"{audio_id}  (no complete asset)", file=sys.stderr)
    what = "this asset" if len(audio_ids) == 1 else f"these {len(audio_ids)} assets"
    print(f"Delete {what} from {escape(manager.url)} for good? [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
