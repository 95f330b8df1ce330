"""The commands: each takes the parsed options and returns the exit code."""

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from audiostore.cli.choice import choose_store, tell_fallback
from audiostore.cli.failures import NOT_FOUND, sentence
from audiostore.cli.listing import HEADING, facts_block, json_line, row, stored_block
from audiostore.cli.output import coloured, escape, is_terminal, note, say
from audiostore.cli.parser import UsageError
from audiostore.cli.progress import Watch
from audiostore.cli.saving import file_name, is_stream, save_new, save_to_stream
from audiostore.errors import AssetNotFoundError, AudioStoreError
from audiostore.manager import AudioStorageManager, Part
from audiostore.model import StorageResult
from audiostore.naming import require_audio_id
from audiostore.record import TAG_KEYS
from audiostore.retry import CONSERVATIVE_CONFIG
from audiostore.store import Finding
from audiostore.stores.opening import open_store


@contextmanager
def _opened(options: Namespace, watch: Watch | None = None) -> Iterator[AudioStorageManager]:
    choice = choose_store(options.bucket)
    tell_fallback(choice)
    with AudioStorageManager(choice.location.url, on_event=watch) as manager:
        yield manager


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
        with _opened(options, watch) as manager, watch:
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
    _warn(result)
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
    with _opened(options, watch) as manager, watch:
        asset = manager.get(options.audio_id)

        def fetch(path: Path) -> object:
            return manager.download(asset.audio_id, path, part=part)

        saved = _save(fetch, asset, part, output)
    _warn(asset)
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
    with _opened(options) as manager:
        asset = manager.get(options.audio_id)
    print(json_line(asset.to_dict()) if options.json else facts_block(asset))
    _warn(asset)
    return 0


def list_assets(options: Namespace) -> int:
    """List all assets as they come, in constant memory."""
    count = 0
    with _opened(options) as manager:
        for asset in manager.list():
            if count == 0 and not options.json and is_terminal(sys.stdout):
                print(HEADING)
            count += 1
            print(json_line(asset.to_dict()) if options.json else row(asset))
            _warn(asset)
        if count == 0:
            note(f"no assets in {manager.url} yet: store one with 'audiostore put FILE'")
    return 0


def rm(options: Namespace) -> int:
    """Delete assets; an unknown one does not keep the others."""
    audio_ids = list(dict.fromkeys(map(require_audio_id, options.audio_ids)))
    code = 0
    with _opened(options) as manager:
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


def doctor(options: Namespace) -> int:
    """Say which store is used, as whom, and whether it works."""
    choice = choose_store(options.bucket)
    failed = False

    def tell(finding: Finding) -> None:
        nonlocal failed
        failed = failed or not finding.ok
        if options.json:
            print(json_line(asdict(finding)), flush=True)
            return
        word = "ok" if finding.ok else "FAIL"
        remedy = f" -> {finding.remedy}" if finding.remedy else ""
        padding = " " * (5 - len(word))
        line = escape(f"{finding.subject}: {finding.detail}{remedy}")
        print(f"{coloured(word, sys.stdout)}{padding}{line}", flush=True)

    tell(Finding("choice", ok=True, detail=f"{choice.describe()}, {choice.origin}"))
    with closing(open_store(choice.location)) as store:
        for finding in store.diagnose():
            tell(finding)
    return 1 if failed else 0


def probe(options: Namespace) -> int:
    """Say what is inside audio files, and whether they could be stored."""
    from audiostore.cli.probing import examine, inside_block  # noqa: PLC0415  (FFmpeg)

    code = 0
    for number, path in enumerate(options.files):
        try:
            item, info = examine(path, options.check, fix_extension=options.fix_extension)
        except (AudioStoreError, OSError) as error:
            code = 1
            reason = sentence(error)
            if options.json:
                print(json_line({"file": path, "storable": False, "reason": reason}), flush=True)
            else:
                say("error", reason)
            continue
        if options.json:
            fields = {
                "file": path,
                "storable": True,
                "content_type": item.content_type,
                "warnings": list(item.warnings),
            }
            print(json_line({**fields, **(info.to_dict() if info else {})}), flush=True)
        else:
            print(("\n" if number else "") + inside_block(path, item, info), flush=True)
        for warning in item.warnings:
            say("warning", warning)
    return code


def completion(options: Namespace) -> int:
    """Print a script that completes this command's options."""
    from audiostore.cli.completion import completion_script  # noqa: PLC0415

    print(completion_script(options.shell))
    return 0


def _warn(result: StorageResult) -> None:
    for warning in result.warnings:
        say("warning", f"{result.audio_id}: {warning}")


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "put": put,
    "get": get,
    "probe": probe,
    "show": show,
    "list": list_assets,
    "rm": rm,
    "doctor": doctor,
    "completion": completion,
}
